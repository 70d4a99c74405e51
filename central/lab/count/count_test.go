package count_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"database/sql"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"

	"kazashi.example/central/lab/count"
)

// Verdicts as both databases number them.
const (
	accepted    = 1
	provisional = 2
	refused     = 3
)

// entry is a record as central's table has it, and what the box holds of it.
type entry struct {
	seq          uint64
	tap          string
	serial       string // hex
	at           time.Time
	first, final int
	unsettled    bool        // central has published no final verdict
	sealedAs     uint64      // seq whose place the content was sealed for; 0 is its own
	contentTap   string      // tap that the content speaks of; "" is its own
	onBox        int         // final verdict that is durable on the box; 0: none
	boxSeq       uint64      // number under which the box knows it; 0 is the same
	said         map[int]any // more of the content
	subject      int64       // row of the pseudonym; 0: none
}

// scene is a ledger and two databases, made by hand.
type scene struct {
	ledger     []string
	torn       string // what follows the ledger's last newline
	records    []entry
	subjects   []named
	enrolments map[string]int64 // person of each tap
}

// named is a pseudonym of a person at the practice service. Its row is its place, from 1.
type named struct {
	person, sealedAs int64 // sealedAs: person for whose place it was sealed; 0 is its own
	ppid             string
}

var (
	morning = time.Date(2026, 11, 22, 1, 0, 0, 0, time.UTC)
	epoch   = bytes.Repeat([]byte{0xe1}, 16)
	key     = bytes.Repeat([]byte{0x5a}, 32)
)

func at(seconds float64) time.Time { return morning.Add(time.Duration(seconds * float64(time.Second))) }

func stamp(t time.Time) string { return t.Format("2006-01-02T15:04:05.000Z") }

func lay(tap int, seconds float64, line, person, serial, first, final string) string {
	return fmt.Sprintf(`{"n":%d,"at":%q,"kind":"lay","line":%q,"tap":%d,"person":%q,"serial":%q,"expect_first":%q,"expect_final":%q}`,
		tap, stamp(at(seconds)), line, tap, person, serial, first, final)
}

func deed(kind string, tap int, seconds float64) string {
	return fmt.Sprintf(`{"n":1,"at":%q,"kind":%q,"line":"up","tap":%d}`, stamp(at(seconds)), kind, tap)
}

