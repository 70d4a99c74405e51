package drill_test

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdsa"
	"database/sql"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	_ "modernc.org/sqlite" // the database driver

	"kazashi.example/appliance/drill"
	"kazashi.example/appliance/vault"
	"kazashi.example/central/lab/proof/leak"
	"kazashi.example/sync/canon"
	"kazashi.example/sync/crlset"
	"kazashi.example/sync/epoch"
	"kazashi.example/sync/record"
	entries "kazashi.example/sync/roster"
	"kazashi.example/sync/roster/segment"
	"kazashi.example/sync/rule"
	"kazashi.example/sync/sitekey"
)

// plain is what a thief sees, by the file that it comes from.
type plain map[string][]byte

func (p plain) add(path string, b []byte) { p[path] = append(append(p[path], b...), "\x00 \x00"...) }

// search looks for every value that was planted, each under the name of its class.
func (b *box) search() *leak.Search {
	b.t.Helper()
	s := &leak.Search{}
	for _, c := range []drill.ClassID{drill.Enrolments, drill.Presence, drill.Roster, drill.Records, drill.RecordsNow} {
		must(b.t, s.Number(string(c), serial(string(c))))
	}
	for c, text := range map[drill.ClassID]string{
		drill.Links: number, drill.Staff: staffName, drill.DeskLog: staffGone, drill.OperatorCode: string(opCode), drill.ClosedBy: closer,
		drill.TapTimes: string(tapDesk), drill.VisitTimes: string(bookService), drill.Corrections: string(workService), drill.Settings: placeName,
		drill.RevokedCards: "revoked 0badcafe0001", drill.JoinCode: joinSecret,
	} {
		must(b.t, s.Text(string(c), text))
	}
	must(b.t, s.Digits(string(drill.StaffCodes), "83641277"), s.Number(string(drill.Verdicts), b.tap.ID128[:]))
	for _, k := range b.ring.Keys() {
		must(b.t, s.Number(string(drill.SiteKeys), k.Reveal()))
	}
	must(b.t, s.Number(string(drill.References), b.first("sitebook.db", "SELECT ref FROM ref")))
	must(b.t, s.Number(string(drill.Proofs), b.first("journal.db", "SELECT chain FROM record")))
	head := read(b.t, filepath.Join(b.dir, "rosters", "head"))
	must(b.t, s.Number(string(drill.RosterSize), head[len(head)-40:]))
	b.secrets(s)
	return s
}

// secrets adds the box's own keys, where they can be had at all.
func (b *box) secrets(s *leak.Search) {
	b.t.Helper()
	if b.where != "" {
		return
	}
	id, err := vault.Open(b.dir, vault.Options{})
	must(b.t, err)
	d, ok := id.Device.(*ecdsa.PrivateKey)
	if !ok {
		b.t.Fatalf("the device key is a %T", id.Device)
	}
	private, err := d.Bytes()
	must(b.t, err)
	must(b.t, s.Number(string(drill.DeviceKey), private))
	secret, err := id.Sealing.Bytes()
	must(b.t, err)
	must(b.t, s.Number(string(drill.SealingKey), secret), id.Close())
}

// first reads one value of a database.
func (b *box) first(name, query string) (v []byte) {
	b.t.Helper()
	db := b.database(name)
	must(b.t, db.QueryRowContext(b.t.Context(), query+" LIMIT 1").Scan(&v))
	must(b.t, db.Close())
	return v
}

func (b *box) database(name string) *sql.DB {
	b.t.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(b.dir, name)+"?immutable=1")
	must(b.t, err)
	return db
}

// sees is what a thief has in a situation: the disk as it lies, what its own keys open, and what the keys that he has besides open.
func (b *box) sees(s drill.Situation) plain {
	b.t.Helper()
	p := plain{}
	b.unpacked(p)
	if code := s == drill.OffCode || s == drill.OnCode; code && b.way == rule.UnlockCode {
		p.add("site-ring.cbor", opCode)
	}
	ring, open := b.ring, true
	switch s {
	case drill.Off:
		ring, open = b.lock(nil)
	case drill.OffCode:
		ring, open = b.lock(opCode)
	case drill.On, drill.OnCode:
		b.lastEpoch(p)
	}
	if open {
		for _, k := range ring.Keys() {
			p.add("site-ring.cbor", k.Reveal())
		}
		b.opened(p, ring)
	}
	return p
}

