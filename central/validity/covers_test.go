package validity_test

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"kazashi.example/central/crl"
	"kazashi.example/central/lab/world/pki"
	"kazashi.example/central/validity"
	"kazashi.example/sync/certid"
	"kazashi.example/sync/record"
)

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
		got, err := a.StatusAt(t.Context(), id, shortOf(try.by), day)
		if got.Answer != try.want || !errors.Is(err, try.err) {
			t.Errorf("StatusAt(%s) = %v, %v, want %v, %v", try.name, got.Answer, err, try.want, try.err)
		}
	}
}
