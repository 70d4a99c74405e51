package box_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"kazashi.example/appliance/box"
	"kazashi.example/sync/courier"
	"kazashi.example/sync/record"
	"kazashi.example/sync/seal"
	"kazashi.example/sync/sign"
	"kazashi.example/sync/wire"
)

// answer is central's on a stick: to every request there, as by a line.
func (c *central) answer(t *testing.T, dir string) {
	t.Helper()
	s, err := courier.Find(dir)
	must(t, err)
	defer s.Close()
	boxes, err := s.Boxes(courier.Joining)
	must(t, err)
	for _, id := range boxes {
		p, err := s.Open(courier.Name{Kind: courier.Joining, Box: id})
		must(t, err)
		for part, err := range p.Parts() {
			must(t, err)
			q, err := part.JoinRequest()
			must(t, err)
			if q.Server != (wire.MAC{}) {
				t.Error("a request by stick says that it saw a server")
			}
			c.answerTo(t, s, id, q)
		}
		must(t, p.Close())
	}
}

func (c *central) answerTo(t *testing.T, s *courier.Stick, id record.BoxID, q wire.JoinRequest) {
	t.Helper()
	a, err := c.Join(t.Context(), sign.PublicKey{}, q)
	must(t, err)
	to, err := seal.ParsePublicKey(q.Sealing)
	must(t, err)
	w, err := s.Writer(courier.Config{Kind: courier.Joined, Box: id, To: to})
	must(t, err)
	must(t, w.JoinAnswer(a))
	must(t, w.Close())
}

// P8: a box that never had a line gets its place by a stick: its public keys come out, its registration goes in.
func TestP8JoinByStick(t *testing.T) {
	c, k := newCentral(t, nil), newCounter(t)
	stick := t.TempDir()
	if _, err := box.TakeAnswer(t.Context(), k.conf, stick); !errors.Is(err, box.ErrNotAsked) {
		t.Errorf("TakeAnswer(nothing asked) = %v, want ErrNotAsked", err)
	}
	for range 2 {
		if _, joined, err := box.JoinByStick(t.Context(), k.conf, stick, c.code, "v1"); joined || err != nil {
			t.Fatalf("JoinByStick(no answer) = %v, %v, want a request", joined, err)
		}
	}
	if _, err := box.TakeAnswer(t.Context(), k.conf, stick); !errors.Is(err, box.ErrNoAnswer) {
		t.Errorf("TakeAnswer(no answer) = %v, want ErrNoAnswer", err)
	}
	info, err := os.Stat(filepath.Join(k.conf.DataDir, box.FilePending))
	if err != nil || info.Mode().Perm() != 0o600 || !box.Asked(k.conf.DataDir) {
		t.Errorf("the request is kept as %v, %v", info, err)
	}
	c.answer(t, stick)
	place, joined, err := box.JoinByStick(t.Context(), k.conf, stick, c.code, "v1")
	if err != nil || !joined || place.Site != "branch-1" || place.Root != c.code.Root || place.Replaces != replaced {
		t.Fatalf("JoinByStick(answered) = %+v, %v, %v", place, joined, err)
	}
	if box.Asked(k.conf.DataDir) {
		t.Error("the code is still on the disk")
	}
	b, err := k.open(t)
	must(t, err)
	must(t, b.Close())
}

