package boxline_test

import (
	"errors"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"kazashi.example/central/backup"
	"kazashi.example/central/boxline/simcentral"
	"kazashi.example/central/intake/simbox"
	"kazashi.example/central/registry"
	"kazashi.example/central/sitekeys"
	"kazashi.example/central/store"
	"kazashi.example/sync/erasure"
	"kazashi.example/sync/order"
	"kazashi.example/sync/record"
	"kazashi.example/sync/rule"
	"kazashi.example/sync/sign"
	"kazashi.example/sync/sitekey"
	"kazashi.example/sync/uplink"
	"kazashi.example/sync/wire"
)

// member is a box with what it holds of its site's keys.
type member struct {
	*simbox.Box
	t    *testing.T
	c    *simcentral.Central
	held rule.Version
	ring sitekey.Ring
	who  []sitekey.Member
}

// boxAt registers a box at a site.
func boxAt(t *testing.T, c *simcentral.Central, site record.SiteID) *member {
	t.Helper()
	b := simbox.New(t, c.Keys.Seal.Public())
	b.Site = site
	c.Check(c.Store.Update(t.Context(), func(tx store.Tx) error {
		return errors.Join(tx.AddBox(b.Row(t)), c.SiteKeys.Joined(tx, b.Row(t)))
	}))
	return &member{Box: b, t: t, c: c}
}

// poll asks for what the box lacks, and takes a grant if one comes.
func (m *member) poll(change func(*wire.Poll)) wire.Polled {
	m.t.Helper()
	p := current(m.c)
	p.Grant = m.held
	if change != nil {
		change(&p)
	}
	got, _, _ := m.c.Poll(m.Box, p)
	m.take(got.Grant)
	return got
}

// take opens a grant as a box does; nil is none.
func (m *member) take(msg []byte) {
	m.t.Helper()
	if msg == nil {
		return
	}
	g, err := sitekey.OpenGrant(sign.One{Key: simcentral.Public(m.t, m.c.Keys.Sign)}, msg)
	m.c.Check(err)
	if g.Box != m.ID || g.Site != m.Site || g.Version.Compare(m.held) < 0 {
		m.t.Fatalf("grant %v for box %s of %s came to %s of %s, which holds %v", g.Version, g.Box, g.Site, m.ID, m.Site, m.held)
	}
	m.ring, err = g.Ring(m.S, sitekey.Ring{})
	m.c.Check(err)
	m.held, m.who = g.Version, g.Members
}

func locked(p *wire.Poll) { p.Locked = true }

// P3, design §4: the boxes of a site get its keys, each wrapped to itself and each once, and no other site's.
func TestP3GrantsReachTheSiteAlone(t *testing.T) {
	c := simcentral.New(t)
	a, b, far := boxAt(t, c, "honmachi"), boxAt(t, c, "honmachi"), boxAt(t, c, "ekimae")
	if got := a.poll(nil); got.Grant != nil {
		t.Fatal("a grant came before anybody wanted a key")
	}
	a.poll(locked)
	b.poll(locked)
	far.poll(locked)
	if a.ring.Len() != 1 || !a.ring.Equal(b.ring) {
		t.Fatalf("rings of %d and %d, want one and the same generation", a.ring.Len(), b.ring.Len())
	}
	if g, _, _ := a.ring.Current(); far.ring.Len() != 1 || slices.Contains(far.ring.Generations(), g) {
		t.Error("another site holds this one's key, or none")
	}
	if len(a.who) != 2 || a.who[0].Box != a.ID || a.who[1].Box != b.ID || len(far.who) != 1 {
		t.Errorf("members = %d and %d, want the two boxes here and the one there", len(a.who), len(far.who))
	}
	if got := a.poll(nil); got.Grant != nil {
		t.Error("a grant came to a box that holds it")
	}
	if got := a.poll(locked); got.Grant == nil {
		t.Error("no grant came to a box that locked itself")
	}
	boxAt(t, c, "honmachi")
	if got := a.poll(nil); got.Grant == nil || len(a.who) != 3 {
		t.Errorf("after one more box: %d members, want 3 in a new grant", len(a.who))
	}
}

