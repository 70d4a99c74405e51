package crl

import (
	"errors"
	"os"
	"path/filepath"
	"sync"
	"time"

	"kazashi.example/sync/certid"
)

// refusedFor is how long a refused list is not asked for again while its server has no other one. Then it is looked at anew.
const refusedFor = time.Hour

// refusal is a list that an authority signed, and that was not taken all the same: asking for it again would not make it better.
type refusal struct {
	version

	why       error
	at        time.Time
	overrides time.Time // of the newest override then: one that comes later may let the list in
}

// refusals are those of the addresses that were asked. They go with the process.
type refusals struct {
	mu sync.Mutex // guards by
	by map[fetched]refusal
}

// fetched is whose list is fetched from where.
type fetched struct {
	of  certid.Scope
	url string
}

// find returns what was refused of an address, as long as that stands.
func (r *refusals) find(s *Store, of certid.Scope, url string) *refusal {
	r.mu.Lock()
	defer r.mu.Unlock()
	last, ok := r.by[fetched{of, url}]
	if !ok || s.Now().Sub(last.at) >= refusedFor || !s.overridden().Equal(last.overrides) {
		return nil
	}
	return &last
}

// note remembers a refusal, or that there is none any more. A list whose signature does not hold is not remembered: whoever put it on the
// line would have the true one not asked for.
func (r *refusals) note(s *Store, o IngestOptions, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	v := version{o.tag, o.modified}
	if v == (version{}) || !errors.Is(err, ErrSameNumber) && !errors.Is(err, ErrOlder) && !errors.Is(err, ErrScope) && !errors.Is(err, ErrPartition) {
		delete(r.by, fetched{o.Scope, o.From})
		return
	}
	if r.by == nil {
		r.by = map[fetched]refusal{}
	}
	r.by[fetched{o.Scope, o.From}] = refusal{v, err, s.Now(), s.overridden()}
}

// overridden is when an override was last put into its folder, or used; zero: never.
func (s *Store) overridden() time.Time {
	info, err := os.Stat(filepath.Join(s.Dir, dirOverrides))
	if err != nil {
		return time.Time{}
	}
	return info.ModTime()
}
