package opener_test

import (
	"testing"

	"kazashi.example/central/boxline/simcentral"
	"kazashi.example/central/intake/simbox"
	"kazashi.example/sync/certid"
	"kazashi.example/sync/content"
	"kazashi.example/sync/gate"
	"kazashi.example/sync/record"
	"kazashi.example/sync/rule"
)

// P6: central was not at the desk. Who stood there, who had used the service before, and whom a locked roster could not find is the box's
// word; everything else is found here, whatever the box said.
func TestP6WhatTheBoxAloneKnewStaysAsItWasSaid(t *testing.T) {
	t.Parallel()
	said := func(v record.Verdict, r record.Reason) gate.Decision { return gate.Decision{Verdict: v, Reason: r} }
	again := said(record.VerdictAccepted, record.ReasonAgain)
	for _, k := range []struct {
		name   string
		said   gate.Decision
		least  record.Evidence // that the rule asks for
		shown  bool            // the card's own proof came along
		answer record.Answer
		want   gate.Decision
	}{
		{"served again", again, record.EvidenceCard, true, record.AnswerNotRevoked, again},
		{
			"served again on an old list", said(record.VerdictProvisional, record.ReasonAgain),
			record.EvidenceCard, true, record.AnswerNotRevoked, again,
		},
		{
			"served again, and revoked since the list", said(record.VerdictProvisional, record.ReasonAgain),
			record.EvidenceCard, true, record.AnswerRevoked, refused(record.ReasonRevoked),
		},
		{
			"turned away for a second use", refused(record.ReasonUsedAlready),
			record.EvidenceCard, false, record.AnswerNotRevoked, refused(record.ReasonUsedAlready),
		},
		{
			"turned away by the certificate alone", refused(record.ReasonUsedAlready),
			record.EvidenceCertificate, false, record.AnswerNotRevoked, refused(record.ReasonUsedAlready),
		},
		{
			"nobody at the desk", refused(record.ReasonNobodySignedIn),
			record.EvidenceCard, false, record.AnswerNotRevoked, refused(record.ReasonNobodySignedIn),
		},
		{"locked", refused(record.ReasonRosterLocked), record.EvidenceCard, false, record.AnswerNotRevoked, refused(record.ReasonRosterLocked)},
		{"unreadable", refused(record.ReasonRosterUnreadable), record.EvidenceCard, false, record.AnswerNotRevoked, refused(record.ReasonRosterUnreadable)},
		{"no list", refused(record.ReasonListAbsent), record.EvidenceCard, false, record.AnswerNotRevoked, refused(record.ReasonListAbsent)},
		{
			"no list, and the certificate was enough", refused(record.ReasonListAbsent),
			record.EvidenceCertificate, false, record.AnswerNotRevoked, inOrder,
		},
		{
			"written down without a list", said(record.VerdictRecorded, record.ReasonListMissing),
			record.EvidenceCertificate, false, record.AnswerRevoked, refused(record.ReasonRevoked),
		},
		{
			"locked, and the certificate was enough", said(record.VerdictProvisional, record.ReasonRosterLocked),
			record.EvidenceCertificate, false, record.AnswerNotRevoked, inOrder,
		},
		{
			"enrolment pending, and it came", said(record.VerdictProvisional, record.ReasonEnrolmentPending),
			record.EvidenceCard, true, record.AnswerNotRevoked, inOrder,
		},
	} {
		t.Run(k.name, func(t *testing.T) {
			c := simcentral.New(t)
			c.World.SetRule(func(r *rule.Rule) { r.Evidence = k.least })
			d := newDesk(t, c)
			p := simbox.Known(t, 0x1a, 1)
			enrolled := p.Enrol(t, d.box.ID)
			d.bring(enrolled)
			r := p.Tap(t, d.box.ID, enrolled.Tap)
			if !k.shown {
				r.Evidence, r.Card = record.EvidenceCertificate, nil
			}
			r.Said.Verdict, r.Said.Reason = k.said.Verdict, k.said.Reason
			c.World.Answer(k.answer, r.Serial...)
			if got := d.settled(d.bring(r)); got != k.want {
				t.Errorf("final = %s %s, want %s %s", got.Verdict, got.Reason, k.want.Verdict, k.want.Reason)
			}
			if got := c.PPID(d.box, r.Tap); (got != "") != (k.want.Verdict == record.VerdictAccepted) {
				t.Errorf("PPID = %q, want one for whoever was served alone", got)
			}
		})
	}
}

// What staff took back without a card is kept as that: nobody is asked about a certificate, and nobody is found by one.
func TestACardlessRecordIsWrittenDown(t *testing.T) {
	c := simcentral.New(t)
	d := newDesk(t, c)
	r := content.Record{
		Version: content.Version, Tap: record.NewTapID(), Time: simbox.Tapped.UnixMilli(), Service: simbox.Service, Desk: "desk-1",
		Basis: record.BasisDrill, Purpose: certid.PurposeAuth, Serial: []byte{}, Staff: "sato",
		Link: &content.Link{Number: "L-0042", Unlink: true},
		Said: content.Said{Verdict: record.VerdictRecorded, Reason: record.ReasonRecordOnly, Clock: record.ConfidenceChecked},
	}
	id := d.bring(r)
	if got, want := d.settled(id), (gate.Decision{Verdict: record.VerdictRecorded, Reason: record.ReasonRecordOnly}); got != want {
		t.Errorf("final = %s %s, want %s %s", got.Verdict, got.Reason, want.Verdict, want.Reason)
	}
	row, err := c.Record(id)
	if err != nil || len(row.Index) != 0 || row.Subject != 0 {
		t.Errorf("the row = index %x, subject %d (%v), want neither: there was no card", row.Index, row.Subject, err)
	}
}
