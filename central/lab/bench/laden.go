package bench

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	mrand "math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"kazashi.example/appliance/roster/rostertest"
	"kazashi.example/central/lab/crlgen"
	"kazashi.example/central/lab/world/pki"
	"kazashi.example/sync/certid"
	"kazashi.example/sync/record"
	shared "kazashi.example/sync/roster"
	"kazashi.example/sync/roster/segment"
	"kazashi.example/sync/sitekey"
	"kazashi.example/sync/wire"
)

// longNumber is the CRL number of the long list, above any that the practice JPKI comes to while this runs. Rosters have it, too.
const longNumber = 1 << 20

// member is somebody of the site, with what stands on its roster.
type member struct {
	cert  []byte
	entry shared.Entry
}

// load makes the two boxes: the one takes central's first set; then central gets the long list, and the other takes that and the roster.
func (r *boxRun) load(ctx context.Context) (err error) {
	if r.empty, err = r.counter(ctx, "empty"); err != nil {
		return err
	}
	list, err := r.lengthen(ctx)
	if err != nil {
		return err
	}
	if r.laden, err = r.counter(ctx, "laden"); err != nil {
		return err
	}
	if err := r.holds(r.laden, list); err != nil {
		return err
	}
	if err := r.admit(); err != nil {
		return err
	}
	if err := r.enrol(ctx, r.laden, r.people, r.members); err != nil {
		return err
	}
	return r.known(r.laden)
}

// counter joins a box and opens its parts in this process.
func (r *boxRun) counter(ctx context.Context, name string) (*counter, error) {
	_, b, err := r.scene.newBox(ctx, name, r.scene.uplink)
	if err != nil {
		return nil, err
	}
	return openCounter(ctx, b.DataDir, r.scene.uplink, r.scene.certs())
}

// lengthen has central take a long list of the practice JPKI's. Its daemon lets go of the lists meanwhile.
func (r *boxRun) lengthen(ctx context.Context) (*crlgen.List, error) {
	l, err := crlgen.New(crlgen.Spec{
		Seed: 20261122, Entries: r.entries, Number: longNumber, ThisUpdate: time.Now().UTC().Truncate(time.Second),
		NextUpdate: time.Now().UTC().Truncate(time.Second).Add(30 * 24 * time.Hour),
	})
	if err != nil {
		return nil, err
	}
	path := filepath.Join(r.dir, "long.crl")
	if err := r.writeLong(l, path); err != nil {
		return nil, err
	}
	defer os.Remove(path)
	if err := r.scene.stage.Stop(r.scene.daemon); err != nil {
		return nil, err
	}
	for _, args := range [][]string{{"crl", "ingest", path}, {"crl", "build"}} {
		if _, err := r.scene.command(ctx, "kazashi-central", append(args, "--config", r.scene.conf)...); err != nil {
			return nil, err
		}
	}
	return l, r.scene.serve(ctx)
}

func (r *boxRun) writeLong(l *crlgen.List, path string) (err error) {
	a, err := r.scene.world.Newest(certid.PurposeAuth)
	if err != nil {
		return err
	}
	f, err := os.Create(path) //nolint:gosec // the run's own folder
	if err != nil {
		return fmt.Errorf("making the file of a list: %w", err)
	}
	n, err := l.Write(f, a)
	fmt.Fprintf(r.Out, "# %d people of %d tap, each with a certificate of their own; a revocation list of %d entries, %d octets\n",
		r.tapping(), r.people, l.Len(), n)
	return errors.Join(err, f.Close())
}

// tapping is how many people tap.
func (r *boxRun) tapping() int {
	if r.Quick {
		return min(quickMembers, r.people)
	}
	return min(fullMembers, r.people)
}

// authScope is what the list is of.
var authScope = certid.Scope{Hierarchy: certid.HierarchyPractice, Purpose: certid.PurposeAuth}

