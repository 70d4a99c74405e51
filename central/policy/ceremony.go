package policy

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"time"

	"kazashi.example/central/config"
	"kazashi.example/central/keys"
	"kazashi.example/sync/durable"
	"kazashi.example/sync/trust"
)

// Errors of the ceremony.
var (
	// ErrNoBundle says that no bundle of that number was ever in force here.
	ErrNoBundle = errors.New("there is no such trust bundle here")
	// ErrUnchanged says that a proposal would change nothing.
	ErrUnchanged = errors.New("the trust bundle in force says this already")
)

// Ceremony makes and publishes trust bundles that the holders of the root keys sign, each on his own machine. It needs no running central;
// one that runs gives out what was published when it starts the next time.
type Ceremony struct {
	Config config.Config
	Keys   *keys.Keys
	Now    time.Time
}

// Propose drafts the bundle that the configuration describes. expires may be zero: never. ErrUnchanged, or an error of Make.
func (c Ceremony) Propose(expires time.Time) (trust.Draft, error) {
	k, b, err := c.wanted()
	if err != nil {
		return trust.Draft{}, err
	}
	if !expires.IsZero() {
		b.Expires = expires.Unix()
	}
	if same, err := k.same(b); err != nil || same && k.Expires == b.Expires {
		return trust.Draft{}, errors.Join(err, ErrUnchanged)
	}
	return c.draft(k, nil, b)
}

// Revert drafts what an older bundle said, under a new number. ErrNoBundle.
func (c Ceremony) Revert(number uint64) (trust.Draft, error) {
	k, _, err := c.wanted()
	if err != nil {
		return trust.Draft{}, err
	}
	signed, err := shelf{c.Config.DataDir}.read(number)
	if errors.Is(err, fs.ErrNotExist) {
		return trust.Draft{}, fmt.Errorf("%w: %d", ErrNoBundle, number)
	}
	if err != nil {
		return trust.Draft{}, fmt.Errorf("reading trust bundle %d: %w", number, err)
	}
	first, err := c.Keys.Fingerprint()
	if err != nil {
		return trust.Draft{}, err
	}
	old, err := trust.Open(signed, trust.Terms{Root: first})
	if err != nil {
		return trust.Draft{}, fmt.Errorf("reading trust bundle %d: %w", number, err)
	}
	if same, err := k.same(old.Bundle); err != nil || same {
		return trust.Draft{}, errors.Join(err, ErrUnchanged)
	}
	return c.draft(k, nil, old.Bundle)
}

// Rotate drafts the next root set, together with a bundle that it signs.
func (c Ceremony) Rotate(next trust.RootSet) (trust.Draft, error) {
	k, b, err := c.wanted()
	if err != nil {
		return trust.Draft{}, err
	}
	if k.signed != nil {
		b = k.Bundle // who holds the root keys, and nothing else, changes
	}
	return c.draft(k, &next, b)
}

// wanted is the bundle in force, and what the configuration describes.
func (c Ceremony) wanted() (kept, trust.Bundle, error) {
	p := Policy{keys: c.Keys, now: c.Now}
	if err := p.want(c.Config); err != nil {
		return kept{}, trust.Bundle{}, err
	}
	first, err := c.Keys.Fingerprint()
	if err != nil {
		return kept{}, trust.Bundle{}, err
	}
	k, _, err := shelf{c.Config.DataDir}.recall(first, c.Now)
	return k, p.Trust, err
}

// draft numbers a bundle above every other.
func (c Ceremony) draft(k kept, next *trust.RootSet, b trust.Bundle) (trust.Draft, error) {
	numbers, err := shelf{c.Config.DataDir}.numbers()
	if err != nil {
		return trust.Draft{}, err
	}
	b.Number, b.Issued = max(k.Number+1, unix(c.Now)), c.Now.Unix()
	if n := len(numbers); n > 0 {
		b.Number = max(b.Number, numbers[n-1]+1)
	}
	return trust.NewDraft(c.Keys.Roots, next, b)
}

// Publish puts a draft in force that enough holders signed, and returns what boxes are to have. trust.ErrThreshold, trust.ErrRollback,
// trust.ErrExpired, trust.ErrRoot for a chain that does not go on from this central's, ErrUnsigned for a bundle by which no box could know
// this central, ErrNoBundle for a draft of a first root set alone.
func (c Ceremony) Publish(d trust.Draft) (trust.Opened, error) {
	chain, travelling, err := d.Finish()
	if err != nil {
		return trust.Opened{}, err
	}
	if travelling == nil {
		return trust.Opened{}, fmt.Errorf("%w: the file is a first root set", ErrNoBundle)
	}
	return c.put(chain, travelling)
}

