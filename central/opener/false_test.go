package opener_test

import (
	"testing"

	"kazashi.example/central/boxline/simcentral"
	"kazashi.example/central/intake/simbox"
	"kazashi.example/sync/content"
	"kazashi.example/sync/gate"
	"kazashi.example/sync/record"
)

// P6: a false card or a forged proof is refused for good under a rule that asks for the certificate alone, whoever found it false, and the
// victim's pseudonym is given to nobody.
func TestP6AFalseProofIsFinalWhateverTheRuleAsks(t *testing.T) {
	t.Parallel()
	said := func(why record.Reason) func(desk, *content.Record) {
		return func(_ desk, r *content.Record) {
			r.Evidence, r.Card = record.EvidenceCertificate, nil
			r.Said.Verdict, r.Said.Reason = record.VerdictRefused, why
		}
	}
	for _, k := range []struct {
		name   string
		change func(d desk, r *content.Record)
		want   gate.Decision
		proved record.Evidence
	}{
		{"in order", func(desk, *content.Record) {}, inOrder, record.EvidenceCard},
		{"the box saw a card that is not genuine", said(record.ReasonCardNotGenuine), refused(record.ReasonCardNotGenuine), record.EvidenceNone},
		{"the box saw another card", said(record.ReasonCardDiffers), refused(record.ReasonCardDiffers), record.EvidenceNone},
		{"the box saw a PIN that was not proved", said(record.ReasonPINNotProved), refused(record.ReasonPINNotProved), record.EvidenceNone},
		{"the box missed a proof", said(record.ReasonCardRefuses), inOrder, record.EvidenceCertificate},
		{"the box knew of no enrolment", said(record.ReasonNotEnrolled), inOrder, record.EvidenceCertificate},
		{"forged card signature", func(_ desk, r *content.Record) { r.Card.Signature[9] ^= 1 }, refused(record.ReasonCardNotGenuine), record.EvidenceCertificate},
		{"forged PIN signature", func(d desk, r *content.Record) {
			tap := r.Tap
			*r = simbox.Known(d, 0x1a, 1).PIN(d, d.box.ID)
			r.Tap = tap
		}, refused(record.ReasonPINNotProved), record.EvidenceCertificate},
		{"relay: another genuine card", func(d desk, r *content.Record) {
			thief := simbox.Known(d, 0x1a, 2).Enrol(d, d.box.ID)
			d.bring(thief)
			r.Card.Enrolled = thief.Tap
			simbox.Known(d, 0x1a, 2).SignCard(d, d.box.ID, r)
		}, refused(record.ReasonCardDiffers), record.EvidenceCertificate},
	} {
		t.Run(k.name, func(t *testing.T) {
			c := simcentral.New(t)
			d := newDesk(t, c)
			p := simbox.Known(t, 0x1a, 1)
			enrolled := p.Enrol(t, d.box.ID)
			d.bring(enrolled)
			r := p.Tap(t, d.box.ID, enrolled.Tap)
			k.change(d, &r)
			id := d.bring(r)
			if got := d.settled(id); got != k.want {
				t.Errorf("final = %s %s, want %s %s", got.Verdict, got.Reason, k.want.Verdict, k.want.Reason)
			}
			if got := c.PPID(d.box, r.Tap); (got != "") != (k.want == inOrder) {
				t.Errorf("PPID = %q, want one for an accepted tap alone", got)
			}
			row, err := c.Record(id)
			if err != nil || row.Proved != k.proved {
				t.Errorf("the row says that %s was proved (%v), want %s", row.Proved, err, k.proved)
			}
			if n := c.Counts(); n.ProvedPIN == 0 {
				t.Error("the enrolment's PIN is not counted as proved")
			}
		})
	}
}
