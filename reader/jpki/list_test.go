package jpki_test

import (
	"crypto/x509"
	"errors"
	"math/big"
	"testing"
	"time"

	"kazashi.example/reader/jpki"
	"kazashi.example/sync/certid"
	"kazashi.example/sync/record"
)

func serial(t testing.TB, n int64) certid.Serial {
	t.Helper()
	s, err := certid.SerialOf(big.NewInt(n))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// P7: for every serial the answer is that of the signed list, hold and date included.
func TestP7ListAnswers(t *testing.T) {
	w := practice()
	at := func(hours int) time.Time { return now.Add(time.Duration(hours) * time.Hour) }
	entry := func(n int64, hours, reason int) x509.RevocationListEntry {
		return x509.RevocationListEntry{SerialNumber: big.NewInt(n), RevocationTime: at(hours), ReasonCode: reason}
	}
	der := list(t, w.gen[2], func(l *x509.RevocationList) {
		l.RevokedCertificateEntries = []x509.RevocationListEntry{
			entry(10, -5, 4), entry(11, -5, 6), entry(12, -5, 6), entry(12, -3, 4), entry(13, -3, 4), entry(13, -5, 4), entry(14, -3, 4), entry(14, -5, 6),
		}
	})
	l, err := w.anchors(t).OpenList(der)
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name   string
		serial int64
		at     time.Time
		want   record.Answer
	}{
		{"not on the list", 9, now, record.AnswerNotRevoked},
		{"revoked", 10, now, record.AnswerRevoked},
		{"revoked that second", 10, at(-5), record.AnswerRevoked},
		{"before it was revoked", 10, at(-6), record.AnswerNotRevoked},
		{"on hold", 11, now, record.AnswerOnHold},
		{"hold, then revoked", 12, now, record.AnswerRevoked},
		{"revoked, with a hold after it on the list", 14, now, record.AnswerRevoked},
		{"twice: the earlier date counts", 13, at(-4), record.AnswerRevoked},
	}
	for _, tt := range tests {
		if got := l.AnswerAt(serial(t, tt.serial), tt.at); got != tt.want {
			t.Errorf("%s: AnswerAt = %v, want %v", tt.name, got, tt.want)
		}
	}
	if l.Len() != 5 || l.Number != 7 || l.Scope.Purpose != certid.PurposeAuth {
		t.Errorf("OpenList = %d serials, number %d, scope %v, want 5, 7, auth", l.Len(), l.Number, l.Scope)
	}
}

// P7: a partition covers one municipality; as a whole list it would say not_revoked of everybody else.
func TestP7OpenListRefusesPartitions(t *testing.T) {
	w := practice()
	_, err := w.anchors(t).OpenList(list(t, w.gen[2], issuing(pointName(municipality)...)))
	if !errors.Is(err, jpki.ErrCRLProfile) {
		t.Errorf("OpenList of a partition = %v, want ErrCRLProfile", err)
	}
	huge := list(t, w.gen[2], func(l *x509.RevocationList) { l.Number = new(big.Int).Lsh(big.NewInt(1), 64) })
	if _, err := w.anchors(t).OpenList(huge); !errors.Is(err, jpki.ErrCRLProfile) {
		t.Errorf("OpenList with a number of 65 bits = %v, want ErrCRLProfile", err)
	}
}

// P7: an absence counts only for keys that the list's signer can have known.
func TestP7ListCoversItsOwnAndOlderGenerations(t *testing.T) {
	w := practice()
	as := w.anchors(t)
	for signer := range w.gen {
		l, err := as.OpenList(list(t, w.gen[signer], func(*x509.RevocationList) {}))
		if err != nil {
			t.Fatal(err)
		}
		for issuer := range w.gen {
			if got, want := l.Covers(as, jpki.KeyIDOf(w.gen[issuer].cert)), issuer <= signer; got != want {
				t.Errorf("list by generation %d: Covers(generation %d) = %v, want %v", signer+1, issuer+1, got, want)
			}
		}
		if l.Covers(as, jpki.KeyIDOf(w.sign.cert)) || l.Covers(as, certid.KeyID{1}) {
			t.Errorf("list by generation %d covers another purpose, or a key that nobody knows", signer+1)
		}
	}
}
