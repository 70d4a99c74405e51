package order_test

import (
	"bytes"
	"errors"
	"testing"

	"kazashi.example/sync/canon"
	"kazashi.example/sync/internal/byhand"
	"kazashi.example/sync/internal/testkey"
	"kazashi.example/sync/order"
	"kazashi.example/sync/record"
	"kazashi.example/sync/sign"
)

var central = byhand.Key("order central")

func wipe() order.Order {
	return order.Order{Version: 1, Box: record.BoxID{ID128: record.ID128{1}}, ID: order.NewID(), Kind: order.KindWipe, Issued: 1}
}

func lower() order.Order {
	o := wipe()
	o.Kind, o.Nonce, o.Time = order.KindClock, order.Nonce{ID128: record.ID128{2}}, 1_795_000_000_000
	return o
}

func signed(t testing.TB, p sign.Purpose, o order.Order) []byte {
	t.Helper()
	b, err := canon.Encode(o)
	if err != nil {
		t.Fatal(err)
	}
	msg, err := sign.Sign(central, p, b)
	if err != nil {
		t.Fatal(err)
	}
	return msg
}

// P9: an order counts whole, for its box, by its key and for its purpose, or not at all.
func TestP9AnOrderOpensWholeOrNotAtAll(t *testing.T) {
	keys := testkey.Only(t, central)
	for _, o := range []order.Order{wipe(), lower()} {
		msg, err := o.Sign(central)
		if err != nil || len(msg) > order.MaxOrder {
			t.Fatalf("Sign(%s) = %d octets, %v", o.Kind, len(msg), err)
		}
		if got, err := order.Open(keys, o.Box, msg); err != nil || got != o {
			t.Errorf("Open = %+v, %v, want %+v", got, err, o)
		}
		if _, err := order.Open(keys, record.NewBoxID(), msg); !errors.Is(err, order.ErrBox) {
			t.Errorf("Open(another box) = %v, want ErrBox", err)
		}
		if _, err := order.Open(keys, o.Box, signed(t, sign.PurposeRules, o)); !errors.Is(err, sign.ErrSignature) {
			t.Errorf("Open(signed as rules) = %v, want ErrSignature", err)
		}
		if _, err := order.Open(testkey.Only(t, byhand.Key("another")), o.Box, msg); !errors.Is(err, sign.ErrUnknownKey) {
			t.Errorf("Open(another key) = %v, want ErrUnknownKey", err)
		}
	}
	for _, c := range []struct {
		name   string
		of     order.Order
		change func(*order.Order)
	}{
		{"another version", wipe(), func(o *order.Order) { o.Version = 2 }},
		{"no box", wipe(), func(o *order.Order) { o.Box = record.BoxID{} }},
		{"no id", wipe(), func(o *order.Order) { o.ID = order.ID{} }},
		{"no kind", wipe(), func(o *order.Order) { o.Kind = 0 }},
		{"no time of issue", wipe(), func(o *order.Order) { o.Issued = 0 }},
		{"a wipe under a nonce", wipe(), func(o *order.Order) { o.Nonce.ID128[0] = 1 }},
		{"a wipe with a time", wipe(), func(o *order.Order) { o.Time = 1 }},
		{"a clock without a nonce", lower(), func(o *order.Order) { o.Nonce = order.Nonce{} }},
		{"a clock to no time", lower(), func(o *order.Order) { o.Time = 0 }},
		{"a clock to before 1970", lower(), func(o *order.Order) { o.Time = -1 }},
	} {
		o := c.of
		c.change(&o)
		if _, err := order.Open(keys, o.Box, signed(t, sign.PurposeOrder, o)); !errors.Is(err, order.ErrOrder) {
			t.Errorf("Open(%s) = %v, want ErrOrder", c.name, err)
		}
	}
}

// P8: an order of a later release opens, and says that it is not known here.
func TestP8AKindOfALaterReleaseOpens(t *testing.T) {
	o := wipe()
	o.Kind, o.Time, o.Nonce.ID128[3] = 9, 77, 1
	got, err := order.Open(testkey.Only(t, central), o.Box, signed(t, sign.PurposeOrder, o))
	if err != nil || got != o || got.Kind.Known() {
		t.Errorf("Open = %+v, %v, want it as it is, not known", got, err)
	}
}

func TestOutcomesAreWords(t *testing.T) {
	for o, good := range map[order.Outcome]bool{
		order.OutcomeDone: true, order.OutcomeFailed: true, order.OutcomeUnknown: true, "by_and_by": true,
		"": false, "Done": false, "no way": false, "x1": false, order.Outcome(bytes.Repeat([]byte("a"), 33)): false,
	} {
		if err := o.Check(); (err == nil) != good {
			t.Errorf("Check(%q) = %v, want good %v", string(o), err, good)
		}
	}
}

func FuzzOpen(f *testing.F) {
	for _, o := range []order.Order{wipe(), lower()} {
		b, err := canon.Encode(o)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add([]byte{0xa0})
	keys := testkey.Only(f, central)
	f.Fuzz(func(t *testing.T, in []byte) {
		msg, err := sign.Sign(central, sign.PurposeOrder, in)
		if err != nil {
			t.Fatal(err)
		}
		o, err := order.Open(keys, record.BoxID{ID128: record.ID128{1}}, msg)
		if err != nil {
			return
		}
		if _, err := o.Sign(central); err != nil {
			t.Fatalf("Sign(accepted %x) = %v", in, err)
		}
	})
}
