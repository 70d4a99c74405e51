//go:build integration

package vcard_test

import (
	"context"
	"encoding/json"
	"errors"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"kazashi.example/reader/vcard"
	"kazashi.example/reader/vcard/control"
	"kazashi.example/reader/vcard/internal/testcard"
	"kazashi.example/reader/vcard/link"
)

// lay takes away what lies in the slot and lays a card there, with faults and a link.
func (o *openSC) lay(name string, p *vcard.Profile, link string, faults ...string) {
	o.t.Helper()
	b, err := json.Marshal(p)
	if err != nil {
		o.t.Fatal(err)
	}
	if s, err := o.rig.Control().Slot(o.t.Context(), 0); err == nil && s.Inserted {
		if _, err := o.rig.Control().Remove(o.t.Context(), 0); err != nil {
			o.t.Fatal(err)
		}
	}
	req := control.InsertRequest{Profile: o.write(name, b), Faults: faults, Link: link}
	if _, err := o.rig.Control().Insert(o.t.Context(), 0, req); err != nil {
		o.t.Fatalf("Insert() = %v, want nil", err)
	}
	ctx, cancel := context.WithTimeout(o.t.Context(), 10*time.Second)
	defer cancel()
	if err := o.rig.Control().Connected(ctx, 0); err != nil {
		o.t.Fatalf("Connected() = %v, want nil", err)
	}
}

// script sends commands by pcsc-tools' scriptor and returns its answers in hex, as far as it comes.
func (o *openSC) script(commands ...string) []string {
	o.t.Helper()
	cmd := o.command("scriptor", "-r", o.rig.ReaderName(0))
	cmd.Stdin = strings.NewReader(strings.ReplaceAll(strings.Join(commands, "\n"), " ", "") + "\n")
	out, err := cmd.CombinedOutput()
	if _, ended := errors.AsType[*exec.ExitError](err); err != nil && !ended {
		o.t.Fatalf("scriptor = %v", err)
	}
	var answers []string
	inside := false // an answer takes several lines, and ends with what it means
	for line := range strings.Lines(string(out)) {
		first, begins := strings.CutPrefix(line, "< ")
		if begins {
			inside = true
			answers = append(answers, "")
		}
		if !inside {
			continue
		}
		octets, _, ends := strings.Cut(first, " : ")
		answers[len(answers)-1] += strings.ReplaceAll(strings.TrimSpace(octets), " ", "")
		inside = !ends
	}
	return answers
}

func (o *openSC) expect(what string, want []string, commands ...string) {
	o.t.Helper()
	if got := o.script(commands...); !slices.Equal(got, want) {
		o.t.Errorf("%s: %q = %q, want %q", what, commands, got, want)
	}
}

// What pcscd and vpcd make of each kind of card. GET DATA of the reader's class reaches the card, which with a true reader it never does.
func TestKindsThroughPCSC(t *testing.T) {
	o := newOpenSC(t)
	o.lay("token.json", &vcard.Profile{Label: "transit", Kind: vcard.Token, UID: "0123456789ABCDEF"}, "")
	contains(t, "opensc-tool -a", o.run("opensc-tool", "-a"), "3b:8f:80:01:80:4f:0c:a0:00:00:03:06:11:00:3b:00:00:00:00:42")
	o.expect("token", []string{"0123456789ABCDEF9000", "6A82", "6D00"}, "FFCA000000", selectJPKI, "00B08A0000")
	o.lay("next.json", testcard.Next(), "")
	o.expect("next", []string{"9000", "30820190101112139000", "63C3", "9000", "FF200241549000", "9000", "6982"},
		selectNextAuth, "00B08A0008", "00200098", verifyAuth, "00B0920000", selectNextFace, "00B0810000")
	o.lay("phone.json", testcard.Phone(), "")
	o.expect("phone", []string{"9000", "6982", "9000", "308201289000", "6A82"},
		selectJPKI, "00B08A0004", verifyAuth, "00B08A0004", selectFace)
}

func TestFaultsThroughPCSC(t *testing.T) {
	o := newOpenSC(t)
	o.lay("fixed.json", testcard.Fixed(), "", "ignore-extended")
	// One octet is no answer, and the card stays.
	o.expect("no answer", []string{"9000", "00", "308201289000"}, selectJPKI, "00B08A00000000", "00B08A0004")
	o.lay("fixed.json", testcard.Fixed(), "", "flood")
	if got := o.script(selectJPKI, "00B08A00000000"); len(got) != 2 || len(got[1]) != 2*65535 {
		t.Errorf("flood = %d answers, want 2, the last of 65535 octets", len(got))
	}
	o.lay("fixed.json", testcard.Fixed(), "", "tear-after=2")
	o.expect("tear", []string{"9000", ""}, selectJPKI, "0020009804 30303030", "00200098")
	o.lay("fixed.json", testcard.Fixed(), "")
	o.expect("counter after it", []string{"9000", "63C2"}, selectJPKI, "00200098") // the card had done it
}

// A card with a link takes its time, through pcscd too, and the slot says how much.
func TestLinkThroughPCSC(t *testing.T) {
	o := newOpenSC(t)
	m := link.Slow()
	o.lay("fixed.json", testcard.Fixed(), m.String())
	begun := time.Now()
	if got := o.script(selectFace, "802A000033"+digestInfo+"00"); len(got) != 2 || len(got[1]) != 2*258 {
		t.Fatalf("script = %q, want a signature", got)
	}
	want := m.Time(octets(t, selectFace), make([]byte, 2)) + m.Time(octets(t, "802A000033"+digestInfo+"00"), make([]byte, 258))
	s, err := o.rig.Control().Slot(t.Context(), 0)
	if took := time.Since(begun); err != nil || s.LinkTime != want || took < want {
		t.Errorf("two commands in %v with a link time of %v, %v, want no less than %v", took, s.LinkTime, err, want)
	}
}