// A box that cannot use a grant is not sent it with every poll that it waits with.
func TestAGrantIsNotRepeatedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := simcentral.New(t)
		a := boxAt(t, c, "honmachi")
		a.poll(locked)
		wants := func(p *wire.Poll) { p.Locked, p.Grant, p.Wait = true, rule.Version{}, 1 }
		if got := a.poll(wants); got.Grant != nil {
			t.Error("the grant was repeated at once")
		}
		c.World.Pass(time.Minute)
		if got := a.poll(wants); got.Grant == nil {
			t.Error("the grant was not repeated after a minute")
		}
	})
}

// P3: who was taken out of service, or ordered to wipe or lock itself, gets no grant, and what comes is sealed under a key that it has not
// seen; who is back gets it.
func TestP3WhoIsOutGetsNoGrant(t *testing.T) {
	for _, k := range []struct {
		name string
		out  func(*simcentral.Central, *member) error
	}{
		{"revoked", func(c *simcentral.Central, m *member) error { return c.Boxes.Revoke(m.t.Context(), m.ID) }},
		{"wiped", func(c *simcentral.Central, m *member) error {
			_, err := c.Boxes.Order(m.t.Context(), m.ID, order.KindWipe, time.Time{})
			return err
		}},
		{"locked", func(c *simcentral.Central, m *member) error {
			_, err := c.Boxes.Order(m.t.Context(), m.ID, order.KindLock, time.Time{})
			return err
		}},
	} {
		t.Run(k.name, func(t *testing.T) {
			c := simcentral.New(t)
			a, b := boxAt(t, c, "honmachi"), boxAt(t, c, "honmachi")
			a.poll(locked)
			b.poll(locked)
			c.Check(k.out(c, b))
			p := current(c)
			p.Locked = true
			got, err := c.Line.Poll(t.Context(), b.Public(t), p)
			var refusal *uplink.Refusal
			if err != nil && !errors.As(err, &refusal) || got.Grant != nil {
				t.Fatalf("Poll of the box that is out = grant %v, %v", got.Grant != nil, err)
			}
			a.poll(nil)
			fresh, _, _ := a.ring.Current()
			if len(a.who) != 1 || a.ring.Len() != 2 || slices.Contains(b.ring.Generations(), fresh) {
				t.Errorf("%d members, %d generations, want one and a key that the other never saw", len(a.who), a.ring.Len())
			}
			c.Check(c.Boxes.Reinstate(t.Context(), b.ID))
			if got := b.poll(locked); len(got.Orders) > 0 || !slices.Contains(b.ring.Generations(), fresh) {
				t.Errorf("back in service: %d orders, keys %v; want none, and the new key", len(got.Orders), b.ring.Generations())
			}
		})
	}
}

func made(t *testing.T, c *simcentral.Central, site record.SiteID, key sitekey.Key) sitekey.Wrapped {
	t.Helper()
	w, err := sitekey.Wrap(c.Keys.Seal.Public(), site, key)
	c.Check(err)
	return w
}

// A box that is taken out of service while its parcel is read brings no key of its own into the site any more.
func TestNoKeyOfABoxThatWasRevokedMeanwhile(t *testing.T) {
	c := simcentral.New(t)
	b := c.Box()
	generations := func() (n int) {
		c.Check(c.Store.View(t.Context(), func(tx store.Tx) error {
			all, err := tx.SiteKeys(b.Site)
			n = len(all)
			return err
		}))
		return n
	}
	var row store.Box
	c.Check(c.Store.View(t.Context(), func(tx store.Tx) (err error) { row, err = tx.Box(b.ID); return err }))
	c.Check(c.Boxes.Revoke(t.Context(), b.ID))
	before := generations()
	c.Check(c.Line.HearCourier(t.Context(), row, wire.Poll{Made: []sitekey.Wrapped{made(t, c, b.Site, sitekey.NewKey())}}))
	if after := generations(); after != before {
		t.Errorf("%d generations of the site's key, before %d", after, before)
	}
}

