package segment_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"kazashi.example/sync/certid"
	"kazashi.example/sync/chunk"
	"kazashi.example/sync/record"
	"kazashi.example/sync/roster"
	"kazashi.example/sync/roster/segment"
	"kazashi.example/sync/sitekey"
)

const (
	city    record.VerifierID = "practice-city"
	library record.ServiceID  = "library"
	gym     record.ServiceID  = "gym"
)

// tap numbers the enrolment of a made-up person.
func tap(n int) (t record.TapID) {
	binary.BigEndian.PutUint64(t.ID128[8:], uint64(n)+1)
	return t
}

// person is made up.
func person(n int) roster.Entry {
	e := roster.Entry{
		Hierarchy: certid.HierarchyPractice, Serial: []byte{0x41, byte(n >> 16), byte(n >> 8), byte(n)}, Verifier: city, Enrolled: tap(n),
		Birth: roster.Birth{Date: "19800412", Form: 1}, Key: bytes.Repeat([]byte{byte(n), 0x30}, 147), PINDay: 20_000,
	}
	e.Services = []roster.Service{{ID: gym, PPID: fmt.Sprintf("GYMPSEUDONYM%06d", n)}, {ID: library, PPID: fmt.Sprintf("LIBPSEUDONYM%06d", n)}}
	if n%2 == 0 {
		e.Services[1].Number, e.Services[1].Linked = fmt.Sprintf("L-%07d", n), tap(1<<20+n)
	}
	return e
}

func siteKey(t testing.TB, n byte) sitekey.Key {
	t.Helper()
	k, err := sitekey.ParseKey(bytes.Repeat([]byte{n}, sitekey.KeyLen))
	must(t, err)
	return k
}

func keys(t testing.TB, n byte) *segment.Keys {
	t.Helper()
	k, err := segment.NewKeys("branch-1", siteKey(t, n))
	must(t, err)
	return k
}

// made writes a segment.
func made(t testing.TB, k *segment.Keys, fill func(*segment.Writer) error) (file []byte, p roster.Part) {
	t.Helper()
	var out bytes.Buffer
	w, err := segment.NewWriter(&out, k)
	must(t, err)
	must(t, fill(w))
	p, err = w.Close()
	must(t, err)
	if uint64(out.Len()) != p.FileSize() {
		t.Fatalf("%d octets, the part says %d", out.Len(), p.FileSize())
	}
	return out.Bytes(), p
}

func people(from, to int) func(*segment.Writer) error {
	return func(w *segment.Writer) error {
		for n := from; n < to; n++ {
			if err := w.Add(person(n)); err != nil {
				return err
			}
		}
		return nil
	}
}

// opened maps a file of its own.
func opened(t testing.TB, file []byte, p roster.Part) *segment.Segment {
	t.Helper()
	path := filepath.Join(t.TempDir(), "segment")
	must(t, os.WriteFile(path, file, 0o600))
	s, err := segment.OpenFile(path, p)
	must(t, err)
	t.Cleanup(func() { must(t, s.CloseNow()) })
	return s
}

// look is the number of who is found by a reference; −1 for nobody.
func look(t testing.TB, s *segment.Segment, o *segment.Opener, r segment.Ref) int {
	t.Helper()
	p, ok, err := s.Find(r)
	must(t, err)
	if !ok {
		return -1
	}
	e, err := o.Entry(p)
	must(t, err)
	return int(binary.BigEndian.Uint64(e.Enrolled.ID128[8:])) - 1
}

