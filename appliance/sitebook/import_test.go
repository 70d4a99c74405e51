package sitebook_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"golang.org/x/text/encoding/japanese"

	"kazashi.example/appliance/sitebook"
	"kazashi.example/localapi"
	"kazashi.example/sync/record"
)

// names is a made-up roster: the PPID "P-n" is that of person n.
type names struct {
	people  map[string]sitebook.Person
	numbers map[string]sitebook.Person
	during  func() // called when the last person is looked up
	last    string
}

func (n names) ByPPID(_ record.ServiceID, ppid string) (sitebook.Person, bool, error) {
	if ppid == n.last && n.during != nil {
		n.during()
	}
	p, ok := n.people[ppid]
	return p, ok, nil
}

func (n names) ByNumber(_ record.ServiceID, number string) (sitebook.Person, bool, error) {
	p, ok := n.numbers[number]
	return p, ok, nil
}

func (n names) Number(_ record.ServiceID, p sitebook.Person) (string, error) {
	for number, who := range n.numbers {
		if who.Same(p) {
			return number, nil
		}
	}
	return "", nil
}

func crowd(t testing.TB, n int) names {
	t.Helper()
	all := names{people: map[string]sitebook.Person{}, numbers: map[string]sitebook.Person{}}
	for i := range n {
		all.people[fmt.Sprintf("P-%d", i)] = sitebook.Person{
			Verifier: city, Hierarchy: 3, Serial: []byte{0x51, byte(i >> 16), byte(i >> 8), byte(i), 1},
			Enrolled: record.TapID{ID128: record.ID128{0x77, byte(i >> 16), byte(i >> 8), byte(i)}},
		}
	}
	return all
}

func take(t *testing.T, b *sitebook.Book, n names, text string, how localapi.Import) localapi.ImportReport {
	t.Helper()
	how.Service = loan
	r, err := b.Import(t.Context(), strings.NewReader(text), how, n)
	must(t, err)
	return r
}