// design §4: what a box made alone reaches the site's other boxes; where there were keys already, nothing is sealed under it any more.
func TestKeysThatABoxMade(t *testing.T) {
	c := simcentral.New(t)
	a, b := boxAt(t, c, "honmachi"), boxAt(t, c, "honmachi")
	first, second := sitekey.NewKey(), sitekey.NewKey()
	bring := func(keys ...sitekey.Key) func(*wire.Poll) {
		return func(p *wire.Poll) {
			for _, k := range keys {
				p.Made = append(p.Made, made(t, c, "honmachi", k))
			}
		}
	}
	a.poll(bring(first))
	if g, _, _ := a.ring.Current(); a.ring.Len() != 1 || g != first.Generation() {
		t.Fatalf("ring of %d with %s, want the box's own", a.ring.Len(), g)
	}
	n := a.held
	if a.poll(bring(first)); a.held != n {
		t.Errorf("the same key again made grant %v of %v", a.held, n)
	}
	b.poll(bring(first, second))
	g, _, _ := b.ring.Current()
	if _, ok := b.ring.Find(second.Generation()); !ok || b.ring.Len() != 3 || g == first.Generation() || g == second.Generation() {
		t.Errorf("ring of %d with %s, want both keys and a new current one", b.ring.Len(), g)
	}
	if a.poll(nil); !a.ring.Equal(b.ring) {
		t.Error("the other box has other keys")
	}
}

// A generation that cannot be taken keeps nothing else from the box, and is not kept.
func TestKeysThatCannotBeTaken(t *testing.T) {
	c := simcentral.New(t)
	a := boxAt(t, c, "honmachi")
	a.poll(locked)
	stranger := simbox.New(t, c.Keys.Seal.Public())
	other, err := sitekey.Wrap(stranger.S.Public(), "honmachi", sitekey.NewKey())
	c.Check(err)
	named := made(t, c, "honmachi", sitekey.NewKey())
	named.Generation = sitekey.NewKey().Generation()
	for name, w := range map[string]sitekey.Wrapped{
		"of another site": made(t, c, "ekimae", sitekey.NewKey()), "sealed to somebody else": other, "named as another": named,
		"of no site": {Generation: sitekey.NewKey().Generation()},
	} {
		n := a.held
		got := a.poll(func(p *wire.Poll) { p.Made, p.Rules = []sitekey.Wrapped{w}, rule.Version{} })
		if got.Rules == nil || a.held != n || a.ring.Len() != 1 {
			t.Errorf("a key %s: rules %v, grant %v with %d generations; want the rules and nothing new", name, got.Rules != nil, a.held, a.ring.Len())
		}
	}
	for range sitekeys.MaxTaken + 4 {
		a.poll(func(p *wire.Poll) { p.Made = []sitekey.Wrapped{made(t, c, "honmachi", sitekey.NewKey())} })
	}
	if got, want := a.ring.Len(), 1+2*sitekeys.MaxTaken; got != want {
		t.Errorf("%d generations after a box that never stops, want %d", got, want)
	}
}

// The newest generations and the current one fit a ring, however often a site's key was made anew.
func TestRingKeepsTheNewest(t *testing.T) {
	c := simcentral.New(t)
	a := boxAt(t, c, "honmachi")
	var last sitekey.Generation
	c.Check(c.Store.Update(t.Context(), func(tx store.Tx) (err error) {
		for range sitekey.MaxGenerations + 6 {
			if last, err = c.SiteKeys.Rotate(tx, "honmachi"); err != nil {
				return err
			}
		}
		return nil
	}))
	got := a.poll(nil)
	if g, _, _ := a.ring.Current(); a.ring.Len() != sitekey.MaxGenerations || g != last || len(got.Grant) > sitekey.MaxGrant {
		t.Errorf("ring of %d with %s in %d octets, want the newest %d with %s", a.ring.Len(), g, len(got.Grant), sitekey.MaxGenerations, last)
	}
}

func (m *member) orders(got wire.Polled) (all []order.Order) {
	m.t.Helper()
	for _, msg := range got.Orders {
		o, err := order.Open(sign.One{Key: simcentral.Public(m.t, m.c.Keys.Sign)}, m.ID, msg)
		m.c.Check(err)
		all = append(all, o)
	}
	return all
}

