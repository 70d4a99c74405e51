package tap_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"kazashi.example/appliance/clock"
	"kazashi.example/appliance/journal"
	"kazashi.example/appliance/tap"
	"kazashi.example/central/lab/proof/leak"
	"kazashi.example/central/lab/world"
	"kazashi.example/central/lab/world/people"
	"kazashi.example/localapi"
	"kazashi.example/reader/jpki"
	"kazashi.example/sync/certid"
	"kazashi.example/sync/content"
	"kazashi.example/sync/gate"
	"kazashi.example/sync/record"
	"kazashi.example/sync/rule"
)

// outcome is what each case of the practice world gets at the counter.
var outcome = map[people.Case]gate.Decision{
	people.InOrder:       {Verdict: record.VerdictAccepted, Reason: record.ReasonInOrder},
	people.SignRevoked:   {Verdict: record.VerdictAccepted, Reason: record.ReasonInOrder},
	people.NoPIN:         {Verdict: record.VerdictAccepted, Reason: record.ReasonInOrder},
	people.Child:         {Verdict: record.VerdictAccepted, Reason: record.ReasonInOrder},
	people.RevokedLater:  {Verdict: record.VerdictAccepted, Reason: record.ReasonInOrder},
	people.Expired:       {Verdict: record.VerdictRefused, Reason: record.ReasonExpired},
	people.Revoked:       {Verdict: record.VerdictRefused, Reason: record.ReasonRevoked},
	people.OnHold:        {Verdict: record.VerdictRefused, Reason: record.ReasonOnHold},
	people.BrokenChain:   {Verdict: record.VerdictRefused, Reason: record.ReasonChainBroken},
	people.UnknownIssuer: {Verdict: record.VerdictProvisional, Reason: record.ReasonIssuerNotVerified},
}

func TestEveryCaseOfThePracticeWorld(t *testing.T) {
	c := newCounter(t)
	all, err := c.world.People()
	must(t, err)
	seen := map[people.Case]bool{}
	for _, p := range all {
		if seen[p.Case] {
			continue
		}
		seen[p.Case] = true
		_, card := c.card(p.Key)
		e := c.lay(card)
		if e.Type != localapi.EventVerdict {
			t.Fatalf("%s: event %s %s, want a verdict", p.Case, e.Type, e.Failure)
		}
		want, ok := outcome[p.Case]
		if got := e.Tap.First; !ok || got != localapi.Outcome(want) {
			t.Errorf("%s: %s (%s), want %s (%s)", p.Case, got.Verdict, got.Reason, want.Verdict, want.Reason)
		}
		list := c.opened()
		r := list[len(list)-1]
		checkRecord(t, p.Case, r, e)
		if !bytes.Equal(r.Serial, p.Auth.ID.Serial.Bytes()) {
			t.Errorf("%s: record holds another serial", p.Case)
		}
		if got, want := len(r.Certificate) > 0, p.Case == people.BrokenChain || p.Case == people.UnknownIssuer; got != want {
			t.Errorf("%s: certificate sent along = %t, want %t", p.Case, got, want)
		}
	}
	if len(seen) != len(outcome) {
		t.Errorf("the practice world has %d cases, this test knows %d", len(seen), len(outcome))
	}
}

// checkRecord compares what was sealed with what was said.
func checkRecord(t *testing.T, name people.Case, r content.Record, e localapi.Event) {
	t.Helper()
	said := content.Said{
		Verdict: e.Tap.First.Verdict, Reason: e.Tap.First.Reason, Rule: rule.Version{CentralEpoch: 1, N: 7}, Answer: e.Rests.Answer,
		ListNumber: e.Rests.List.Number, Clock: record.ConfidenceChecked,
	}
	if !e.Rests.List.ThisUpdate.IsZero() {
		said.ListEpoch = 1
		said.ListTime = e.Rests.List.ThisUpdate.Unix()
	}
	if r.Said != said {
		t.Errorf("%s: said %+v, sealed %+v", name, said, r.Said)
	}
	if r.Tap != e.Tap.Tap || !r.At().Equal(e.Tap.Time) || r.Desk != desk || r.Service != service || r.Basis != record.BasisDrill ||
		r.Evidence != record.EvidenceCertificate || r.Purpose != certid.PurposeAuth {
		t.Errorf("%s: sealed another tap than was shown", name)
	}
	if verified := name != people.BrokenChain && name != people.UnknownIssuer; verified != (r.Hierarchy == certid.HierarchyPractice) ||
		verified == (r.Issuer == content.Issuer{}) {
		t.Errorf("%s: hierarchy %d, issuer %x", name, r.Hierarchy, r.Issuer)
	}
}

