package bench

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"kazashi.example/appliance/config"
	"kazashi.example/appliance/desired"
	"kazashi.example/appliance/roster"
	"kazashi.example/appliance/roster/rostertest"
	"kazashi.example/appliance/vault"
	"kazashi.example/central/lab/bench/stats"
	"kazashi.example/localapi"
	"kazashi.example/reader/mynumber"
	"kazashi.example/reader/vcard"
	"kazashi.example/sync/record"
	shared "kazashi.example/sync/roster"
	"kazashi.example/sync/rule"
	"kazashi.example/sync/seal"
	"kazashi.example/sync/sign"
	"kazashi.example/sync/sitekey"
)

// measureAdded times taps with certificates alone on the box that has everything and on the one that has nothing, in turn: the same people in the
// same order, of whom the one finds each on its list and its roster, and the other none.
func (r *boxRun) measureAdded(ctx context.Context) error {
	certs := make([][]byte, 0, len(r.members))
	for _, m := range r.members {
		certs = append(certs, m.cert)
	}
	r.laden.belt.certs, r.empty.belt.certs = certs, certs
	return r.compare(ctx, "tap", r.n.warm, r.n.taps)
}

// cardShare is how many times fewer taps are made with virtual cards, which reckon for milliseconds.
const cardShare = 10

// measureAddedToCard does the same where the card has to prove itself. On the empty box nobody but these people is enrolled. What the virtual
// cards reckon falls on both.
func (r *boxRun) measureAddedToCard(ctx context.Context) error {
	holders, cards, err := r.holders(ctx)
	if err != nil {
		return err
	}
	err = errors.Join(r.enrol(ctx, r.laden, r.people, append(r.members, holders...)), r.enrol(ctx, r.empty, len(holders), holders))
	if err != nil {
		return err
	}
	for _, c := range []*counter{r.laden, r.empty} {
		c.belt.cards, c.asks = cards, record.EvidenceCard
	}
	return r.compare(ctx, "tap_card", r.n.warm/cardShare, r.n.taps/cardShare)
}

// compare prints what taps took on either box, and the one over the other.
func (r *boxRun) compare(ctx context.Context, name string, warm, n int) error {
	laden := func() (time.Duration, error) { return r.laden.tap(ctx) }
	empty := func() (time.Duration, error) { return r.empty.tap(ctx) }
	quiet()
	if _, err := stats.Alternate(ctx, warm, laden, empty); err != nil {
		return err
	}
	p, err := stats.Alternate(ctx, n, laden, empty)
	if err != nil {
		return err
	}
	for _, f := range []struct {
		box     string
		samples []time.Duration
	}{{"laden", p.A}, {"empty", p.B}} {
		m, err := stats.Median(f.samples)
		if err != nil {
			return err
		}
		r.figure(name+"_"+f.box+"_p50_us", "%.0f", float64(m)/float64(time.Microsecond), "us")
	}
	ratio, err := p.Ratio(min(ratioBlock, n))
	r.figure(name+"_added_vs_empty", "%.2f", ratio, "ratio")
	return err
}

// holders are the practice people whose cards can prove themselves, as they are enrolled, with those cards.
func (r *boxRun) holders(ctx context.Context) (all []member, cards []*vcard.Card, err error) {
	for _, p := range r.scene.people {
		profile, err := vcard.LoadProfile(p.Profile)
		if err != nil {
			return nil, nil, err
		}
		card, err := vcard.New(profile, &vcard.MemoryStore{})
		if err != nil {
			return nil, nil, err
		}
		e, err := r.enrolled(ctx, card, p, len(r.members)+len(all))
		if errors.Is(err, errUnbound) {
			continue
		}
		if err != nil {
			return nil, nil, fmt.Errorf("enrolling a practice card: %w", err)
		}
		card.Reset()
		all, cards = append(all, member{p.cert, e}), append(cards, card)
	}
	if len(all) == 0 {
		return nil, nil, errUnbound
	}
	return all, cards, nil
}

var errUnbound = errors.New("no card that can prove itself, of somebody who is not on the list")

// enrolled is what a card's enrolment leaves on the roster.
func (r *boxRun) enrolled(ctx context.Context, card *vcard.Card, p resident, n int) (e shared.Entry, err error) {
	cert, err := r.laden.desired.Anchors().Examine(p.cert)
	if err != nil {
		return e, err
	}
	if r.laden.lists.Answer(p.Auth.ID, cert.Issuer).Answer != record.AnswerNotRevoked {
		return e, errUnbound
	}
	pin, err := mynumber.NewPIN(p.AuthPIN)
	if err != nil {
		return e, err
	}
	input, err := mynumber.NewPIN(p.InputPIN)
	if err != nil {
		return e, err
	}
	got, err := mynumber.New(plastic{card}, mynumber.Options{Authorities: r.laden.desired.CardAuthorities()}).Enrol(ctx, mynumber.EnrolRequest{
		PIN: pin, InputPIN: input, Attributes: true, AuthMessage: message, FaceMessage: message,
	})
	if err != nil || got.FaceErr != nil {
		return e, errors.Join(errUnbound, err, got.FaceErr)
	}
	e = rostertest.Person(n)
	e.Serial, e.Services[0].ID, e.Key = p.Auth.ID.Serial.Bytes(), service, got.Face.Key
	e.Birth = shared.Birth{Date: got.Birth.Digits(), Form: uint8(got.Form)}
	return e, nil
}