// An order reaches its box alone until an outcome came, and the outcome counts once.
func TestAnOrderIsGivenUntilItsOutcomeCame(t *testing.T) {
	c := simcentral.New(t)
	a, b := boxAt(t, c, "honmachi"), boxAt(t, c, "honmachi")
	given, err := c.Boxes.Order(t.Context(), a.ID, order.KindWipe, time.Time{})
	c.Check(err)
	for range 2 {
		if all := a.orders(a.poll(nil)); len(all) != 1 || all[0].ID != given.ID || all[0].Kind != order.KindWipe {
			t.Fatalf("orders = %+v, want the wipe", all)
		}
	}
	if got := b.poll(nil); len(got.Orders) != 0 {
		t.Error("another box got the order")
	}
	erased, err := certificate(a, given.ID).Sign(a.Device)
	c.Check(err)
	done := func(id order.ID, o order.Outcome, cert []byte) func(*wire.Poll) {
		return func(p *wire.Poll) { p.Done = []wire.OrderDone{{Order: id, Outcome: o, Erasure: cert}} }
	}
	b.poll(done(given.ID, order.OutcomeDone, nil)) // not its own
	a.poll(done(given.ID, "No Word", nil))
	if got := a.poll(nil); len(got.Orders) != 1 {
		t.Error("another box, or no word, closed the order")
	}
	for _, o := range []order.Outcome{order.OutcomeFailed, order.OutcomeDone} { // a box tries again what failed
		if got := a.poll(done(given.ID, o, erased)); len(got.Orders) != 0 {
			t.Errorf("the order came again with its outcome %s", o)
		}
	}
	a.poll(done(given.ID, order.OutcomeFailed, nil))
	all, err := c.Boxes.Orders(t.Context(), a.ID)
	if err != nil || len(all) != 1 || all[0].Outcome != order.OutcomeDone || string(all[0].Erasure) != string(erased) {
		t.Errorf("orders = %+v, %v, want one done with its certificate", all, err)
	}
}

// certificate is a box's of an order.
func certificate(m *member, id order.ID) erasure.Certificate {
	return erasure.Certificate{
		ID: erasure.NewID(), Box: m.ID, Site: "honmachi", By: erasure.ByOrder, Order: &id.ID128, Began: 1, Ended: 2,
		Items: []erasure.Item{{What: "site_keys", Count: 1}},
	}
}

// A certificate of erasure that the box did not sign, or of something else, is nobody's word.
func TestACertificateOfSomebodyElseIsNotKept(t *testing.T) {
	c := simcentral.New(t)
	a, b := boxAt(t, c, "honmachi"), boxAt(t, c, "honmachi")
	for name, by := range map[string]func(id order.ID) ([]byte, error){
		"of another order": func(order.ID) ([]byte, error) { return certificate(a, order.NewID()).Sign(a.Device) },
		"of another box":   func(id order.ID) ([]byte, error) { return certificate(b, id).Sign(a.Device) },
		"of another site": func(id order.ID) ([]byte, error) {
			cert := certificate(a, id)
			cert.Site = "elsewhere"
			return cert.Sign(a.Device)
		},
		"by another box":      func(id order.ID) ([]byte, error) { return certificate(a, id).Sign(b.Device) },
		"for another purpose": func(order.ID) ([]byte, error) { return sign.Sign(a.Device, sign.PurposeEpoch, []byte("x")) },
		"larger than its cap": func(order.ID) ([]byte, error) {
			return sign.Sign(a.Device, sign.PurposeErasure, make([]byte, wire.MaxErasure))
		},
		"no signed word at all": func(order.ID) ([]byte, error) { return []byte("x"), nil },
	} {
		given, err := c.Boxes.Order(t.Context(), a.ID, order.KindWipe, time.Time{})
		c.Check(err)
		msg, err := by(given.ID)
		c.Check(err)
		a.poll(func(p *wire.Poll) {
			p.Done = []wire.OrderDone{{Order: given.ID, Outcome: order.OutcomeDone, Erasure: msg}}
		})
		if all, err := c.Boxes.Orders(t.Context(), a.ID); err != nil || all[0].Outcome != order.OutcomeDone || all[0].Erasure != nil {
			t.Errorf("%s: %+v, %v, want done without a certificate", name, all[0], err)
		}
	}
}