// durableFirst checks, at the moment of the verdict, that the record can be read back from the journal's database.
type durableFirst struct {
	tap.Announcer
	t       *testing.T
	journal **journal.Journal
}

func (d durableFirst) Publish(e localapi.Event) {
	if e.Type == localapi.EventVerdict {
		row, err := (*d.journal).Row(context.Background(), record.ID(e.Tap.Record))
		if err != nil || row.Tap != e.Tap.Tap {
			d.t.Errorf("verdict on %s announced, but Row() = %v, %v", record.ID(e.Tap.Record), row.Tap, err)
		}
	}
	d.Announcer.Publish(e)
}

func TestP1VerdictOnlyAfterTheRecordIsDurable(t *testing.T) {
	var j *journal.Journal
	c := newCounter(t, func(conf *tap.Config) {
		j = conf.Journal.(*journal.Journal)
		conf.Announcer = durableFirst{conf.Announcer, t, &j}
	})
	_, card := c.card("hanako")
	if e := c.lay(card); e.Type != localapi.EventVerdict {
		t.Fatalf("event %s, want a verdict", e.Type)
	}
	must(t, c.journal.Close()) // now nothing can be made durable
	if e := c.lay(card); e.Type != localapi.EventReadFailed || e.Failure != localapi.FailureJournal || e.Tap != nil {
		t.Errorf("event %s %s with a failed journal, want read_failed journal_failed", e.Type, e.Failure)
	}
}

func TestP2ASecondLayingIsASecondRecord(t *testing.T) {
	c := newCounter(t)
	_, card := c.card("hanako")
	first, second := c.lay(card), c.lay(card)
	if first.Tap == nil || second.Tap == nil || first.Tap.Tap == second.Tap.Tap || first.Tap.Record == second.Tap.Record {
		t.Error("two layings are not two taps")
	}
	if got := len(c.opened()); got != 2 {
		t.Errorf("%d records, want 2", got)
	}
}

func TestReadFailuresLeaveNoRecord(t *testing.T) {
	c := newCounter(t)
	_, good := c.card("hanako")
	answer := func(at int, hexes string) transmit {
		n := 0
		return func(cmd []byte) ([]byte, error) {
			if n++; n >= at {
				return hex.DecodeString(hexes)
			}
			return good.Card.Transmit(cmd), nil
		}
	}
	torn := 0
	for _, tc := range []struct {
		name string
		card transmit
		want localapi.ReadFailure
	}{
		{"another card", answer(1, "6A82"), localapi.FailureNotMyNumber},
		{"no certificate", answer(2, "6A82"), localapi.FailureNoCert},
		{"phone", answer(2, "6982"), localapi.FailurePINProtected},
		{"nonsense", answer(2, "04820100010203049000"), localapi.FailureNonsense},
		{"a SEQUENCE that is no certificate", answer(2, "30030201019000"), localapi.FailureNonsense},
		{"taken away in the middle", func(cmd []byte) ([]byte, error) {
			if torn++; torn > 1 {
				return nil, io.ErrUnexpectedEOF
			}
			return good.Card.Transmit(cmd), nil
		}, localapi.FailureTorn},
	} {
		if e := c.lay(tc.card); e.Type != localapi.EventReadFailed || e.Failure != tc.want || e.Reader != slot {
			t.Errorf("%s: event %s %s, want read_failed %s", tc.name, e.Type, e.Failure, tc.want)
		}
	}
	if got := len(c.opened()); got != 0 {
		t.Errorf("%d records of cards that could not be read", got)
	}
	if e := c.lay(good); e.Type != localapi.EventVerdict {
		t.Errorf("event %s after the failures, want a verdict", e.Type)
	}
}