// Restore is Publish for a bundle that was published before, for a central that lost its data directory.
func (c Ceremony) Restore(travelling []byte) (trust.Opened, error) {
	chain, err := trust.Chain(travelling)
	if err != nil {
		return trust.Opened{}, err
	}
	return c.put(chain, travelling)
}

func (c Ceremony) put(chain [][]byte, travelling []byte) (trust.Opened, error) {
	k, b, err := c.wanted()
	if err != nil {
		return trust.Opened{}, err
	}
	first, err := c.Keys.Fingerprint()
	if err != nil {
		return trust.Opened{}, err
	}
	if err := extends(c.Keys.Roots, chain); err != nil {
		return trust.Opened{}, err
	}
	o, err := trust.Open(travelling, trust.Terms{Root: first, Number: k.Number, Now: c.Now})
	if err != nil {
		return o, err
	}
	if o.Number == k.Number {
		if bytes.Equal(travelling, k.signed) {
			return o, nil
		}
		return o, fmt.Errorf("%w: %d is in force already", trust.ErrRollback, o.Number)
	}
	if missing := unknown(o.Bundle, b.Keys); missing != "" {
		return o, fmt.Errorf("%w (it names no such key for %s)", ErrUnsigned, missing)
	}
	return o, c.publish(shelf{c.Config.DataDir}, o.Number, chain, travelling)
}

// publish writes the chain first: one that is ahead of the bundle was signed by all who had to, and does no harm.
func (c Ceremony) publish(s shelf, number uint64, chain [][]byte, travelling []byte) error {
	if len(chain) > len(c.Keys.Roots) {
		if err := keys.SetRoots(c.Config.KeysDir, chain); err != nil {
			return err
		}
	}
	if err := s.markByHand(); err != nil {
		return err
	}
	return s.put(number, travelling)
}

// markByHand notes for ever that somebody published a bundle.
func (s shelf) markByHand() error {
	if _, err := os.Lstat(s.byHandMark()); err == nil {
		return nil
	}
	if err := s.makeFolder(); err != nil {
		return err
	}
	return durable.WriteFile(s.byHandMark(), nil, 0o600)
}

// extends returns trust.ErrRoot unless the chain goes on from the one that is known here, or is it.
func extends(known, chain [][]byte) error {
	for i, msg := range known {
		if i >= len(chain) {
			return fmt.Errorf("%w: it was made before root set %d", trust.ErrRoot, i+1)
		}
		a, err := trust.FingerprintOf(msg)
		if err != nil {
			return err
		}
		if b, err := trust.FingerprintOf(chain[i]); err != nil || a != b {
			return errors.Join(fmt.Errorf("%w: another root set %d", trust.ErrRoot, i+1), err)
		}
	}
	return nil
}

// Listed is a bundle of the history.
type Listed struct {
	Number  uint64    `json:"number"`
	Issued  time.Time `json:"issued"`
	Expires time.Time `json:"expires,omitzero"`
	InForce bool      `json:"in_force"`
}

// Bundles lists those that were ever in force, newest first. One that cannot be believed is left out.
func (c Ceremony) Bundles() ([]Listed, error) {
	s := shelf{c.Config.DataDir}
	numbers, err := s.numbers()
	if err != nil {
		return nil, fmt.Errorf("listing trust bundles: %w", err)
	}
	first, err := c.Keys.Fingerprint()
	if err != nil {
		return nil, err
	}
	k, _, err := s.recall(first, c.Now)
	if err != nil {
		return nil, err
	}
	all := []Listed{}
	for _, n := range slices.Backward(numbers) {
		b, err := s.read(n)
		if err != nil {
			return nil, fmt.Errorf("reading trust bundle %d: %w", n, err)
		}
		o, err := trust.Open(b, trust.Terms{Root: first})
		if err != nil {
			continue
		}
		l := Listed{Number: n, Issued: time.Unix(o.Issued, 0).UTC(), InForce: n == k.Number}
		if o.Expires != 0 {
			l.Expires = time.Unix(o.Expires, 0).UTC()
		}
		all = append(all, l)
	}
	return all, nil
}

// InForce is the bundle that boxes get, in its travelling form. ErrNoBundle before the first.
func (c Ceremony) InForce() ([]byte, error) {
	k, err := c.kept()
	return k.signed, err
}

// Believed is the bundle that boxes get. ErrNoBundle before the first.
func (c Ceremony) Believed() (trust.Opened, error) {
	k, err := c.kept()
	return k.Opened, err
}

func (c Ceremony) kept() (kept, error) {
	first, err := c.Keys.Fingerprint()
	if err != nil {
		return kept{}, err
	}
	k, _, err := shelf{c.Config.DataDir}.recall(first, c.Now)
	if err == nil && k.signed == nil {
		err = fmt.Errorf("%w: none was made yet", ErrNoBundle)
	}
	return k, err
}