// whole is two people on-line, one off-line with a card that is refused afterwards, and a card that is none.
func whole() scene {
	return scene{
		ledger: []string{
			deed("start", 0, 0),
			lay(1, 1, "up", "hanako", "0a01", "served", "served"), deed("take", 1, 3),
			lay(2, 4, "up", "goro", "0a02", "refused", "refused"), deed("take", 2, 6),
			deed("cut", 0, 7),
			lay(3, 8, "down", "jiro", "0a03", "served", "refused"), deed("take", 3, 10),
			lay(4, 11, "down", "torn", "", "no_record", "no_record"), deed("take", 4, 13),
			lay(5, 14, "down", "hanako", "0a01", "served", "served"),
		},
		records: []entry{
			{seq: 1, tap: "t1", serial: "0a01", at: at(1.2), first: accepted, final: accepted, onBox: accepted},
			{seq: 2, tap: "t2", serial: "0a02", at: at(4.2), first: refused, final: refused, onBox: refused},
			{seq: 3, tap: "t3", serial: "0a03", at: at(8.2), first: accepted, final: refused, onBox: refused},
			{seq: 4, tap: "t4", serial: "0a01", at: at(14.2), first: provisional, final: accepted, onBox: accepted},
		},
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// paths writes a scene down.
func (s scene) paths(t *testing.T) count.Paths {
	t.Helper()
	dir := t.TempDir()
	at := count.Counter{Ledger: filepath.Join(dir, "ledger.jsonl"), Box: filepath.Join(dir, "box")}
	p := count.Paths{Central: filepath.Join(dir, "central"), Keys: filepath.Join(dir, "keys"), Counters: []count.Counter{at}}
	for _, d := range []string{p.Central, p.Keys, at.Box} {
		must(t, os.Mkdir(d, 0o700))
	}
	must(t, os.WriteFile(at.Ledger, []byte(strings.Join(s.ledger, "\n")+"\n"+s.torn), 0o600))
	must(t, os.WriteFile(filepath.Join(p.Keys, "row.key"), key, 0o600))
	central := database(t, filepath.Join(p.Central, "central.db"), `CREATE TABLE records (epoch BLOB, seq INTEGER, tap BLOB, tapped INTEGER,
		first_verdict INTEGER, final_verdict INTEGER, verdict INTEGER, content_sealed BLOB, box BLOB, applied INTEGER, subject INTEGER,
		PRIMARY KEY (epoch, seq));
		CREATE TABLE subjects (row INTEGER PRIMARY KEY, person INTEGER, sector TEXT, key_epoch INTEGER, ppid_sealed BLOB);
		CREATE TABLE enrolments (tap BLOB PRIMARY KEY, person INTEGER)`)
	box := database(t, filepath.Join(at.Box, "desired.db"), `CREATE TABLE verdict (epoch BLOB, seq BLOB, tap BLOB, verdict INTEGER, PRIMARY KEY (epoch, seq))`)
	for n, r := range s.records {
		published := n + 1
		if r.unsettled {
			published = 0
		}
		_, err := central.ExecContext(t.Context(), `INSERT INTO records VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, nullif(?, 0))`,
			epoch, int64(r.seq), []byte(r.tap), r.at.UnixMilli(), r.first, r.final, published, r.sealed(t), //nolint:gosec // small numbers
			boxID.ID128[:], r.at.UnixMilli(), r.subject)
		must(t, err)
		if r.onBox != 0 {
			_, err := box.ExecContext(t.Context(), `INSERT INTO verdict VALUES (?, ?, ?, ?)`,
				epoch, binary.BigEndian.AppendUint64(nil, max(r.seq, r.boxSeq)), []byte(r.tap), r.onBox)
			must(t, err)
		}
	}
	s.people(t, central, p.Keys)
	return p
}

func database(t *testing.T, path, schema string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	must(t, err)
	t.Cleanup(func() { _ = db.Close() })
	_, err = db.ExecContext(t.Context(), schema)
	must(t, err)
	return db
}

// sealed is version 1 of a sealed column, written out once more.
func (r entry) sealed(t *testing.T) []byte {
	t.Helper()
	serial, err := hex.DecodeString(r.serial)
	must(t, err)
	tap := r.tap
	if r.contentTap != "" {
		tap = r.contentTap
	}
	content := map[int]any{2: []byte(tap), 3: r.at.UnixMilli(), 10: serial}
	maps.Copy(content, r.said)
	plain, err := cbor.Marshal(content)
	must(t, err)
	place := r.seq
	if r.sealedAs != 0 {
		place = r.sealedAs
	}
	return seal(t, "records.content", binary.BigEndian.AppendUint64(slices.Clone(epoch), place), plain)
}

// seal writes version 1 of a sealed column.
func seal(t *testing.T, label string, row, plain []byte) []byte {
	t.Helper()
	aad, err := cbor.Marshal([]any{label, row})
	must(t, err)
	block, err := aes.NewCipher(key)
	must(t, err)
	gcm, err := cipher.NewGCM(block)
	must(t, err)
	nonce := make([]byte, 12)
	return gcm.Seal(append([]byte{1}, nonce...), nonce, plain, aad)
}

// TestCount: P2, each way in which the books can differ.
func TestCount(t *testing.T) {
	type numbers struct{ taps, offline, settled, lost, doubled, corrected int }
	fine := numbers{4, 2, 4, 0, 0, 1}
	for name, c := range map[string]struct {
		change func(*scene)
		want   numbers
		fault  string // part of the one fault, "" for none
		ok     bool
	}{
		"all in order": {func(*scene) {}, fine, "", true},
		"a record lost": {
			func(s *scene) { s.records = s.records[1:] }, numbers{4, 2, 3, 1, 0, 1}, "", false,
		},
		"a record doubled": {func(s *scene) {
			again := s.records[1]
			again.seq, again.onBox = 9, 0
			s.records = append(s.records, again)
		}, numbers{4, 2, 4, 0, 1, 1}, "", false},
		"a record that nobody laid a card for": {func(s *scene) {
			s.records = append(s.records, entry{seq: 9, tap: "t9", serial: "0a77", at: at(5), first: accepted, final: accepted, onBox: accepted})
		}, fine, "no card was laid for it", false},
		"a record of the right card at another time": {func(s *scene) {
			s.records[1].at = at(6.5)
		}, numbers{4, 2, 3, 1, 0, 1}, "no card was laid for it", false},
		"a record by a clock that is a little ahead": {func(s *scene) { s.records[1].at = at(6.2) }, fine, "", true},
		"a content in another's place": {func(s *scene) {
			s.records[0].sealedAs = 2
		}, numbers{4, 2, 3, 1, 0, 1}, "does not open in its place", false},
		"a content of another tap": {func(s *scene) {
			s.records[0].contentTap = "t2"
		}, numbers{4, 2, 3, 1, 0, 1}, "of another tap than its row", false},
		"not opened by central yet": {func(s *scene) {
			s.records[0].unsettled = true
		}, numbers{4, 2, 3, 0, 0, 1}, "", false},
		"no final verdict on the box": {func(s *scene) {
			s.records[0].onBox = 0
		}, numbers{4, 2, 3, 0, 0, 1}, `the box holds ""`, false},
		"another final verdict on the box": {func(s *scene) {
			s.records[0].onBox = refused
		}, numbers{4, 2, 3, 0, 0, 1}, `the box holds "refused"`, false},
		"another number on the box": {func(s *scene) {
			s.records[3].boxSeq = 8
		}, numbers{4, 2, 3, 0, 0, 1}, `the box holds ""`, false},
		"served where it should be refused": {func(s *scene) {
			s.records[1].first, s.records[1].final, s.records[1].onBox = accepted, accepted, accepted
		}, fine, "expected refused", false},
		"corrected where nothing was to correct": {func(s *scene) {
			s.records[0].final, s.records[0].onBox = refused, refused
		}, numbers{4, 2, 4, 0, 0, 2}, "final verdict refused, expected served", false},
		"either word is right after a list": {func(s *scene) {
			s.ledger[6] = lay(3, 8, "down", "jiro", "0a03", "", "refused")
			s.records[2].first = refused
		}, numbers{4, 2, 4, 0, 0, 0}, "", true},
		"laying failed, and there is a record": {func(s *scene) {
			s.ledger[2] = deed("fail", 1, 1.1)
		}, fine, "", true},
		"laying failed, and there is none": {func(s *scene) {
			s.ledger[2] = deed("fail", 1, 1.1)
			s.records = s.records[1:]
		}, numbers{3, 2, 3, 0, 0, 1}, "", true},
		"a record of a card that can have none": {func(s *scene) {
			s.ledger[8] = lay(4, 11, "down", "torn", "0a04", "no_record", "no_record")
			s.records = append(s.records, entry{seq: 9, tap: "t9", serial: "0a04", at: at(11.5), first: accepted, final: accepted, onBox: accepted})
		}, fine, "a record where none can be", false},
		"a last line that was never acknowledged": {func(s *scene) {
			s.torn = `{"n":12,"at":"2026-`
		}, fine, "", true},
	} {
		t.Run(name, func(t *testing.T) {
			s := whole()
			c.change(&s)
			r, err := count.Count(t.Context(), s.paths(t))
			must(t, err)
			if got := (numbers{r.Taps, r.Offline, r.Settled, r.Lost, r.Doubled, r.Corrected}); got != c.want || r.OK() != c.ok {
				t.Errorf("Count = %+v, OK %t, want %+v, OK %t; faults %q", got, r.OK(), c.want, c.ok, r.Faults)
			}
			if all := strings.Join(r.Faults, "\n"); (c.fault == "") != (all == "") || !strings.Contains(all, c.fault) {
				t.Errorf("faults = %q, want one with %q", r.Faults, c.fault)
			}
		})
	}
}

// TestPrint: the closing line is what scripts read.
func TestPrint(t *testing.T) {
	r, err := count.Count(t.Context(), whole().paths(t))
	must(t, err)
	var b bytes.Buffer
	must(t, r.Print(&b))
	lines := strings.Split(strings.TrimSpace(b.String()), "\n")
	if got, want := lines[len(lines)-1], "smoke: taps=4 offline=2 settled=4 lost=0 doubled=0 corrected=1"; got != want {
		t.Errorf("last line = %q, want %q", got, want)
	}
	if got := strings.Join(strings.Fields(lines[3]), " "); got != "3 01:00:08.000 jiro down accepted refused 1 settled, corrected" {
		t.Errorf("line of tap 3 = %q", got)
	}
}

// TestTwoCounters: layings and last words of all counters are one count; a counter that is left out is one whose records nobody explains.
func TestTwoCounters(t *testing.T) {
	p := whole().paths(t)
	first := p.Counters[0]
	text, err := os.ReadFile(first.Ledger)
	must(t, err)
	here, there, ok := strings.Cut(string(text), deed("cut", 0, 7))
	if !ok {
		t.Fatal("the scene has no cut")
	}
	second := count.Counter{Ledger: first.Ledger + ".2", Box: first.Box + ".2"}
	must(t, os.CopyFS(second.Box, os.DirFS(first.Box)))
	must(t, os.WriteFile(first.Ledger, []byte(here), 0o600))
	must(t, os.WriteFile(second.Ledger, []byte(strings.TrimPrefix(there, "\n")), 0o600))
	for counters, want := range map[int]bool{1: false, 2: true} {
		p.Counters = []count.Counter{first, second}[:counters]
		r, err := count.Count(t.Context(), p)
		must(t, err)
		if r.OK() != want || r.Taps != 2*counters {
			t.Errorf("Count of %d counters = %+v, want OK %t with %d taps", counters, r, want, 2*counters)
		}
	}
}

// TestCannotCount: what cannot be read is an error, never a count.
func TestCannotCount(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(count.Paths) error
		want  string
	}{
		"no ledger": {func(p count.Paths) error { return os.Remove(p.Counters[0].Ledger) }, "ledger"},
		"ledger damaged": {func(p count.Paths) error {
			return os.WriteFile(p.Counters[0].Ledger, []byte("{}\nnot a line\n"), 0o600)
		}, "line 2"},
		"no key":      {func(p count.Paths) error { return os.Remove(filepath.Join(p.Keys, "row.key")) }, "practice key"},
		"another key": {func(p count.Paths) error { return os.WriteFile(filepath.Join(p.Keys, "row.key"), key[1:], 0o600) }, "32 octets"},
		"no central":  {func(p count.Paths) error { return os.Remove(filepath.Join(p.Central, "central.db")) }, "central.db"},
		"no box":      {func(p count.Paths) error { return os.Remove(filepath.Join(p.Counters[0].Box, "desired.db")) }, "desired.db"},
		"central damaged": {func(p count.Paths) error {
			return os.WriteFile(filepath.Join(p.Central, "central.db"), []byte("no database at all, but long enough"), 0o600)
		}, "reading central's"},
	} {
		t.Run(name, func(t *testing.T) {
			p := whole().paths(t)
			must(t, c.spoil(p))
			if r, err := count.Count(t.Context(), p); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("Count = %+v, %v, want an error about %q", r, err, c.want)
			}
		})
	}
}

// TestIndependent: the program that counts is made of nothing that it counts.
func TestIndependent(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", "kazashi.example/central/lab/cmd/kazashi-count").Output()
	must(t, err)
	own := map[string]bool{}
	for p := range strings.Lines(string(out)) {
		if p = strings.TrimSpace(p); strings.HasPrefix(p, "kazashi.example/") {
			own[p] = true
		}
	}
	want := []string{"kazashi.example/central/lab/cmd/kazashi-count", "kazashi.example/central/lab/count"}
	if got := slices.Sorted(maps.Keys(own)); !slices.Equal(got, want) {
		t.Errorf("kazashi-count is made of %q, want %q alone", got, want)
	}
}