// boxMembers is how many people tap at the box whose memory is looked at: their certificates lie in its memory.
const boxMembers = 100

// measureBoxMemory looks at the memory of a box that has everything, in a process of its own, after many taps of people on its roster: during
// an outage, and all of them delivered after it.
func (r *boxRun) measureBoxMemory(ctx context.Context) (err error) {
	line, stop, err := r.openLine(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()
	conf, _, err := r.scene.newBox(ctx, "stocked", line.Addr())
	if err != nil {
		return err
	}
	if err := r.stock(ctx, conf); err != nil {
		return err
	}
	var certs [][]byte
	for _, m := range r.members[:min(boxMembers, len(r.members))] {
		certs = append(certs, m.cert)
	}
	box, client, err := r.startBelt(ctx, conf, certs)
	if err != nil {
		return err
	}
	defer client.Close()
	if _, err := client.Unlock(ctx, localapi.NewSecret(operatorCode)); err != nil {
		return err
	}
	if err := until(ctx, readyWithin, func(ctx context.Context) error { return r.stocked(ctx, client) }); err != nil {
		return err
	}
	line.Cut()
	if err := begin(box.Pid()); err != nil {
		return err
	}
	if err := r.allWritten(ctx, client); err != nil {
		return err
	}
	line.Restore()
	if err := until(ctx, settleWithin, func(ctx context.Context) error { return allSent(ctx, client) }); err != nil {
		return err
	}
	if err := allServed(ctx, client); err != nil {
		return err
	}
	m, err := residentMiB(ctx, box.Pid(), "RssAnon", "RssFile")
	if err != nil {
		return err
	}
	r.figure("box_rss_anon_mib", "%.1f", m[0], "MiB")
	r.figure("box_rss_file_mib", "%.1f", m[1], "MiB")
	return r.scene.stage.Stop(box)
}

// operatorCode opens the keys of a made-up site.
const operatorCode = "made-up code of a bench"

// stocked says that a box has everything that it is to be measured with.
func (r *boxRun) stocked(ctx context.Context, client *localapi.Client) error {
	s, err := client.Status(ctx)
	if err == nil && (s.Keys.State != localapi.KeysOpen || s.List.Number < r.number || s.Roster.People != r.people) {
		err = fmt.Errorf("%w: keys %s, set %d, %d people", errNotYet, s.Keys.State, s.List.Number, s.Roster.People)
	}
	return err
}

// allSent says that central has every record.
func allSent(ctx context.Context, client *localapi.Client) error {
	s, err := client.Status(ctx)
	if err == nil && s.Waiting.Records > 0 {
		err = fmt.Errorf("%w: %d records are left", errNotYet, s.Waiting.Records)
	}
	return err
}

// allServed makes sure that the taps were those of people in order.
func allServed(ctx context.Context, client *localapi.Client) error {
	taps, err := client.Taps(ctx, boxMembers)
	if err != nil {
		return err
	}
	for _, t := range taps {
		if t.First.Verdict != record.VerdictAccepted {
			return fmt.Errorf("%w: %s %s", errNotAccepted, t.First.Verdict, t.First.Reason)
		}
	}
	return nil
}

// stock makes the site's first key on a box that does not run, and puts a roster under that key into its folder.
func (r *boxRun) stock(ctx context.Context, path string) (err error) {
	conf, err := config.Load(path)
	if err != nil {
		return err
	}
	log := slog.New(slog.DiscardHandler)
	id, err := vault.Open(conf.DataDir, vault.Options{TPM: conf.TPM})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, id.Close()) }()
	d, err := desired.Open(ctx, conf.DataDir, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	keys := func() sign.Keys { return d.Trust() }
	site, err := vault.OpenSite(ctx, vault.SiteConfig{
		Dir: conf.DataDir, Identity: id, Site: d.Place().Site, Central: func() (seal.PublicKey, error) { return d.SealKey(), nil },
		Rule: func() rule.Unlock { return rule.UnlockCode }, Keys: keys, AllowSwap: conf.AllowSwap, Log: log,
	})
	if err != nil {
		return err
	}
	if err := site.Create(ctx, []byte(operatorCode)); err != nil {
		return err
	}
	ring, err := site.Ring()
	if err != nil {
		return err
	}
	return r.stockRoster(ctx, roster.Config{Dir: conf.Rosters(), Site: d.Place().Site, Keys: keys, Ring: site.Ring}, ring)
}

func (r *boxRun) stockRoster(ctx context.Context, c roster.Config, ring sitekey.Ring) error {
	s, err := roster.Open(c)
	if err != nil {
		return err
	}
	defer s.Close()
	maker, offer, err := r.roster(ring, r.laden.desired.RuleSet().Version.CentralEpoch, 0, r.people, r.members)
	if err != nil {
		return err
	}
	defer clear(maker.Blobs)
	return s.Offer(ctx, maker, offer)
}
