package box_test

import (
	"context"
	"crypto/x509"
	"database/sql"
	"encoding/base64"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	_ "modernc.org/sqlite" // to break a journal

	"kazashi.example/appliance/tap"
	"kazashi.example/central/lab/world"
	"kazashi.example/central/lab/world/worldtest"
	"kazashi.example/localapi"
	"kazashi.example/reader/vcard"
	"kazashi.example/sync/record"
	"kazashi.example/sync/wire"
)

const slot = "Practice Reader 0"

// laid is a virtual card on the reader.
type laid struct{ *vcard.Card }

func (l laid) Transmit(_ context.Context, cmd []byte) ([]byte, error) {
	return l.Card.Transmit(cmd), nil
}

func (l laid) Close() error {
	l.Reset()
	return nil
}

// practiceCard is the card of a made-up person, with their authentication certificate.
func practiceCard(t *testing.T) (laid, []byte) {
	t.Helper()
	p, err := worldtest.Open(t, world.Config{People: 1}).Person("hanako")
	must(t, err)
	profile, err := vcard.LoadProfile(p.Profile)
	must(t, err)
	card, err := vcard.New(profile, &vcard.MemoryStore{})
	must(t, err)
	return laid{card}, profile.AuthCert
}

// at puts a reader on the counter and subscribes to what the counter hears.
func at(t *testing.T, k *counter, b interface {
	Subscribe(ctx context.Context) (<-chan localapi.Event, error)
},
) <-chan localapi.Event {
	t.Helper()
	events, err := b.Subscribe(t.Context())
	must(t, err)
	k.hand.events <- tap.Event{Kind: tap.ReaderAdded, Reader: slot}
	return events
}

func TestModeFollowsTheReaders(t *testing.T) {
	k := joined(t, newCentral(t, nil))
	b, _ := k.run(t)
	events, err := b.Subscribe(t.Context())
	must(t, err)
	for _, c := range []struct {
		event   tap.Event
		mode    localapi.Mode
		problem localapi.ReadFailure
		readers []localapi.Reader
	}{
		{tap.Event{}, localapi.ModeStopped, localapi.FailureReaderGone, nil},
		{tap.Event{Kind: tap.ServiceLost}, localapi.ModeStopped, localapi.FailureNoPCSC, nil},
		{tap.Event{Kind: tap.ServiceFound}, localapi.ModeStopped, localapi.FailureReaderGone, nil},
		{tap.Event{Kind: tap.ReaderAdded, Reader: slot}, localapi.ModeOffline, "", []localapi.Reader{{Name: slot}}},
		{tap.Event{Kind: tap.CardArrived, Reader: slot, Already: true}, localapi.ModeOffline, "", []localapi.Reader{{Name: slot, Card: true}}},
		{tap.Event{Kind: tap.CardMute, Reader: "B"}, localapi.ModeOffline, "", []localapi.Reader{{Name: slot, Card: true}, {Name: "B", Card: true}}},
		{tap.Event{Kind: tap.CardRemoved, Reader: slot}, localapi.ModeOffline, "", []localapi.Reader{{Name: slot}, {Name: "B", Card: true}}},
		{tap.Event{Kind: tap.ReaderRemoved, Reader: "B"}, localapi.ModeOffline, "", []localapi.Reader{{Name: slot}}},
		{tap.Event{Kind: tap.ReaderRemoved, Reader: slot}, localapi.ModeStopped, localapi.FailureReaderGone, nil},
		{tap.Event{Kind: tap.ReaderAdded, Reader: slot}, localapi.ModeOffline, "", []localapi.Reader{{Name: slot}}},
		{tap.Event{Kind: tap.ServiceLost}, localapi.ModeStopped, localapi.FailureNoPCSC, nil},
	} {
		right := func(s *localapi.Status) bool {
			same := s.Mode == c.mode && s.Problem == c.problem && len(s.Readers) == len(c.readers)
			for i := 0; same && i < len(c.readers); i++ {
				same = s.Readers[i] == c.readers[i]
			}
			return same
		}
		if c.event.Kind == 0 {
			if s, err := b.Status(t.Context()); err != nil || !right(&s) {
				t.Errorf("at first: Status() = %+v, %v, want %s %q", s, err, c.mode, c.problem)
			}
			continue
		}
		k.hand.events <- c.event
		next(t, events, localapi.EventStatus, func(e localapi.Event) bool { return right(e.Status) })
	}
}

// A card that was read when the box is told to stop becomes a record, and is there after the restart.
func TestP2StoppingLosesNoTap(t *testing.T) {
	k := joined(t, newCentral(t, nil))
	card, _ := practiceCard(t)
	reading, goOn := make(chan struct{}), make(chan struct{})
	k.hand.card = func(context.Context) (tap.Connection, error) {
		close(reading)
		<-goOn
		return card, nil
	}
	b, stop := k.run(t)
	at(t, k, b)
	k.hand.events <- tap.Event{Kind: tap.CardArrived, Reader: slot}
	<-reading
	ended := make(chan error, 1)
	go func() { ended <- stop() }()
	close(goOn)
	if err := <-ended; err != nil {
		t.Fatalf("Run() and Close() = %v, want nil", err)
	}
	again, _ := k.run(t)
	taps, err := again.Taps(t.Context(), localapi.MaxTaps)
	if err != nil || len(taps) != 1 || taps[0].Desk != "counter-1" || taps[0].State != localapi.StateWaiting {
		t.Fatalf("Taps() after the restart = %+v, %v, want the one tap", taps, err)
	}
	s, err := again.Status(t.Context())
	if err != nil || s.Waiting.Records != 1 || !s.Waiting.Oldest.Equal(taps[0].Time) {
		t.Errorf("Status().Waiting = %+v, %v, want one record of %s", s.Waiting, err, taps[0].Time)
	}
}