// holds makes sure that a box answers from the long list.
func (r *boxRun) holds(c *counter, l *crlgen.List) error {
	head, ok := c.lists.Newest(authScope)
	if !ok {
		return fmt.Errorf("%w: the box has no set", ErrSame)
	}
	r.number = head.Number.N
	for e := range l.Entries() {
		s, err := e.Key.Serial()
		if err != nil {
			return err
		}
		if got := c.lists.Answer(certid.CertID{Scope: authScope, Serial: s}, certid.KeyID{}).Answer; got != record.AnswerRevoked && got != record.AnswerOnHold {
			return fmt.Errorf("%w: the box does not answer from the long list", ErrSame)
		}
		break
	}
	return nil
}

// admit makes certificates of people who are not on the list, all of one key. They are the practice JPKI's own, which knows nothing of them.
func (r *boxRun) admit() error {
	a, err := r.scene.world.Authority(certid.PurposeAuth, 0)
	if err != nil {
		return err
	}
	somebody, err := x509.ParseCertificate(r.scene.people[0].cert)
	if err != nil {
		return fmt.Errorf("parsing a practice certificate: %w", err)
	}
	now := time.Now().UTC().Truncate(time.Second)
	for n := 0; len(r.members) < r.tapping(); n++ {
		cert, err := a.Issue(pki.Resident{
			Serial: mrand.Uint32N(crlgen.DefaultUniverse) + 1, CommonName: fmt.Sprintf("MADEUP%08d13221000A", n), NotBefore: now.Add(-time.Hour),
			NotAfter: now.AddDate(1, 0, 0), Prefecture: "Tokyo-to", Municipality: "Kiyose-shi", OCSP: "http://" + nobody + "/", Public: somebody.PublicKey,
		})
		if err != nil {
			return fmt.Errorf("issuing a certificate: %w", err)
		}
		got, err := r.laden.desired.Anchors().Examine(cert.Raw)
		if err != nil {
			return err
		}
		if r.laden.lists.Answer(certid.CertID{Scope: authScope, Serial: got.Serial}, got.Issuer).Answer != record.AnswerNotRevoked {
			continue
		}
		e := rostertest.Person(len(r.members))
		e.Serial, e.Services[0].ID = got.Serial.Bytes(), service
		r.members = append(r.members, member{cert.Raw, e})
	}
	return nil
}

// enrol gives a box a roster of so many people, these among them.
func (r *boxRun) enrol(ctx context.Context, c *counter, people int, these []member) error {
	maker, offer, err := r.roster(c.ring, c.desired.RuleSet().Version.CentralEpoch, c.roster.Version().N, people, these)
	if err != nil {
		return err
	}
	defer clear(maker.Blobs)
	return c.roster.Offer(ctx, maker, offer)
}

// roster makes one as the scene's central would, above a number.
func (r *boxRun) roster(ring sitekey.Ring, epoch, above uint64, people int, these []member) (*rostertest.Central, wire.RosterOffer, error) {
	key, err := signingKey(r.scene.data)
	if err != nil {
		return nil, wire.RosterOffer{}, err
	}
	maker := rostertest.New(failing{})
	maker.Key, maker.Ring = key, ring
	maker.Last.CentralEpoch, maker.Last.N = epoch, max(above, longNumber)
	return maker, maker.Publish(true, func(w *segment.Writer) error {
		for _, m := range these {
			if err := w.Add(m.entry); err != nil {
				return err
			}
		}
		return rostertest.People(len(these), max(people, len(these)))(w)
	}), nil
}

// known makes sure that everybody who taps is found.
func (r *boxRun) known(c *counter) error {
	for _, m := range r.members {
		id, err := m.entry.ID()
		if err != nil {
			return err
		}
		if _, ok, err := c.roster.Find(rostertest.City, id); err != nil || !ok {
			return fmt.Errorf("%w: somebody who taps is not on the roster: %w", ErrSame, err)
		}
	}
	return nil
}