// design §6: the lowering of a clock is bound to the nonce that the box says, waits for one, and is bound anew to the next.
func TestALoweringIsBoundToTheBoxesNonce(t *testing.T) {
	c := simcentral.New(t)
	a := boxAt(t, c, "honmachi")
	to := c.World.Now().Add(-time.Hour)
	given, err := c.Boxes.Order(t.Context(), a.ID, order.KindClock, to)
	c.Check(err)
	if got := a.poll(nil); len(got.Orders) != 0 {
		t.Error("a lowering came to a box that said no nonce")
	}
	for _, nonce := range []order.Nonce{{ID128: record.ID128{1}}, {ID128: record.ID128{2}}} {
		all := a.orders(a.poll(func(p *wire.Poll) { p.Nonce = nonce }))
		if len(all) != 1 || all[0].ID != given.ID || all[0].Nonce != nonce || all[0].Time != to.UnixMilli() {
			t.Errorf("orders under nonce %s = %+v, want the lowering to %v", nonce, all, to)
		}
	}
	for _, bad := range []time.Time{{}, c.World.Now().Add(time.Second), time.Date(2019, 1, 1, 0, 0, 0, 0, time.UTC)} {
		if _, err := c.Boxes.Order(t.Context(), a.ID, order.KindClock, bad); !errors.Is(err, registry.ErrTime) {
			t.Errorf("Order(clock to %v) = %v, want ErrTime", bad, err)
		}
	}
	if _, err := c.Boxes.Order(t.Context(), record.NewBoxID(), order.KindLock, to); !errors.Is(err, registry.ErrUnknown) {
		t.Errorf("Order(nobody) = %v, want ErrUnknown", err)
	}
	again, err := c.Boxes.Order(t.Context(), a.ID, order.KindClock, to.Add(-time.Hour))
	c.Check(err)
	if all := a.orders(a.poll(func(p *wire.Poll) { p.Nonce.ID128[0] = 3 })); len(all) != 1 || all[0].ID != again.ID {
		t.Errorf("orders = %+v, want the newer lowering alone", all)
	}
}

// P3: a stolen box that was revoked still hears that it is to wipe itself, and nothing else, until it says that it did.
func TestP3ARevokedBoxStillHearsItsOrders(t *testing.T) {
	c := simcentral.New(t)
	a := boxAt(t, c, "honmachi")
	a.poll(locked)
	given, err := c.Boxes.Order(t.Context(), a.ID, order.KindWipe, time.Time{})
	c.Check(err)
	c.Check(c.Boxes.Revoke(t.Context(), a.ID))
	got, err := c.Line.Poll(t.Context(), a.Public(t), wire.Poll{Locked: true, Wait: 50})
	if all := a.orders(got); err != nil || len(all) != 1 || all[0].ID != given.ID || got.Grant != nil || got.Rules != nil || got.Bundle != nil || got.Ack != nil {
		t.Fatalf("Poll of a revoked box = %+v, %v, want its order alone", got, err)
	}
	_, err = c.Line.Poll(t.Context(), a.Public(t), wire.Poll{Done: []wire.OrderDone{{Order: given.ID, Outcome: order.OutcomeDone}}})
	var refusal *uplink.Refusal
	if !errors.As(err, &refusal) || refusal.Code != wire.CodeRevokedBox {
		t.Errorf("Poll with the outcome = %v, want %s", err, wire.CodeRevokedBox)
	}
	if all, err := c.Boxes.Orders(t.Context(), a.ID); err != nil || all[0].Outcome != order.OutcomeDone {
		t.Errorf("orders = %+v, %v, want the wipe done", all, err)
	}
}

