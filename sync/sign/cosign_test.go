package sign_test

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"kazashi.example/sync/internal/byhand"
	"kazashi.example/sync/internal/testkey"
	"kazashi.example/sync/sign"
)

// both is Keys of two holders.
type both []sign.PublicKey

func (b both) SigningKey(_ sign.Purpose, id sign.KeyID) (sign.PublicKey, error) {
	for _, k := range b {
		if k.ID() == id {
			return k, nil
		}
	}
	return sign.PublicKey{}, sign.ErrUnknownKey
}

// P9: holders sign one after the other or each a copy; either way it is the message that one with all keys would have made.
func TestP9HoldersSignApart(t *testing.T) {
	one, two := byhand.Key("cosign one"), byhand.Key("cosign two")
	keys := both{testkey.Public(t, one), testkey.Public(t, two)}
	must := func(b []byte, err error) []byte {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	a := must(sign.CoSign(nil, one, sign.PurposeTrust, payload))
	b := must(sign.CoSign(nil, two, sign.PurposeTrust, payload))
	for name, msg := range map[string][]byte{
		"one after the other": must(sign.CoSign(a, two, sign.PurposeTrust, payload)),
		"copies joined":       must(sign.Join(a, b)),
		"joined twice":        must(sign.Join(must(sign.Join(a, b)), b)),
		"joined with nothing": must(sign.Join(must(sign.Join(nil, a)), b)),
	} {
		got, by, err := sign.OpenMany(keys, sign.PurposeTrust, msg)
		if err != nil || !bytes.Equal(got, payload) || !slices.Equal(by, []sign.KeyID{keys[0].ID(), keys[1].ID()}) {
			t.Errorf("OpenMany(%s) = %q, %v, %v, want both signatures", name, got, by, err)
		}
	}
	other := must(sign.CoSign(nil, two, sign.PurposeTrust, []byte("something else")))
	for name, f := range map[string]func() ([]byte, error){
		"another payload":      func() ([]byte, error) { return sign.CoSign(a, two, sign.PurposeTrust, []byte("something else")) },
		"the same key again":   func() ([]byte, error) { return sign.CoSign(a, one, sign.PurposeTrust, payload) },
		"joining another text": func() ([]byte, error) { return sign.Join(a, other) },
		"joining nonsense":     func() ([]byte, error) { return sign.Join(a, []byte("nonsense")) },
		"a message cut":        func() ([]byte, error) { return sign.CoSign(a[:len(a)-1], two, sign.PurposeTrust, payload) },
	} {
		if got, err := f(); !errors.Is(err, sign.ErrMessage) || got != nil {
			t.Errorf("%s = %x, %v, want ErrMessage", name, got, err)
		}
	}
}