func TestEverybodyIsFoundByEveryReference(t *testing.T) {
	const n = 3000
	k := keys(t, 1)
	file, p := made(t, k, people(0, n))
	s := opened(t, file, p)
	o, err := s.Opener(k)
	must(t, err)
	for i := range n + 100 {
		e := person(i)
		id, err := e.ID()
		must(t, err)
		want := i
		if i >= n {
			want = -1
		}
		refs := []segment.Ref{k.Cert(city, id), k.Tap(e.Enrolled), k.PPID(e.Services[0].PPID), k.PPID(e.Services[1].PPID)}
		if i%2 == 0 {
			refs = append(refs, k.Number(library, e.Services[1].Number))
		}
		for j, r := range refs {
			if got := look(t, s, o, r); got != want {
				t.Fatalf("person %d by reference %d is %d, want %d", i, j, got, want)
			}
		}
		for j, r := range []segment.Ref{
			k.Cert("other-city", id), k.Number(gym, fmt.Sprintf("L-%07d", i)), k.Number(library, ""), k.PPID(""), keys(t, 2).Cert(city, id),
		} {
			if got := look(t, s, o, r); got != -1 {
				t.Fatalf("person %d is found by wrong reference %d", i, j)
			}
		}
	}
	if p.Entries != n || p.Gone != 0 {
		t.Errorf("part of %d people and %d gone", p.Entries, p.Gone)
	}
}

// Who is opened is who was sealed, whole.
func TestEntriesComeBackWhole(t *testing.T) {
	k := keys(t, 1)
	file, p := made(t, k, func(w *segment.Writer) error { return errors.Join(people(0, 40)(w), w.Gone(tap(77))) })
	o, err := opened(t, file, p).Opener(k)
	must(t, err)
	n := 0
	must(t, o.All(func(e roster.Entry, gone bool) error {
		want := person(n)
		if n == 40 {
			want = roster.Entry{Enrolled: tap(77)}
		}
		if !equal(e, want) || gone != (n == 40) {
			t.Errorf("entry %d comes back otherwise, gone %t", n, gone)
		}
		n++
		return nil
	}))
	if n != 41 {
		t.Errorf("%d entries, want 41", n)
	}
}

func equal(a, b roster.Entry) bool { return octets(a) == octets(b) }

// octets is an entry in a form that can be compared, which its printing is not.
func octets(e roster.Entry) string {
	var b strings.Builder
	b.Write(e.Serial)
	b.WriteString(string(e.Verifier) + e.Birth.Date + string(e.Key) + e.Enrolled.String())
	b.WriteByte(byte(e.Hierarchy))
	b.WriteByte(e.Birth.Form)
	binary.Write(&b, binary.BigEndian, e.PINDay) //nolint:errcheck // a strings.Builder takes everything
	for _, s := range e.Services {
		b.WriteString(string(s.ID) + s.PPID + s.Number + s.Linked.String())
	}
	return b.String()
}

// P3: a file says nothing of anybody to whoever has not the key of its generation and site.
func TestP3NothingShowsWithoutTheKey(t *testing.T) {
	k := keys(t, 1)
	file, p := made(t, k, people(0, 500))
	e := person(36)
	for name, planted := range map[string][]byte{
		"serial": e.Serial, "verifier": []byte(e.Verifier), "tap": e.Enrolled.ID128[:], "birth date": []byte(e.Birth.Date), "card key": e.Key[:16],
		"PPID": []byte(e.Services[0].PPID), "number": []byte(e.Services[1].Number), "service": []byte(library),
	} {
		if bytes.Contains(file, planted) {
			t.Errorf("%s stands in the file", name)
		}
	}
	s := opened(t, file, p)
	if _, err := s.Opener(keys(t, 2)); !errors.Is(err, segment.ErrOpen) {
		t.Errorf("Opener(another generation) = %v, want ErrOpen", err)
	}
	elsewhere, err := segment.NewKeys("branch-2", siteKey(t, 1))
	must(t, err)
	o, err := s.Opener(elsewhere)
	must(t, err)
	place, ok, err := s.Find(k.Tap(tap(36)))
	if err != nil || !ok {
		t.Fatalf("Find = %t, %v", ok, err)
	}
	if _, err := o.Entry(place); !errors.Is(err, segment.ErrOpen) {
		t.Errorf("Entry(keys of another site) = %v, want ErrOpen", err)
	}
	again, _ := made(t, k, people(0, 500))
	if bytes.Equal(again[300:400], file[300:400]) {
		t.Error("the same people are sealed to the same octets twice")
	}
	if got := fmt.Sprintf("%v %x %+v", k, k, k); got != "REDACTED REDACTED REDACTED" {
		t.Errorf("keys print as %s", got)
	}
}