// lock opens the site keys as a thief with a program of his own does: no rule and no lock on purpose keeps him from it. It works on a copy,
// since wrong codes are counted.
func (b *box) lock(code []byte) (sitekey.Ring, bool) {
	b.t.Helper()
	c := *b
	c.dir = copyOf(b.t, b.dir)
	must(b.t, os.Chmod(filepath.Join(c.dir, "identity.key"), 0o600))
	id, err := vault.Open(c.dir, vault.Options{TPM: b.where})
	must(b.t, err)
	defer func() { must(b.t, id.Close()) }()
	v := c.vault(id, rule.UnlockFile)
	if r, err := v.Ring(); err == nil {
		return r, true
	}
	if code == nil {
		return sitekey.Ring{}, false
	}
	must(b.t, v.Unlock(b.t.Context(), code))
	r, err := v.Ring()
	must(b.t, err)
	return r, true
}

// unpacked is what no key is needed for, and what nevertheless is not found as octets: a revocation set is compressed.
func (b *box) unpacked(p plain) {
	b.t.Helper()
	paths, err := filepath.Glob(filepath.Join(b.dir, "lists", "*.set"))
	must(b.t, err)
	for _, path := range paths {
		s, err := crlset.OpenFile(path, nil)
		must(b.t, err)
		all, err := s.Entries(nil, 0)
		must(b.t, err)
		for _, e := range all {
			n, err := e.Key.Serial()
			must(b.t, err)
			p.add("lists/"+filepath.Base(path), []byte("revoked "+hex.EncodeToString(n.Bytes())))
		}
		must(b.t, s.Close())
	}
}

// opened is everything that lies under the site's keys.
func (b *box) opened(p plain, ring sitekey.Ring) {
	b.t.Helper()
	b.openedBook(p, ring)
	head, err := entries.PeekHead(read(b.t, filepath.Join(b.dir, "rosters", "head")))
	must(b.t, err)
	for _, part := range head.Parts {
		k, ok := ring.Find(part.Generation)
		if !ok {
			b.t.Fatalf("no key of generation %s", part.Generation)
		}
		keys, err := segment.NewKeys(site, k)
		must(b.t, err)
		rel := "rosters/" + hex.EncodeToString(part.Root[:]) + ".segment"
		s, err := segment.OpenFile(filepath.Join(b.dir, rel), part)
		must(b.t, err)
		o, err := s.Opener(keys)
		must(b.t, err)
		must(b.t, o.All(func(e entries.Entry, _ bool) error {
			octets, err := canon.Encode(e)
			p.add(rel, octets)
			return err
		}))
		must(b.t, s.CloseNow())
	}
}

// openedBook opens every entry of the site book: AES-256-GCM, bound to CBOR [1, kind, generation, tap, at, service].
func (b *box) openedBook(p plain, ring sitekey.Ring) {
	b.t.Helper()
	db := b.database("sitebook.db")
	rows, err := db.QueryContext(b.t.Context(), "SELECT kind, generation, tap, at, service, sealed FROM entry")
	must(b.t, err)
	defer rows.Close()
	for rows.Next() {
		var kind uint8
		var at int64
		var generation, tap, sealed []byte
		var service record.ServiceID
		must(b.t, rows.Scan(&kind, &generation, &tap, &at, &service, &sealed))
		g := sitekey.Generation{ID128: record.ID128(generation)}
		k, ok := ring.Find(g)
		if !ok {
			b.t.Fatalf("no key of generation %s", g)
		}
		derived := k.Derive(sitekey.LabelBookEntry)
		block, err := aes.NewCipher(derived[:])
		must(b.t, err)
		aead, err := cipher.NewGCMWithRandomNonce(block)
		must(b.t, err)
		bound, err := canon.Encode([]any{1, kind, g, record.TapID{ID128: record.ID128(tap)}, at, service})
		must(b.t, err)
		octets, err := aead.Open(nil, nil, sealed, bound)
		must(b.t, err)
		p.add("sitebook.db", octets)
	}
	must(b.t, rows.Err(), rows.Close(), db.Close())
}

