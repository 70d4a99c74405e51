package cards_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"kazashi.example/appliance/tap"
	"kazashi.example/appliance/tap/cards"
	"kazashi.example/localapi"
	"kazashi.example/reader/apdu"
	"kazashi.example/reader/pcsc"
)

func TestClassify(t *testing.T) {
	for _, tc := range []struct {
		err  error
		want localapi.ReadFailure
	}{
		{pcsc.ErrNoService, localapi.FailureNoPCSC},
		{pcsc.ErrHung, localapi.FailureNoPCSC},
		{pcsc.ErrWorker, localapi.FailureNoPCSC},
		{pcsc.ErrNoReader, localapi.FailureReaderGone},
		{pcsc.ErrInUse, localapi.FailureBusy},
		{pcsc.ErrReset, localapi.FailureBusy},
		{pcsc.ErrMute, localapi.FailureMute},
		{pcsc.ErrNoCard, localapi.FailureTorn},
		{pcsc.ErrDead, localapi.FailureTorn},
		{context.DeadlineExceeded, localapi.FailureTorn},
	} {
		var r *tap.ReadError
		if got := cards.Classify(fmt.Errorf("sending: %w", tc.err)); !errors.As(got, &r) || r.Failure != tc.want || !errors.Is(got, tc.err) {
			t.Errorf("Classify(%v) = %v, want %s", tc.err, got, tc.want)
		}
	}
	if got := cards.Classify(apdu.ErrNoAnswer); got != apdu.ErrNoAnswer { //nolint:errorlint // the very error
		t.Errorf("Classify(%v) = %v, want it as it is: the card is still there", apdu.ErrNoAnswer, got)
	}
}