// A disk that takes no more shows as that, serves nobody, and is over with the next record that it takes (P1).
func TestP1JournalTroubleShows(t *testing.T) {
	k := joined(t, newCentral(t, nil))
	card, _ := practiceCard(t)
	k.hand.card = func(context.Context) (tap.Connection, error) { return card, nil }
	b, _ := k.run(t)
	events := at(t, k, b)
	full := func(statement string) {
		t.Helper()
		db, err := sql.Open("sqlite", "file:"+filepath.Join(k.conf.DataDir, "journal.db")+"?_pragma=busy_timeout(5000)")
		must(t, err)
		_, err = db.ExecContext(t.Context(), statement)
		must(t, err)
		must(t, db.Close())
	}
	lay := func() { k.hand.events <- tap.Event{Kind: tap.CardArrived, Reader: slot} }
	full("CREATE TRIGGER full BEFORE INSERT ON record BEGIN SELECT RAISE(FAIL, 'disk is full'); END")
	lay()
	next(t, events, localapi.EventReadFailed, func(e localapi.Event) bool { return e.Failure == localapi.FailureJournal })
	next(t, events, localapi.EventStatus, func(e localapi.Event) bool {
		return e.Status.Problem == localapi.FailureJournal && e.Status.Mode == localapi.ModeStopped
	})
	k.remove(t, events)
	full("DROP TRIGGER full")
	lay()
	e := next(t, events, localapi.EventVerdict, nil)
	if e.Tap.First.Verdict == record.VerdictAccepted {
		t.Errorf("without any rule the verdict is %s, want none that serves", e.Tap.First.Verdict)
	}
	next(t, events, localapi.EventStatus, func(e localapi.Event) bool {
		return e.Status.Problem == "" && e.Status.Mode == localapi.ModeOffline && e.Status.Waiting.Records == 1
	})
}

// A box that central does not serve says so at the counter, not only that the line is down (P6).
func TestARefusedBoxSaysWhy(t *testing.T) {
	for code, want := range map[string]localapi.LineTrouble{
		wire.CodeRevokedBox:   localapi.LineRevoked,
		wire.CodeUnknownBox:   localapi.LineUnknown,
		wire.CodeUnavailable:  localapi.LineUnavailable,
		wire.CodeInternal:     localapi.LineUnavailable,
		wire.CodeUnknownRoute: localapi.LineRefused,
	} {
		t.Run(code, func(t *testing.T) {
			c := newCentral(t, nil)
			c.refuse = code
			k := joined(t, c)
			b, _ := k.run(t)
			events, err := b.Subscribe(t.Context())
			must(t, err)
			s, err := b.Status(t.Context())
			must(t, err)
			if s.Line.Trouble == "" {
				e := next(t, events, localapi.EventStatus, func(e localapi.Event) bool { return e.Status.Line.Trouble != "" })
				s = *e.Status
			}
			if l := s.Line; l.Trouble != want || l.Up || l.Heard.IsZero() {
				t.Errorf("Line = %+v, want it down with trouble %s and a time of the answer", l, want)
			}
		})
	}
}

func TestRunRefusesATakenPort(t *testing.T) {
	k := joined(t, newCentral(t, nil))
	l, err := net.Listen("tcp", k.conf.Counter.Listen)
	must(t, err)
	b, err := k.open(t)
	must(t, err)
	if err := b.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("Run() = %v, want an address in use", err)
	}
	must(t, b.Close())
	must(t, l.Close())
	if _, err := os.Lstat(k.conf.Socket()); !os.IsNotExist(err) {
		t.Errorf("the socket is there: %v", err)
	}
	_, stop := k.run(t)
	if err := stop(); err != nil {
		t.Errorf("Run() with the port free again = %v, want nil", err)
	}
}

// P3: of a card that was tapped neither log nor metrics say a word.
func TestP3LogAndMetricsNameNobody(t *testing.T) {
	k := joined(t, newCentral(t, nil))
	card, der := practiceCard(t)
	cert, err := x509.ParseCertificate(der)
	must(t, err)
	k.hand.card = func(context.Context) (tap.Connection, error) { return card, nil }
	b, stop := k.run(t)
	events := at(t, k, b)
	k.hand.events <- tap.Event{Kind: tap.CardArrived, Reader: slot}
	next(t, events, localapi.EventVerdict, nil)
	resp, err := http.Get("http://" + k.conf.Counter.Listen + "/metrics")
	must(t, err)
	page, err := io.ReadAll(resp.Body)
	must(t, errors.Join(err, resp.Body.Close(), stop()))
	said := k.log.String() + string(page)
	for _, want := range []string{"box runs", "box has stopped", "this box keeps its keys in a file", "kazashi_taps_total{"} {
		if !strings.Contains(said, want) {
			t.Errorf("log and metrics do not say %q", want)
		}
	}
	for _, secret := range []string{
		cert.Subject.CommonName, cert.SerialNumber.String(), cert.SerialNumber.Text(16), base64.StdEncoding.EncodeToString(der[:30]),
	} {
		if len(secret) > 4 && strings.Contains(strings.ToLower(said), strings.ToLower(secret)) {
			t.Errorf("log or metrics name the card: %q", secret)
		}
	}
	if strings.Contains(k.log.String(), `"level":"ERROR"`) {
		t.Errorf("an end in order logs an error:\n%s", k.log)
	}
}
