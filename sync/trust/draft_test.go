package trust_test

import (
	"bytes"
	"crypto"
	"errors"
	"reflect"
	"slices"
	"testing"
	"time"

	"kazashi.example/sync/canon"
	"kazashi.example/sync/internal/byhand"
	"kazashi.example/sync/record"
	"kazashi.example/sync/trust"
)

// proposal is the bundle under the chain, with or without a next generation.
func proposal(t testing.TB, roots [][]byte, next *generation) trust.Draft {
	t.Helper()
	var set *trust.RootSet
	if next != nil {
		set = &next.set
	}
	d, err := trust.NewDraft(roots, set, bundle(t))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// carried is a draft after somebody carried it as a file.
func carried(t testing.TB, d trust.Draft) trust.Draft {
	t.Helper()
	b, err := d.Encode()
	if err != nil {
		t.Fatal(err)
	}
	d, err = trust.DecodeDraft(b)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func signDraft(t testing.TB, d *trust.Draft, key crypto.Signer) []string {
	t.Helper()
	what, err := d.Sign(key)
	if err != nil {
		t.Fatal(err)
	}
	return what
}

// P9: two of three holders sign, on copies or one after the other, and a box that has the first root set believes the result.
func TestP9HoldersSignADraftApart(t *testing.T) {
	gens, roots := chain(t)
	last := gens[2]
	copies := [2]trust.Draft{proposal(t, roots, nil), proposal(t, roots, nil)}
	for i := range copies {
		copies[i] = carried(t, copies[i])
		if got := signDraft(t, &copies[i], last.keys[i]); !slices.Equal(got, []string{"bundle 7"}) {
			t.Errorf("Sign = %q, want bundle 7", got)
		}
		if _, _, err := copies[i].Finish(); !errors.Is(err, trust.ErrThreshold) {
			t.Errorf("Finish(one of two) = %v, want ErrThreshold", err)
		}
	}
	d := carried(t, copies[0])
	if err := d.Join(carried(t, copies[1])); err != nil {
		t.Fatal(err)
	}
	turn := carried(t, copies[0])
	signDraft(t, &turn, last.keys[1])
	for name, d := range map[string]trust.Draft{"joined": d, "in turn": turn} {
		got, travelling, err := d.Finish()
		if err != nil || len(got) != 3 {
			t.Fatalf("Finish(%s) = %d root sets, %v", name, len(got), err)
		}
		o, err := trust.Open(travelling, trust.Terms{Root: fingerprint(t, roots[0]), Now: issued})
		if err != nil || o.Number != 7 {
			t.Errorf("Open(%s) = bundle %d, %v, want 7", name, o.Number, err)
		}
	}
}

// P9: new holders need enough of those before and enough of themselves, and sign the bundle in the same pass.
func TestP9TheNextHoldersNeedBoth(t *testing.T) {
	gens, roots := chain(t)
	next := newGeneration(t, 4)
	d := proposal(t, roots, &next)
	var have []string
	for _, l := range d.Levels() {
		have = append(have, l.What)
	}
	if want := []string{"root set 4 by set 3", "root set 4 by itself", "bundle 7"}; !slices.Equal(have, want) {
		t.Errorf("Levels = %q, want %q", have, want)
	}
	for i, key := range []crypto.Signer{next.keys[0], next.keys[1], gens[2].keys[1], gens[2].keys[0]} {
		if _, _, err := d.Finish(); !errors.Is(err, trust.ErrThreshold) {
			t.Errorf("Finish after %d signatures = %v, want ErrThreshold", i, err)
		}
		d = carried(t, d)
		want := 1
		if i < 2 {
			want = 2 // the set, and the bundle
		}
		if what := signDraft(t, &d, key); len(what) != want {
			t.Errorf("Sign = %q, want %d things", what, want)
		}
	}
	full, travelling, err := d.Finish()
	if err != nil || len(full) != 4 {
		t.Fatalf("Finish = %d root sets, %v, want 4", len(full), err)
	}
	o, err := trust.Open(travelling, trust.Terms{Root: fingerprint(t, roots[0])})
	if err != nil || o.Root != fingerprint(t, full[3]) {
		t.Errorf("Open = under %s, %v, want the fourth set", o.Root, err)
	}
	s, err := trust.Inspect(travelling)
	if err != nil || len(s.Roots) != 4 || len(s.Signed) != 2 || s.Roots[3].Threshold != 2 || s.Number != 7 {
		t.Errorf("Inspect = %d sets, signed by %v, %v", len(s.Roots), s.Signed, err)
	}
}

// The first root set has no bundle: central's keys are made under it.
func TestAFirstRootSet(t *testing.T) {
	g := newGeneration(t, 1)
	d, err := trust.NewDraft(nil, &g.set, trust.Bundle{})
	if err != nil {
		t.Fatal(err)
	}
	signDraft(t, &d, g.keys[0])
	signDraft(t, &d, g.keys[2])
	roots, travelling, err := carried(t, d).Finish()
	if err != nil || len(roots) != 1 || travelling != nil {
		t.Fatalf("Finish = %d sets, a bundle of %d octets, %v, want one and none", len(roots), len(travelling), err)
	}
	if b, err := d.Content(); err != nil || b.Number != 0 {
		t.Errorf("Content = bundle %d, %v, want none", b.Number, err)
	}
}

func TestDraftRefusals(t *testing.T) {
	gens, roots := chain(t)
	next, late := newGeneration(t, 4), newGeneration(t, 5)
	good := proposal(t, roots, &next)
	signDraft(t, &good, gens[2].keys[0])
	if _, err := good.Sign(gens[2].keys[0]); !errors.Is(err, trust.ErrSigned) {
		t.Errorf("Sign twice = %v, want ErrSigned", err)
	}
	if _, err := good.Sign(gens[0].keys[0]); !errors.Is(err, trust.ErrHolder) {
		t.Errorf("Sign by a replaced root key = %v, want ErrHolder", err)
	}
	if _, err := good.Sign(byhand.Key("trust C-sign")); !errors.Is(err, trust.ErrHolder) {
		t.Errorf("Sign by C-sign = %v, want ErrHolder", err)
	}
	if err := good.Join(proposal(t, roots, nil)); !errors.Is(err, trust.ErrDraft) {
		t.Errorf("Join(another proposal) = %v, want ErrDraft", err)
	}
	if _, err := trust.NewDraft(roots, &late.set, bundle(t)); !errors.Is(err, trust.ErrRoot) {
		t.Errorf("NewDraft(a set that skips one) = %v, want ErrRoot", err)
	}
	if _, err := trust.NewDraft(roots[:2:2], &late.set, bundle(t)); !errors.Is(err, trust.ErrRoot) {
		t.Errorf("NewDraft(a chain that lacks one) = %v, want ErrRoot", err)
	}
	if _, err := trust.NewDraft(nil, nil, bundle(t)); !errors.Is(err, trust.ErrDraft) {
		t.Errorf("NewDraft(nothing to sign with) = %v, want ErrDraft", err)
	}
	if _, err := trust.NewDraft(roots, nil, trust.Bundle{}); !errors.Is(err, trust.ErrBundle) {
		t.Errorf("NewDraft(an empty bundle) = %v, want ErrBundle", err)
	}
	for name, spoil := range map[string]func(d *trust.Draft){
		"another payload under the signature": func(d *trust.Draft) { d.Next = bytes.Clone(proposal(t, roots, nil).Bundle) },
		"a bundle without a chain":            func(d *trust.Draft) { d.Roots = nil },
		"a broken chain":                      func(d *trust.Draft) { d.Roots = [][]byte{roots[0], roots[2]} },
		"a signature damaged":                 func(d *trust.Draft) { d.NextSigned[len(d.NextSigned)-1] ^= 1 },
		"a signature cut":                     func(d *trust.Draft) { d.NextSigned = d.NextSigned[:40] },
		"of a later version":                  func(d *trust.Draft) { d.Version = 2 },
	} {
		d := carried(t, good)
		spoil(&d)
		b, err := canon.Encode(d)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := trust.DecodeDraft(b); err == nil {
			t.Errorf("DecodeDraft(%s) = %+v, want an error", name, got)
		}
		if d.Levels() != nil {
			t.Errorf("Levels(%s) says something", name)
		}
	}
}

func TestApprovals(t *testing.T) {
	_, roots := chain(t)
	approved := bundle(t)
	approved.Approvals = []trust.Approval{{Verifier: "kiyose", Reference: "number 1", Until: issued.Unix()}, {Verifier: "city", Reference: "number 2"}}
	for _, try := range []struct {
		verifier record.VerifierID
		at       time.Time
		want     bool
	}{{"kiyose", issued, true}, {"kiyose", issued.Add(time.Second), false}, {"city", later, true}, {"other", issued, false}} {
		if got := approved.Approves(try.verifier, try.at); got != try.want {
			t.Errorf("Approves(%s, %s) = %v, want %v", try.verifier, try.at, got, try.want)
		}
	}
	if !approved.Approves("kiyose", time.Time{}) {
		t.Error("an end was judged without a date")
	}
	for name, a := range map[string][]trust.Approval{
		"no verifier":     {{Reference: "number 1"}},
		"no reference":    {{Verifier: "kiyose"}},
		"long reference":  {{Verifier: "kiyose", Reference: string(make([]byte, trust.MaxReference+1))}},
		"before all time": {{Verifier: "kiyose", Reference: "number 1", Until: -1}},
		"twice":           {{Verifier: "kiyose", Reference: "number 1"}, {Verifier: "kiyose", Reference: "number 2"}},
	} {
		b := bundle(t)
		b.Approvals = a
		if _, err := trust.NewDraft(roots, nil, b); !errors.Is(err, trust.ErrBundle) {
			t.Errorf("NewDraft(approval: %s) = %v, want ErrBundle", name, err)
		}
	}
}

func FuzzDecodeDraft(f *testing.F) {
	gens, roots := chain(f)
	next := newGeneration(f, 4)
	for _, g := range []*generation{nil, &next} {
		d := proposal(f, roots, g)
		unsigned, err := d.Encode()
		if err != nil {
			f.Fatal(err)
		}
		signDraft(f, &d, gens[2].keys[0])
		signed, err := d.Encode()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(unsigned)
		f.Add(signed)
	}
	f.Add([]byte{0xa0})
	f.Fuzz(func(t *testing.T, b []byte) {
		d, err := trust.DecodeDraft(b)
		if err != nil {
			return
		}
		again, err := d.Encode() // without fields of a later release
		if err != nil {
			t.Fatal(err)
		}
		if same, err := trust.DecodeDraft(again); err != nil || !reflect.DeepEqual(same, d) {
			t.Errorf("DecodeDraft(Encode(%+v)) = %+v, %v", d, same, err)
		}
		_, _, _ = d.Finish()
		_, _ = d.Content()
	})
}

// FuzzInspect reads files of strangers.
func FuzzInspect(f *testing.F) {
	gens, roots := chain(f)
	b, err := bundle(f).Sign(roots, gens[2].keys[:2])
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add(b[:len(b)/2])
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := trust.Inspect(b)
		if err == nil && (s.Number == 0 || len(s.Roots) == 0) {
			t.Errorf("Inspect(%x) = bundle %d, %d root sets", b, s.Number, len(s.Roots))
		}
		_, _ = trust.Chain(b)
	})
}
