package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"kazashi.example/central/lab/world"
	"kazashi.example/central/lab/world/worldtest"
	"kazashi.example/reader/mynumber"
	"kazashi.example/reader/pcsc"
	"kazashi.example/reader/vcard"
	"kazashi.example/reader/vcard/link"
)

func TestMain(m *testing.M) {
	pcsc.Main()
	os.Exit(m.Run())
}

const reader = "Practice Reader 0"

// near is a card without PC/SC between.
type near struct{ *link.Line }

func (near) Close() error { return nil }

// counter is a timer with a practice card on its reader.
func counter(t *testing.T, p world.Person) *timer {
	t.Helper()
	profile, err := vcard.LoadProfile(p.Profile)
	if err != nil {
		t.Fatal(err)
	}
	card, err := vcard.New(profile, &vcard.MemoryStore{})
	if err != nil {
		t.Fatal(err)
	}
	open := func(_ context.Context, name string) (connection, error) {
		if name != reader {
			return nil, pcsc.ErrNoReader
		}
		return near{link.Join(card, link.Model{})}, nil
	}
	return &timer{open: open, memory: mynumber.NewMemory()}
}

func practice(t *testing.T) (world.Person, []authority) {
	t.Helper()
	w := worldtest.Open(t, world.Config{})
	p, err := w.Person("hanako")
	if err != nil {
		t.Fatal(err)
	}
	anchors, err := w.CardAnchors()
	if err != nil {
		t.Fatal(err)
	}
	var list []authority
	for _, a := range anchors {
		list = append(list, authority{a.Hierarchy.String(), fmt.Sprintf("%X", a.KeyID), a.Key})
	}
	return p, list
}

func ask(t *testing.T, c *timer, r request) (answer, string) {
	t.Helper()
	line, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := c.serve(t.Context(), bytes.NewReader(line), &out); err != nil {
		t.Fatalf("serve(%s) = %v", r.Procedure, err)
	}
	var a answer
	if err := json.Unmarshal(out.Bytes(), &a); err != nil {
		t.Fatalf("serve(%s) wrote %q: %v", r.Procedure, out.String(), err)
	}
	return a, out.String()
}

// P1: the commands are those of the real procedures, and no answer says anything of the card but times and counts.
func TestP1CountsCommands(t *testing.T) {
	p, authorities := practice(t)
	c := counter(t, p)
	full := request{Reader: reader, Birth: p.Birth.Compact(), Message: []byte("practice"), Authorities: authorities}
	for _, tt := range []struct {
		procedure string
		remember  bool
		want      int
	}{
		{certificate, false, 2},
		{cardBound, false, 4},
		{cardProof, false, 8},
		{cardProof, true, 8},
		{cardProof, true, 7},
		{cardProof, false, 8},
	} {
		r := full
		r.Procedure, r.Remember = tt.procedure, tt.remember
		a, line := ask(t, c, r)
		if a.Error != "" || a.Commands != tt.want || a.Octets < 1000 || a.Procedure < a.Waiting || a.Procedure > time.Minute {
			t.Errorf("%s, remember %v = %+v, want %d commands", tt.procedure, tt.remember, a, tt.want)
		}
		if strings.Contains(line, p.Birth.Compact()) {
			t.Errorf("%s answered %q, want no birth date in it", tt.procedure, line)
		}
	}
}

func TestFaultsOfCardsAreAnswers(t *testing.T) {
	p, authorities := practice(t)
	c := counter(t, p)
	for name, r := range map[string]request{
		pcsc.ErrNoReader.Error():       {Reader: "another", Procedure: certificate},
		mynumber.ErrNotGenuine.Error(): {Reader: reader, Procedure: cardProof, Birth: p.Birth.Compact()},
		mynumber.ErrWrongPIN.Error():   {Reader: reader, Procedure: cardProof, Birth: "19010203", Authorities: authorities},
		mynumber.ErrEraUnclear.Error(): {Reader: reader, Procedure: cardProof, Birth: "19890000", Authorities: authorities},
	} {
		if a, _ := ask(t, c, r); !strings.Contains(a.Error, name) {
			t.Errorf("answer = %q, want %q", a.Error, name)
		}
	}
}

func TestRequestsThatCannotBeUnderstood(t *testing.T) {
	c := &timer{memory: mynumber.NewMemory(), open: func(context.Context, string) (connection, error) {
		t.Error("a connection was made")
		return nil, pcsc.ErrNoReader
	}}
	for _, line := range []string{
		"certificate", `{}`, `{"procedure":"sign"}`, `{"procedure":"card","birth":"19019901"}`,
		`{"procedure":"card","birth":"20000101","authorities":[{"hierarchy":"ours"}]}`,
		`{"procedure":"card","birth":"20000101","authorities":[{"hierarchy":"practice","key":"AAAA"}]}`,
		`{"procedure":"certificate","reader":1}`, `{"procedure":"certificate","message":"` + strings.Repeat("A", maxRequest) + `"}`,
	} {
		var out bytes.Buffer
		err := c.serve(t.Context(), strings.NewReader(line), &out)
		if err == nil || out.Len() > 0 {
			t.Errorf("serve(%.60s) = %v and wrote %q, want an error alone", line, err, out.String())
		}
		if len(line) < maxRequest && !errors.Is(err, errRequest) {
			t.Errorf("serve(%.60s) = %v, want %v", line, err, errRequest)
		}
	}
}

func FuzzServe(f *testing.F) {
	f.Add([]byte(`{"reader":"a","procedure":"certificate"}`))
	f.Add([]byte(`{"procedure":"card","birth":"20000101","authorities":[{"hierarchy":"practice","id":"00","key":"AA=="}]}`))
	c := &timer{memory: mynumber.NewMemory(), open: func(context.Context, string) (connection, error) { return nil, pcsc.ErrNoReader }}
	f.Fuzz(func(t *testing.T, in []byte) {
		var out bytes.Buffer
		if err := c.serve(t.Context(), bytes.NewReader(in), &out); err == nil && out.Len() == 0 && len(in) > 0 {
			t.Fatalf("serve(%q) said nothing", in)
		}
	})
}
