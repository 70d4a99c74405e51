package link_test

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"kazashi.example/appliance/link"
	"kazashi.example/appliance/revocation"
	"kazashi.example/appliance/revocation/settest"
	"kazashi.example/central/lab/relay"
	"kazashi.example/sync/certid"
	"kazashi.example/sync/crlset"
	"kazashi.example/sync/record"
	"kazashi.example/sync/sign"
	"kazashi.example/sync/wire"
)

// holds is how many octets come over a connection of a bad line.
const holds = 200_000

func tell(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// fetching is a box that fetches sets over a bad line, and the central that makes them.
type fetching struct {
	*box
	made *settest.Central
	sets *revocation.Cache
	came chan struct{}
	id   certid.CertID // somebody who is on the second set
}

// fetched runs a box behind a line on which no connection holds for long.
func fetched(t *testing.T) *fetching {
	t.Helper()
	c := newCentral(t)
	r, err := relay.New("127.0.0.1:0", serve(t, c, c.tls), quiet)
	must(t, err)
	r.BreakAfter(holds)
	client := dial(t, c, r.Addr())
	f := &fetching{box: newBox(t, c, client, quiet), came: make(chan struct{}, 1)}
	scope, issuer := certid.Scope{Hierarchy: certid.HierarchyPractice, Purpose: certid.PurposeAuth}, certid.KeyID{7}
	f.made = settest.New(t, scope, issuer)
	f.made.Key, c.blobs = c.sign, f.made.Blobs
	f.sets, err = revocation.Open(t.Context(), revocation.Config{
		Dir: filepath.Join(f.dir, "sets"), Keys: func() sign.Keys { return f.desired.Trust() }, Log: quiet, Learn: f.Learn,
		Changed: func() { tell(f.came) },
	})
	must(t, err)
	conf := f.link.Config
	conf.Sets = f.sets
	f.link = link.New(conf)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 2)
	go func() { ended <- r.Run(ctx) }()
	go func() { ended <- f.sets.Run(ctx, client) }()
	stop := f.run()
	t.Cleanup(func() {
		stop()
		cancel()
		for range 2 {
			if err := <-ended; err != nil && !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		}
		f.sets.Close()
		f.close()
	})
	return f
}

// publish makes the next set, offers it, and goes on tapping until the box answers from it.
func (f *fetching) publish(at time.Time, want record.Answer, entries ...crlset.Entry) {
	f.t.Helper()
	f.central.change(func() {
		v := f.made.Publish(at, entries...)
		f.central.offers = []wire.SetOffer{f.made.Offer(v.Head.Number.N - 1)}
	})
	deadline, next := time.After(2*patience), time.NewTicker(50*time.Millisecond)
	defer next.Stop()
	for n := uint64(len(f.made.All)); ; {
		select {
		case <-f.came:
			if h, ok := f.sets.Newest(f.made.Scope); !ok || h.Number.N != n {
				continue
			}
			if a := f.sets.Answer(f.id, f.made.Issuers[0]); a.Answer != want || a.Number.N != n || !a.ThisUpdate.Equal(at) {
				f.t.Errorf("set %d of %v: %v by number %d of %v, want %v", n, at, a.Answer, a.Number.N, a.ThisUpdate, want)
			}
			if got := f.learnt.Load(); got != at.Unix() {
				f.t.Errorf("the clock learnt %d from a set of %d", got, at.Unix())
			}
			return
		case <-deadline:
			f.t.Fatalf("set %d did not come", n)
		case <-next.C:
			f.tap(1)
			f.settled(f.taps, patience)
		}
	}
}

// asked is from which octets the newest set's file was read.
func (f *fetching) asked() []int64 {
	f.central.mu.Lock()
	defer f.central.mu.Unlock()
	return f.central.asked[f.made.Offer(0).Set.ID]
}

// P1, P7: a line that never holds for long brings the newest set all the same, less than a chunk lost each time that it breaks, while
// taps go their way; the next set comes as a delta. What a set says of its age moves the clock (P8).
func TestP7SetsComeOverABreakingLine(t *testing.T) {
	t.Parallel()
	f := fetched(t)
	day := time.Unix(1_790_000_000, 0).UTC()
	listed := settest.Random(1, 30_000, day)
	serial, err := listed[0].Key.Serial()
	must(t, err)
	f.id = certid.CertID{Scope: f.made.Scope, Serial: serial}
	f.publish(day, record.AnswerNotRevoked, listed[1:]...)
	from := f.asked()
	for i := 1; i < len(from); i++ {
		if gain := from[i] - from[i-1]; gain < holds-crlset.ChunkSize-16_000 { // TLS, and polls on the same connection
			t.Errorf("connection %d of %d octets brought %d that were of use", i, holds, gain)
		}
	}
	if size := len(f.made.All[0].Set); len(from) < size/holds+1 || f.taps < 2 {
		t.Errorf("%d octets came over %d connections during %d taps: that shows nothing", size, len(from), f.taps)
	}
	f.publish(day.Add(time.Hour), record.AnswerRevoked, listed...)
	if n := len(f.asked()); n != 0 {
		t.Errorf("the next set was fetched whole, in %d parts, want its delta", n)
	}
}
