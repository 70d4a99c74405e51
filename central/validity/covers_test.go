package validity_test

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"kazashi.example/central/crl"
	"kazashi.example/central/lab/world"
	"kazashi.example/central/lab/world/pki"
	"kazashi.example/central/lab/world/worldtest"
	"kazashi.example/central/validity"
	"kazashi.example/reader/jpki"
	"kazashi.example/sync/certid"
	"kazashi.example/sync/record"
)

// listRig is lists of two generations without a responder.
type listRig struct {
	t       *testing.T
	anchors *jpki.Anchors
	g2, g3  *pki.Authority
	now     time.Time
}

func newListRig(t *testing.T) *listRig {
	t.Helper()
	w := worldtest.Open(t, world.Config{Now: day, People: 1})
	r := &listRig{t: t, now: day}
	var own []jpki.Anchor
	for _, a := range w.Authorities() {
		own = append(own, jpki.Anchor{Cert: a.Cert, Hierarchy: certid.HierarchyPractice, Purpose: a.Purpose})
		switch {
		case a.Purpose != certid.PurposeAuth:
		case a.Generation == 2:
			r.g2 = a
		case a.Generation == 3:
			r.g3 = a
		}
	}
	var err error
	r.anchors, err = jpki.NewAnchors(own...)
	must(t, err)
	return r
}

// list is number n, made so many hours after the day began to count, with these entries.
func (r *listRig) list(by *pki.Authority, n int64, hours int, entries ...pki.Entry) []byte {
	r.t.Helper()
	at := day.Add(time.Duration(hours) * time.Hour)
	der, err := by.List(n, at, at.Add(24*time.Hour), entries)
	must(r.t, err)
	return der
}

// A list signed by an older generation says nothing of what a newer one issued.
func TestAnOldGenerationsListDoesNotCoverANewOne(t *testing.T) { // P7
	r := newListRig(t)
	store := openStore(t, r.anchors, func() time.Time { return r.now })
	entry := pki.Entry{Serial: mustSerial(t, 100).Int(), At: day.Add(-time.Hour), Reason: pki.Superseded}
	_, err := store.Ingest(t.Context(), bytes.NewReader(r.list(r.g2, 7, -1, entry)), crl.IngestOptions{Scope: auth})
	must(t, err)
	_, err = store.Build(t.Context(), auth)
	must(t, err)
	a := &validity.Authority{Anchors: r.anchors, Lists: store, Now: func() time.Time { return r.now }, Log: quiet}
	for _, try := range []struct {
		name   string
		by     *pki.Authority
		serial int64
		want   record.Answer
		err    error
	}{
		{"the signer's own", r.g2, 7, record.AnswerNotRevoked, nil},
		{"a newer generation's", r.g3, 7, record.AnswerUnknown, validity.ErrNobody},
		{"a newer generation's, listed", r.g3, 100, record.AnswerRevoked, nil},
	} {
		id := certid.CertID{Scope: auth, Serial: mustSerial(t, try.serial)}
		got, err := a.StatusWithin(t.Context(), id, shortOf(try.by), day, day)
		if got.Answer != try.want || !errors.Is(err, try.err) {
			t.Errorf("StatusWithin(%s) = %v, %v, want %v, %v", try.name, got.Answer, err, try.want, try.err)
		}
	}
}
