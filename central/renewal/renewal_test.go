package renewal_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"kazashi.example/central/boxline/simcentral"
	"kazashi.example/central/intake/simbox"
	"kazashi.example/central/lab/jpki"
	"kazashi.example/central/lab/world"
	"kazashi.example/central/lab/world/worldtest"
	"kazashi.example/central/renewal"
	"kazashi.example/central/store"
	"kazashi.example/sync/certid"
	"kazashi.example/sync/epoch"
	"kazashi.example/sync/record"
)

// day is when made-up renewals happen.
var day = time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)

// line is one line of an answer.
func line(older, newer string, at time.Time) string {
	return fmt.Sprintf(`{"purpose":"auth","old":%q,"new":%q,"at":%q}`, older, newer, at.Format(time.RFC3339))
}

func answer(more bool, lines ...string) string {
	return fmt.Sprintf(`{"renewals":[%s],"more":%v}`, strings.Join(lines, ","), more)
}

// source is a service of renewals. It answers by what it was asked.
type source func(since string) (status int, body string)

// RoundTrip is http.RoundTripper: the service without its network.
func (s source) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	status, body := s(r.URL.Query().Get("since"))
	return &http.Response{
		StatusCode: status, Status: http.StatusText(status), Header: http.Header{"Location": {"http://127.0.0.1/elsewhere"}},
		Body: io.NopCloser(strings.NewReader(body)), Request: r,
	}, nil
}

func says(body string) source { return func(string) (int, string) { return http.StatusOK, body } }

// asker asks a source for a central.
func asker(c *simcentral.Central, s http.RoundTripper, log io.Writer) *renewal.Asker {
	return renewal.New(renewal.Config{
		Store: c.Store, People: c.People, URL: "http://127.0.0.1:7443/renewals", Hierarchy: certid.HierarchyPractice, Every: time.Hour,
		HTTP: &http.Client{Transport: s}, Bells: c.Bells, Now: c.World.Now, Log: slog.New(slog.NewTextHandler(log, nil)),
	})
}

// enrolled is a central where one person enrolled with a serial, and the box.
func enrolled(t *testing.T, serial ...byte) (*simcentral.Central, *simbox.Box, *simbox.Epoch, record.TapID) {
	t.Helper()
	c := simcentral.New(t)
	b := c.Box()
	e := b.Start(t, epoch.CauseStart)
	r := simbox.Known(t, serial...).Enrol(t, b.ID)
	e.Tap(t, r)
	c.Push(b, b.Push())
	c.Drain()
	return c, b, e, r.Tap
}

// design §6, whole: enrolled, renewed, found under the new certificate by certificate, by card and by PIN, with the same pseudonym.
func TestOverARenewalAPersonStaysThePerson(t *testing.T) {
	c, b, e, first := enrolled(t, 0x31, 1)
	bell := c.Bells.Box(b.ID)
	sum, err := asker(c, says(answer(false, line("3101", "3102", day))), io.Discard).Round(t.Context())
	if err != nil || sum != (renewal.Sum{Learned: 1, Linked: 1}) {
		t.Fatalf("Round = %+v, %v, want one learned and linked", sum, err)
	}
	select {
	case <-bell:
	default:
		t.Error("the box whose roster changed was not rung for")
	}
	if got := c.Roster(b); len(got.Entries) != 1 || !got.Entries[0].Renewed {
		t.Error("the box is not told the new roster")
	}
	renewed := simbox.Known(t, 0x31, 1).Renewed(t, 0x31, 2)
	weak, pin, card := simbox.Card(0x31, 2), renewed.PIN(t, b.ID), renewed.Tap(t, b.ID, first)
	e.Tap(t, weak)
	e.Tap(t, pin)
	e.Tap(t, card)
	c.Push(b, b.Push())
	c.Drain()
	want := c.PPID(b, first)
	for name, tap := range map[string]record.TapID{"certificate": weak.Tap, "PIN": pin.Tap, "card": card.Tap} {
		if got := c.PPID(b, tap); got != want || got == "" {
			t.Errorf("PPID by %s after the renewal = %q, want %q", name, got, want)
		}
	}
	if n := c.Counts(); n.Persons != 1 {
		t.Errorf("%d persons, want 1", n.Persons)
	}
}

