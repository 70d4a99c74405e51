package proof_test

import (
	"bytes"
	"context"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"kazashi.example/appliance/vault"
	"kazashi.example/central/lab/proof/rig"
	"kazashi.example/sync/canon"
	"kazashi.example/sync/epoch"
	"kazashi.example/sync/record"
	"kazashi.example/sync/sign"
	"kazashi.example/sync/wire"
)

// alone starts a box, cuts its line and lets it take taps in several epochs. What it sealed comes back as a courier's load.
func alone(r *rig.Rig, people ...[]string) (*rig.Box, wire.Push) {
	b := ready(r, "b")
	if len(people) > 1 {
		b.SetCode()
	}
	b.Line.Cut()
	for i, run := range people {
		if i > 0 {
			b.Stop()
			b.Start()
			b.Unlock()
		}
		taps(b, run...)
	}
	return b, b.Sealed(b.Image("i"))
}

// P2, design §5.2 and §5.4: sealed records come shuffled, twice and by several carriers at once, some before their header and
// in the end from their own box as well: one row each.
func TestP2ShuffledTwiceByManyCarriers(t *testing.T) {
	r := rig.New(t, rig.Setup{Evidence: record.EvidenceCard})
	b, load := alone(r, []string{"enrol hanako", "goro", "hanako", "ren"}, []string{"enrol taro", "aoi"}, []string{"enrol yuki", "pin hanako", "yuki"})
	if len(load.Headers) != 3 || len(load.Envelopes) != 9 {
		t.Fatalf("the load has %d headers and %d envelopes, want 3 and 9", len(load.Headers), len(load.Envelopes))
	}
	var all sync.WaitGroup
	for n := range 3 {
		carrier := r.Box("carrier" + string(rune('0'+n))).Carrier()
		all.Go(func() { carry(t, carrier.Push, load) })
	}
	all.Wait()
	if rows := r.EachOnce(); len(rows) != 9 {
		t.Errorf("%d records, want 9", len(rows))
	}
	b.Line.Restore()
	b.Synced()
	b.Settled()
	r.EachOnce()
	pseudonyms(t, r, 3) // whichever came first, the enrolment or the tap that rests on it
	s := r.Central.Status()
	if s.Reports != 0 || s.Quarantined != 0 || s.SetAside != 0 {
		t.Errorf("status = %+v, want no report, nobody in quarantine, nothing set aside", s)
	}
}

// pushing is an uplink client's Push.
type pushing func(context.Context, wire.Push) (wire.Pushed, error)

// carry brings everything one by one in a random order, twice.
func carry(t *testing.T, push pushing, load wire.Push) {
	var parts []wire.Push
	for range 2 {
		for _, h := range load.Headers {
			parts = append(parts, wire.Push{Headers: [][]byte{h}})
		}
		for _, e := range load.Envelopes {
			parts = append(parts, wire.Push{Envelopes: [][]byte{e}})
		}
	}
	rand.Shuffle(len(parts), func(i, j int) { parts[i], parts[j] = parts[j], parts[i] })
	for _, p := range parts {
		out, err := push(t.Context(), p)
		if err != nil || len(out.Refused) != 0 {
			t.Errorf("Push = %+v, %v, want nothing refused", out.Refused, err)
		}
	}
}

// flaw is one thing that a hostile carrier does to what it carries.
type flaw struct {
	name   string
	push   wire.Push
	reason string // words of the refusal; empty if it is found out only when it is opened
}

// flaws makes one of each. The load must have two envelopes of one epoch in front.
func flaws(t *testing.T, load wire.Push, hostile *vault.Identity) []flaw {
	t.Helper()
	first, second := decoded(t, load.Envelopes[0]), decoded(t, load.Envelopes[1])
	env := func(change func(e *epoch.Envelope)) wire.Push {
		e := first
		e.Sealed = bytes.Clone(e.Sealed)
		change(&e)
		b, err := canon.Encode(e)
		if err != nil {
			t.Fatal(err)
		}
		return wire.Push{Envelopes: [][]byte{b}}
	}
	raw := func(change func(b []byte) []byte) wire.Push {
		return wire.Push{Envelopes: [][]byte{change(bytes.Clone(load.Envelopes[0]))}}
	}
	head := func(change func(b []byte) []byte) wire.Push {
		return wire.Push{Headers: [][]byte{change(bytes.Clone(load.Headers[0]))}}
	}
	last := func(b []byte) []byte { b[len(b)-1] ^= 1; return b }
	return []flaw{
		{"content changed", env(func(e *epoch.Envelope) { e.Sealed[0] ^= 1 }), ""},
		{"tag cut short by an octet", env(func(e *epoch.Envelope) { e.Sealed = e.Sealed[:len(e.Sealed)-1] }), ""},
		{"previous changed", env(func(e *epoch.Envelope) { e.Previous[0] ^= 1 }), ""},
		{"moved to another number", env(func(e *epoch.Envelope) { e.Seq += 40 }), ""},
		{"another's content under this number", env(func(e *epoch.Envelope) { e.Sealed = second.Sealed }), ""},
		{"number nought", env(func(e *epoch.Envelope) { e.Seq = 0 }), "contradicts itself"},
		{"a field that no tag covers", raw(func(b []byte) []byte { b[0]++; return append(b, 6, 0) }), "no tag covers"},
		{"cut", raw(func(b []byte) []byte { return b[:len(b)/2] }), "CBOR"},
		{"octets after its end", raw(func(b []byte) []byte { return append(b, 0) }), "CBOR"},
		{"nothing", raw(func([]byte) []byte { return nil }), "CBOR"},
		{"header with a signature changed", head(last), "is not one of box"},
		{"header cut", head(func(b []byte) []byte { return b[:40] }), "not an epoch header"},
		{"header signed by another device", forged(t, load.Headers[0], hostile, false), "is not one of box"},
		{"epoch claimed by another box", forged(t, load.Headers[0], hostile, true), "not of this box"},
	}
}

