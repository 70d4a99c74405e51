// Package notice wakes those who wait for news: polls of boxes, the opener, the keeper of backups.
//
// A notice carries nothing: whoever is woken looks at the store. Take the channel first, then look, then wait; nothing is
// missed. A [Board] may be used from any goroutine and keeps nothing durable; news made by another process is not seen here,
// so that every waiter has a deadline beside it.
package notice

import "sync"

// Board holds one bell for each key. The zero value is ready.
type Board[K comparable] struct {
	mu    sync.Mutex // guards bells
	bells map[K]chan struct{}
}

// Watch returns a channel that is closed at the next Tell of the key.
func (b *Board[K]) Watch(key K) <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.bells == nil {
		b.bells = map[K]chan struct{}{}
	}
	if b.bells[key] == nil {
		b.bells[key] = make(chan struct{})
	}
	return b.bells[key]
}

// Tell wakes the watchers of the keys.
func (b *Board[K]) Tell(keys ...K) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, k := range keys {
		if c := b.bells[k]; c != nil {
			close(c)
			delete(b.bells, k)
		}
	}
}

// TellAll wakes everybody.
func (b *Board[K]) TellAll() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for k, c := range b.bells {
		close(c)
		delete(b.bells, k)
	}
}