// P2: what is heard again, late, or by a service that ignores how far central came, ends in the same state.
func TestAskingAgainOverlaps(t *testing.T) {
	c, _, _, _ := enrolled(t, 0x32, 1)
	var heard []string
	body := answer(false, line("3201", "3202", day), `{"purpose":"sign","old":"77","new":"78","at":"2026-11-02T00:00:00Z"}`)
	s := source(func(since string) (int, string) {
		heard = append(heard, since)
		return http.StatusOK, body
	})
	a := asker(c, s, io.Discard)
	for range 2 {
		if _, err := a.Round(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	again := asker(c, s, io.Discard) // central started again
	body = answer(false, line("3202", "3203", day.Add(-time.Hour)))
	sum, err := again.Round(t.Context())
	if err != nil || sum != (renewal.Sum{Learned: 1, Linked: 1}) {
		t.Errorf("Round(late line) = %+v, %v, want it learned", sum, err)
	}
	want := []string{"1970-01-01T00:00:00Z", "2026-10-31T00:00:00Z", "2026-10-31T00:00:00Z"} // two days before the last line's time
	if strings.Join(heard, " ") != strings.Join(want, " ") {
		t.Errorf("asked since %q, want %q", heard, want)
	}
	body = answer(false)
	if sum, err := again.Round(t.Context()); err != nil || sum != (renewal.Sum{}) {
		t.Errorf("Round(nothing) = %+v, %v", sum, err)
	}
}

// A time that has not come does not keep central from asking for what lies before it.
func TestATimeInTheFutureMovesNothingPastNow(t *testing.T) {
	c := simcentral.New(t)
	if _, err := asker(c, says(answer(false, line("01", "02", day.AddDate(50, 0, 0)))), io.Discard).Round(t.Context()); err != nil {
		t.Fatal(err)
	}
	var asked store.Asked
	c.Check(c.DB.View(t.Context(), func(tx store.Tx) (err error) { asked, err = tx.RenewalsAsked(); return err }))
	if asked.Through.After(c.World.Now()) || asked.At.IsZero() {
		t.Errorf("asked through %s at %s, want no later than now", asked.Through, asked.At)
	}
}

func TestAnAnswerInParts(t *testing.T) {
	c := simcentral.New(t)
	var since []string
	s := source(func(q string) (int, string) {
		since = append(since, q)
		switch len(since) {
		case 1:
			return http.StatusOK, answer(true, line("01", "02", day))
		case 2:
			return http.StatusOK, answer(true, line("02", "03", day.Add(time.Hour)))
		default:
			return http.StatusOK, answer(false, line("03", "04", day.Add(2*time.Hour)))
		}
	})
	sum, err := asker(c, s, io.Discard).Round(t.Context())
	if err != nil || sum.Learned != 3 || strings.Join(since, " ") != "1970-01-01T00:00:00Z 2026-11-01T00:00:00.000000001Z 2026-11-01T01:00:00.000000001Z" {
		t.Errorf("Round = %+v, %v, asked since %q", sum, err, since)
	}
}

func TestWhatIsNoAnswer(t *testing.T) {
	good := line("01", "02", day)
	for _, k := range []struct {
		name string
		s    source
		want error
	}{
		{"another status", func(string) (int, string) { return http.StatusInternalServerError, "" }, renewal.ErrStatus},
		{"a redirect", func(string) (int, string) { return http.StatusFound, answer(false, good) }, renewal.ErrStatus},
		{"no JSON", says("<html>"), renewal.ErrAnswer},
		{"nothing", says(""), renewal.ErrAnswer},
		{"another object", says(`{"people":[]}`), renewal.ErrAnswer},
		{"two values", says(answer(false, good) + "{}"), renewal.ErrAnswer},
		{"cut off", says(answer(false, good)[:40]), renewal.ErrAnswer},
		{"too large", says(strings.Repeat(" ", renewal.MaxAnswer) + answer(false)), renewal.ErrLarge},
		{"too many lines", says(answer(false, strings.Repeat(good+",", renewal.MaxLines)+good)), renewal.ErrLarge},
		{"more and more of the same", says(answer(true, good)), renewal.ErrStuck},
		{"more of nothing", says(answer(true)), renewal.ErrStuck},
	} {
		t.Run(k.name, func(t *testing.T) {
			c := simcentral.New(t)
			sum, err := asker(c, k.s, io.Discard).Round(t.Context())
			if !errors.Is(err, k.want) {
				t.Errorf("Round = %+v, %v, want %v", sum, err, k.want)
			}
			if n := c.Counts(); errors.Is(k.want, renewal.ErrStuck) != (n.Renewals > 0) && k.name != "more of nothing" {
				t.Errorf("%d renewals are kept: nothing of a bad answer counts, and good parts do", n.Renewals)
			}
		})
	}
}

// One line that cannot be read, wherever it stands, is counted and said, and keeps no other from central: neither those beside it nor those
// of later answers. Zeroes before a serial mean nothing.
func TestABadLineStopsNothing(t *testing.T) {
	for name, bad := range map[string]string{
		"a serial that is none":      line("xx", "09", day),
		"zero":                       line("00", "09", day),
		"no serial":                  line("", "09", day),
		"a serial that is too long":  line(strings.Repeat("11", 21), "09", day),
		"no time":                    `{"purpose":"auth","old":"08","new":"09"}`,
		"a time that is none":        `{"purpose":"auth","old":"08","new":"09","at":"yesterday"}`,
		"no purpose":                 `{"old":"08","new":"09","at":"2026-11-01T00:00:00Z"}`,
		"a number":                   `{"purpose":"auth","old":8,"new":9,"at":"2026-11-01T00:00:00Z"}`,
		"nothing":                    `null`,
		"no object":                  `"08 to 09"`,
		"the new one twice, one bad": line("08", "0g", day),
	} {
		t.Run(name, func(t *testing.T) {
			c, _, _, _ := enrolled(t, 0x0a, 0x1b)
			var log bytes.Buffer
			first := true
			s := source(func(string) (int, string) {
				defer func() { first = false }()
				if first {
					return http.StatusOK, answer(true, line("01", "02", day), bad, line("000a1b", "00a1c", day))
				}
				return http.StatusOK, answer(false, line("0000000a1c", "a1d", day.Add(time.Hour)))
			})
			sum, err := asker(c, s, &log).Round(t.Context())
			if err != nil || sum != (renewal.Sum{Learned: 3, Linked: 2, Bad: 1}) {
				t.Errorf("Round = %+v, %v, want 3 learned, 2 linked, 1 bad", sum, err)
			}
			if !strings.Contains(log.String(), "level=ERROR") || !strings.Contains(log.String(), "count=1") {
				t.Errorf("the log does not count it: %s", log.String())
			}
		})
	}
}

// P3: the log tells what a person must act on, by numbers of rows.
func TestP3TheLogNamesNoCertificate(t *testing.T) {
	c, b, e, _ := enrolled(t, 0x5a, 0x17, 0xc3, 0x99)
	e.Tap(t, simbox.Known(t, 0x6b, 0x28, 0xd4, 0xaa).PIN(t, b.ID))
	c.Push(b, b.Push())
	c.Drain()
	var log bytes.Buffer
	body := answer(false, line("5a17c399", "6b28d4aa", day), line("5a17c399", "6b28d4ab", day), line("6b28d4aa", "6b28d4ac", day))
	sum, err := asker(c, says(body), &log).Round(t.Context())
	if err != nil || sum.Conflicts != 1 || sum.Contradicts != 1 || sum.Learned != 2 {
		t.Fatalf("Round = %+v, %v, want a conflict and a contradiction beside 2 learned", sum, err)
	}
	for _, want := range []string{"level=ERROR msg=\"one person enrolled as two", "verifier=kiyose person=1 other=2", "renewals contradict others", "learned=2"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log lacks %q:\n%s", want, log.String())
		}
	}
	if _, err := asker(c, says(`{"renewals":[{"purpose":"auth","old":"5a17c399"`), &log).Round(t.Context()); err == nil || strings.Contains(err.Error(), "5a17") {
		t.Errorf("Round(cut off) = %v, want an error that quotes nothing", err)
	}
	l := renewal.Line{At: day}
	j, err := json.Marshal(l)
	if s := log.String() + fmt.Sprintf("%v %+v %x", l, l, l) + string(j); err != nil || strings.Contains(s, "5a17c399") || strings.Contains(s, "6b28d4") ||
		strings.Contains(s, "2026-11-01") {
		t.Errorf("a certificate is named: %s", s)
	}
}

var errCrash = errors.New("the machine stops here")

// failing stops at one update, before its commit or after it.
type failing struct {
	store.Store
	at, n int
	after bool
}

func (f *failing) Update(ctx context.Context, do func(store.Tx) error) error {
	f.n++
	switch {
	case f.n < f.at:
		return f.Store.Update(ctx, do)
	case f.n == f.at && f.after:
		return errors.Join(f.Store.Update(ctx, do), errCrash)
	default:
		return f.Store.Update(ctx, func(tx store.Tx) error { return errors.Join(do(tx), errCrash) })
	}
}

// P2: a stop before or after any commit, then the question again: the same state.
func TestEveryCrashPointOfARound(t *testing.T) {
	lines := []string{line("330000", "330001", day)}
	for i := range 299 { // two transactions
		lines = append(lines, line(hex.EncodeToString([]byte{0x34, byte(i >> 8), byte(i)}), hex.EncodeToString([]byte{0x35, byte(i >> 8), byte(i)}), day))
	}
	body := says(answer(false, lines...))
	for _, after := range []bool{false, true} {
		for at := 1; at <= 3; at++ {
			c, _, _, _ := enrolled(t, 0x33, 0, 0)
			f := &failing{Store: c.Store, at: at, after: after}
			a := asker(c, body, io.Discard)
			a.Store = f
			if _, err := a.Round(t.Context()); !errors.Is(err, errCrash) {
				t.Fatalf("Round that stops at update %d = %v, want the stop", at, err)
			}
			if _, err := asker(c, body, io.Discard).Round(t.Context()); err != nil {
				t.Fatal(err)
			}
			if n := c.Counts(); n.Renewals != 300 || n.Persons != 1 || n.Conflicts != 0 {
				t.Errorf("stopped at %d (after the commit: %v): counts = %+v, want 300 renewals and one person", at, after, n)
			}
		}
	}
}

// Run asks at the start, sooner after a failure, and says when it has asked once.
func TestRunAsksAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := simcentral.New(t)
		var at []time.Duration
		began := time.Now()
		s := source(func(string) (int, string) {
			at = append(at, time.Since(began))
			if len(at) == 1 {
				return http.StatusServiceUnavailable, ""
			}
			return http.StatusOK, answer(false)
		})
		ctx, cancel := context.WithCancel(t.Context())
		a := asker(c, s, io.Discard)
		done := make(chan error, 1)
		go func() { done <- a.Run(ctx) }()
		<-a.Asked()
		<-time.After(2*time.Hour + 10*time.Minute)
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("Run = %v, want the context's end", err)
		}
		if got := fmt.Sprint(at); got != "[0s 5m0s 1h5m0s 2h5m0s]" {
			t.Errorf("asked after %s, want at once, five minutes after the failure, and then every hour", got)
		}
	})
}

