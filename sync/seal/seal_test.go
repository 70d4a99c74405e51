package seal_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"kazashi.example/sync/internal/testkey"
	"kazashi.example/sync/record"
	"kazashi.example/sync/seal"
)

var (
	aad     = []byte("where it stands")
	content = []byte("who it was")
)

func info(to seal.PublicKey) seal.Info {
	return seal.Info{Suite: seal.Suite1, Box: record.NewBoxID(), Epoch: record.NewEpochID(), Recipient: to.ID()}
}

// P3: a record opens for its recipient, box, epoch, number and surroundings, and for no other.
func TestP3OpensOnlyWhereItBelongs(t *testing.T) {
	mine, other := testkey.Sealing(t, "seal mine"), testkey.Sealing(t, "seal other")
	in := info(mine.Public())
	enc, key, err := seal.Encapsulate(mine.Public(), in)
	if err != nil || len(enc) != seal.EncLen {
		t.Fatalf("Encapsulate = %d octets, %v, want %d", len(enc), err, seal.EncLen)
	}
	sealed := key.Seal(7, aad, content)
	for _, c := range []struct {
		name string
		with seal.PrivateKey
		in   func(*seal.Info)
		seq  record.Seq
		aad  []byte
		want error
	}{
		{"as it was sealed", mine, func(*seal.Info) {}, 7, aad, nil},
		{"another recipient's key", other, func(*seal.Info) {}, 7, aad, seal.ErrOpen},
		{"another recipient named", mine, func(i *seal.Info) { i.Recipient[0] ^= 1 }, 7, aad, seal.ErrOpen},
		{"another box", mine, func(i *seal.Info) { i.Box = record.NewBoxID() }, 7, aad, seal.ErrOpen},
		{"another epoch", mine, func(i *seal.Info) { i.Epoch = record.NewEpochID() }, 7, aad, seal.ErrOpen},
		{"another number", mine, func(*seal.Info) {}, 8, aad, seal.ErrOpen},
		{"other surroundings", mine, func(*seal.Info) {}, 7, aad[1:], seal.ErrOpen},
		{"another suite", mine, func(i *seal.Info) { i.Suite = 2 }, 7, aad, seal.ErrSuite},
	} {
		t.Run(c.name, func(t *testing.T) {
			i := in
			c.in(&i)
			k, err := seal.Decapsulate(c.with, i, enc)
			if err == nil {
				var got []byte
				if got, err = k.Open(c.seq, c.aad, sealed); err == nil && !bytes.Equal(got, content) {
					t.Errorf("Open = %q, want %q", got, content)
				}
			}
			if !errors.Is(err, c.want) {
				t.Errorf("Open = %v, want %v", err, c.want)
			}
		})
	}
	if _, _, err := seal.Encapsulate(mine.Public(), seal.Info{Suite: 9}); !errors.Is(err, seal.ErrSuite) {
		t.Errorf("Encapsulate(suite 9) = %v, want ErrSuite", err)
	}
}

// P3: no bit of what travels may change unseen.
func TestP3AnyBitFlipOpensNothing(t *testing.T) {
	mine := testkey.Sealing(t, "seal mine")
	in := info(mine.Public())
	enc, key, err := seal.Encapsulate(mine.Public(), in)
	if err != nil {
		t.Fatal(err)
	}
	sealed := key.Seal(1, aad, content)
	opens := func(enc, aad, sealed []byte) bool {
		k, err := seal.Decapsulate(mine, in, enc)
		if err != nil {
			return false
		}
		_, err = k.Open(1, aad, sealed)
		return err == nil
	}
	if !opens(enc, aad, sealed) {
		t.Fatal("does not open unchanged")
	}
	for _, part := range []struct {
		name  string
		bytes []byte
		every int // bits from one flip to the next
	}{{"enc", enc, 61}, {"aad", aad, 1}, {"sealed", sealed, 1}} {
		for bit := 0; bit < 8*len(part.bytes); bit += part.every {
			part.bytes[bit/8] ^= 1 << (bit % 8)
			if opens(enc, aad, sealed) {
				t.Errorf("opens with bit %d of %s changed", bit, part.name)
			}
			part.bytes[bit/8] ^= 1 << (bit % 8)
		}
	}
	for n := range len(enc) {
		if opens(enc[:n], aad, sealed) {
			t.Errorf("opens with %d octets of enc", n)
		}
	}
}