func decoded(t *testing.T, b []byte) epoch.Envelope {
	t.Helper()
	e, err := epoch.DecodeEnvelope(b)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// forged signs a header again with another device's key, in the name of its box or in the device's own.
func forged(t *testing.T, header []byte, by *vault.Identity, own bool) wire.Push {
	t.Helper()
	s, err := epoch.Read(header)
	if err != nil {
		t.Fatal(err)
	}
	if own {
		s.Header.Box = by.Box
	}
	payload, err := canon.Encode(s.Header)
	if err != nil {
		t.Fatal(err)
	}
	msg, err := sign.Sign(by.Device, sign.PurposeEpoch, payload) // Header.Sign would not
	if err != nil {
		t.Fatal(err)
	}
	return wire.Push{Headers: [][]byte{msg}}
}

// P2: a hostile carrier with a good key of its own changes, cuts, moves and repeats what it carries, before and after the real
// records come. Nothing is lost or doubled, each refusal says why, and no box but the carrier is under suspicion.
func TestP2HostileCarrier(t *testing.T) {
	for _, early := range []bool{true, false} {
		name := map[bool]string{true: "before the records", false: "after the records"}[early]
		t.Run(name, func(t *testing.T) {
			r := rig.New(t, rig.Setup{})
			b, load := alone(r, []string{"hanako", "goro", "ren", "taro"})
			h := r.Box("h")
			hostile, err := vault.Open(h.Dir, vault.Options{})
			if err != nil {
				t.Fatal(err)
			}
			carrier := h.Carrier()
			r.Push(carrier, wire.Push{Headers: load.Headers}) // the header is genuine: see TestEpochSquatted for the rest
			if !early {
				b.Line.Restore()
				b.Synced()
				r.EachOnce()
			}
			for _, f := range flaws(t, load, hostile) {
				refused(t, f, r.Push(carrier, f.push))
			}
			b.Line.Restore()
			b.Synced()
			if rows := r.EachOnce(); len(rows) != 4 {
				t.Errorf("%d records, want 4", len(rows))
			}
			b.Settled()
			if seen := r.Central.Seen(b.ID); seen.State != "active" || len(seen.Reports) != 0 {
				t.Errorf("box is %s with reports %+v, want active with none", seen.State, seen.Reports)
			}
			r.Eventually(func() string { return asides(r, 5) })
			for _, f := range flaws(t, load, hostile)[:5] { // and again: now they are known for what they are
				f.reason = "set aside"
				refused(t, f, r.Push(carrier, f.push))
			}
		})
	}
}

func asides(r *rig.Rig, n int64) string {
	if r.Central.Status().SetAside >= n {
		return ""
	}
	return "not every forgery was opened"
}

func refused(t *testing.T, f flaw, out wire.Pushed) {
	t.Helper()
	switch {
	case f.reason == "" && len(out.Refused) != 0:
		t.Errorf("%s: refused as %q, want it kept until it is opened", f.name, out.Refused[0].Reason)
	case f.reason != "" && (len(out.Refused) != 1 || !strings.Contains(out.Refused[0].Reason, f.reason)):
		t.Errorf("%s: refused = %+v, want one that says %q", f.name, out.Refused, f.reason)
	}
}

// P2: a joined box that turned hostile claims another box's epoch before its header has come. An epoch id proves its box, so the
// claim is refused at once and the true records settle as if nothing had been.
func TestP2EpochCannotBeClaimedFirst(t *testing.T) {
	r := rig.New(t, rig.Setup{})
	b, load := alone(r, []string{"hanako", "goro"})
	h := r.Box("h")
	hostile, err := vault.Open(h.Dir, vault.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if out := r.Push(h.Carrier(), forged(t, load.Headers[0], hostile, true)); len(out.Refused) != 1 {
		t.Fatalf("refused = %+v, want the claim refused before the true header came", out.Refused)
	}
	b.Line.Restore()
	b.Tap("taro") // in the same epoch
	r.Eventually(func() string { return wantRows(r, 3) })
	if reports := r.Central.Seen(b.ID).Reports; len(reports) != 0 {
		t.Errorf("reports = %+v, want none", reports)
	}
}
