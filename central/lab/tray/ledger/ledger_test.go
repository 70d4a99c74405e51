package ledger_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"kazashi.example/central/lab/tray/ledger"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 120_999_999, time.FixedZone("JST", 9*60*60))

func open(t *testing.T, path string) *ledger.Ledger {
	t.Helper()
	l, err := ledger.Open(path, func() time.Time { return noon })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func add(t *testing.T, l *ledger.Ledger, e ledger.Entry) ledger.Entry {
	t.Helper()
	e, err := l.Append(e)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestLineOnDisk(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger.jsonl")
	l := open(t, path)
	add(t, l, ledger.Entry{Kind: ledger.KindStart, Line: ledger.LineUp})
	add(t, l, ledger.Entry{
		Kind: ledger.KindLay, Line: ledger.LineDown, Tap: 1, Person: "hanako", Serial: "06d18007",
		Desk: "desk-1", Service: "library", ExpectFirst: "served", ExpectFinal: "refused",
	})
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"n":1,"at":"2026-11-22T03:00:00.120Z","kind":"start","line":"up"}
{"n":2,"at":"2026-11-22T03:00:00.120Z","kind":"lay","line":"down","tap":1,"person":"hanako","serial":"06d18007",` +
		`"desk":"desk-1","service":"library","expect_first":"served","expect_final":"refused"}
`
	if string(got) != want {
		t.Errorf("file =\n%s\nwant\n%s", got, want)
	}
}

// TestReopen: P2, in the tray's own book too. What was acknowledged is there again, a line that was not ends it cleanly.
func TestReopen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger.jsonl")
	l := open(t, path)
	want := []ledger.Entry{
		add(t, l, ledger.Entry{Kind: ledger.KindCut, Line: ledger.LineDown}),
		add(t, l, ledger.Entry{Kind: ledger.KindPublish, Line: ledger.LineDown, List: 7}),
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	torn := `{"n":3,"at":"2026-11-22T03:00:00.120Z","kind":"cut","line":"up"}`
	for cut := range len(torn) + 1 { // every length that a dying process can leave
		if err := os.WriteFile(path, append(bytes.Clone(whole), torn[:cut]...), 0o600); err != nil {
			t.Fatal(err)
		}
		again := open(t, path)
		if got := again.Entries(); !reflect.DeepEqual(got, want) {
			t.Fatalf("after %d octets of an unfinished line: Entries = %+v, want %+v", cut, got, want)
		}
		e := add(t, again, ledger.Entry{Kind: ledger.KindTake, Line: ledger.LineUp})
		_ = again.Close()
		if e.N != 3 {
			t.Fatalf("after %d octets of an unfinished line: next N = %d, want 3", cut, e.N)
		}
		if data, err := os.ReadFile(path); err != nil || bytes.Count(data, []byte("\n")) != 3 {
			t.Fatalf("after %d octets of an unfinished line: file = %q, %v, want three lines", cut, data, err)
		}
	}
}

func TestOneProcess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger.jsonl")
	open(t, path)
	if _, err := ledger.Open(path, time.Now); !errors.Is(err, ledger.ErrLocked) {
		t.Errorf("second Open = %v, want ErrLocked", err)
	}
}

func TestAppendAfterFailure(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger.jsonl")
	l := open(t, path)
	if _, err := l.Append(ledger.Entry{Kind: ledger.KindFail, Line: ledger.LineUp, Error: strings.Repeat("x", ledger.MaxLine)}); err == nil {
		t.Error("Append of a line too long = nil error, want one")
	}
	add(t, l, ledger.Entry{Kind: ledger.KindCut, Line: ledger.LineDown}) // nothing was written, so nothing is broken
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Append(ledger.Entry{Kind: ledger.KindCut, Line: ledger.LineDown}); !errors.Is(err, os.ErrClosed) {
		t.Errorf("Append after Close = %v, want os.ErrClosed", err)
	}
	if _, err := open(t, path).Append(ledger.Entry{Kind: ledger.KindTake, Line: ledger.LineUp}); err != nil {
		t.Errorf("Append after reopening = %v, want nil", err)
	}
}

func TestDamage(t *testing.T) {
	const good = `{"n":1,"at":"2026-11-22T03:00:00.120Z","kind":"start","line":"up"}` + "\n"
	for name, in := range map[string]string{
		"not JSON":        "kazashi\n",
		"removed line":    strings.Replace(good, `"n":1`, `"n":2`, 1),
		"repeated line":   good + good,
		"unknown kind":    strings.Replace(good, "start", "dance", 1),
		"unknown field":   strings.Replace(good, `"kind"`, `"why":1,"kind"`, 1),
		"no line state":   strings.Replace(good, `,"line":"up"`, "", 1),
		"two on one line": strings.TrimSpace(good) + good,
		"time in a zone":  strings.Replace(good, "120Z", "120+09:00", 1),
		"empty line":      good + "\n",
		"endless line":    good + strings.Repeat(" ", ledger.MaxLine+1),
	} {
		if got, err := ledger.Read(strings.NewReader(in)); !errors.Is(err, ledger.ErrDamaged) {
			t.Errorf("%s: Read = %v, %v, want ErrDamaged", name, got, err)
		}
		path := filepath.Join(t.TempDir(), "ledger.jsonl")
		if err := os.WriteFile(path, []byte(in+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if l, err := ledger.Open(path, time.Now); !errors.Is(err, ledger.ErrDamaged) {
			t.Errorf("%s: Open = %v, %v, want ErrDamaged", name, l, err)
		}
	}
	if got, err := ledger.Read(strings.NewReader(good)); err != nil || len(got) != 1 {
		t.Errorf("Read of the sound line = %v, %v, want one entry", got, err)
	}
}

// FuzzRead: no panic, bounded memory, and what is accepted is written again with the same meaning.
func FuzzRead(f *testing.F) {
	f.Add([]byte(`{"n":1,"at":"2026-11-22T03:00:00.120Z","kind":"lay","line":"down","tap":1,"person":"hanako","serial":"06d18007"}` + "\n"))
	f.Add([]byte(`{"n":1,"at":"2026-11-22T03:00:00.120Z","kind":"revoke","line":"up","reason":"superseded"}`))
	f.Add([]byte("{}\n{}\n"))
	f.Fuzz(func(t *testing.T, in []byte) {
		first, err := ledger.Read(bytes.NewReader(in))
		if err != nil {
			return
		}
		path := filepath.Join(t.TempDir(), "ledger.jsonl")
		n := 0
		l, err := ledger.Open(path, func() time.Time { return first[n].At.Time })
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = l.Close() }()
		for n = range first {
			got, err := l.Append(first[n])
			if err != nil {
				return // escapes can make a line longer than what was read
			}
			if got != first[n] {
				t.Fatalf("Append = %+v, want %+v", got, first[n])
			}
		}
	})
}
