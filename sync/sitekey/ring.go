package sitekey

import (
	"fmt"
	"log/slog"
	"slices"
)

// Ring is the generations of a site, oldest first. The zero value holds none.
type Ring struct{ held []held }

type held struct {
	generation Generation
	key        Key
}

// NewRing holds keys in the order given; the last is current. A key that comes twice counts where it stands last. ErrKey for a zero
// key, ErrFull.
func NewRing(keys ...Key) (Ring, error) {
	var r Ring
	for _, k := range keys {
		var err error
		if r, err = r.With(k); err != nil {
			return Ring{}, err
		}
	}
	return r, nil
}

// With is the ring with k as its current key. ErrKey for a zero key, ErrFull.
func (r Ring) With(k Key) (Ring, error) {
	if k.IsZero() {
		return Ring{}, ErrKey
	}
	g := k.Generation()
	next := r.Without(g)
	if next.Len() >= MaxRing {
		return Ring{}, ErrFull
	}
	next.held = append(next.held, held{g, k})
	return next, nil
}

// Without is the ring without some generations. Without the current one, the one before it is current.
func (r Ring) Without(gens ...Generation) Ring {
	left := make([]held, 0, len(r.held)+1)
	for _, h := range r.held {
		if !slices.Contains(gens, h.generation) {
			left = append(left, h)
		}
	}
	return Ring{left}
}

// Current is the generation to seal under; false when the ring is empty.
func (r Ring) Current() (Generation, Key, bool) {
	if len(r.held) == 0 {
		return Generation{}, Key{}, false
	}
	last := r.held[len(r.held)-1]
	return last.generation, last.key, true
}

// Find is the key of a generation.
func (r Ring) Find(g Generation) (Key, bool) {
	for _, h := range r.held {
		if h.generation == g {
			return h.key, true
		}
	}
	return Key{}, false
}

// Generations names the keys, oldest first.
func (r Ring) Generations() []Generation {
	g := make([]Generation, len(r.held))
	for i, h := range r.held {
		g[i] = h.generation
	}
	return g
}

// Keys are the keys themselves, oldest first.
func (r Ring) Keys() []Key {
	k := make([]Key, len(r.held))
	for i, h := range r.held {
		k[i] = h.key
	}
	return k
}

// Len counts the generations.
func (r Ring) Len() int { return len(r.held) }

// Equal reports whether both hold the same generations in the same order.
func (r Ring) Equal(o Ring) bool { return slices.Equal(r.Generations(), o.Generations()) }

// String prints REDACTED.
func (Ring) String() string { return redacted }

// GoString prints REDACTED.
func (Ring) GoString() string { return redacted }

// Format prints REDACTED for every verb.
func (Ring) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(redacted)) }

// MarshalText writes REDACTED.
func (Ring) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// LogValue logs REDACTED.
func (Ring) LogValue() slog.Value { return slog.StringValue(redacted) }
