package opener

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"kazashi.example/central/store"
	"kazashi.example/reader/jpki"
	"kazashi.example/sync/canon"
	"kazashi.example/sync/certid"
	"kazashi.example/sync/content"
	"kazashi.example/sync/epoch"
	"kazashi.example/sync/gate"
	"kazashi.example/sync/record"
	"kazashi.example/sync/rule"
	"kazashi.example/sync/wire"
)

// finding is what a record came to, before it is written down.
type finding struct {
	record   content.Record
	readable bool
	tap      record.TapID
	cert     certid.CertID   // of the card; zero when unreadable or of no known hierarchy
	shown    jpki.AuthCert   // the certificate that came with the record, as it was examined here; zero if none came
	pin      bool            // the PIN was proved: this certificate's key signed the tap's challenge
	bound    []byte          // card key of an enrolment, proved by its own signature; nil if there is none
	proved   record.Evidence // what the signatures proved here; none where the card was refused before they were looked at
	awaits   []byte          // what must come before anybody can say: the tap of an enrolment, or a renewal; nil if nothing must
	pair     bool            // it is a renewal
	told     bool            // the service of renewals had its say since the record came
	rule     rule.Rule
	ruled    bool
	when     span            // of the tap; zero when unreadable
	plain    []byte          // content that is kept
	dropped  rule.Attributes // that it is kept without: its rule does not ask for them
	decision gate.Decision
	answer   record.Answer
	source   wire.Source
	answered time.Time
}

// examine decides a record as of its tap. settled is false when nobody could answer for the certificate now, or when what the card proved
// rests on an enrolment that is not here.
func (o *Opener) examine(ctx context.Context, e store.Epoch, v store.Envelope, plain []byte) (f finding, settled bool, err error) {
	r, err := content.Decode(plain)
	if later := ofLater(r, err); later != nil {
		o.waitForRelease(ctx, v, later)
		return f, false, nil
	}
	if err != nil {
		// Genuine, sealed by the box, and no record: kept as it is, and told to the box by its own tap id if it has one.
		o.Log.WarnContext(ctx, "a genuine envelope holds no record that can be read here", slog.String("record", v.ID.String()))
		f = finding{tap: tapOf(plain, v.Sum), plain: plain, decision: gate.Decision{Verdict: record.VerdictRefused, Reason: record.ReasonUnreadable}}
		return f, true, nil //nolint:nilerr // being unreadable is what was found, and settles it
	}
	f = finding{record: r, readable: true, tap: r.Tap, cert: r.CertID()}
	if f.rule, f.ruled, err = o.demanded(ctx, e.Box, r); err != nil {
		return f, false, err
	}
	if err := f.restrain(plain); err != nil {
		return f, false, err
	}
	shown, issuer := o.shown(&f)
	when, confidence, err := o.when(ctx, e.Box, v, r)
	if err != nil {
		return f, false, err
	}
	f.when = when
	in := gate.Input{
		Rule: f.rule, Ruled: f.ruled, Shown: shown, Clock: when.clock(confidence, shown), Final: true, Said: r.Said.Reason,
		Enrolment: gate.EnrolmentCentral, // if there is none, o.proved finds that out
		Cardless:  r.Evidence == record.EvidenceNone,
	}
	// Nobody is asked about a card that is refused for what it shows, and nothing that it signed is looked at.
	if f.decision = gate.Decide(in); f.decision.Verdict != record.VerdictProvisional {
		return f, true, nil
	}
	if in.Shown, err = o.proved(ctx, e.Box, v.Received, &f, shown); err != nil || len(f.awaits) > 0 {
		return f, false, err
	}
	f.proved = in.Shown.Evidence
	if in.Shown.Evidence < shown.Evidence && v.Tries == 0 {
		o.Log.WarnContext(ctx, "a record proves less than it claims", slog.String("record", v.ID.String()),
			slog.String("claims", shown.Evidence.String()), slog.String("reason", in.Shown.Hindrance.String()))
	}
	if f.decision = gate.Decide(in); f.decision.Verdict != record.VerdictProvisional {
		return f, true, nil
	}
	s, ok := o.ask(ctx, question{v, &f, issuer}, span{in.Clock.Now, when.to})
	if !ok {
		return f, false, nil
	}
	f.answer, f.source, f.answered = s.Answer, s.Source, s.ThisUpdate
	in.Status = gate.Status{Answer: s.Answer, ThisTime: s.ThisUpdate}
	f.decision = gate.Decide(in)
	return f, f.decision.Verdict != record.VerdictProvisional, nil
}

