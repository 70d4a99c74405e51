package intake_test

import (
	"strings"
	"testing"

	"kazashi.example/central/intake"
	"kazashi.example/sync/canon"
	"kazashi.example/sync/sign"
	"kazashi.example/sync/wire"
)

// P8: what a later release wrote is refused in words that say what to do; the box keeps it and sends it again.
func TestP8LaterVersionsAreRefusedInWords(t *testing.T) {
	b := setUp(t, intake.Limits{})
	box := b.joined()
	later, err := canon.Encode(map[int]any{1: 2, 2: "of another shape"})
	if err != nil {
		t.Fatal(err)
	}
	header, err := sign.Sign(box.Device, sign.PurposeEpoch, later)
	if err != nil {
		t.Fatal(err)
	}
	got, err := b.in.Receive(t.Context(), box.Public(t).ID(), wire.Push{Headers: [][]byte{header}, Envelopes: [][]byte{later}})
	if err != nil || len(got.Refused) != 2 {
		t.Fatalf("Receive = %+v, %v, want both refused", got, err)
	}
	for n, r := range got.Refused {
		if int(r.Index) != n || !strings.Contains(r.Reason, "newer release") || !strings.Contains(r.Reason, "upgrade") {
			t.Errorf("Refused[%d] = %+v, want it to name the newer release and the way out", n, r)
		}
	}
}