func TestEventsOfReadersAndService(t *testing.T) {
	var heard []tap.Kind
	c := newCounter(t, func(conf *tap.Config) { conf.Seen = func(e tap.Event) { heard = append(heard, e.Kind) } })
	steps := []struct {
		in   tap.Event
		want []localapi.Event
	}{
		{tap.Event{Kind: tap.ServiceLost, Err: errors.New("start pcscd")}, []localapi.Event{{Type: localapi.EventReadFailed, Failure: localapi.FailureNoPCSC}}},
		{tap.Event{Kind: tap.ServiceFound}, nil},
		{tap.Event{Kind: tap.ReaderAdded, Reader: slot}, nil},
		{tap.Event{Kind: tap.CardArrived, Reader: slot, Already: true}, []localapi.Event{{Type: localapi.EventCardPresent, Reader: slot}}},
		{tap.Event{Kind: tap.CardRemoved, Reader: slot}, []localapi.Event{{Type: localapi.EventCardRemoved, Reader: slot}}},
		{tap.Event{Kind: tap.CardMute, Reader: slot}, []localapi.Event{
			{Type: localapi.EventCardPresent, Reader: slot},
			{Type: localapi.EventReadFailed, Reader: slot, Failure: localapi.FailureMute},
		}},
		{tap.Event{Kind: tap.ReaderRemoved, Reader: slot}, []localapi.Event{{Type: localapi.EventReadFailed, Reader: slot, Failure: localapi.FailureReaderGone}}},
	}
	for _, s := range steps {
		c.readers.events <- s.in
		for _, want := range s.want {
			got := c.next()
			got.ID, got.Time = "", time.Time{}
			if got != want {
				t.Errorf("after event %d: %+v, want %+v", s.in.Kind, got, want)
			}
		}
	}
	c.stop()
	if len(heard) != len(steps) {
		t.Errorf("Seen heard %d events, want %d", len(heard), len(steps))
	}
	if got := len(c.opened()); got != 0 {
		t.Errorf("%d records, want 0: a card that lay there already is no tap", got)
	}
}

func TestReadersDoNotWaitForEachOther(t *testing.T) {
	c := newCounter(t)
	release := make(chan struct{})
	_, quick := c.card("hanako")
	slow := transmit(func(cmd []byte) ([]byte, error) {
		<-release
		return quick.Card.Transmit(cmd), nil
	})
	const other = "Virtual Reader 00 01"
	c.readers.put(other, slow)
	c.readers.events <- tap.Event{Kind: tap.CardArrived, Reader: other}
	c.expect(localapi.EventCardPresent)
	c.expect(localapi.EventReading)
	if e := c.lay(quick); e.Type != localapi.EventVerdict || e.Reader != slot {
		t.Errorf("event %s on %s, want a verdict on %s", e.Type, e.Reader, slot)
	}
	// A second laying waits behind the first, a third is told that it cannot.
	for range 2 {
		c.readers.events <- tap.Event{Kind: tap.CardArrived, Reader: other}
		c.expect(localapi.EventCardPresent)
	}
	if e := c.next(); e.Type != localapi.EventReadFailed || e.Failure != localapi.FailureBusy {
		t.Errorf("event %s %s, want read_failed busy", e.Type, e.Failure)
	}
	close(release)
	if e := c.next(); e.Type != localapi.EventVerdict || e.Reader != other {
		t.Errorf("event %s %s, want a verdict", e.Type, e.Failure)
	}
	// The one that waited was overtaken: its card is not the one that lies there.
	if e := c.next(); e.Type != localapi.EventReadFailed || e.Failure != localapi.FailureExchanged {
		t.Errorf("event %s %s, want read_failed card_exchanged", e.Type, e.Failure)
	}
}