// Each fault of a file is told by its line and its own name, never by its values, and then nothing is taken.
func TestImportRefusesByName(t *testing.T) {
	w := newWorld(t)
	b := w.open()
	n := crowd(t, 10)
	n.numbers["C-9"] = n.people["P-9"]
	w.visit(b, sitebook.Visit{Person: n.people["P-5"], Link: "L-5", Service: loan})
	for _, c := range []struct {
		name, text string
		line       int
		what       string
	}{
		{"no header", "P-1,L-1\n", 1, "header"},
		{"empty file", "", 1, "header"},
		{"another header", "number,ppid\n", 1, "header"},
		{"header of one", "ppid\n", 1, "header"},
		{"formula", "ppid,number\nP-1,=1+1\n", 2, "formula"},
		{"formula with plus", "ppid,number\nP-1,+81\n", 2, "formula"},
		{"formula with minus", "ppid,number\nP-1,-1\n", 2, "formula"},
		{"formula with at", "ppid,number\nP-1,@SUM\n", 2, "formula"},
		{"formula with a tab", "ppid,number\n\"\tP-1\",L-1\n", 2, "formula"},
		{"formula for a PPID", "ppid,number\n=P-1,L-1\n", 2, "formula"},
		{"PPID twice", "ppid,number\nP-1,L-1\nP-1,L-2\n", 3, "duplicate"},
		{"number twice", "ppid,number\nP-1,L-1\nP-2,L-1\n", 3, "duplicate"},
		{"no PPID", "ppid,number\n,L-1\n", 2, "empty"},
		{"no number", "ppid,number\nP-1,\n", 2, "empty"},
		{"long number", "ppid,number\nP-1," + strings.Repeat("1", 65) + "\n", 2, "too_long"},
		{"long PPID", "ppid,number\n" + strings.Repeat("P", 129) + ",L-1\n", 2, "too_long"},
		{"unprintable number", "ppid,number\nP-1,a\x01b\n", 2, "unprintable"},
		{"line break in a number", "ppid,number\nP-1,\"a\nb\"\n", 2, "unprintable"},
		{"quote in a number", "ppid,number\nP-1,\"1\"\"2\"\n", 2, "unprintable"},
		{"backslash in a number", "ppid,number\nP-1,1\\2\n", 2, "unprintable"},
		{"number twice, once wide", "ppid,number\nP-1,L-1\nP-2,　Ｌ－１\n", 3, "duplicate"},
		{"somebody else's in the book, wide", "ppid,number\nP-1,Ｌ－５\n", 2, "taken"},
		{"wide formula", "ppid,number\nP-1,＝1\n", 2, "formula"},
		{"unknown person", "ppid,number\nP-77,L-1\n", 2, "unknown_person"},
		{"one column", "ppid,number\nP-1\n", 2, "columns"},
		{"three columns", "ppid,number\nP-1,L-1,2020-01-01\n", 2, "columns"},
		{"no date", "ppid,number,since\nP-1,L-1,yesterday\n", 2, "columns"},
		{"an open quote", "ppid,number\nP-1,\"L-1\n", 2, "columns"},
		{"not UTF-8", "ppid,number\nP-1,\x82\xa0\n", 2, "encoding"},
		{"somebody else's in the book", "ppid,number\nP-1,L-5\n", 2, "taken"},
		{"another in the book", "ppid,number\nP-5,L-1\n", 2, "taken"},
		{"somebody else's on the roster", "ppid,number\nP-1,C-9\n", 2, "taken"},
		{"another on the roster", "ppid,number\nP-9,L-1\n", 2, "taken"},
	} {
		text := c.text
		if c.line > 1 { // a good line does not help a bad one
			text += "P-4,L-4\n"
			if strings.HasPrefix(text, "ppid,number,since") {
				text = strings.TrimSuffix(text, "\n") + ",\n"
			}
		}
		r := take(t, b, n, text, localapi.Import{})
		if len(r.Faults) == 0 || r.Faults[0] != (localapi.ImportFault{Line: c.line, What: c.what}) || r.Linked != 0 || r.Present != 0 {
			t.Errorf("%s: Import = %+v, want line %d %s alone", c.name, r, c.line, c.what)
		}
		if _, known, err := b.Number(t.Context(), loan, n.people["P-4"]); known != sitebook.LinkUnknown || err != nil {
			t.Fatalf("%s: a part of the file was taken: %d, %v", c.name, known, err)
		}
	}
}

func TestImportTakesTheWholeFile(t *testing.T) {
	w := newWorld(t)
	b := w.open()
	n := crowd(t, 10)
	w.visit(b, sitebook.Visit{Person: n.people["P-5"], Link: "L-5", Service: loan})
	n.numbers["C-9"] = n.people["P-9"]
	text := "\ufeffppid,number,since\r\nP-1,L-1,2019-04-01\r\nP-2,図書　2,\r\nP-5,L-5,\r\nP-9,C-9,\r\n"
	sjis, err := japanese.ShiftJIS.NewEncoder().String(strings.TrimPrefix(text, "\ufeff"))
	must(t, err)
	want := localapi.ImportReport{Rows: 4, Linked: 2, Present: 2, Faults: []localapi.ImportFault{}, DryRun: true}
	for name, how := range map[string]localapi.Import{"": {DryRun: true}, "shift_jis": {DryRun: true, Encoding: localapi.EncodingShiftJIS}} {
		in := map[string]string{"": text, "shift_jis": sjis}[name]
		if r := take(t, b, n, in, how); fmt.Sprint(r) != fmt.Sprint(want) {
			t.Errorf("dry run %s = %+v, want %+v", name, r, want)
		}
	}
	if _, known, _ := b.Number(t.Context(), loan, n.people["P-1"]); known != sitebook.LinkUnknown {
		t.Error("a dry run took something")
	}
	if r := take(t, b, n, sjis, localapi.Import{}); len(r.Faults) == 0 || r.Faults[0].What != "encoding" {
		t.Errorf("Shift_JIS taken for UTF-8 = %+v, want encoding", r)
	}
	want.DryRun = false
	if r := take(t, b, n, sjis, localapi.Import{Encoding: localapi.EncodingShiftJIS}); fmt.Sprint(r) != fmt.Sprint(want) {
		t.Errorf("Import = %+v, want %+v", r, want)
	}
	b = w.cut().open()
	for ppid, number := range map[string]string{"P-1": "L-1", "P-2": "図書 2", "P-5": "L-5"} {
		if got, known, err := b.Number(t.Context(), loan, n.people[ppid]); got != number || known != sitebook.Linked || err != nil {
			t.Errorf("Number(%s) = %q, %d, %v, want %q", ppid, got, known, err, number)
		}
	}
	want = localapi.ImportReport{Rows: 4, Present: 4, Faults: []localapi.ImportFault{}}
	if r := take(t, b, n, text, localapi.Import{}); fmt.Sprint(r) != fmt.Sprint(want) {
		t.Errorf("the same file again = %+v, want %+v", r, want)
	}
}

