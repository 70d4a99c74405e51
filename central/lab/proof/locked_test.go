package proof_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"kazashi.example/central/lab/proof/rig"
	"kazashi.example/central/lab/stage"
	"kazashi.example/localapi"
	"kazashi.example/sync/record"
)

// P3: the whole box, stolen while it ran and started elsewhere without a line, opens nothing without the operator's code: whatever needs the
// site's keys says that they are locked, nobody is found, and no PIN is asked for. Certificates are read and PINs checked as before, so that a
// box after a power cut is of use. The code opens everything that was there.
func TestP3StolenBoxOpensNothing(t *testing.T) {
	r := rig.New(t, rig.Setup{Evidence: record.EvidenceCard})
	b := ready(r, "b")
	b.SetCode()
	b.SignIn()
	boundNow(t, b.Enrol("hanako", true))
	b.Synced()
	b.Confirmed(1, "hanako")
	b.Line.Cut()
	says(t, b.Link("hanako", numbers["hanako"]), inOrder, record.EvidenceCard)
	boundNow(t, b.Enrol("mirai", false))
	image := b.Image("stolen")
	b.Stop()
	b.PutBack(image)
	b.Start()
	b.Keys(localapi.KeysLocked)
	for what, err := range asked(t.Context(), r, b.Client()) {
		if !errors.Is(err, localapi.ErrLocked) {
			t.Errorf("%s = %v, want %v", what, err, localapi.ErrLocked)
		}
	}
	for _, key := range []string{"hanako", "mirai", "taro"} {
		told := b.Tap(key)
		says(t, told, refusedFor(record.ReasonRosterLocked), record.EvidenceCertificate)
		if told.Number != "" {
			t.Errorf("a locked box tells a number of %s", key)
		}
	}
	says(t, b.TapPIN("taro"), inOrder, record.EvidencePIN)
	goesOn(t, b.Status())
	wrongCode(t, b.Client())
	b.Keys(localapi.KeysLocked)
	b.Unlock()
	if told := b.Tap("hanako"); told.Tap.First != inOrder || told.Number != numbers["hanako"] {
		t.Errorf("hanako after unlocking: %+v, number told: %v, want %+v with her number", told.Tap.First, told.Number != "", inOrder)
	}
	says(t, b.Tap("mirai"), pending, record.EvidenceCard)
}

// asked is what a box answers to everything that needs the site's keys.
func asked(ctx context.Context, r *rig.Rig, c *localapi.Client) map[string]error {
	last := func(_ any, err error) error { return err }
	code := localapi.NewSecret(stage.StaffCode)
	number := localapi.NewSecret("B-1200347")
	return map[string]error{
		"listing staff":     last(c.Staff(ctx)),
		"entering staff":    c.SetStaff(ctx, localapi.NewStaff{ID: "s-02", Name: "Somebody", Code: localapi.NewSecret("another-code")}),
		"signing in":        last(c.SignIn(ctx, code)),
		"who is present":    last(c.Present(ctx)),
		"asking the roster": last(c.WhoIs(ctx, localapi.WhoIs{Service: rig.Service, Number: numbers["hanako"]})),
		"importing links":   last(c.Import(ctx, strings.NewReader("ppid,number\nx,y\n"), localapi.Import{Service: rig.Service})),
		"enrolling":         last(c.SetNextCard(ctx, rig.Enrolment(r.Person("taro"), true))),
		"linking":           last(c.SetNextCard(ctx, localapi.NextCardRequest{Kind: localapi.NextLink, Number: number})),
		"unlinking":         last(c.SetNextCard(ctx, localapi.NextCardRequest{Kind: localapi.NextUnlink})),
		"a new key":         last(c.RotateKeys(ctx)),
	}
}

// goesOn wants a locked box to say what it can do and what it cannot.
func goesOn(t *testing.T, s localapi.Status) {
	t.Helper()
	if s.Staff != nil || s.Roster.People == 0 {
		t.Errorf("signed in is %+v, and %d people are counted; want nobody, and the count alone", s.Staff, s.Roster.People)
	}
	needs := map[localapi.Capability]bool{localapi.CanTap: true, localapi.CanEnrol: true, localapi.CanLink: true}
	for _, a := range s.Able {
		if locked := a.Why == record.ReasonRosterLocked; locked != needs[a.What] || locked && a.OK {
			t.Errorf("a locked box says of %s: %+v", a.What, a)
		}
		delete(needs, a.What)
	}
	if len(needs) > 0 {
		t.Errorf("a locked box says nothing of %v", needs)
	}
}

// wrongCode types one in, which is counted.
func wrongCode(t *testing.T, c *localapi.Client) {
	t.Helper()
	before, err := c.Keys(t.Context())
	must(t, err)
	_, err = c.Unlock(t.Context(), localapi.NewSecret("asagao-3776-renshu"))
	var told *localapi.Error
	if !errors.Is(err, localapi.ErrKeyCode) || !errors.As(err, &told) || told.Left != before.Tries-1 {
		t.Errorf("Unlock with a wrong code = %v, want %v with one try less than %d", err, localapi.ErrKeyCode, before.Tries)
	}
}
