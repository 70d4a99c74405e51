package box

import (
	"slices"
	"sync"

	"kazashi.example/appliance/tap"
	"kazashi.example/localapi"
)

// readers is which readers are there, what lies on them and what stands in the way.
type readers struct {
	mu      sync.Mutex // guards what follows
	list    []localapi.Reader
	problem localapi.ReadFailure
}

// newReaders knows of no reader yet, which is a problem until one is seen.
func newReaders() *readers { return &readers{problem: localapi.FailureReaderGone} }

func (r *readers) now() ([]localapi.Reader, localapi.ReadFailure) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]localapi.Reader{}, r.list...), r.problem
}

// heard takes one event.
func (r *readers) heard(e tap.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.problem = ""
	switch e.Kind {
	case tap.ServiceLost:
		r.list, r.problem = nil, localapi.FailureNoPCSC
		return
	case tap.ServiceFound:
	case tap.ReaderAdded, tap.CardRemoved:
		r.set(e.Reader, false)
	case tap.CardArrived, tap.CardMute:
		r.set(e.Reader, true)
	case tap.ReaderRemoved:
		r.list = slices.DeleteFunc(r.list, func(known localapi.Reader) bool { return known.Name == e.Reader })
	}
	if len(r.list) == 0 {
		r.problem = localapi.FailureReaderGone
	}
}

func (r *readers) set(name string, card bool) {
	i := slices.IndexFunc(r.list, func(known localapi.Reader) bool { return known.Name == name })
	if i < 0 {
		r.list = append(r.list, localapi.Reader{Name: name, Card: card})
		return
	}
	r.list[i].Card = card
}

// seen keeps account of the readers.
func (b *Box) seen(e tap.Event) {
	b.readers.heard(e)
	b.changed()
}
