package renewal_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"kazashi.example/central/boxline/simcentral"
	"kazashi.example/central/renewal"
	"kazashi.example/sync/certid"
)

// A newcomer's certificate is asked about unless a round spoke for it: of a minute ago, or two days after it began.
func TestCurrentAsksOnlyWhatNobodySaid(t *testing.T) {
	c := simcentral.New(t)
	rounds := 0
	a := asker(c, source(func(string) (int, string) { rounds++; return http.StatusOK, answer(false, line("01", "02", day)) }), io.Discard)
	for i, k := range []struct {
		name   string
		pass   time.Duration
		age    time.Duration // of the certificate
		rounds int
	}{
		{"nobody asked ever", 0, 1000 * time.Hour, 1},
		{"asked just now", 59 * time.Second, 0, 1},
		{"asked a while ago, of an older certificate", time.Hour, 50 * time.Hour, 1},
		{"asked a while ago, of one that began a day before that", time.Hour, 26 * time.Hour, 2},
		{"a new one", time.Hour, time.Minute, 3},
		{"the clock was set back", -48 * time.Hour, 1000 * time.Hour, 4},
	} {
		c.World.Pass(k.pass)
		if err := a.Current(t.Context(), c.World.Now().Add(-k.age)); err != nil || rounds != k.rounds {
			t.Errorf("%d: %s: Current = %v after %d rounds, want %d", i, k.name, err, rounds, k.rounds)
		}
	}
	if !a.Tells(certid.HierarchyPractice) || a.Tells(certid.HierarchyProduction) {
		t.Error("Tells of another hierarchy than the service does")
	}
	if none := renewal.New(renewal.Config{Hierarchy: certid.HierarchyPractice}); none.Tells(certid.HierarchyPractice) {
		t.Error("Tells without a service")
	}
}

// An answer that breaks off before its end speaks for nobody.
func TestCurrentWantsAWholeRound(t *testing.T) {
	c := simcentral.New(t)
	n := 0
	a := asker(c, source(func(string) (int, string) {
		if n++; n == 2 {
			return http.StatusBadGateway, ""
		}
		return http.StatusOK, answer(n == 1, line("01", "02", day.Add(time.Duration(n)*time.Hour)))
	}), io.Discard)
	if err := a.Current(t.Context(), c.World.Now()); !errors.Is(err, renewal.ErrSilent) {
		t.Errorf("Current = %v, want ErrSilent: half an answer is none", err)
	}
	if err := a.Current(t.Context(), c.World.Now().Add(-1000*time.Hour)); !errors.Is(err, renewal.ErrSilent) || n != 2 {
		t.Errorf("Current at once = %v after %d questions, want ErrSilent without another question", err, n)
	}
	c.World.Pass(30 * time.Second)
	if err := a.Current(t.Context(), c.World.Now()); err != nil || n != 3 {
		t.Errorf("Current after a while = %v after %d questions, want it to be asked again", err, n)
	}
}

// hanging answers nobody until its request ends.
type hanging struct {
	mu sync.Mutex
	n  int
}

func (h *hanging) RoundTrip(r *http.Request) (*http.Response, error) {
	h.mu.Lock()
	h.n++
	h.mu.Unlock()
	<-r.Context().Done()
	return nil, context.Cause(r.Context())
}

// P2: a service that hangs holds up however many callers for ten seconds together, and is asked once.
func TestP2AHangingServiceHoldsUpNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := simcentral.New(t)
		h := &hanging{}
		a := asker(c, h, io.Discard)
		began := time.Now()
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				for range 16 {
					if err := a.Current(t.Context(), c.World.Now()); !errors.Is(err, renewal.ErrSilent) {
						t.Errorf("Current = %v, want ErrSilent", err)
					}
				}
			})
		}
		all.Wait()
		if took := time.Since(began); took > 11*time.Second || h.n != 1 {
			t.Errorf("128 calls took %s and asked %d times, want ten seconds and once", took, h.n)
		}
	})
}
