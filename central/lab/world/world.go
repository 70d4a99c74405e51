package world

import (
	"context"
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"kazashi.example/central/lab/world/people"
	"kazashi.example/central/lab/world/pki"
	"kazashi.example/sync/certid"
)

// World is an open practice world.
type World struct {
	dir         string
	ocsp        string
	keys        *keyring
	people      []people.Person
	authorities []*pki.Authority
	stranger    *pki.Authority
	phones      *pki.Authority
	made        time.Time

	mu    sync.Mutex // guards the rest
	state *state
	info  fs.FileInfo // of the world.json that state came from
}

// Open makes the world in dir, or opens the one that is there. Making takes a few seconds for new keys, opening again some
// milliseconds. ErrOther if dir holds a world of another seed or size than asked for.
func Open(ctx context.Context, dir string, cfg Config) (*World, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("making practice world's folder: %w", err)
	}
	unlock, err := lock(dir)
	if err != nil {
		return nil, err
	}
	defer unlock()
	if cfg.Keys == "" {
		cfg.Keys = filepath.Join(dir, "keys")
	}
	if cfg.OCSP == "" {
		cfg.OCSP = DefaultOCSP
	}
	w := &World{dir: dir, ocsp: cfg.OCSP, keys: &keyring{dir: cfg.Keys, have: map[string]crypto.Signer{}}}
	st, info, err := loadState(dir)
	if errors.Is(err, fs.ErrNotExist) {
		err = w.create(ctx, cfg)
	} else if err == nil {
		err = w.reopen(st, info, cfg)
	}
	if err != nil {
		return nil, err
	}
	w.made = w.state.Made
	return w, nil
}

func (w *World) create(ctx context.Context, cfg Config) error {
	if cfg.Seed == 0 {
		cfg.Seed = DefaultSeed
	}
	if cfg.People == 0 {
		cfg.People = people.Named()
	}
	if cfg.People < 1 || cfg.People > people.Max {
		return fmt.Errorf("%w: %d people; between 1 and %d can be made", ErrOther, cfg.People, people.Max)
	}
	if cfg.Now.IsZero() {
		cfg.Now = time.Now()
	}
	return w.build(ctx, cfg)
}

func (w *World) reopen(st *state, info fs.FileInfo, cfg Config) error {
	if cfg.Seed != 0 && cfg.Seed != st.Seed || cfg.People != 0 && cfg.People != st.People {
		return fmt.Errorf("%w: %s has seed %d and %d people; delete it or choose another folder", ErrOther, w.dir, st.Seed, st.People)
	}
	w.state, w.info = st, info
	w.people = people.Make(st.Seed, st.People)
	return w.loadAuthorities(false)
}

// Dir is the world's folder.
func (w *World) Dir() string { return w.dir }

// Made is the moment around which the world was built.
func (w *World) Made() time.Time { return w.made }

// People is the ledger, in the order of the seed.
func (w *World) People() ([]Person, error) {
	st, err := w.current()
	if err != nil {
		return nil, err
	}
	out := make([]Person, 0, len(w.people))
	for _, p := range w.people {
		v, err := w.view(st, p)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, nil
}

// Person finds one by key; ErrUnknown otherwise.
func (w *World) Person(key string) (Person, error) {
	st, err := w.current()
	if err != nil {
		return Person{}, err
	}
	p, err := w.resident(key)
	if err != nil {
		return Person{}, err
	}
	return w.view(st, p)
}

func (w *World) resident(key string) (people.Person, error) {
	for _, p := range w.people {
		if p.Key == key {
			return p, nil
		}
	}
	return people.Person{}, fmt.Errorf("%w: person %q", ErrUnknown, key)
}

func (w *World) view(st *state, p people.Person) (Person, error) {
	out := Person{Person: p, Profile: w.profilePath(p.Key)}
	for _, l := range st.Certificates {
		if l.Person != p.Key || l.Replaced {
			continue
		}
		c, err := w.certificate(l)
		if err != nil {
			return Person{}, err
		}
		if c.ID.Scope.Purpose == certid.PurposeSign {
			out.Sign = c
		} else {
			out.Auth = c
		}
	}
	return out, nil
}

func (w *World) certificate(l certLine) (Certificate, error) {
	id, err := lineID(l.Purpose, l.Serial)
	if err != nil {
		return Certificate{}, err
	}
	return Certificate{
		ID: id, Generation: l.Generation, Person: l.Person, Path: filepath.Join(w.dir, l.File),
		NotBefore: l.NotBefore, NotAfter: l.NotAfter, Listed: !l.Unlisted, Current: !l.Replaced,
	}, nil
}

// Certificates is every certificate ever made here, renewed and unlisted ones too, oldest first for each person.
func (w *World) Certificates() ([]Certificate, error) {
	st, err := w.current()
	if err != nil {
		return nil, err
	}
	out := make([]Certificate, 0, len(st.Certificates))
	for _, l := range st.Certificates {
		c, err := w.certificate(l)
		if err != nil {
			return nil, err
		}
		out = append(out, c)
	}
	return out, nil
}

// X509 reads the certificate's file.
func (c Certificate) X509() (*x509.Certificate, error) {
	b, err := os.ReadFile(c.Path)
	if err != nil {
		return nil, fmt.Errorf("reading certificate: %w", err)
	}
	cert, err := x509.ParseCertificate(b)
	if err != nil {
		return nil, fmt.Errorf("parsing certificate: %w", err)
	}
	return cert, nil
}

// current is the ledger as it is on disk now; the caller must not change it.
func (w *World) current() (*state, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.refresh()
}

// refresh reads world.json again if another process put a new one there. Called with mu held.
func (w *World) refresh() (*state, error) {
	info, err := os.Stat(statePath(w.dir))
	if err != nil {
		return nil, fmt.Errorf("looking at practice world: %w", err)
	}
	if w.info != nil && os.SameFile(info, w.info) && info.ModTime().Equal(w.info.ModTime()) {
		return w.state, nil
	}
	st, info, err := loadState(w.dir)
	if err != nil {
		return nil, err
	}
	w.state, w.info = st, info
	return st, nil
}

// change applies f to the newest ledger and makes the result durable; on an error nothing changes.
func (w *World) change(f func(*state) error) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	unlock, err := lock(w.dir)
	if err != nil {
		return err
	}
	defer unlock()
	w.info = nil
	st, _, err := loadState(w.dir)
	if err != nil {
		return err
	}
	if err := f(st); err != nil {
		return err
	}
	return st.save(w.dir)
}
