package sitekey_test

import (
	"testing"

	"kazashi.example/sync/internal/testkey"
	"kazashi.example/sync/sign"
	"kazashi.example/sync/sitekey"
)

func FuzzDecodeWrapped(f *testing.F) {
	w, err := sitekey.Wrap(testkey.Sealing(f, "site mine").Public(), site, sitekey.NewKey())
	if err != nil {
		f.Fatal(err)
	}
	b, err := w.Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte{0xa0})
	f.Fuzz(func(t *testing.T, in []byte) {
		w, err := sitekey.DecodeWrapped(in)
		if err != nil {
			return
		}
		if out, err := w.Encode(); err != nil || len(out) > len(in) {
			t.Fatalf("accepted %x, encodes to %x (%v)", in, out, err)
		}
		_, _ = sitekey.Unwrap(testkey.Sealing(t, "site mine"), w)
	})
}

// FuzzOpenGrant fuzzes what stands under the signature: what central could sign with wrong software.
func FuzzOpenGrant(f *testing.F) {
	m := newMember(f, "site mine")
	msg, err := granted(f, m, newRing(f, 2)).Sign(m.device)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(mustPayload(f, msg))
	f.Add([]byte{0xa0})
	f.Fuzz(func(t *testing.T, in []byte) {
		msg, err := sign.Sign(m.device, sign.PurposeSiteKeys, in)
		if err != nil {
			t.Fatal(err)
		}
		g, err := sitekey.OpenGrant(testkey.Only(t, m.device), msg)
		if err != nil {
			return
		}
		again, err := g.Sign(m.device)
		if err != nil {
			t.Fatalf("Sign(accepted) = %v", err)
		}
		if back, err := sitekey.OpenGrant(testkey.Only(t, m.device), again); err != nil || back.Current != g.Current || len(back.Keys) != len(g.Keys) {
			t.Fatalf("accepted %x reads back differently: %v", in, err)
		}
	})
}

// FuzzPeer fuzzes the files that boxes of a site exchange: as they come, and what a member could sign with wrong software.
func FuzzPeer(f *testing.F) {
	m := newMember(f, "site mine")
	members := []sitekey.Member{m.public(f)}
	q := sitekey.Request{Site: site, Box: m.box, Nonce: sitekey.NewNonce()}
	asked, err := q.Sign(m.device)
	if err != nil {
		f.Fatal(err)
	}
	keys, err := sitekey.WrapAll(m.sealing.Public(), site, newRing(f, 2))
	if err != nil {
		f.Fatal(err)
	}
	given, err := sitekey.Answer{Site: site, To: m.box, Nonce: q.Nonce, From: m.box, Keys: keys}.Sign(m.device)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(asked, false)
	f.Add(given, false)
	f.Add(mustPayload(f, asked), true)
	f.Add(mustPayload(f, given), true)
	f.Fuzz(func(t *testing.T, in []byte, bare bool) {
		if bare {
			var err error
			if in, err = sign.Sign(m.device, sign.PurposePeer, in); err != nil {
				t.Fatal(err)
			}
		}
		q, _, err := sitekey.OpenRequest(members, in)
		a, aerr := sitekey.OpenAnswer(members, in)
		if err == nil && aerr == nil {
			t.Fatalf("accepted %x as both", in)
		}
		if err == nil {
			if _, err := q.Sign(m.device); err != nil {
				t.Fatalf("Sign(accepted request) = %v", err)
			}
		}
		if aerr == nil {
			if _, err := a.Sign(m.device); err != nil {
				t.Fatalf("Sign(accepted answer) = %v", err)
			}
		}
	})
}