// P9: an octet that is not the signed one is refused where it is first touched, and only there.
func TestP9AFlippedBitIsRefusedAtFirstTouch(t *testing.T) {
	const n = 1500
	k := keys(t, 1)
	file, p := made(t, k, people(0, n))
	if chunk.Count(p.Size) < 4 {
		t.Fatalf("%d octets are too few chunks for this test", p.Size)
	}
	file[2*chunk.Size+100] ^= 4
	s := opened(t, file, p)
	o, err := s.Opener(k)
	must(t, err)
	refused, served := 0, 0
	for i := range n {
		place, ok, err := s.Find(k.Tap(tap(i)))
		if err == nil && ok {
			_, err = o.Entry(place)
		}
		switch {
		case errors.Is(err, segment.ErrDigest):
			refused++
		case err != nil || !ok:
			t.Fatalf("person %d: %t, %v", i, ok, err)
		default:
			served++
		}
	}
	if refused == 0 || served < n/2 {
		t.Errorf("%d refused and %d served, want those of one chunk refused", refused, served)
	}
	if err := s.Scrub(func() error { return nil }); !errors.Is(err, segment.ErrDigest) {
		t.Errorf("Scrub = %v, want ErrDigest", err)
	}
}

// P9: what a head did not name is not opened.
func TestP9OpenRefuses(t *testing.T) {
	k := keys(t, 1)
	file, p := made(t, k, people(0, 300))
	other, q := made(t, k, people(0, 301))
	for name, c := range map[string]struct {
		file   []byte
		part   roster.Part
		change func([]byte, *roster.Part)
		want   error
	}{
		"another's root":    {file, q, nil, segment.ErrFormat},
		"another's octets":  {other, p, nil, segment.ErrFormat},
		"cut":               {file[:len(file)-1], p, nil, segment.ErrFormat},
		"nothing":           {nil, p, nil, segment.ErrFormat},
		"a digest":          {file, p, func(b []byte, _ *roster.Part) { b[len(b)-1] ^= 1 }, segment.ErrDigest},
		"the header":        {file, p, func(b []byte, _ *roster.Part) { b[3] ^= 1 }, segment.ErrDigest},
		"the footer":        {file, p, func(b []byte, p *roster.Part) { b[p.Size-1] ^= 1 }, segment.ErrDigest},
		"the root":          {file, p, func(_ []byte, p *roster.Part) { p.Root[0] ^= 1 }, segment.ErrDigest},
		"entries":           {file, p, func(_ []byte, p *roster.Part) { p.Entries++ }, segment.ErrFormat},
		"who is gone":       {file, p, func(_ []byte, p *roster.Part) { p.Gone++ }, segment.ErrFormat},
		"another's digests": {file, p, func(_ []byte, p *roster.Part) { p.Root = q.Root }, segment.ErrDigest},
	} {
		b, part := bytes.Clone(c.file), c.part
		if c.change != nil {
			c.change(b, &part)
		}
		path := filepath.Join(t.TempDir(), "segment")
		must(t, os.WriteFile(path, b, 0o600))
		if _, err := segment.OpenFile(path, part); !errors.Is(err, c.want) {
			t.Errorf("%s: OpenFile = %v, want %v", name, err, c.want)
		}
	}
}

