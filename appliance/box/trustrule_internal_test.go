package box

import (
	"errors"
	"fmt"
	"log/slog"
	"testing"

	"kazashi.example/appliance/desired"
	"kazashi.example/localapi"
	"kazashi.example/sync/canon"
	"kazashi.example/sync/rule"
	"kazashi.example/sync/sign"
	"kazashi.example/sync/trust"
)

// P9: every reason for which trust or rules are refused reaches the operator under a code of its own; a fault of the box under none.
func TestP9RefusalsOfTrustAndRulesHaveCodes(t *testing.T) {
	own := trusted{&Box{log: slog.New(slog.DiscardHandler)}}
	for _, try := range []struct {
		err  error
		want localapi.ErrorCode
	}{
		{trust.ErrRoot, localapi.CodeRoot},
		{trust.ErrThreshold, localapi.CodeThreshold},
		{trust.ErrRollback, localapi.CodeRollback},
		{trust.ErrExpired, localapi.CodeExpired},
		{trust.ErrBundle, localapi.CodeFileForm},
		{desired.ErrOlder, localapi.CodeOlder},
		{desired.ErrReverted, localapi.CodeReverted},
		{desired.ErrRootReplaced, localapi.CodeRootReplaced},
		{desired.ErrNoPrevious, localapi.CodeNoPrevious},
		{fmt.Errorf("%w: %w", desired.ErrNoPrevious, canon.ErrForm), localapi.CodeNoPrevious},
		{sign.ErrUnknownKey, localapi.CodeSigner},
		{sign.ErrSignature, localapi.CodeSignature},
		{sign.ErrMessage, localapi.CodeFileForm},
		{canon.ErrForm, localapi.CodeFileForm},
		{rule.ErrSet, localapi.CodeFileForm},
		{rule.ErrSite, localapi.CodeOtherSite},
		{rule.ErrRule, localapi.CodeBasis},
		{fmt.Errorf("%w: %w", rule.ErrRule, rule.ErrApproval), localapi.CodeApproval},
		{errors.New("the disk is gone"), ""},
	} {
		got, _ := localapi.CodeOf(own.refused(t.Context(), "a file", fmt.Errorf("checking: %w", try.err)))
		if got != try.want {
			t.Errorf("code of %v = %q, want %q", try.err, got, try.want)
		}
	}
}