// P2: an import that a cut, a lock or a cancelling ends leaves nothing, not even for a moment.
func TestP2ImportIsWholeOrNothing(t *testing.T) {
	w := newWorld(t)
	b := w.open()
	n := crowd(t, 1000)
	text := file(1000)
	ctx, cancel := context.WithCancel(t.Context())
	w.at(3, cancel) // links are added with the time, 256 at once
	if _, err := b.Import(ctx, strings.NewReader(text), localapi.Import{Service: loan}, n); !errors.Is(err, context.Canceled) {
		t.Fatalf("Import cut short = %v, want context.Canceled", err)
	}
	none(t, b, n)
	if c, err := b.Contents(t.Context()); err != nil || c.Links != 0 {
		t.Errorf("the book holds %d links, %v, want none", c.Links, err)
	}
	// The power goes while links are being added, seen from a tap that is under way.
	var after *world
	w.at(3, func() {
		none(t, b, n)
		after = w.cut()
	})
	_, err := b.Import(t.Context(), strings.NewReader(text), localapi.Import{Service: loan}, n)
	must(t, err)
	if after == nil {
		t.Fatal("the hook was not reached")
	}
	cut := after.open()
	none(t, cut, n)
	if c, err := cut.Contents(t.Context()); err != nil || c.Links != 0 {
		t.Errorf("after the cut the book holds %d links, %v, want none", c.Links, err)
	}
	if got, known, err := b.Number(t.Context(), loan, n.people["P-999"]); known != sitebook.Linked || err != nil {
		t.Errorf("Number after the import = %q, %d, %v, want linked", got, known, err)
	}
}

// at calls do when the clock is looked at for the n-th time from now on.
func (w *world) at(n int, do func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.looked = func() {
		if n--; n == 0 {
			do()
		}
	}
}

func none(t *testing.T, b *sitebook.Book, n names) {
	t.Helper()
	for _, ppid := range []string{"P-0", "P-255", "P-256", "P-999"} {
		if _, known, err := b.Number(t.Context(), loan, n.people[ppid]); known != sitebook.LinkUnknown || err != nil {
			t.Errorf("Number(%s) in the middle of an import = %d, %v, want unknown", ppid, known, err)
		}
	}
}

func file(n int) string {
	var text strings.Builder
	text.WriteString("ppid,number\n")
	for i := range n {
		fmt.Fprintf(&text, "P-%d,L-%d\n", i, i)
	}
	return text.String()
}

// A tap that links one of the numbers while the file is read keeps it, and the file is refused.
func TestImportGivesWayToATap(t *testing.T) {
	w := newWorld(t)
	b := w.open()
	n := crowd(t, 3)
	n.last = "P-2"
	n.during = func() { w.visit(b, sitebook.Visit{Person: person(t, 9), Link: "L-1", Service: loan}) }
	r := take(t, b, n, file(3), localapi.Import{})
	if len(r.Faults) != 1 || r.Faults[0] != (localapi.ImportFault{Line: 3, What: "taken"}) || r.Linked != 0 {
		t.Errorf("Import = %+v, want line 3 taken", r)
	}
	if p, known, err := b.ByNumber(t.Context(), loan, "L-1"); known != sitebook.Linked || err != nil || !p.Same(person(t, 9)) {
		t.Errorf("ByNumber = %d, %v, want the person who tapped", known, err)
	}
	if _, known, _ := b.ByNumber(t.Context(), loan, "L-0"); known != sitebook.LinkUnknown {
		t.Error("a part of the file was taken")
	}
}

