package revocation_test

import (
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"kazashi.example/appliance/revocation"
	"kazashi.example/sync/certid"
	"kazashi.example/sync/record"
	"kazashi.example/sync/rule"
	"kazashi.example/sync/wire"
)

// P6, P7: answers are exactly the set's, with its number and age, and nothing outside its scope and issuers.
func TestP7AnswersAreThoseOfTheSet(t *testing.T) {
	w := newWorld(t, 1)
	w.holds("before anything", 0)
	must(t, w.load(false, w.All[0]))
	sign := certid.Scope{Hierarchy: auth.Hierarchy, Purpose: certid.PurposeSign}
	for range 2 {
		for _, c := range []struct {
			name   string
			id     certid.CertID
			issuer certid.KeyID
			want   record.Answer
		}{
			{"revoked", idOf(t, auth, revoked), issuer, record.AnswerRevoked},
			{"revoked, by a key that the set does not cover", idOf(t, auth, revoked), certid.KeyID{9}, record.AnswerRevoked},
			{"on hold", idOf(t, auth, onHold), issuer, record.AnswerOnHold},
			{"not listed", idOf(t, auth, free), issuer, record.AnswerNotRevoked},
			{"not listed, by a key that the set does not cover", idOf(t, auth, free), certid.KeyID{9}, record.AnswerNotCovered},
			{"another purpose", idOf(t, sign, revoked), issuer, record.AnswerNotCovered},
		} {
			got := w.box.Answer(c.id, c.issuer)
			want := revocation.Answer{Answer: c.want, Number: rule.Version{CentralEpoch: 1, N: 1}, ThisUpdate: w.All[0].Head.At()}
			if c.want == record.AnswerNotCovered {
				want = revocation.Answer{Answer: c.want}
			}
			if got != want {
				t.Errorf("Answer(%s) = %+v, want %+v", c.name, got, want)
			}
		}
		w.open() // and after a restart
	}
	held := w.box.Held()
	want := wire.HeldSet{Hierarchy: auth.Hierarchy, Purpose: auth.Purpose, Number: rule.Version{CentralEpoch: 1, N: 1}, Root: wire.BlobID(w.All[0].Head.Root)}
	if len(held) != 1 || held[0] != want {
		t.Errorf("Held() = %+v, want %+v", held, want)
	}
}

// Both ways over the line, and the box's clock learns from what is signed.
func TestFollowsOffersByDeltaAndBySnapshot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 3)
		l := newLine(w)
		w.run(l, w.Offer(0), w.reached(3))
		if got := l.given[wire.BlobID(w.All[2].Head.Root)]; got != w.All[2].Head.Size {
			t.Errorf("%d octets of the set fetched, want %d", got, w.All[2].Head.Size)
		}
		w.publish(4)
		w.publish(5)
		l = newLine(w)
		w.run(l, w.Offer(3), w.reached(5))
		if got := l.given[wire.BlobID(w.All[4].Head.Root)]; got != 0 {
			t.Errorf("%d octets of the set fetched beside its deltas", got)
		}
		w.holds("after two deltas", 5)
		if want := []time.Time{w.All[2].Head.At(), w.All[4].Head.At()}; !slices.Equal(w.learn, want) {
			t.Errorf("the clock learnt %v, want %v", w.learn, want)
		}
		w.open()
		w.holds("after a restart", 5)
		if err := w.load(false, w.All[4]); !errors.Is(err, revocation.ErrOlder) {
			t.Errorf("Load(the same) = %v, want ErrOlder", err)
		}
	})
}
