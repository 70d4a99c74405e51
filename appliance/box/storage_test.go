package box_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"kazashi.example/appliance/tap"
	"kazashi.example/localapi"
)

// P2: a journal that is damaged shows as such while taps go on: what was whole in it waits again, and the file is kept.
func TestP2ADamagedJournalShows(t *testing.T) {
	k := joined(t, newCentral(t, nil))
	card, _ := practiceCard(t)
	k.hand.card = func(context.Context) (tap.Connection, error) { return card, nil }
	b, stop := k.run(t)
	events := at(t, k, b)
	k.tapped(t, events)
	s, err := b.Status(t.Context())
	if err != nil || s.Waiting.Records != 1 || s.Waiting.Unsafe != 1 || len(s.Journal.SetAside) != 0 || s.Journal.Disk != localapi.DiskOK {
		t.Errorf("Status() = %+v, %+v, %v, want one record, not safe, on a disk with room", s.Waiting, s.Journal, err)
	}
	must(t, stop())
	path := filepath.Join(k.conf.DataDir, "journal.db")
	whole, err := os.ReadFile(path)
	must(t, err)
	copy(whole, strings.Repeat("x", 100)) // the head of the first page; no record stands there
	must(t, os.WriteFile(path, whole, 0o600))

	b, _ = k.run(t)
	events = at(t, k, b)
	taps := 0
	for s.Journal.SetAside = nil; len(s.Journal.SetAside) != 1 || s.Journal.SetAside[0].Reading; taps++ { // taps go on meanwhile
		if taps == 1000 {
			t.Fatalf("the journal set aside is not read: %+v", s.Journal)
		}
		k.tapped(t, events)
		s, err = b.Status(t.Context())
		must(t, err)
	}
	if a := s.Journal.SetAside[0]; a.Records != 1 || a.Damaged != 0 || !strings.HasPrefix(a.File, "journal.db.set-aside") || s.Waiting.Records != 1+taps {
		t.Errorf("set aside: %+v, waiting %+v, want one record taken over beside %d taps", a, s.Waiting, taps)
	}
	next(t, events, localapi.EventStatus, func(e localapi.Event) bool { return len(e.Status.Journal.SetAside) == 1 })
	resp, err := http.Get("http://" + k.conf.Counter.Listen + "/metrics")
	must(t, err)
	page, err := io.ReadAll(resp.Body)
	must(t, errors.Join(err, resp.Body.Close()))
	for _, want := range []string{"kazashi_journals_set_aside 1", `kazashi_disk{state="ok"} 1`, `kazashi_disk{state="full"} 0`, "kazashi_verdicts_unseen 0"} {
		if !strings.Contains(string(page), want) {
			t.Errorf("the metrics do not say %q", want)
		}
	}
}

// P1: a journal of which the disk gives no octet (as here reading at the beginning of a process's memory, proc(5)) closes no counter.
func TestP1ADiskThatDoesNotGiveTheJournal(t *testing.T) {
	k := joined(t, newCentral(t, nil))
	card, _ := practiceCard(t)
	k.hand.card = func(context.Context) (tap.Connection, error) { return card, nil }
	path := filepath.Join(k.conf.DataDir, "journal.db")
	must(t, os.Symlink("/proc/self/mem", path))
	b, _ := k.run(t)
	k.tapped(t, at(t, k, b))
	if s, err := b.Status(t.Context()); err != nil || s.Waiting.Records != 1 {
		t.Errorf("Status() = %+v, %v, want one record", s.Waiting, err)
	}
	if aside, err := filepath.Glob(path + ".set-aside-*"); err != nil || len(aside) != 1 {
		t.Errorf("set aside are %q, %v, want one", aside, err)
	}
}