func TestImportTellsAtMostAHundredFaults(t *testing.T) {
	w := newWorld(t)
	r := take(t, w.open(), crowd(t, 0), file(150), localapi.Import{})
	if len(r.Faults) != localapi.MaxImportFaults || r.Left != 50 || r.Rows != 150 {
		t.Errorf("Import = %d faults, %d left, %d rows, want 100, 50, 150", len(r.Faults), r.Left, r.Rows)
	}
}

// What a file says is read the same way however it is cut, and no fault repeats a value.
func FuzzLines(f *testing.F) {
	f.Add([]byte("ppid,number\nP-1,L-1\n"), false)
	f.Add([]byte("\ufeffppid,number,since\r\nP-1,\"L\"\"1\",2020-01-01\r\n"), false)
	f.Add([]byte("ppid,number\nP-1,\x90\x7d\n"), true)
	f.Add([]byte("ppid,number\n=cmd,\"a\nb\",\n,,\n"), false)
	f.Fuzz(func(t *testing.T, b []byte, sjis bool) {
		e := localapi.EncodingUTF8
		if sjis {
			e = localapi.EncodingShiftJIS
		}
		values, faults, err := sitebook.Lines(bytes.NewReader(b), e)
		if err != nil {
			var bad *sitebook.FaultError
			if !errors.As(err, &bad) && !strings.Contains(err.Error(), "transform") {
				t.Fatalf("reading from memory = %v", err)
			}
		}
		again, _, _ := sitebook.Lines(io.MultiReader(bytes.NewReader(b[:len(b)/2]), bytes.NewReader(b[len(b)/2:])), e)
		if fmt.Sprint(again) != fmt.Sprint(values) {
			t.Errorf("cut in two it reads %d links, want %d", len(again), len(values))
		}
		for _, v := range values {
			if strings.ContainsAny(v[0][:1]+v[1][:1], "=+-@\t\r") || record.CheckNumber(v[1]) != nil || len(v[0]) > 128 {
				t.Errorf("accepted %q", v)
			}
		}
		for _, x := range faults {
			if x.Line < 1 || x.Fault().What == "" {
				t.Errorf("fault %+v", x)
			}
		}
	})
}

// P3: whatever opens as an entry is one: it has what its kind needs, and is encoded in one way.
func FuzzRow(f *testing.F) {
	for k := sitebook.FirstKind; k <= sitebook.LastKind; k++ {
		f.Add(k, []byte{0xa0})
	}
	f.Add(uint8(10), append([]byte{0xa1, 0x06, 0x50}, make([]byte, 16)...))
	f.Add(uint8(7), []byte{0xa1, 0x04, 0x64, 's', 'a', 't', 'o'})
	f.Add(uint8(9), []byte{0xa2, 0x04, 0x64, 's', 'a', 't', 'o', 0x07, 0x62, 'd', '1'})
	f.Add(uint8(2), []byte{0xa1, 0x01, 0xa3, 0x01, 0x61, 'c', 0x02, 0x03, 0x03, 0x41, 0x01})
	f.Add(uint8(4), []byte{0xa2, 0x01, 0xa3, 0x01, 0x61, 'c', 0x02, 0x03, 0x03, 0x41, 0x01, 0x03, 0x61, '1'})
	f.Fuzz(func(t *testing.T, k uint8, b []byte) {
		once, opened, err := sitebook.Reencoded(k, b)
		if !opened {
			return
		}
		if err != nil {
			t.Fatalf("encoding what was opened = %v", err)
		}
		again, opened, err := sitebook.Reencoded(k, once)
		if !opened || err != nil || !bytes.Equal(again, once) {
			t.Fatalf("%x opened and encoded is %x, and then %x (%v)", b, once, again, err)
		}
	})
}
