package tap_test

import (
	"testing"
	"time"

	"kazashi.example/appliance/revocation"
	"kazashi.example/appliance/tap"
	"kazashi.example/localapi"
	"kazashi.example/sync/record"
	"kazashi.example/sync/rule"
	"kazashi.example/sync/sign"
)

// unlisted is a counter whose box has had no list yet.
func unlisted(t *testing.T) *counter {
	t.Helper()
	return newCounter(t, func(conf *tap.Config) {
		cache, err := revocation.Open(t.Context(), revocation.Config{Dir: t.TempDir(), Keys: func() (none sign.Keys) { return none }})
		must(t, err)
		t.Cleanup(cache.Close)
		conf.Revocations = cache
	})
}

// P7: a box waits for its first list. Nobody is asked for a PIN in vain meanwhile, and a shelter writes down.
func TestP7WithoutAListNobodyIsServed(t *testing.T) {
	c := unlisted(t)
	p, card := c.card("hanako")
	c.want("a certificate", card, refused(record.ReasonListAbsent), record.EvidenceCertificate)
	c.arm(withPIN(p.AuthPIN))
	c.want("a PIN", card, refused(record.ReasonListAbsent), record.EvidenceCertificate)
	c.rules.set.Rules[0].TooOld = rule.TooOldRecord
	c.want("where the rule has it written down", card,
		localapi.Outcome{Verdict: record.VerdictRecorded, Reason: record.ReasonListMissing}, record.EvidenceCertificate)
	c.tries("nobody typed anything", card, full)
}

// P7: a list from the future is as good as none: nobody knows how old it is. Two clocks that agree may stand two minutes apart.
func TestP7AListFromTheFutureIsNone(t *testing.T) {
	c := newCounter(t)
	_, card := c.card("hanako")
	made := c.clock.at.Add(-time.Hour).Truncate(time.Second)
	c.clock.at = made.Add(-2 * time.Minute)
	c.want("two minutes", card, inOrder, record.EvidenceCertificate)
	c.clock.at = made.Add(-2*time.Minute - time.Second)
	c.want("and a second", card, refused(record.ReasonListAbsent), record.EvidenceCertificate)
}
