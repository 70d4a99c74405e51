package box

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"kazashi.example/appliance/desired"
	"kazashi.example/localapi"
	"kazashi.example/localapi/server"
	"kazashi.example/sync/canon"
	"kazashi.example/sync/describe"
	"kazashi.example/sync/record"
	"kazashi.example/sync/rule"
	"kazashi.example/sync/sign"
	"kazashi.example/sync/trust"
)

// trusted lets the operator change what the box believes and obeys by files, as the line does.
type trusted struct{ b *Box }

var _ server.Trusted = trusted{}

// refusals are what files are refused for, the more particular before the general.
var refusals = []struct{ is, as error }{
	{trust.ErrRoot, localapi.ErrRoot},
	{trust.ErrThreshold, localapi.ErrThreshold},
	{trust.ErrRollback, localapi.ErrRollback},
	{trust.ErrExpired, localapi.ErrExpired},
	{desired.ErrOlder, localapi.ErrOlder},
	{desired.ErrReverted, localapi.ErrReverted},
	{desired.ErrRootReplaced, localapi.ErrRootReplaced},
	{desired.ErrNoPrevious, localapi.ErrNoPrevious},
	{sign.ErrUnknownKey, localapi.ErrSigner},
	{sign.ErrSignature, localapi.ErrSignature},
	{rule.ErrSite, localapi.ErrOtherSite},
	{rule.ErrApproval, localapi.ErrApproval},
	{rule.ErrRule, localapi.ErrBasis},
	{rule.ErrSet, localapi.ErrFileForm},
	{trust.ErrBundle, localapi.ErrFileForm},
	{sign.ErrMessage, localapi.ErrFileForm},
	{canon.ErrForm, localapi.ErrFileForm},
}

// refused gives a refusal the name by which it travels. The log keeps the particulars.
func (t trusted) refused(ctx context.Context, what string, err error) error {
	for _, r := range refusals {
		if errors.Is(err, r.is) {
			t.b.log.WarnContext(ctx, "refused", slog.String("what", what), slog.Any("error", err))
			return fmt.Errorf("%w: %w", r.as, err)
		}
	}
	return err
}

// Trust is the bundle in force.
func (t trusted) Trust(context.Context) (localapi.Trust, error) {
	d := t.b.desired
	b, err := d.TrustSigned()
	return localapi.Trust{Bundle: b, Held: d.TrustHeld(), Previous: d.PreviousTrust(), Reverted: d.Reverted()}, err
}

// LoadTrust verifies a bundle and puts it in force.
func (t trusted) LoadTrust(ctx context.Context, file []byte) error {
	if err := t.b.desired.ApplyTrust(file); err != nil {
		return t.refused(ctx, "a trust bundle from a file", err)
	}
	t.b.log.InfoContext(ctx, "a trust bundle from a file is in force", slog.Uint64("number", t.b.desired.TrustHeld()))
	return t.changed(ctx)
}

// RevertTrust goes back to the bundle before.
func (t trusted) RevertTrust(ctx context.Context) error {
	if err := t.b.desired.RevertTrust(ctx); err != nil {
		return t.refused(ctx, "going back to the trust bundle before", err)
	}
	return t.changed(ctx)
}

// changed lets everything that rests on the bundle be looked at anew.
func (t trusted) changed(ctx context.Context) error {
	defer t.b.believed()
	return t.b.link.TrustChanged(ctx)
}

// Rules are the rules held.
func (t trusted) Rules(context.Context) (localapi.Rules, error) {
	b, err := t.b.desired.RulesSigned()
	return localapi.Rules{Signed: b, OutOfForce: append([]record.ServiceID{}, t.b.desired.OutOfForce()...)}, err
}

// LoadRules verifies rules and puts them in force.
func (t trusted) LoadRules(ctx context.Context, file []byte) error {
	if err := t.b.desired.ApplyRules(file); err != nil {
		return t.refused(ctx, "rules from a file", err)
	}
	t.b.log.InfoContext(ctx, "rules from a file are in force", slog.String("version", describe.Version(t.b.desired.Rules())))
	t.b.believed()
	return nil
}

// believed says that trust or rules were replaced, by the line or by a file: their date is news of the time, and keys may open or lie otherwise.
func (b *Box) believed() {
	b.clock.Learn(b.desired.Issued())
	b.siteMoved()
}