func TestStopFinishesTheTapUnderWay(t *testing.T) {
	c := newCounter(t)
	_, good := c.card("hanako")
	reading, release := make(chan struct{}), make(chan struct{})
	n := 0
	c.readers.put(slot, transmit(func(cmd []byte) ([]byte, error) {
		if n++; n == 2 {
			close(reading)
			<-release
		}
		return good.Card.Transmit(cmd), nil
	}))
	c.readers.events <- tap.Event{Kind: tap.CardArrived, Reader: slot}
	<-reading
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		c.stop()
	}()
	close(release)
	<-stopped
	c.expect(localapi.EventCardPresent)
	c.expect(localapi.EventReading)
	e := c.next()
	switch got := len(c.opened()); {
	case e.Type == localapi.EventVerdict && got == 1:
	case e.Type == localapi.EventReadFailed && e.Failure == localapi.FailureTorn && got == 0: // the end came before the card's last word
	default:
		t.Errorf("event %s %s and %d records", e.Type, e.Failure, got)
	}
}

func TestWithoutARuleTheRefusalIsRecorded(t *testing.T) {
	c := newCounter(t, func(conf *tap.Config) { conf.Rules = &rules{} })
	_, card := c.card("hanako")
	e := c.lay(card)
	if e.Type != localapi.EventVerdict || e.Tap.First != (localapi.Outcome{Verdict: record.VerdictRefused, Reason: record.ReasonNoRule}) {
		t.Fatalf("event %s %+v, want refused for no_rule", e.Type, e.Tap)
	}
	if r := c.opened()[0]; r.Basis != record.BasisDrill || r.Said.Reason != record.ReasonNoRule {
		t.Errorf("sealed basis %s, reason %s", r.Basis, r.Said.Reason)
	}
}

func TestP6PoorClockIsSaid(t *testing.T) {
	c := newCounter(t)
	c.clock.confidence = record.ConfidenceNone
	_, card := c.card("hanako")
	e := c.lay(card)
	if e.Type != localapi.EventVerdict || e.Tap.First.Reason != record.ReasonClockPoor || e.Rests.Confidence != record.ConfidenceNone {
		t.Errorf("event %s %+v on %+v, want clock_poor", e.Type, e.Tap, e.Rests)
	}
}

// A list that was fresh when the box was put into the cupboard looks fresh for ever to a machine that lost its time.
func TestP8DeadMachineAcceptsNothingOnAnOldList(t *testing.T) {
	for _, k := range []struct {
		name string
		off  time.Duration // what the machine is behind the floor
		want localapi.Outcome
	}{
		{"dead", 20 * 365 * 24 * time.Hour, localapi.Outcome{Verdict: record.VerdictProvisional, Reason: record.ReasonClockPoor}},
		{"a day behind", 24 * time.Hour, localapi.Outcome{Verdict: record.VerdictProvisional, Reason: record.ReasonClockPoor}},
		{"at the floor", 0, localapi.Outcome{Verdict: record.VerdictAccepted, Reason: record.ReasonInOrder}},
	} {
		t.Run(k.name, func(t *testing.T) {
			floor := time.Now().UTC().Truncate(time.Second)
			device, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
			must(t, err)
			kept := clock.Disk{Dir: t.TempDir(), Box: record.NewBoxID(), Device: device}
			must(t, kept.Store(clock.Stamp{Kind: clock.KindFloor, Time: floor}))
			machine := func() clock.Reading { return clock.Reading{Wall: floor.Add(-k.off)} }
			c := newCounter(t, func(conf *tap.Config) {
				conf.Clock = clock.New(t.Context(), clock.Config{Source: machine, Keep: kept, Built: floor.AddDate(-30, 0, 0)})
			})
			_, card := c.card("hanako")
			if e := c.lay(card); e.Type != localapi.EventVerdict || e.Tap.First != k.want {
				t.Errorf("event %s %+v, want %+v", e.Type, e.Tap, k.want)
			}
		})
	}
}

func TestACardThatNeverAnswersIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		events := make(chan localapi.Event, 8)
		r := &readers{events: make(chan tap.Event), block: true}
		k, err := tap.New(tap.Config{
			Cards: r, Clock: &hand{time.Now(), record.ConfidenceChecked}, Announcer: into(events), Journal: &crowded{}, Desk: desk, Service: service,
			Certificates: func() tap.Certificates { return none{} }, Rules: &rules{},
		})
		must(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- k.Run(ctx) }()
		start := time.Now()
		r.events <- tap.Event{Kind: tap.CardArrived, Reader: slot}
		var e localapi.Event
		for e.Type != localapi.EventReadFailed {
			e = <-events
		}
		if took := time.Since(start); e.Failure != localapi.FailureTorn || took != tap.DefaultReadTimeout {
			t.Errorf("%s after %v, want torn after %v", e.Failure, took, tap.DefaultReadTimeout)
		}
		cancel()
		must(t, <-done)
	})
}

type into chan<- localapi.Event

func (i into) Publish(e localapi.Event) { i <- e }

type none struct{}

func (none) Examine([]byte) (jpki.AuthCert, error) { return jpki.AuthCert{}, jpki.ErrNotCertificate }

func TestNewWantsNames(t *testing.T) {
	if _, err := tap.New(tap.Config{Desk: "Desk 1", Service: service}); !errors.Is(err, record.ErrName) {
		t.Errorf("New() = %v, want ErrName", err)
	}
}

// TestP3NothingReadableIsLeftBehind looks for all that a card and its holder gave in every file, the log and the events, in the forms
// in which software writes values down; the same search first finds a field that stays readable on purpose.
func TestP3NothingReadableIsLeftBehind(t *testing.T) {
	var log bytes.Buffer
	c := newCounter(t, func(conf *tap.Config) { conf.Log = slog.New(slog.NewTextHandler(&log, nil)) })
	c.demand(record.EvidenceCard)
	p, card := c.card("hanako")
	var events []localapi.Event
	for _, ask := range []func(world.Person) localapi.NextCardRequest{enrolment, shortEnrolment, nil} {
		if ask != nil {
			c.arm(ask(p))
		}
		events = append(events, c.lay(card))
	}
	c.arm(withPIN("0000"))
	events = append(events, c.lay(card))
	c.over()
	said, err := json.Marshal(events)
	must(t, err)
	places := map[string][]byte{"log": log.Bytes(), "events": said, "printed": fmt.Appendf(nil, "%+v %#v", events, c.tap)}
	for _, tail := range []string{"", "-wal", "-shm"} {
		if b, err := os.ReadFile(c.path + tail); err == nil {
			places["journal"+tail] = b
		}
	}
	for _, tail := range []string{"", "-wal", "-shm"} {
		places["sitebook"+tail], err = os.ReadFile(filepath.Join(filepath.Dir(c.path), "sitebook.db") + tail)
		must(t, err)
	}
	var search leak.Search
	for _, err := range []error{
		search.Number("serial", p.Auth.ID.Serial.Bytes()), search.Digits("birth date", p.Birth.Compact()),
		search.Word("PIN", p.AuthPIN), search.Word("input-assist PIN", p.InputPIN), search.Text("name", p.FullName()),
		search.Text("family name", p.Family), search.Text("address", p.Address),
		search.Number("card key", c.opened()[0].Enrolment.Key[40:60]), search.Number("signature", c.opened()[0].PIN.Signature[:20]),
	} {
		must(t, err)
	}
	var desks leak.Search
	must(t, desks.Text("desk", string(desk)))
	for place, b := range places {
		clear := place == "journal-wal" || place == "events" || place == "printed"
		if clear && len(desks.In(place, b)) == 0 {
			t.Errorf("the search does not find the desk's name in %s, where it stays in the clear", place)
		}
		for _, f := range search.In(place, b) {
			if len(f.Octets) >= leak.Long || f.Word { // shorter ones are in any ciphertext
				t.Errorf("found %s", f)
			}
		}
	}
	if !bytes.Contains(log.Bytes(), []byte("pin_wrong")) {
		t.Error("the log does not name the failure")
	}
}
