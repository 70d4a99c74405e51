package box_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"testing"

	"kazashi.example/appliance/tap"
	"kazashi.example/central/lab/proof/leak"
	"kazashi.example/central/lab/world"
	"kazashi.example/central/lab/world/worldtest"
	"kazashi.example/localapi"
	"kazashi.example/reader/vcard"
	"kazashi.example/sync/certid"
	"kazashi.example/sync/record"
	"kazashi.example/sync/rule"
	"kazashi.example/sync/trust"
)

// practice makes a bundle believe the practice world's authorities.
func practice(t *testing.T, w *world.World) func(*trust.Bundle) {
	t.Helper()
	return func(b *trust.Bundle) {
		for _, a := range w.Anchors() {
			b.Anchors = append(b.Anchors, trust.Anchor{Hierarchy: a.Scope.Hierarchy, Purpose: a.Scope.Purpose, Certificate: a.Cert})
		}
		all, err := w.CardAnchors()
		must(t, err)
		for _, a := range all {
			b.CardCAs = append(b.CardCAs, trust.CardCA{Hierarchy: a.Hierarchy, Issuer: a.KeyID[:], Public: a.Key})
		}
	}
}

// ruled makes c give a rule that asks for the card.
func (c *central) ruled(t *testing.T) { c.ruledAs(t, func(*rule.Set) {}) }

// ruledAs is ruled with a change.
func (c *central) ruledAs(t *testing.T, change func(*rule.Set)) {
	t.Helper()
	set := rule.Set{Version: rule.Version{CentralEpoch: 1, N: 1}, Issued: 1, Site: "branch-1", Rules: []rule.Rule{{
		Service: "practice.library", Verifier: "practice-city", Basis: record.BasisDrill, Evidence: record.EvidenceCard, Practice: true,
		ListFull: 1, ListProvisional: 2, TooOld: rule.TooOldRecord, Hierarchies: []certid.Hierarchy{certid.HierarchyPractice},
		Attributes: rule.AttributeName | rule.AttributeSex, Consent: &rule.Consent{JA: "氏名と性別を読み取ります。", EN: "Name and sex are read."},
	}}}
	change(&set)
	msg, err := set.Sign(c.signs)
	must(t, err)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rules = msg
}

func request(p world.Person) localapi.NextCardRequest {
	return localapi.NextCardRequest{
		Kind: localapi.NextEnrol, PIN: localapi.NewSecret(p.AuthPIN), InputPIN: localapi.NewSecret(p.InputPIN), Attributes: true,
	}
}

// A box that can take no tap keeps no PIN for one, and one without a rule serves nobody.
func TestP3NextCardIsRefusedWhereItCannotBe(t *testing.T) {
	k := joined(t, newCentral(t, nil))
	b, _ := k.run(t)
	q := localapi.NextCardRequest{Kind: localapi.NextPIN, PIN: localapi.NewSecret("1234")}
	if _, err := b.NextCard(t.Context(), q); !errors.Is(err, localapi.ErrNextUnready) {
		t.Errorf("NextCard() without a reader = %v, want ErrNextUnready", err)
	}
	next(t, at(t, k, b), localapi.EventStatus, func(e localapi.Event) bool { return len(e.Status.Readers) == 1 })
	if _, err := b.NextCard(t.Context(), q); !errors.Is(err, localapi.ErrNextNotServed) {
		t.Errorf("NextCard() without a rule = %v, want ErrNextNotServed", err)
	}
	q.Reader = "no such reader"
	if _, err := b.NextCard(t.Context(), q); !errors.Is(err, localapi.ErrNextReader) {
		t.Errorf("NextCard() for a reader that is not there = %v, want ErrNextReader", err)
	}
	q.Reader = slot
	if _, err := b.NextCard(t.Context(), q); !errors.Is(err, localapi.ErrNextNotServed) {
		t.Errorf("NextCard() for the reader that is there = %v, want ErrNextNotServed", err)
	}
	if s, err := b.Status(t.Context()); err != nil || s.Next != nil {
		t.Errorf("Status().Next = %+v, %v, want nothing waited for", s.Next, err)
	}
	must(t, b.CancelNextCard(t.Context()))
}

