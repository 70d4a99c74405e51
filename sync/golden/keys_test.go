package golden_test

import (
	"bytes"
	"encoding/hex"
	"strings"
	"testing"

	"kazashi.example/sync/canon"
	"kazashi.example/sync/internal/byhand"
	"kazashi.example/sync/order"
	"kazashi.example/sync/record"
	"kazashi.example/sync/rule"
	"kazashi.example/sync/seal"
	"kazashi.example/sync/sitekey"
	"kazashi.example/sync/wire"
)

func wrappedValue() sitekey.Wrapped {
	w := sitekey.Wrapped{
		Site: "branch-1", Generation: sitekey.Generation{ID128: record.ID128(bytes.Repeat([]byte{0x6e}, 16))},
		Enc: bytes.Repeat([]byte{0x0e}, seal.EncLen), Sealed: bytes.Repeat([]byte{0x5e}, sitekey.KeyLen+seal.TagLen),
	}
	copy(w.Recipient[:], bytes.Repeat([]byte{0x1d}, 16))
	return w
}

func orderID() order.ID { return order.ID{ID128: record.ID128(bytes.Repeat([]byte{0x0d}, 16))} }

func nonceValue() order.Nonce {
	return order.Nonce{ID128: record.ID128(bytes.Repeat([]byte{0xcc}, 16))}
}

// keyNames are in the order of the file.
var keyNames = []string{
	"order, clock", "order, wipe", "correction", "grant", "push with a correction", "poll with keys and orders", "polled with keys and orders",
}

// keyValues are what site keys, orders and corrections travel as.
func keyValues() map[string]any {
	v := func(n uint64) rule.Version { return rule.Version{CentralEpoch: 1, N: n} }
	w := wrappedValue()
	return map[string]any{
		"order, clock": order.Order{
			Version: 1, Box: boxID, ID: orderID(), Kind: order.KindClock, Nonce: nonceValue(), Time: 1_795_000_000_000, Issued: 1_795_000_000_123,
		},
		"order, wipe": order.Order{Version: 1, Box: boxID, ID: orderID(), Kind: order.KindWipe, Issued: 1_795_000_000_123},
		"correction": wire.Correction{
			Version: 1, Box: boxID, Epochs: []record.EpochID{epoch1}, Offset: -5_400_000, Measured: 1_795_000_000_123,
		},
		"grant": sitekey.Grant{
			Version: v(3), Site: "branch-1", Box: boxID, Keys: []sitekey.Wrapped{w}, Current: w.Generation,
			Members: []sitekey.Member{{Box: boxID, Device: public(byhand.Key("golden D")).DER(), Sealing: sealing("golden S").Public().Bytes()}},
		},
		"push with a correction": wire.Push{Corrections: [][]byte{{1, 2}}},
		"poll with keys and orders": wire.Poll{
			Made: []sitekey.Wrapped{w}, Nonce: nonceValue(), Locked: true, Grant: v(2),
			Done: []wire.OrderDone{{Order: orderID(), Outcome: order.OutcomeDone, Erasure: []byte{7}}},
		},
		"polled with keys and orders": wire.Polled{
			CentralEpoch: 1, Grant: []byte{1}, Orders: [][]byte{{2}, {3}},
			RosterOffer: wire.RosterOffer{Version: v(9), Head: blobValue(0xa1, 700), Segments: []wire.Blob{blobValue(0xa2, 70_000)}},
		},
	}
}

// keysByHand is what keyValues encodes to, as byHand.
func keysByHand() map[string][]string {
	id, nonce := strings.Repeat("0d", 16), strings.Repeat("cc", 16)
	wrapped := strings.Join([]string{
		"a5", "01 68", text("branch-1"), "02 50", strings.Repeat("6e", 16), "03 50", strings.Repeat("1d", 16),
		"04 59 0481", strings.Repeat("0e", seal.EncLen), "05 58 30", strings.Repeat("5e", 48),
	}, "")
	blob := func(of, size string) string { return "a2 01 58 20" + strings.Repeat(of, 32) + "02" + size }
	empty := "01 a2 01 00 02 00 02 a2 01 00 02 00 03 a2 01 00 02 00 04 00 08 00 09 00 0a 00 0b 60"
	return map[string][]string{
		"order, clock": {
			"a7", "01 01", "02 50", box, "03 50", id, "04 01", "05 50", nonce, "06 1b 000001a1ee565e00", "07 1b 000001a1ee565e7b",
		},
		"order, wipe": {"a7", "01 01", "02 50", box, "03 50", id, "04 02", "05 50", none, "06 00", "07 1b 000001a1ee565e7b"},
		"correction":  {"a5", "01 01", "02 50", box, "03 81 50", e1, "04 3a 005265bf", "05 1b 000001a1ee565e7b"},
		"grant": {
			"a6", "01 a2 01 01 02 03", "02 68", text("branch-1"), "03 50", box, "04 81", wrapped, "05 50", strings.Repeat("6e", 16),
			"06 81 a3", "01 50", box, "02 58 5b", hex.EncodeToString(public(byhand.Key("golden D")).DER()),
			"03 59 04e1", hex.EncodeToString(sealing("golden S").Public().Bytes()),
		},
		"push with a correction": {"a1", "03 81 42 0102"},
		"poll with keys and orders": {
			"ad", empty, "0e 81", wrapped, "0f 50", nonce, "10 f5", "11 a2 01 01 02 02", "12 81 a3", "01 50", id, "02 64", text("done"), "03 41 07",
		},
		"polled with keys and orders": {
			"a4", "01 01", "0b 41 01", "0c 82 41 02 41 03",
			"0d a3", "01 a2 01 01 02 09", "02", blob("a1", "19 02bc"), "03 81", blob("a2", "1a 00011170"),
		},
	}
}

func keysVector() any {
	f := itemsFile{About: "Orders, corrections, a grant of site keys, and the messages that carry them. Nobody's keys."}
	for _, name := range keyNames {
		f.Items = append(f.Items, itemOf(name, keyValues()[name]))
	}
	return f
}

func TestKeysVector(t *testing.T) {
	items, values, hand := read[itemsFile](t, "keys").Items, keyValues(), keysByHand()
	if len(items) != len(values) || len(hand) != len(values) {
		t.Errorf("%d items recorded, %d values, %d by hand", len(items), len(values), len(hand))
	}
	for _, it := range items {
		reads(t, it)
		is(t, it.Name, octetsOf(t, hand[it.Name]), it.CBOR)
		is(t, it.Name, must(canon.Encode(values[it.Name])), it.CBOR)
	}
}