func TestRunWithoutAService(t *testing.T) {
	c := simcentral.New(t)
	a := asker(c, says(""), io.Discard)
	a.URL = ""
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	<-a.Asked()
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("Run = %v, want the context's end", err)
	}
}

// The practice JPKI is such a service: a person who renews and then gets a new card is followed, lines of one moment too.
func TestAgainstThePracticeJPKI(t *testing.T) {
	w := worldtest.Open(t, world.Config{People: 2})
	service, err := jpki.NewService(w, jpki.Config{})
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(service)
	defer web.Close()
	who, err := w.Person("hanako")
	if err != nil {
		t.Fatal(err)
	}
	c, _, _, _ := enrolled(t, who.Auth.ID.Serial.Bytes()...)
	a := asker(c, http.DefaultTransport, io.Discard)
	a.URL = web.URL + "/renewals"
	for round, want := range []renewal.Sum{{}, {Learned: 1, Linked: 1}, {Learned: 1, Linked: 1}, {}} {
		if round == 1 || round == 2 {
			if _, err := w.Renew("hanako", time.Now()); err != nil {
				t.Fatal(err)
			}
		}
		if sum, err := a.Round(t.Context()); err != nil || sum != want {
			t.Errorf("round %d = %+v, %v, want %+v", round, sum, err, want)
		}
	}
	if who, err = w.Person("hanako"); err != nil {
		t.Fatal(err)
	}
	c.Check(c.DB.View(t.Context(), func(tx store.Tx) error {
		found, err := c.People.Find(tx, simbox.Verifier, who.Auth.ID)
		if found.Row != 1 {
			t.Errorf("her newest certificate leads to person %d, want 1", found.Row)
		}
		return err
	}))
}

