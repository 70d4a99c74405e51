package mynumber_test

import (
	"errors"
	"testing"

	"kazashi.example/reader/cvc"
	"kazashi.example/reader/mynumber"
)

// The authority of one application does not vouch for the files of the other, although both are believed and both signed.
func TestIssuersAreHeldToTheirApplication(t *testing.T) {
	k, p := rsaKeys(), national()
	p.FaceCVC, p.InputCVC = cardVerifiable(k, inputIssuer), cardVerifiable(k, faceIssuer)
	b, v := newBench(t, p), right(t)
	_, err := b.connect().ReadAttributes(t.Context(), v.input)
	if !errors.Is(err, mynumber.ErrNotGenuine) || !errors.Is(err, cvc.ErrOtherUse) {
		t.Errorf("ReadAttributes(vouched for by the card-face issuer) = %v, want ErrNotGenuine by cvc.ErrOtherUse", err)
	}
	_, err = b.connect().ProveFace(t.Context(), mynumber.FaceRequest{Birth: v.birth, Message: message})
	if !errors.Is(err, mynumber.ErrNotGenuine) || !errors.Is(err, cvc.ErrOtherUse) {
		t.Errorf("ProveFace(vouched for by the input-assist issuer) = %v, want ErrNotGenuine by cvc.ErrOtherUse", err)
	}
}