func TestEachEncapsulationIsFresh(t *testing.T) {
	to := testkey.Sealing(t, "seal mine").Public()
	in := info(to)
	one, a, err := seal.Encapsulate(to, in)
	if err != nil {
		t.Fatal(err)
	}
	two, b, err := seal.Encapsulate(to, in)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Equal(one, two) || bytes.Equal(a.Seal(1, aad, content), b.Seal(1, aad, content)) {
		t.Error("two epochs share an encapsulation or a key")
	}
}

func TestKeysKeepTheirForm(t *testing.T) {
	k, err := seal.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	secret, err := k.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	again, err := seal.ParsePrivateKey(secret)
	if err != nil || again.Public().ID() != k.Public().ID() {
		t.Errorf("ParsePrivateKey(Bytes) = %v, want the same key", err)
	}
	pub := k.Public().Bytes()
	if p, err := seal.ParsePublicKey(pub); err != nil || p.ID() != k.Public().ID() || len(pub) != seal.PublicLen {
		t.Errorf("ParsePublicKey(Bytes) = %v, want the same key of %d octets", err, seal.PublicLen)
	}
	offCurve := bytes.Clone(pub)
	offCurve[len(offCurve)-1] ^= 1
	for name, b := range map[string][]byte{"nothing": nil, "cut": pub[1:], "longer": append(bytes.Clone(pub), 0), "no point": offCurve} {
		if _, err := seal.ParsePublicKey(b); !errors.Is(err, seal.ErrKey) {
			t.Errorf("ParsePublicKey(%s) = %v, want ErrKey", name, err)
		}
	}
	if _, err := seal.ParsePrivateKey(secret[1:]); !errors.Is(err, seal.ErrKey) {
		t.Errorf("ParsePrivateKey(cut) = %v, want ErrKey", err)
	}
	if !(seal.PublicKey{}).IsZero() || k.Public().IsZero() {
		t.Error("IsZero tells no key from one wrongly")
	}
}

// P3: a key that is printed, logged or marshalled shows nothing.
func TestP3KeysPrintRedacted(t *testing.T) {
	k := testkey.Sealing(t, "seal mine")
	_, epoch, err := seal.Encapsulate(k.Public(), info(k.Public()))
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range []any{k, epoch} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d", "%q"} {
			if got := fmt.Sprintf(verb, v); got != "REDACTED" {
				t.Errorf("Sprintf(%s, %T) = %.40s, want REDACTED", verb, v, got)
			}
		}
		var log strings.Builder
		slog.New(slog.NewJSONHandler(&log, nil)).Info("key", slog.Any("key", v))
		if !strings.Contains(log.String(), `"key":"REDACTED"`) {
			t.Errorf("logged %s, want REDACTED", log.String())
		}
		if b, err := json.Marshal(v); err != nil || len(b) > 2 {
			t.Errorf("json.Marshal(%T) = %s, %v, want {}", v, b, err)
		}
	}
}

func TestAWipedKeySealsNothing(t *testing.T) {
	k := testkey.Sealing(t, "seal mine")
	_, key, err := seal.Encapsulate(k.Public(), info(k.Public()))
	if err != nil {
		t.Fatal(err)
	}
	key.Wipe()
	defer func() {
		if recover() == nil {
			t.Error("Seal after Wipe did not panic")
		}
	}()
	key.Seal(1, aad, content)
}
