package jpki

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"kazashi.example/central/lab/world/pki"
	"kazashi.example/sync/certid"
)

// list is one published file.
type list struct {
	der  []byte
	next time.Time
}

// Publish makes the lists of all purposes anew from the ledger as it is now. The files are replaced one by one: after a crash in
// between, some are of the new number and some of the old, each of them whole.
func (s *Service) Publish() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.publish()
}

// publish is Publish with mu held.
func (s *Service) publish() error {
	now := s.cfg.Now().UTC().Truncate(time.Second)
	fresh := map[string]list{}
	for _, p := range []certid.Purpose{certid.PurposeAuth, certid.PurposeSign} {
		number, err := s.world.NextListNumber(p)
		if err != nil {
			return fmt.Errorf("taking a list number: %w", err)
		}
		if err := s.publishPurpose(p, number, now, fresh); err != nil {
			return err
		}
	}
	s.lists = fresh
	return nil
}

// publishPurpose makes the whole list under the newest key and each generation's part under its own; one whose root has expired signs
// nothing. All of one publication share the CRL number.
func (s *Service) publishPurpose(p certid.Purpose, number int64, now time.Time, into map[string]list) error {
	newest, err := s.world.Newest(p)
	if err != nil {
		return fmt.Errorf("finding the signing CA: %w", err)
	}
	if err := s.publishOne(p.String()+".crl", newest, 0, number, now, into); err != nil {
		return err
	}
	for _, i := range s.issuers {
		a := i.authority
		if a.Purpose != p || !a.Cert.NotAfter.After(now) {
			continue
		}
		name := fmt.Sprintf("%s-g%d.crl", p, a.Generation)
		if err := s.publishOne(name, a, a.Generation, number, now, into); err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) publishOne(name string, by *pki.Authority, gen int, number int64, now time.Time, into map[string]list) error {
	entries, err := s.world.Entries(by.Purpose, gen, now)
	if err != nil {
		return fmt.Errorf("reading the ledger: %w", err)
	}
	if s.cfg.Former {
		entries = append(s.world.Former(by.Purpose, gen), entries...)
	}
	next := now.Add(s.cfg.ListLife)
	der, err := by.List(number, now, next, entries)
	if err != nil {
		return fmt.Errorf("making %s: %w", name, err)
	}
	if err := s.world.WriteFile(filepath.Join("crl", name), der); err != nil {
		return fmt.Errorf("keeping %s: %w", name, err)
	}
	into[name] = list{der: der, next: next}
	return nil
}

// restore reads the lists of an earlier run; it reports whether they are all there and of use.
func (s *Service) restore() (bool, error) {
	paths, err := filepath.Glob(filepath.Join(s.world.Dir(), "crl", "*.crl"))
	if err != nil {
		return false, fmt.Errorf("looking for lists: %w", err)
	}
	found := map[string]list{}
	for _, path := range paths {
		der, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return false, fmt.Errorf("reading a list: %w", err)
		}
		parsed, err := x509.ParseRevocationList(der)
		if err != nil {
			return false, nil //nolint:nilerr // a damaged file is replaced by a new publication
		}
		found[filepath.Base(path)] = list{der: der, next: parsed.NextUpdate}
	}
	s.lists = found
	return s.complete(), nil
}

// complete reports whether both whole lists are held.
func (s *Service) complete() bool {
	for _, p := range []certid.Purpose{certid.PurposeAuth, certid.PurposeSign} {
		if _, ok := s.lists[p.String()+".crl"]; !ok {
			return false
		}
	}
	return true
}

// listNamed returns a list, after the daily publication if it has run out.
func (s *Service) listNamed(name string) (list, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l, ok := s.lists[name]
	if !ok || s.cfg.Now().Before(l.next) {
		return l, ok, nil
	}
	if err := s.publish(); err != nil {
		return list{}, false, err
	}
	l, ok = s.lists[name]
	return l, ok, nil
}