// A held poll hears of a new key and of a new order at once.
func TestKeysAndOrdersWakePolls(t *testing.T) {
	c := simcentral.New(t)
	a, b := boxAt(t, c, "honmachi"), boxAt(t, c, "honmachi")
	a.poll(locked)
	b.poll(locked)
	p := current(c)
	p.Grant, p.Wait = a.held, 50
	heard := make(chan wire.Polled)
	bell := c.Bells.Box(a.ID)
	go func() {
		got, err := c.Line.Poll(t.Context(), a.Public(t), p)
		if err != nil {
			t.Error(err)
		}
		heard <- got
	}()
	b.poll(func(p *wire.Poll) { p.Made = []sitekey.Wrapped{made(t, c, "honmachi", sitekey.NewKey())} })
	<-bell
	if got := <-heard; got.Grant == nil {
		t.Error("the other box's poll came back without the new key")
	}
}

// design §5.6: a restored central gives the same keys under a later version, and asks again for what was not done.
func TestRule6KeysAndOrdersSurviveARestore(t *testing.T) {
	k := simcentral.NewKeys(t)
	w := simcentral.NewWorld(t, k)
	dir := t.TempDir()
	c := simcentral.Open(t, dir, k, w, nil)
	a, b := boxAt(t, c, "honmachi"), boxAt(t, c, "honmachi")
	a.poll(locked)
	first, err := c.Keeper.Auto(t.Context())
	if err != nil || first.Name == "" {
		t.Fatalf("Auto = %+v, %v, want a backup: there is a new key", first, err)
	}
	given, err := c.Boxes.Order(t.Context(), b.ID, order.KindLock, time.Time{})
	c.Check(err)
	a.poll(nil)
	was := a.held
	w.Pass(time.Minute)
	made, err := c.Keeper.Auto(t.Context())
	if err != nil || made.Name == "" {
		t.Fatalf("Auto = %+v, %v, want a backup: there is a new order", made, err)
	}
	c.Check(c.DB.Close())
	w.Pass(time.Hour)
	_, err = backup.Restore(t.Context(), dir, filepath.Join(c.Keeper.Dir, made.Name+".json"), w.Now())
	c.Check(err)
	c = simcentral.Open(t, dir, k, w, nil)
	defer func() { c.Check(c.DB.Close()) }()
	before := a.ring
	a.c, b.c = c, c
	if a.poll(nil); a.held.Compare(was) <= 0 || !a.ring.Equal(before) {
		t.Errorf("grant %v of %v after the restore, want a later one of the same keys", a.held, a.ring.Generations())
	}
	if all := b.orders(b.poll(locked)); len(all) != 1 || all[0].ID != given.ID || b.ring.Len() != 0 {
		t.Errorf("orders = %+v with %d keys, want the open one and no key", all, b.ring.Len())
	}
}

// One key of a box that cannot be taken keeps no other of its keys from central.
func TestOneBadKeyBlocksNoOther(t *testing.T) {
	c := simcentral.New(t)
	a := boxAt(t, c, "honmachi")
	a.poll(locked)
	stranger := simbox.New(t, c.Keys.Seal.Public())
	foreign, err := sitekey.Wrap(stranger.S.Public(), "honmachi", sitekey.NewKey())
	c.Check(err)
	good := sitekey.NewKey()
	a.poll(func(p *wire.Poll) { p.Made = []sitekey.Wrapped{foreign, made(t, c, "honmachi", good)} })
	a.poll(nil)
	if _, ok := a.ring.Find(good.Generation()); !ok {
		t.Error("a good key does not reach central beside one that cannot be taken")
	}
}

// P3: a box that forked may be two. It is given no key of its site until an operator reinstates it.
func TestP3AQuarantinedBoxGetsNoKeys(t *testing.T) {
	c := simcentral.New(t)
	a := boxAt(t, c, "honmachi")
	if got := a.poll(locked); got.Grant == nil {
		t.Fatal("no grant for a box in service")
	}
	c.Check(c.Store.Update(t.Context(), func(tx store.Tx) error { return tx.SetBoxState(a.ID, store.BoxQuarantined) }))
	if got := a.poll(locked); got.Grant != nil {
		t.Error("a box in quarantine was given its site's keys")
	}
	c.Check(c.Boxes.Reinstate(t.Context(), a.ID))
	if got := a.poll(locked); got.Grant == nil {
		t.Error("a box that was reinstated was given no keys")
	}
}
