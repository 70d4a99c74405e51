package roster

import (
	"sync/atomic"

	"kazashi.example/sync/roster"
	"kazashi.example/sync/roster/segment"
)

// held is a mapped segment, with those who use it: editions. Its map goes with the last one.
type held struct {
	part  roster.Part
	seg   *segment.Segment
	users atomic.Int64
}

func openHeld(path string, p roster.Part) (*held, error) {
	seg, err := segment.OpenFile(path, p)
	if err != nil {
		return nil, err
	}
	h := &held{part: p, seg: seg}
	h.users.Store(1)
	return h, nil
}

func (h *held) release() {
	if h != nil && h.users.Add(-1) == 0 {
		_ = h.seg.CloseNow() // nobody is left who would look
	}
}

// edition is a version of the roster with its segments, newest first, and those who use it: the store, and lookups under way.
type edition struct {
	head   roster.Head
	signed []byte
	held   []*held
	users  atomic.Int64
}

// borrow adds a user. The store's lock is held, so that the store is one. nil for nil.
func (e *edition) borrow() *edition {
	if e != nil {
		e.users.Add(1)
	}
	return e
}

func (e *edition) release() {
	if e == nil || e.users.Add(-1) > 0 {
		return
	}
	for _, h := range e.held {
		h.release()
	}
}

func (e *edition) layers() []*held {
	if e == nil {
		return nil
	}
	return e.held
}

// has reports whether a segment is one of the edition's.
func (e *edition) has(p roster.Part) bool {
	for _, h := range e.layers() {
		if h.part.Root == p.Root {
			return true
		}
	}
	return false
}