// Newer segments say more than older ones, over generations; what is gone is forgotten only where nothing older is left.
func TestMerge(t *testing.T) {
	older, newer := keys(t, 1), keys(t, 2)
	base, bp := made(t, older, people(0, 10))
	moved := person(3)
	moved.Serial, moved.Renewed = []byte{0x55, 3}, true
	next, np := made(t, newer, func(w *segment.Writer) error { return errors.Join(w.Add(moved), w.Gone(tap(4)), w.Add(person(10))) })
	var from []*segment.Opener
	for _, c := range []struct {
		file []byte
		part roster.Part
		keys *segment.Keys
	}{{next, np, newer}, {base, bp, older}} {
		o, err := opened(t, c.file, c.part).Opener(c.keys)
		must(t, err)
		from = append(from, o)
	}
	for _, whole := range []bool{true, false} {
		file, p := made(t, newer, func(w *segment.Writer) error { return segment.Merge(w, from, whole) })
		s := opened(t, file, p)
		o, err := s.Opener(newer)
		must(t, err)
		if want := map[bool]uint32{true: 0, false: 1}[whole]; p.Entries != 10 || p.Gone != want {
			t.Errorf("whole %t: %d people and %d gone, want 10 and %d", whole, p.Entries, p.Gone, want)
		}
		id, err := moved.ID()
		must(t, err)
		old, err := person(3).ID()
		must(t, err)
		if a, b := look(t, s, o, newer.Cert(city, id)), look(t, s, o, newer.Cert(city, old)); a != 3 || b != -1 {
			t.Errorf("whole %t: the renewed certificate leads to %d and the old one to %d, want 3 and nobody", whole, a, b)
		}
		place, ok, err := s.Find(newer.Tap(tap(4)))
		if err != nil || ok == whole || ok && !place.Gone() {
			t.Errorf("whole %t: who is gone: found %t, gone %t, %v", whole, ok, place.Gone(), err)
		}
	}
}

func TestAddRefuses(t *testing.T) {
	var out bytes.Buffer
	w, err := segment.NewWriter(&out, keys(t, 1))
	must(t, err)
	e := person(1)
	e.Key = nil
	if err := w.Add(e); !errors.Is(err, roster.ErrRoster) {
		t.Errorf("Add(no key) = %v, want ErrRoster", err)
	}
	if _, err := segment.NewKeys("branch-1", sitekey.Key{}); !errors.Is(err, sitekey.ErrKey) {
		t.Errorf("NewKeys(no key) = %v, want ErrKey", err)
	}
}

// The longest entry that is whole has room.
func TestTheLongestEntryFits(t *testing.T) {
	e := person(0)
	e.Key, e.Serial = make([]byte, roster.MaxKey), bytes.Repeat([]byte{1}, 20)
	e.Services = nil
	for i := range roster.MaxServices {
		e.Services = append(e.Services, roster.Service{
			ID: record.ServiceID(fmt.Sprintf("s%062d", i)), PPID: strings.Repeat("P", roster.MaxPPID-2) + fmt.Sprintf("%02d", i),
			Number: strings.Repeat("9", record.MaxNumber), Linked: tap(i),
		})
	}
	must(t, e.Check())
	k := keys(t, 1)
	file, p := made(t, k, func(w *segment.Writer) error { return w.Add(e) })
	s := opened(t, file, p)
	o, err := s.Opener(k)
	must(t, err)
	if look(t, s, o, k.Number(e.Services[63].ID, e.Services[63].Number)) != 0 || look(t, s, o, k.PPID(e.Services[9].PPID)) != 0 {
		t.Error("the longest entry is not found")
	}
}

func FuzzOpen(f *testing.F) {
	k := keys(f, 1)
	file, p := made(f, k, func(w *segment.Writer) error { return errors.Join(people(0, 20)(w), w.Gone(tap(99))) })
	f.Add(file[:p.Size])
	empty, q := made(f, k, people(0, 0))
	f.Add(empty[:q.Size])
	f.Add([]byte("KZROSTR1"))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := segment.Open(b)
		if err != nil {
			return
		}
		o, err := s.Opener(k)
		for i := range 20 {
			place, ok, err := s.Find(k.Tap(tap(i)))
			if err == nil && ok && o != nil {
				_, _ = o.Entry(place)
			}
		}
		if err != nil {
			return
		}
		_ = o.All(func(e roster.Entry, gone bool) error {
			if !gone && e.Check() != nil {
				t.Fatal("an entry that is not whole was opened")
			}
			return nil
		})
	})
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
