package tray_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"kazashi.example/central/lab/tray"
	"kazashi.example/central/lab/tray/hands"
	"kazashi.example/central/lab/tray/ledger"
	"kazashi.example/central/lab/tray/traytest"
	"kazashi.example/reader/vcard/control"
)

func must(t *testing.T) func(ledger.Entry, error) ledger.Entry {
	return func(e ledger.Entry, err error) ledger.Entry {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
}

func kinds(b *traytest.Bench) []string {
	var out []string
	for _, e := range b.Tray.Entries() {
		out = append(out, string(e.Kind))
	}
	return out
}

func TestLayAndTake(t *testing.T) {
	b := traytest.New(t)
	lay := must(t)(b.Tray.Lay(t.Context(), "hanako"))
	want := ledger.Entry{
		N: 2, At: lay.At, Kind: ledger.KindLay, Line: ledger.LineUp, Tap: 1, Person: "hanako", Serial: "0a01",
		Desk: "desk-1", Service: "library", ExpectFirst: "served", ExpectFinal: "served",
	}
	if lay != want {
		t.Errorf("Lay = %+v, want %+v", lay, want)
	}
	if c := b.Tray.State().Card; c == nil || c.Person != "hanako" || c.Tap != 1 {
		t.Errorf("State.Card = %+v, want hanako's of tap 1", c)
	}
	if next := must(t)(b.Tray.Lay(t.Context(), "torn")); next.Tap != 2 { // takes hanako's card away first
		t.Errorf("second Lay: tap = %d, want 2", next.Tap)
	}
	must(t)(b.Tray.Take(t.Context()))
	if _, err := b.Tray.Take(t.Context()); !errors.Is(err, tray.ErrNoCard) {
		t.Errorf("Take from the empty reader = %v, want ErrNoCard", err)
	}
	if got, want := kinds(b), []string{"start", "lay", "take", "lay", "take"}; !slices.Equal(got, want) {
		t.Errorf("ledger = %v, want %v", got, want)
	}
	wantAsked := []string{
		`POST /v1/slots/0/insert {"profile":"/world/hanako.json"}`,
		`POST /v1/slots/0/remove {}`,
		`POST /v1/slots/0/insert {"faults":["tear-before=3"],"profile":"/world/hanako.json"}`,
		`POST /v1/slots/0/remove {}`,
	}
	if got := b.Asked(); !slices.Equal(got, wantAsked) {
		t.Errorf("the rig was asked\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(wantAsked, "\n"))
	}
}

// TestLedgerBeforeDeed: P2 is judged by this book, so a tap that a box can know of is in it even if all ends right there.
func TestLedgerBeforeDeed(t *testing.T) {
	b := traytest.New(t)
	b.Break("/v1/slots/0/insert", true)
	_, err := b.Tray.Lay(t.Context(), "hanako")
	if e, ok := errors.AsType[*control.Error](err); !ok || e.Status != 500 {
		t.Fatalf("Lay on a broken rig = %v, want its 500", err)
	}
	data, err := os.ReadFile(b.Path)
	if err != nil {
		t.Fatal(err)
	}
	entries, err := ledger.Read(strings.NewReader(string(data)))
	if err != nil || len(entries) != 3 || entries[1].Kind != ledger.KindLay || entries[2].Kind != ledger.KindFail || entries[2].Tap != 1 {
		t.Errorf("ledger on disk = %+v, %v, want start, lay and fail of tap 1", entries, err)
	}
	b.Break("/v1/slots/0/insert", false)
	b.Asked()
	if e := must(t)(b.Tray.Lay(t.Context(), "hanako")); e.Tap != 2 {
		t.Errorf("next tap = %d, want 2: a failed one keeps its number", e.Tap)
	}
	wantAsked := []string{`POST /v1/slots/0/remove {}`, `POST /v1/slots/0/insert {"profile":"/world/hanako.json"}`}
	if got := b.Asked(); !slices.Equal(got, wantAsked) {
		t.Errorf("after a failure the rig was asked %v, want %v: the failed card may lie there", got, wantAsked)
	}
	b.Break("/v1/slots/0/remove", true)
	if _, err := b.Tray.Take(t.Context()); err == nil {
		t.Error("Take on a broken rig = nil error, want one")
	}
	if c := b.Tray.State().Card; c == nil || c.Tap != 2 {
		t.Errorf("State.Card = %+v, want that of tap 2: it was not given back", c)
	}
}

// TestFail: of a card whose box died nobody can say anything, and it does not stay.
func TestFail(t *testing.T) {
	b := traytest.New(t)
	if err := b.Tray.Fail(t.Context(), "killed"); !errors.Is(err, tray.ErrNoCard) {
		t.Errorf("Fail on the empty reader = %v, want ErrNoCard", err)
	}
	must(t)(b.Tray.Lay(t.Context(), "hanako"))
	if err := b.Tray.Fail(t.Context(), "killed"); err != nil {
		t.Fatalf("Fail = %v", err)
	}
	all := b.Tray.Entries()
	if e := all[len(all)-1]; e.Kind != ledger.KindFail || e.Tap != 1 || e.Person != "hanako" || e.Error != "killed" {
		t.Errorf("the last entry = %+v, want that tap 1 failed", e)
	}
	if c, asked := b.Tray.State().Card, b.Asked(); c != nil || asked[len(asked)-1] != `POST /v1/slots/0/remove {}` {
		t.Errorf("State.Card = %+v after %v, want none", c, asked)
	}
}

func TestClosedLedgerMovesNothing(t *testing.T) {
	b := traytest.New(t)
	if err := b.Ledger.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Tray.Lay(t.Context(), "hanako"); !errors.Is(err, os.ErrClosed) {
		t.Errorf("Lay without a ledger = %v, want os.ErrClosed", err)
	}
	if got := b.Asked(); len(got) != 0 {
		t.Errorf("the rig was asked %v, want nothing: no deed without its entry", got)
	}
}

func TestLine(t *testing.T) {
	b := traytest.New(t)
	if _, err := b.Tray.SetLine(true); !errors.Is(err, tray.ErrLineAlready) {
		t.Errorf("SetLine(true) on a line that is up = %v, want ErrLineAlready", err)
	}
	if e := must(t)(b.Tray.SetLine(false)); e.Kind != ledger.KindCut || e.Line != ledger.LineDown || b.Relay.Up() {
		t.Errorf("SetLine(false) = %+v, relay up = %v, want the line cut", e, b.Relay.Up())
	}
	if e := must(t)(b.Tray.Lay(t.Context(), "hanako")); e.Line != ledger.LineDown {
		t.Errorf("Lay in the outage: line = %q, want down", e.Line)
	}
	if e := must(t)(b.Tray.SetLine(true)); e.Kind != ledger.KindRestore || e.Line != ledger.LineUp || !b.Relay.Up() {
		t.Errorf("SetLine(true) = %+v, relay up = %v, want the line restored", e, b.Relay.Up())
	}
}

func TestExpectations(t *testing.T) {
	b := traytest.New(t)
	lay := func(person, first, final string) {
		t.Helper()
		if e := must(t)(b.Tray.Lay(t.Context(), person)); e.ExpectFirst != first || e.ExpectFinal != final {
			t.Errorf("Lay(%s): expected %q then %q, want %q then %q", person, e.ExpectFirst, e.ExpectFinal, first, final)
		}
	}
	lay("taro", "served", "served")
	lay("tome", "refused", "refused")
	lay("torn", "no_record", "no_record")
	must(t)(b.Tray.Revoke(t.Context(), "taro", "")) // known to the national PKI alone
	lay("taro", "served", "refused")
	must(t)(b.Tray.Publish(t.Context())) // the box may hold the list by now, or not
	lay("taro", "", "refused")
	lay("hanako", "served", "served")
}

func TestRevoke(t *testing.T) {
	b := traytest.New(t)
	for _, c := range []struct {
		person, reason string
		want           error
	}{
		{"nobody", "", tray.ErrUnknownPerson},
		{"taro", "boredom", tray.ErrReason},
		{"torn", "", tray.ErrNotRevocable},
		{"taro", "certificateHold", nil},
		{"taro", "", tray.ErrAlreadyRevoked},
	} {
		if _, err := b.Tray.Revoke(t.Context(), c.person, c.reason); !errors.Is(err, c.want) {
			t.Errorf("Revoke(%q, %q) = %v, want %v", c.person, c.reason, err, c.want)
		}
	}
	if e := must(t)(b.Tray.Publish(t.Context())); e.List != 41 {
		t.Errorf("Publish: list = %d, want 41", e.List)
	}
	want := []string{`POST /admin/revoke {"person":"taro","reason":"certificateHold"}`, `POST /admin/publish {}`}
	if got := b.Asked(); !slices.Equal(got, want) {
		t.Errorf("the practice JPKI was asked %v, want %v", got, want)
	}
	b.Break("/admin/revoke", true)
	_, err := b.Tray.Revoke(t.Context(), "hanako", "")
	if e, ok := errors.AsType[*hands.StatusError](err); !ok || e.Status != 500 || e.Body != "out of order" {
		t.Errorf("Revoke at a broken PKI = %v, want its 500 and what it says", err)
	}
	if n := len(b.Tray.Entries()); n != 3 {
		t.Errorf("ledger has %d entries, want 3: a revocation that did not happen is not written", n)
	}
}

// TestRestart: the tray goes on where its ledger ends.
func TestRenew(t *testing.T) {
	b := traytest.New(t)
	must(t)(b.Tray.Revoke(t.Context(), "hanako", ""))
	must(t)(b.Tray.Lay(t.Context(), "hanako"))
	b.Asked()
	for i, newCard := range []bool{false, true} {
		kind, path := ledger.KindRenew, "POST /admin/renew "
		if newCard {
			kind, path = ledger.KindReissue, "POST /admin/reissue "
		}
		e := must(t)(b.Tray.Renew(t.Context(), "hanako", newCard))
		if e.Kind != kind || e.Person != "hanako" || e.Serial != fmt.Sprintf("0b%02d", i+1) {
			t.Errorf("Renew(new card %v) = %+v, want another serial", newCard, e)
		}
		asked := b.Asked()
		if last := asked[len(asked)-1]; last != path+`{"person":"hanako"}` {
			t.Errorf("the practice JPKI was asked %s, want %s", last, path)
		}
	}
	lay := must(t)(b.Tray.Lay(t.Context(), "hanako"))
	if lay.Serial != "0b02" || lay.ExpectFirst != "served" || b.Tray.State().People[0].Revoked {
		t.Errorf("Lay after a renewal = %+v, want the new serial, which nobody revoked", lay)
	}
	if _, err := b.Tray.Renew(t.Context(), "torn", false); !errors.Is(err, tray.ErrNotRenewable) {
		t.Errorf("Renew(torn) = %v, want ErrNotRenewable", err)
	}
	if _, err := b.Tray.Renew(t.Context(), "nobody", false); !errors.Is(err, tray.ErrUnknownPerson) {
		t.Errorf("Renew(nobody) = %v, want ErrUnknownPerson", err)
	}
	b.Break("/admin/renew", true)
	if _, err := b.Tray.Renew(t.Context(), "hanako", false); err == nil || b.Tray.Entries()[len(b.Tray.Entries())-1].Kind == ledger.KindRenew {
		t.Errorf("Renew at a broken JPKI = %v, want its error and no entry", err)
	}
}

// Who takes enrolled people alone refuses a card that is in order, unless its holder is enrolled: the tray cannot know, the story can.
func TestExpectationsOfAServiceThatEnrols(t *testing.T) {
	b := traytest.New(t)
	cfg := b.Config(0, 0)
	cfg.Enrols = true
	tr, err := tray.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	for person, want := range map[string]tray.Expected{
		"hanako": {}, "tome": {First: tray.OutcomeRefused, Final: tray.OutcomeRefused}, "torn": {First: tray.OutcomeNoRecord, Final: tray.OutcomeNoRecord},
	} {
		e := must(t)(tr.Lay(t.Context(), person))
		if got := (tray.Expected{First: tray.Outcome(e.ExpectFirst), Final: tray.Outcome(e.ExpectFinal)}); got != want {
			t.Errorf("Lay(%s) expects %+v, want %+v", person, got, want)
		}
	}
	want := tray.Expected{First: tray.OutcomeServed, Final: tray.OutcomeRefused}
	e := must(t)(tr.LayExpecting(t.Context(), "hanako", want))
	if got := (tray.Expected{First: tray.Outcome(e.ExpectFirst), Final: tray.Outcome(e.ExpectFinal)}); got != want {
		t.Errorf("LayExpecting = %+v, want %+v", got, want)
	}
}

func TestRestart(t *testing.T) {
	b := traytest.New(t)
	must(t)(b.Tray.Lay(t.Context(), "hanako"))
	must(t)(b.Tray.Revoke(t.Context(), "taro", ""))
	if err := b.Ledger.Close(); err != nil {
		t.Fatal(err)
	}
	b.Open(t)
	s := b.Tray.State()
	if s.Card == nil || s.Card.Person != "hanako" || s.Taps != 1 || !s.People[1].Revoked || s.People[1].Published || s.People[0].Revoked {
		t.Errorf("State after a restart = %+v, want hanako's card still there, one tap and taro alone revoked", s)
	}
	if e := must(t)(b.Tray.Lay(t.Context(), "taro")); e.Tap != 2 || e.ExpectFinal != "refused" {
		t.Errorf("Lay after a restart = %+v, want tap 2 and a refusal in the end", e)
	}
}

func TestTwoOfOneKey(t *testing.T) {
	b := traytest.New(t)
	twice := slices.Concat(traytest.People(), traytest.People()[:1])
	if _, err := tray.New(tray.Config{People: twice, Ledger: b.Ledger, Line: b.Relay}); err == nil {
		t.Error("New with two people of one key = nil error, want one")
	}
}

func TestChanged(t *testing.T) {
	b := traytest.New(t)
	before := b.Tray.Changed()
	select {
	case <-before:
		t.Fatal("Changed is closed before any change")
	default:
	}
	must(t)(b.Tray.SetLine(false))
	select {
	case <-before:
	default:
		t.Error("Changed is open after a change")
	}
}

// TestReaderNotices: between two looks of pcscd nothing comes and goes, so that no tap is in the book that no box could see.
func TestReaderNotices(t *testing.T) {
	b := traytest.New(t)
	const hold, gap = 120 * time.Millisecond, 90 * time.Millisecond
	tr, err := tray.New(b.Config(hold, gap))
	if err != nil {
		t.Fatal(err)
	}
	first := must(t)(tr.Lay(t.Context(), "hanako"))
	second := must(t)(tr.Lay(t.Context(), "taro"))
	var take ledger.Entry
	for _, e := range tr.Entries() {
		if e.Kind == ledger.KindTake {
			take = e
		}
	}
	if d := take.At.Sub(first.At.Time); d < hold {
		t.Errorf("the first card lay %s, want at least %s", d, hold)
	}
	if d := second.At.Sub(take.At.Time); d < gap-time.Millisecond { // stamps are cut to the millisecond
		t.Errorf("the reader was empty for %s, want at least %s", d, gap)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := tr.Take(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Take with an ended context = %v, want context.Canceled", err)
	}
}