// lastEpoch is what the memory of a running box opens of its journal. Central's key, which gives the same epoch key, stands in for it.
func (b *box) lastEpoch(p plain) {
	b.t.Helper()
	db := b.database("journal.db")
	var header []byte
	var n int64
	must(b.t, db.QueryRowContext(b.t.Context(), "SELECT header, n FROM epoch ORDER BY n DESC LIMIT 1").Scan(&header, &n))
	signed, err := epoch.Read(header)
	must(b.t, err)
	o, err := epoch.NewOpener(signed.Header, b.central)
	must(b.t, err)
	rows, err := db.QueryContext(b.t.Context(), "SELECT envelope FROM record WHERE id >> 40 = ?", n)
	must(b.t, err)
	defer rows.Close()
	for rows.Next() {
		var octets []byte
		must(b.t, rows.Scan(&octets))
		e, err := epoch.DecodeEnvelope(octets)
		must(b.t, err)
		content, err := o.Open(e)
		must(b.t, err)
		p.add("journal.db", content)
	}
	must(b.t, rows.Err(), rows.Close(), db.Close())
}

// found is which class was found in which file, in a situation.
type found map[drill.Situation]map[drill.ClassID]map[string]bool

// searches looks through everything that a thief sees, in each situation.
func (b *box) searches(s *leak.Search) found {
	b.t.Helper()
	all := found{}
	disk, files, err := s.Under(b.dir, func(string) bool { return false })
	must(b.t, err)
	if files < 20 {
		b.t.Fatalf("%d files, want those of a whole box", files)
	}
	for _, sit := range drill.Situations {
		all[sit] = map[drill.ClassID]map[string]bool{}
		hits := slices.Clone(disk)
		for path, octets := range b.sees(sit) {
			hits = append(hits, s.In(path, octets)...)
		}
		for _, f := range hits {
			if len(f.Octets) < leak.Long {
				continue // chance
			}
			class := drill.ClassID(strings.TrimSuffix(f.Value, " in decimal"))
			if all[sit][class] == nil {
				all[sit][class] = map[string]bool{}
			}
			all[sit][class][f.Place] = true
		}
	}
	return all
}

// unsearched are the classes for which nothing can be searched on a disk, and why.
var unsearched = map[drill.ClassID]string{
	drill.Typed:          "in memory for a minute, and nowhere else",
	drill.Pseudonyms:     "in memory alone",
	drill.SwappedMemory:  "of the machine, not of the data directory",
	drill.CoreFiles:      "of the machine, not of the data directory",
	drill.KeysForCentral: "the same octets as the site's keys",
	drill.FromCentral:    "on sticks alone",
}

// disagree says where the drill and the search do not say the same, in both directions: class by class, and file by file.
func disagree(r drill.Report, all found) (faults []string) {
	say := func(format string, a ...any) { faults = append(faults, fmt.Sprintf(format, a...)) }
	red, holds := map[string]bool{}, map[string]bool{}
	for _, i := range r.Items {
		red[i.Path] = len(i.Problems) > 0
		for _, h := range i.Holds {
			holds[i.Path+" "+string(h.Class)] = true
		}
	}
	reach := map[drill.ClassID]map[drill.Situation]drill.Reach{}
	for _, c := range r.Classes {
		reach[c.ID] = c.Reach
	}
	for _, sit := range drill.Situations {
		for _, class := range drill.Classes() {
			at, known := reach[class][sit]
			places := all[sit][class]
			switch {
			case !known:
				say("%s: the drill says nothing of %s", sit, class)
			case at == drill.Yes && len(places) == 0 && unsearched[class] == "":
				say("%s: the drill says that %s can be read, and the search finds none", sit, class)
			}
			for place := range places {
				if red[place] {
					continue // named as unknown
				}
				if at != drill.Yes {
					say("%s: the search finds %s in %s, and the drill says %q", sit, class, place, at)
				}
				if !holds[place+" "+string(class)] {
					say("%s: the search finds %s in %s, which the drill does not list there", sit, class, place)
				}
			}
		}
	}
	slices.Sort(faults)
	return faults
}

func look(t testing.TB, dir string, change ...func(*drill.Options)) drill.Report {
	t.Helper()
	o := drill.Options{Dir: dir, Copy: true, Open: "open", Now: noon}
	for _, f := range change {
		f(&o)
	}
	r, err := drill.Look(t.Context(), o)
	must(t, err)
	return r
}