// A real server, which is asked by GET and sends what it has.
func TestOverHTTP(t *testing.T) {
	c, _, _, _ := enrolled(t, 0x34, 1)
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet || r.URL.Query().Get("scope") != "all" {
			http.Error(w, "no", http.StatusBadRequest)
			return
		}
		_, _ = io.WriteString(w, answer(false, line("3401", "3402", day))+"\n")
	}))
	defer web.Close()
	a := asker(c, http.DefaultTransport, io.Discard)
	a.URL = web.URL + "/renewals?scope=all"
	for _, want := range []renewal.Sum{{Learned: 1, Linked: 1}, {}} {
		if sum, err := a.Round(t.Context()); err != nil || sum != want {
			t.Errorf("Round = %+v, %v, want %+v", sum, err, want)
		}
	}
	web.Close()
	if _, err := a.Round(t.Context()); err == nil {
		t.Error("Round with nobody there = nil, want an error")
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(answer(true, line("01", "02", day))))
	f.Add([]byte(`{"renewals":[]}`))
	f.Add([]byte(`{"renewals":[{"purpose":"sign","old":"ff","new":"01","at":"2026-11-01T00:00:00+09:00"}],"next":1}`))
	f.Fuzz(func(t *testing.T, in []byte) {
		a, err := renewal.Decode(in)
		if err != nil {
			if !errors.Is(err, renewal.ErrAnswer) && !errors.Is(err, renewal.ErrLarge) {
				t.Fatalf("Decode = %v, want ErrAnswer or ErrLarge", err)
			}
			return
		}
		for _, l := range a.Lines {
			if l.Old.IsZero() || l.New.IsZero() || l.At.IsZero() || l.At.After(a.Last) {
				t.Fatalf("Decode(%q) took a line without its parts", in)
			}
		}
	})
}