// TestP3EnrolmentAtTheCounter: enrolment, tap and wrong PIN on a whole box. The verdict goes out before the status that ends the waiting;
// log, metrics and events say nothing of what was typed or read.
func TestP3EnrolmentAtTheCounter(t *testing.T) {
	w := worldtest.Open(t, world.Config{People: 1})
	c := newCentral(t, nil, practice(t, w))
	c.ruled(t)
	k := joined(t, c)
	p, err := w.Person("hanako")
	must(t, err)
	profile, err := vcard.LoadProfile(p.Profile)
	must(t, err)
	card, err := vcard.New(profile, &vcard.MemoryStore{})
	must(t, err)
	k.hand.card = func(context.Context) (tap.Connection, error) { return laid{card}, nil }
	b, stop := k.run(t)
	events := at(t, k, b)
	next(t, events, localapi.EventStatus, func(e localapi.Event) bool { return e.Status.Service.Practice && len(e.Status.Readers) == 1 })
	if _, err := b.NextCard(t.Context(), request(p)); !errors.Is(err, localapi.ErrLocked) {
		t.Errorf("NextCard() for an enrolment without site keys = %v, want ErrLocked", err)
	}
	k.makeKeys(t)
	next(t, events, localapi.EventStatus, func(e localapi.Event) bool { return e.Status.Keys.State == localapi.KeysOpen })

	said := k.lay(t, b, events, request(p), localapi.EventVerdict)
	if e := said[0]; e.Rests.Evidence != record.EvidencePIN || e.Enrol == nil || !e.Enrol.Bound || !e.Enrol.Attested {
		t.Errorf("enrolment on evidence %s: %+v", e.Rests.Evidence, e.Enrol)
	}
	k.hand.events <- tap.Event{Kind: tap.CardArrived, Reader: slot}
	e := next(t, events, localapi.EventVerdict, nil)
	k.remove(t, events)
	if e.Rests.Evidence != record.EvidenceCard || e.Tap.First.Reason != record.ReasonListMissing {
		t.Errorf("tap: %+v on evidence %s, want it written down, for there is no list", e.Tap.First, e.Rests.Evidence)
	}
	said = append(said, e)
	wrong := localapi.NextCardRequest{Kind: localapi.NextPIN, PIN: localapi.NewSecret("0000")}
	said = append(said, k.lay(t, b, events, wrong, localapi.EventReadFailed)...)
	resp, err := http.Get("http://" + k.conf.Counter.Listen + "/metrics")
	must(t, err)
	page, err := io.ReadAll(resp.Body)
	must(t, errors.Join(err, resp.Body.Close()))
	status, err := b.Status(t.Context())
	must(t, errors.Join(err, stop()))
	if s := status.Service; !slices.Equal(s.Attributes, []localapi.Attribute{localapi.AttributeName, localapi.AttributeSex}) || s.Consent == nil ||
		*s.Consent != (localapi.Consent{JA: "氏名と性別を読み取ります。", EN: "Name and sex are read."}) {
		t.Errorf("Status().Service = %+v, want the signed rule's attributes and its text of consent", s)
	}
	text, err := json.Marshal([]any{said, status})
	must(t, err)
	searched(t, p, map[string][]byte{"log": []byte(k.log.String()), "metrics": page, "events": text})
}

// makeKeys makes the site's first key, under a code.
func (k *counter) makeKeys(t *testing.T) {
	t.Helper()
	c, err := localapi.NewClient("unix:" + k.conf.Socket())
	must(t, err)
	defer c.Close()
	keys, err := c.SetCode(t.Context(), localapi.Secret{}, localapi.NewSecret(plantedKeyCode))
	must(t, err)
	if keys.State != localapi.KeysOpen || !keys.CodeSet {
		t.Fatalf("keys after SetCode = %+v, want open under a code", keys)
	}
}

// plantedKeyCode is the operator's code, which nothing may say.
const plantedKeyCode = "asagao-to-himawari-42"

// lay arms the box and lays the card; it returns what came of it, which must come before the waiting ends.
func (k *counter) lay(
	t *testing.T, b interface {
		NextCard(ctx context.Context, r localapi.NextCardRequest) (localapi.NextCard, error)
	},
	events <-chan localapi.Event, q localapi.NextCardRequest, want localapi.EventType,
) []localapi.Event {
	t.Helper()
	armed, err := b.NextCard(t.Context(), q)
	must(t, err)
	e := next(t, events, localapi.EventStatus, func(e localapi.Event) bool { return e.Status.Next != nil })
	if *e.Status.Next != armed || armed.Kind != q.Kind {
		t.Errorf("Status.Next = %+v, want %+v", *e.Status.Next, armed)
	}
	k.hand.events <- tap.Event{Kind: tap.CardArrived, Reader: slot}
	seen := []localapi.Event{next(t, events, want, nil)}
	next(t, events, localapi.EventStatus, func(e localapi.Event) bool { return e.Status.Next == nil })
	k.remove(t, events)
	return seen
}

// remove takes the card away.
func (k *counter) remove(t *testing.T, events <-chan localapi.Event) {
	t.Helper()
	k.hand.events <- tap.Event{Kind: tap.CardRemoved, Reader: slot}
	next(t, events, localapi.EventCardRemoved, nil)
}

// searched looks for everything that a person typed and a card said.
func searched(t *testing.T, p world.Person, places map[string][]byte) {
	t.Helper()
	var secrets, open leak.Search
	for _, err := range []error{
		secrets.Number("serial", p.Auth.ID.Serial.Bytes()), secrets.Digits("birth date", p.Birth.Compact()),
		secrets.Word("PIN", p.AuthPIN), secrets.Word("input-assist PIN", p.InputPIN), secrets.Text("name", p.FullName()),
		secrets.Text("address", p.Address), secrets.Text("operator's code", plantedKeyCode), open.Text("service", "pin_wrong"),
	} {
		must(t, err)
	}
	for place, b := range places {
		if len(open.In(place, b)) == 0 {
			t.Errorf("the search does not find in %s what stays readable there", place)
		}
		for _, f := range secrets.In(place, b) {
			t.Errorf("found %s", f)
		}
	}
}
