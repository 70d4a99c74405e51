// Package loss says what the loss of a box means: whom it concerns, what was on the box, who could read it, what was done, and what nobody here can
// know; and writes that down for the person in charge of data protection.
//
// It works on what central stored and on what the site's rules allow; it asks no box. Whether a box had a TPM, or was on and open when it was
// lost, central does not know: then the worse is assumed, and said. [Assess] reads inside the caller's transaction and changes nothing; the pseudonyms that it
// lists name people to their services, and print as REDACTED. [Report] is a pure function of the facts, which hold counts alone. Nothing is kept.
package loss

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"kazashi.example/central/sitekeys"
	"kazashi.example/central/store"
	"kazashi.example/sync/order"
	"kazashi.example/sync/record"
	"kazashi.example/sync/rule"
	"kazashi.example/sync/sitekey"
)

// batch is how many people are read at once.
const batch = 500

// Service is one whose people have pseudonyms.
type Service struct {
	ID     record.ServiceID
	Sector string
}

// Question is what is to be assessed.
type Question struct {
	Box      record.BoxID
	Since    time.Time // taps before are left out of whom it concerns; zero: none are
	Unlock   rule.Unlock
	Services []Service
	PPID     func(store.Subject) (record.Subject, error)
	// Seen and Waiting are what was heard of the box last, where it is not known to be lost yet.
	Seen    time.Time
	Waiting uint64
}

// Facts are what is known: counts, times and names of boxes and sites, and nobody's.
type Facts struct {
	Box       record.BoxID  `json:"box"`
	Name      string        `json:"name"`
	Site      record.SiteID `json:"site"`
	Joined    time.Time     `json:"joined"`
	Release   string        `json:"release"`
	State     string        `json:"state"` // now
	Lost      time.Time     `json:"lost,omitzero"`
	Was       string        `json:"was,omitempty"`       // its state before; empty: it is not known to be lost
	Key       string        `json:"key,omitempty"`       // that the site sealed under from then on; empty: it had none
	KeyMade   time.Time     `json:"key_made,omitzero"`   // before Lost where it was made when the box was taken out of service or ordered to wipe itself
	Seen      time.Time     `json:"seen,omitzero"`       // zero: not known
	Waiting   uint64        `json:"waiting"`             // that it said then it had not delivered
	Unlock    string        `json:"unlock"`              // "code", "tpm" or "file": by what the site's rules let it open its keys
	Neighbors int           `json:"neighbors"`           // other boxes of the site that are given its keys
	Keyless   int           `json:"keyless"`             // others in service that are not: they forked, or were ordered to wipe or lock themselves
	Wipe      string        `json:"wipe,omitempty"`      // what became of an order to wipe itself: "open" or its outcome; empty: none was given
	Since     time.Time     `json:"taps_since,omitzero"` // of the taps that are counted; zero: all
	AsOf      time.Time     `json:"as_of"`               // when this was assessed
	Reports   []string      `json:"reports"`             // forks and damage
	Held      store.HeldOf  `json:"records"`             // records here
	People    People        `json:"people"`              // whom it concerns
	Services  []OfService   `json:"services"`            // by service
}

// People counts whom the loss concerns.
type People struct {
	All      int `json:"all"`
	Enrolled int `json:"enrolled"` // at its site: they may stand on the roster that the box had
	Tapped   int `json:"tapped"`   // at this box
	Nameless int `json:"nameless"` // of all: no service has a pseudonym of them
	Unsafe   int `json:"unsafe"`   // pseudonyms that are in no backup yet and not told
}

// OfService counts the people of one service.
type OfService struct {
	Service record.ServiceID `json:"service"`
	People  int              `json:"people"`
}

// Concerned is one person, as a service knows them. It prints as REDACTED.
type Concerned struct {
	Service  record.ServiceID `json:"service"`
	PPID     string           `json:"ppid"`
	Enrolled bool             `json:"enrolled"`
	Tapped   bool             `json:"tapped"`
}

// Format prints REDACTED for every verb.
func (Concerned) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("REDACTED")) }

// who says why somebody is concerned.
type who struct{ enrolled, tapped bool }

// Assess reads what is known of a box that is lost, or would be. store.ErrNone for a box that nobody knows.
func Assess(tx store.Tx, q Question, now time.Time) (f Facts, named []Concerned, err error) {
	b, err := tx.Box(q.Box)
	if err != nil {
		return f, nil, err
	}
	f = Facts{
		Box: b.ID, Name: b.Name, Site: b.Site, Joined: b.Joined, Release: b.Release, State: b.State.String(), Seen: q.Seen, Waiting: q.Waiting,
		Unlock: word(q.Unlock), Since: q.Since, AsOf: now, Reports: []string{}, Services: []OfService{},
	}
	if err := f.done(tx, b); err != nil {
		return f, nil, err
	}
	if f.Held, err = tx.HeldOf(b.ID); err != nil {
		return f, nil, fmt.Errorf("counting records: %w", err)
	}
	people, err := concerned(tx, b, q.Since)
	if err != nil {
		return f, nil, fmt.Errorf("finding whom it concerns: %w", err)
	}
	named, err = f.count(tx, q, people)
	return f, named, err
}

