package crl

import (
	"errors"
	"sync"

	"kazashi.example/sync/crlset"
	"kazashi.example/sync/rule"
)

// maxOpened is how many files of the history stay open in a scope: those of the newest 64 sets.
const maxOpened = 128

// opened are files of the history that stay open; they never change. Every question walks back from the newest set, so the newest
// steps are what the next question needs, whatever was asked last: they stay, and older ones go.
type opened struct {
	mu    sync.Mutex // guards all that follows, and what kept says of itself
	files map[string]*kept
}

// kept is one file that is open.
type kept struct {
	set   *crlset.Set
	of    rule.Version // the set that its step led to
	users int
	gone  bool // not in files any more: the last user closes it
}

// open opens a file of the step to a set, or finds it open. done is to be called after use.
func (o *opened) open(of rule.Version, path string, c changes) (_ *crlset.Set, done func() error, _ error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	k := o.files[path]
	if k == nil {
		set, err := openSet(path, c.Size, c.Digests)
		if err != nil {
			return nil, nil, err
		}
		k = &kept{set: set, of: of}
		if err := o.keep(path, k); err != nil {
			delete(o.files, path)
			return nil, nil, errors.Join(err, set.CloseNow())
		}
	}
	k.users++
	return k.set, func() error { return o.done(k) }, nil
}

// keep keeps a file open, if need be instead of one of the oldest step; a file of an older step than all is closed after use.
func (o *opened) keep(path string, k *kept) error {
	if o.files == nil {
		o.files = map[string]*kept{}
	}
	o.files[path] = k
	if len(o.files) <= maxOpened {
		return nil
	}
	last := path
	for p, other := range o.files {
		if other.of.Compare(o.files[last].of) < 0 {
			last = p
		}
	}
	old := o.files[last]
	delete(o.files, last)
	old.gone = true
	if old != k && old.users == 0 {
		return old.set.CloseNow()
	}
	return nil
}

// done is the end of one use.
func (o *opened) done(k *kept) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if k.users--; k.gone && k.users == 0 {
		return k.set.CloseNow()
	}
	return nil
}

// close closes what is open. Nobody uses it any more.
func (o *opened) close() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	var errs []error
	for _, k := range o.files {
		errs = append(errs, k.set.CloseNow())
	}
	o.files = nil
	return errors.Join(errs...)
}
