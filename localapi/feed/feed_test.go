package feed_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"kazashi.example/localapi"
	"kazashi.example/localapi/feed"
)

// P1: a subscriber that never reads does not hold up the sender; it is dropped after what its buffer takes.
func TestPublishNeverWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := feed.New()
		lazy, err := f.Subscribe(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for range 10 * feed.Buffer {
			f.Publish(localapi.Event{Type: localapi.EventReading}) // a wait here would be a deadlock, which synctest reports
		}
		got := 0
		for range lazy {
			got++
		}
		if got != feed.Buffer {
			t.Errorf("the lazy subscriber got %d events, want the first %d and then the end", got, feed.Buffer)
		}
	})
}

func TestEventsComeInOrderWithIDAndTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := feed.New()
		var streams []<-chan localapi.Event
		for range 2 {
			s, err := f.Subscribe(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			streams = append(streams, s)
		}
		given := time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC)
		f.Publish(localapi.Event{Type: localapi.EventReading})
		f.Publish(localapi.Event{Type: localapi.EventCardRemoved, Time: given})
		for _, s := range streams {
			first, second := <-s, <-s
			if first.Type != localapi.EventReading || second.Type != localapi.EventCardRemoved {
				t.Errorf("types = %s, %s, want reading, card_removed", first.Type, second.Type)
			}
			if !first.Time.Equal(time.Now()) || !second.Time.Equal(given) {
				t.Errorf("times = %v, %v, want now and %v", first.Time, second.Time, given)
			}
			if !strings.HasSuffix(first.ID, "-1") || !strings.HasSuffix(second.ID, "-2") {
				t.Errorf("ids = %s, %s, want them numbered", first.ID, second.ID)
			}
		}
	})
}

func TestSubscriptionEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := feed.New()
		ctx, cancel := context.WithCancel(t.Context())
		s, err := f.Subscribe(ctx)
		if err != nil {
			t.Fatal(err)
		}
		cancel()
		if e, open := <-s; open {
			t.Errorf("got %v after the context ended, want a closed channel", e)
		}
		f.Publish(localapi.Event{Type: localapi.EventReading})
	})
}

func TestSubscribersAreBounded(t *testing.T) {
	f := feed.New()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for range feed.MaxSubscribers {
		if _, err := f.Subscribe(ctx); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := f.Subscribe(ctx); !errors.Is(err, feed.ErrFull) {
		t.Errorf("Subscribe one too many = %v, want ErrFull", err)
	}
}

func TestIDsOfTwoFeedsDiffer(t *testing.T) {
	ids := map[string]bool{}
	for range 2 {
		f := feed.New()
		s, err := f.Subscribe(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		f.Publish(localapi.Event{Type: localapi.EventReading})
		ids[(<-s).ID] = true
	}
	if len(ids) != 2 {
		t.Errorf("ids of the first events of two feeds = %v, want two different", ids)
	}
}
