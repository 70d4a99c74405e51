package rig

import (
	"fmt"

	"kazashi.example/central/lab/stage"
	"kazashi.example/localapi"
)

// Client asks the box over its unix socket.
func (b *Box) Client() *localapi.Client { return b.client }

// Keys waits until the site's keys stand so.
func (b *Box) Keys(want localapi.KeyState) (k localapi.Keys) {
	b.r.tb.Helper()
	b.r.Eventually(func() string {
		if k = b.Status().Keys; k.State != want {
			return fmt.Sprintf("the keys of box %s are %s, want %s", b.ID, k.State, want)
		}
		return ""
	})
	return k
}

// SetCode sets the operator's code of a box whose keys are open.
func (b *Box) SetCode() {
	b.r.tb.Helper()
	b.Keys(localapi.KeysOpen)
	_, err := b.client.SetCode(b.r.tb.Context(), localapi.Secret{}, localapi.NewSecret(stage.OperatorCode))
	b.r.must(err)
}

// Unlock opens a box by the operator's code.
func (b *Box) Unlock() {
	b.r.tb.Helper()
	k, err := b.client.Unlock(b.r.tb.Context(), localapi.NewSecret(stage.OperatorCode))
	b.r.must(err)
	if k.State != localapi.KeysOpen || k.By != "code" {
		b.r.tb.Fatalf("the keys of box %s are %s by %q, want open by code", b.ID, k.State, k.By)
	}
}

// SignIn enters the member of staff and signs them in.
func (b *Box) SignIn() {
	b.r.tb.Helper()
	ctx := b.r.tb.Context()
	b.r.must(b.client.SetStaff(ctx, localapi.NewStaff{ID: stage.StaffID, Name: stage.StaffName, Code: localapi.NewSecret(stage.StaffCode)}))
	_, err := b.client.SignIn(ctx, localapi.NewSecret(stage.StaffCode))
	b.r.must(err)
}

// Link types in the service's number that is to be a person's, and lays their card.
func (b *Box) Link(key, number string) Told {
	b.r.tb.Helper()
	b.Next(localapi.NextCardRequest{Kind: localapi.NextLink, Number: localapi.NewSecret(number)})
	return b.linked(key)
}

// Unlink takes a person's number back, with their card.
func (b *Box) Unlink(key string) Told {
	b.r.tb.Helper()
	b.Next(localapi.NextCardRequest{Kind: localapi.NextUnlink})
	return b.linked(key)
}

func (b *Box) linked(key string) Told {
	b.r.tb.Helper()
	t := b.verdict(key, b.plain)
	if t.Link == nil || !t.Link.Done {
		b.r.tb.Errorf("%s: linked %+v, want it done", key, t.Link)
	}
	return t
}

// Confirmed waits until central's roster names the latest enrolments at this box of these, and the box knows so many people: all of them by
// central's roster, since whoever is in the site's book as well counts twice.
func (b *Box) Confirmed(people int, keys ...string) {
	b.r.tb.Helper()
	spoken := map[string]string{}
	for _, t := range b.r.Ledger() {
		if t.Box == b.ID && t.Enrol != nil && t.Enrol.Bound {
			spoken[t.Person.Key] = t.Tap.Spoken
		}
	}
	b.r.Eventually(func() string {
		for _, key := range keys {
			e, err := b.client.WhoIs(b.r.tb.Context(), localapi.WhoIs{Tap: spoken[key]})
			if err != nil || !e.Found {
				return fmt.Sprintf("the roster of box %s does not name %s: %v", b.ID, key, err)
			}
		}
		if n := b.Status().Roster.People; n != people {
			return fmt.Sprintf("box %s knows %d people, want %d", b.ID, n, people)
		}
		return ""
	})
}

// Has waits until central's roster, as the box holds it, knows a number of the box's service.
func (b *Box) Has(number string) {
	b.r.tb.Helper()
	b.r.Eventually(func() string {
		e, err := b.client.WhoIs(b.r.tb.Context(), localapi.WhoIs{Service: b.Service, Number: number})
		if err != nil || !e.Found {
			return fmt.Sprintf("the roster of box %s does not have a number: %v", b.ID, err)
		}
		return ""
	})
}

// Ledger is every verdict said at this box so far.
func (b *Box) Ledger() (own []Told) {
	for _, t := range b.r.Ledger() {
		if t.Box == b.ID {
			own = append(own, t)
		}
	}
	return own
}