// demanded is what the service demanded of the tap: the rule that the box held then.
func (o *Opener) demanded(ctx context.Context, id record.BoxID, r content.Record) (rule.Rule, bool, error) {
	var box store.Box
	if err := o.Store.View(ctx, func(tx store.Tx) (err error) { box, err = tx.Box(id); return err }); err != nil {
		return rule.Rule{}, false, fmt.Errorf("finding the site of a tap: %w", err)
	}
	return o.Services.Rule(ctx, box.Site, r.Said.Rule, r.Service)
}

// ofLater says in what a record is beyond this release; nil if it is not. A card that the box found at fault for a reason that
// is not known here is not decided either: what the box saw in it is not in the record, and it must not pass for in order.
func ofLater(r content.Record, err error) error {
	if errors.Is(err, content.ErrNewer) {
		return err
	}
	if why := r.Said.Reason; err == nil && !why.Valid() && why.OfCard() {
		return fmt.Errorf("%w: the card's fault is number %d", content.ErrNewer, why)
	}
	return nil
}

// waitForRelease says once for each record that it waits until central is upgraded.
func (o *Opener) waitForRelease(ctx context.Context, v store.Envelope, err error) {
	if v.Tries == 0 {
		o.Log.WarnContext(ctx, "a record waits for a newer release of central: upgrade it", slog.String("record", v.ID.String()),
			slog.Any("error", err))
	}
}

// shown is what the card showed: as the box found it, or, where its certificate came along, as central finds it now. What it proved is
// still the box's word.
func (o *Opener) shown(f *finding) (gate.Shown, content.Issuer) {
	r := f.record
	s := gate.Shown{
		Evidence: r.Evidence, Chain: gate.ChainVerified, ProfileOK: r.Said.Reason != record.ReasonProfile, Hierarchy: r.Hierarchy,
		NotBefore: time.Unix(r.NotBefore, 0).UTC(), NotAfter: time.Unix(r.NotAfter, 0).UTC(),
		Phone: r.Said.Reason == record.ReasonPhone, Hindrance: hindrance(r.Said.Reason),
	}
	switch {
	case len(r.Certificate) > 0:
		return o.read(f, s)
	case r.Said.Reason == record.ReasonChainBroken:
		s.Chain = gate.ChainBroken
	case r.Issuer == content.Issuer{} || r.Hierarchy == 0:
		s.Chain = gate.ChainIssuerUnknown
	}
	return s, r.Issuer
}

// read examines the certificate that came with the record. What a known authority signed counts, not what the box said.
func (o *Opener) read(f *finding, s gate.Shown) (gate.Shown, content.Issuer) {
	c, err := o.Examiner.Examine(f.record.Certificate)
	if err != nil || c.Serial.IsZero() {
		s.ProfileOK, s.Chain = false, gate.ChainIssuerUnknown
		return s, content.Issuer{}
	}
	f.shown, s.Phone = c, c.Phone
	s.Chain, s.ProfileOK, s.NotBefore, s.NotAfter = chainOf(c.Chain), c.Profile == nil, c.NotBefore, c.NotAfter
	s.Hierarchy = c.Hierarchy
	if c.Chain == jpki.ChainVerified && c.IssuerNotAfter.Before(s.NotAfter) {
		s.NotAfter = c.IssuerNotAfter // no certificate outlives its issuer
	}
	f.cert = certid.CertID{Scope: c.Scope(), Serial: c.Serial}
	f.record.Serial = c.Serial.Bytes()
	return s, content.IssuerOf(c.Issuer)
}

// chainOf says in the gate's word what the reader found.
func chainOf(c jpki.ChainStatus) gate.Chain {
	switch c {
	case jpki.ChainVerified:
		return gate.ChainVerified
	case jpki.ChainIssuerUnknown:
		return gate.ChainIssuerUnknown
	case jpki.ChainBroken:
		return gate.ChainBroken
	default:
		return gate.ChainBroken
	}
}

// tapOf finds the tap id in content that is otherwise unreadable, as far as there is one. Without one the verdict,
// which must name a tap, names the envelope: the first octets of its hash.
func tapOf(plain []byte, sum epoch.Hash) (tap record.TapID) {
	var only struct {
		Tap record.TapID `cbor:"2,keyasint"`
	}
	if err := canon.Decode(plain, &only, content.MaxContent); err == nil && !only.Tap.IsZero() {
		return only.Tap
	}
	copy(tap.ID128[:], sum[:])
	return tap
}
