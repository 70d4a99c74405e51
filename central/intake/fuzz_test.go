package intake_test

import (
	"testing"

	"kazashi.example/central/intake"
	"kazashi.example/sync/ack"
	"kazashi.example/sync/canon"
	"kazashi.example/sync/epoch"
	"kazashi.example/sync/wire"
)

// mutate changes parts of a push as the script says, three octets a step: which part, where, how.
func mutate(p wire.Push, script []byte) wire.Push {
	parts := append(append([][]byte(nil), p.Headers...), p.Envelopes...)
	for ; len(script) >= 3 && len(parts) > 0; script = script[3:] {
		i := int(script[0]) % len(parts)
		part := append([]byte(nil), parts[i]...)
		at := int(script[1]) * 7 % max(len(part), 1)
		switch script[2] % 6 {
		case 0:
			part = part[:at]
		case 1:
			parts = append(parts, part)
		case 2:
			part = append(part, script[1])
		case 3:
			j := int(script[1]) % len(parts)
			parts[i], parts[j] = parts[j], parts[i]
			continue
		default:
			if len(part) > 0 {
				part[at] ^= script[2]
			}
		}
		parts[i] = part
	}
	n := min(len(p.Headers), len(parts))
	return wire.Push{Headers: parts[:n], Envelopes: parts[n:]}
}

// FuzzReceive brings changed pushes. Nothing of them may be an error of central's, end another part of the push, or keep the
// true records from being held whole afterwards.
func FuzzReceive(f *testing.F) {
	f.Add([]byte{}, []byte{0xa0})
	f.Add([]byte{0, 9, 7}, []byte{0xa1, 1, 0x81, 0x40})
	f.Add([]byte{1, 3, 0, 2, 2, 1, 3, 200, 65}, []byte{0xa2, 1, 0x80, 2, 0x81, 0x41, 0})
	f.Add([]byte{0, 1, 3, 3, 3, 2, 2, 0, 4}, []byte{})
	b := setUp(f, intake.Limits{Headers: 1 << 20, Envelopes: 1 << 20})
	box, carrier := b.joined(), b.joined()
	f.Fuzz(func(t *testing.T, script, raw []byte) {
		b.t = t
		var p wire.Push
		if err := canon.Decode(raw, &p, wire.MaxPush); err == nil && len(p.Headers) <= wire.MaxPushed && len(p.Envelopes) <= wire.MaxPushed {
			b.push(carrier, p)
		}
		e := box.Start(t, epoch.CauseRotation)
		taps(t, e, 4)
		bad := mutate(e.Push(), script)
		taken := b.push(carrier, bad)
		for _, r := range taken.Refused {
			if int(r.Index) >= len(bad.Headers)+len(bad.Envelopes) || r.Reason == "" {
				t.Fatalf("Refused = %+v of %d parts", r, len(bad.Headers)+len(bad.Envelopes))
			}
		}
		if again := b.push(box, e.Push()); len(again.Refused) != 0 {
			t.Fatalf("the true push was refused: %v", again.Refused)
		}
		whole := false
		for _, r := range b.ranges(box, e.Signed.Header.Epoch) {
			whole = whole || r.First == 1 && r.Last == 4 && r.Chain == e.Records[3].Chain && r.Level == ack.Received
		}
		if !whole {
			t.Fatalf("the true records are not held whole: %v", b.ranges(box, e.Signed.Header.Epoch))
		}
	})
}