// P9: what did not come from who made the code gives no place.
func TestP9JoinByStickRefuses(t *testing.T) {
	for _, tc := range []struct {
		name  string
		spoil func(t *testing.T, c *central, stick string)
		want  error
	}{
		{"an answer by somebody without the code", func(t *testing.T, c *central, stick string) {
			c.spoils = func(a *wire.JoinAnswer) { a.Proof[0] ^= 1 }
			c.answer(t, stick)
		}, wire.ErrProof},
		{"another site than was proved", func(t *testing.T, c *central, stick string) {
			c.spoils = func(a *wire.JoinAnswer) { a.Site = "branch-9" }
			c.answer(t, stick)
		}, wire.ErrProof},
		{"an answer that was copied by half", func(t *testing.T, c *central, stick string) {
			c.answer(t, stick)
			path, err := filepath.Glob(filepath.Join(stick, "KAZASHI", "join", "*.kza"))
			must(t, err)
			must(t, os.Truncate(path[0], 1000))
		}, courier.ErrHalf},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c, k := newCentral(t, nil), newCounter(t)
			stick := t.TempDir()
			_, _, err := box.JoinByStick(t.Context(), k.conf, stick, c.code, "v1")
			must(t, err)
			tc.spoil(t, c, stick)
			if place, err := box.TakeAnswer(t.Context(), k.conf, stick); !errors.Is(err, tc.want) || place.Site != "" {
				t.Errorf("TakeAnswer() = %+v, %v, want %v", place, err, tc.want)
			}
			if !box.Asked(k.conf.DataDir) {
				t.Error("the request is forgotten")
			}
		})
	}
}

// A later code takes the place of an earlier one, and of an answer to it.
func TestJoinByStickWithAnotherCode(t *testing.T) {
	c, k := newCentral(t, nil), newCounter(t)
	stick := t.TempDir()
	_, _, err := box.JoinByStick(t.Context(), k.conf, stick, c.code, "v1")
	must(t, err)
	c.answer(t, stick)
	c.code.Secret[0] ^= 1
	if _, joined, err := box.JoinByStick(t.Context(), k.conf, stick, c.code, "v1"); joined || err != nil {
		t.Fatalf("JoinByStick(another code) = %v, %v, want a request", joined, err)
	}
	if _, err := box.TakeAnswer(t.Context(), k.conf, stick); !errors.Is(err, box.ErrNoAnswer) {
		t.Errorf("TakeAnswer() = %v, want ErrNoAnswer", err)
	}
	c.answer(t, stick)
	if _, err := box.TakeAnswer(t.Context(), k.conf, stick); err != nil {
		t.Errorf("TakeAnswer() = %v", err)
	}
}

// P3: a join over the line leaves no code of an earlier request on the disk.
func TestP3JoinByLineForgetsTheRequest(t *testing.T) {
	c, k := newCentral(t, nil), newCounter(t)
	_, _, err := box.JoinByStick(t.Context(), k.conf, t.TempDir(), c.code, "v1")
	must(t, err)
	c.listen(t, k.conf.Central.Address)
	if _, err := box.Join(t.Context(), k.conf, c.code, "v1"); err != nil || box.Asked(k.conf.DataDir) {
		t.Errorf("Join = %v, and the request is there: %v", err, box.Asked(k.conf.DataDir))
	}
}

// P2: a crash between place and request leaves a box that joins once more, to the same.
func TestP2JoinByStickAfterACrash(t *testing.T) {
	c, k := newCentral(t, nil), newCounter(t)
	stick := t.TempDir()
	_, _, err := box.JoinByStick(t.Context(), k.conf, stick, c.code, "v1")
	must(t, err)
	path := filepath.Join(k.conf.DataDir, box.FilePending)
	request, err := os.ReadFile(path)
	must(t, err)
	c.answer(t, stick)
	first, err := box.TakeAnswer(t.Context(), k.conf, stick)
	must(t, err)
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	must(t, os.WriteFile(path, request, 0o600))
	if again, err := box.TakeAnswer(t.Context(), k.conf, stick); err != nil || again != first {
		t.Errorf("TakeAnswer(again) = %+v, %v, want %+v", again, err, first)
	}
	must(t, os.WriteFile(path, request[:len(request)/2], 0o600))
	if _, err := box.TakeAnswer(t.Context(), k.conf, stick); !errors.Is(err, box.ErrNotAsked) {
		t.Errorf("TakeAnswer(half a request) = %v, want ErrNotAsked", err)
	}
}