func word(u rule.Unlock) string {
	switch u {
	case rule.UnlockTPM:
		return "tpm"
	case rule.UnlockFile:
		return "file"
	default:
		return "code"
	}
}

// done reads what was done about the loss.
func (f *Facts) done(tx store.Tx, b store.Box) error {
	l, err := tx.Loss(b.ID)
	switch {
	case err == nil:
		f.Lost, f.Was, f.Seen, f.Waiting = l.At, l.Was.String(), l.Seen, l.Waiting
		if err := f.sealed(tx, b.Site, l.Generation); err != nil {
			return err
		}
	case !errors.Is(err, store.ErrNone):
		return err
	}
	ids, err := tx.BoxesAt(b.Site)
	if err != nil {
		return err
	}
	for _, id := range ids {
		o, err := tx.Box(id)
		if err != nil {
			return err
		}
		switch {
		case id == b.ID || o.State != store.BoxActive && o.State != store.BoxQuarantined:
		case sitekeys.Granted(o):
			f.Neighbors++
		default:
			f.Keyless++
		}
	}
	reports, err := tx.ReportsOf(b.ID)
	for _, r := range reports {
		f.Reports = append(f.Reports, fmt.Sprintf("%s: %s", r.Kind, r.Reason))
	}
	return errors.Join(err, f.wiped(tx, b))
}

// sealed finds when the key was made that the site sealed under from the loss on.
func (f *Facts) sealed(tx store.Tx, site record.SiteID, g sitekey.Generation) error {
	if g.IsZero() {
		return nil
	}
	f.Key = g.String()
	rows, err := tx.SiteKeys(site)
	if err != nil {
		return fmt.Errorf("finding the site's key: %w", err)
	}
	for _, r := range rows {
		if r.Generation == g {
			f.KeyMade = r.Made
		}
	}
	return nil
}

// lastOrders is among how many of a box's newest orders a wipe is looked for.
const lastOrders = 100

func (f *Facts) wiped(tx store.Tx, b store.Box) error {
	orders, err := tx.OrdersOf(b.ID, lastOrders)
	for _, o := range orders {
		if o.Kind != order.KindWipe || f.Wipe != "" {
			continue
		}
		if f.Wipe = string(o.Outcome); f.Wipe == "" {
			f.Wipe = "open"
		}
	}
	return err
}

// concerned finds the people by their numbers: who ever enrolled at the site, and who tapped at the box.
func concerned(tx store.Tx, b store.Box, since time.Time) (map[int64]who, error) {
	all := map[int64]who{}
	enrolled, err := tx.EnrolledAt(b.Site)
	if err != nil {
		return nil, err
	}
	tapped, err := tx.TappedAt(b.ID, since)
	for _, p := range enrolled {
		all[p] = who{enrolled: true}
	}
	for _, p := range tapped {
		all[p] = who{enrolled: all[p].enrolled, tapped: true}
	}
	return all, err
}

// count counts people, and opens their pseudonyms as far as they may leave central.
func (f *Facts) count(tx store.Tx, q Question, people map[int64]who) (named []Concerned, err error) {
	safe, err := tx.Safe()
	if err != nil {
		return nil, err
	}
	rows := slices.Sorted(maps.Keys(people))
	f.People.All = len(rows)
	for _, w := range people {
		if w.enrolled {
			f.People.Enrolled++
		}
		if w.tapped {
			f.People.Tapped++
		}
	}
	has := map[int64]bool{}
	for some := range slices.Chunk(rows, batch) {
		subjects, err := tx.SubjectsOf(some)
		if err != nil {
			return nil, fmt.Errorf("finding pseudonyms: %w", err)
		}
		for _, s := range subjects {
			has[s.Person] = true
			if s.Row > safe.Subject {
				f.People.Unsafe++
				continue
			}
			p, err := q.PPID(s)
			if err != nil {
				return nil, err
			}
			for _, of := range q.Services {
				if of.Sector == s.Sector {
					w := people[s.Person]
					named = append(named, Concerned{Service: of.ID, PPID: p.Reveal(), Enrolled: w.enrolled, Tapped: w.tapped})
				}
			}
		}
	}
	f.People.Nameless = len(rows) - len(has)
	for _, of := range q.Services {
		n := 0
		for _, c := range named {
			if c.Service == of.ID {
				n++
			}
		}
		f.Services = append(f.Services, OfService{of.ID, n})
	}
	slices.SortFunc(named, func(a, b Concerned) int {
		return cmp.Or(cmp.Compare(a.Service, b.Service), cmp.Compare(a.PPID, b.PPID))
	})
	return named, nil
}
