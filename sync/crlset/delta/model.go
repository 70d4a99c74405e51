package delta

import (
	"math/bits"

	"kazashi.example/sync/crlset"
)

// numbers is what was learned of numbers of one kind, below 2^160. A number is its bit length by a tree of eight decisions, the
// bits below its leading one by a tree for each length as far as fine goes, and the rest as they are. So gaps cost their entropy
// whatever their density is, and clusters are learned.
type numbers struct {
	fine   int
	length [256]bit
	top    [maxLength + 1][]bit // by length; made when first met
}

const maxLength = 160

func (m *numbers) topOf(length int) []bit {
	if m.top[length] == nil {
		m.top[length] = make([]bit, 1<<m.fine)
	}
	return m.top[length]
}

func lengthOf(k crlset.Key) int {
	switch {
	case k.A != 0:
		return 128 + bits.Len32(k.A)
	case k.B != 0:
		return 64 + bits.Len64(k.B)
	default:
		return bits.Len64(k.C)
	}
}

// slice is the n bits of k above bit at; n at most 64.
func slice(k crlset.Key, at, n int) uint64 {
	v := shiftRight(k, at)
	return v.C & (1<<n - 1)
}

func shiftRight(k crlset.Key, n int) crlset.Key {
	for ; n >= 64; n -= 64 {
		k = crlset.Key{B: uint64(k.A), C: k.B}
	}
	if n == 0 {
		return k
	}
	return crlset.Key{A: k.A >> n, B: k.B>>n | uint64(k.A)<<(64-n), C: k.C>>n | k.B<<(64-n)}
}

func shiftLeft(k crlset.Key, n int) crlset.Key {
	for ; n >= 64; n -= 64 {
		k = crlset.Key{A: uint32(k.B), B: k.C}
	}
	if n == 0 {
		return k
	}
	return crlset.Key{A: k.A<<n | uint32(k.B>>(64-n)), B: k.B<<n | k.C>>(64-n), C: k.C << n}
}

func (m *numbers) encode(e *encoder, k crlset.Key) {
	length := lengthOf(k)
	encodeTree(e, m.length[:], 8, uint64(length))
	if length < 2 {
		return
	}
	rest := length - 1
	n := min(rest, m.fine)
	rest -= n
	encodeTree(e, m.topOf(length), n, slice(k, rest, n))
	for rest > 0 {
		n = min(rest, 48)
		rest -= n
		e.raw(slice(k, rest, n), n)
	}
}

// decode gives lengths above maxLength as bad.
func (m *numbers) decode(d *decoder) crlset.Key {
	length := int(decodeTree(d, m.length[:], 8))
	if length > maxLength {
		d.bad = true
		return crlset.Key{}
	}
	if length < 2 {
		return crlset.Key{C: uint64(length)}
	}
	rest := length - 1
	n := min(rest, m.fine)
	rest -= n
	k := crlset.Key{C: 1<<n | decodeTree(d, m.topOf(length), n)}
	for rest > 0 {
		n = min(rest, 48)
		rest -= n
		k = shiftLeft(k, n)
		k.C |= d.raw(n)
	}
	return k
}

// encodeTree writes n bits of v, the highest first, each under those before it.
func encodeTree(e *encoder, tree []bit, n int, v uint64) {
	node := uint64(1)
	for i := n - 1; i >= 0; i-- {
		b := v >> i & 1
		e.bit(&tree[node], b == 1)
		node = node<<1 | b
	}
}

func decodeTree(d *decoder, tree []bit, n int) uint64 {
	node := uint64(1)
	for range n {
		node <<= 1
		if d.bit(&tree[node>>1]) {
			node |= 1
		}
	}
	return node &^ (1 << n)
}

// payload is what was learned of reasons and dates. Dates count back from the newest of the delta.
type payload struct {
	columns crlset.Columns
	newest  int64
	reason  [16]bit
	date    numbers
}

func newPayload(h *header) payload {
	return payload{columns: h.Columns, newest: h.Newest, date: numbers{fine: 5}}
}

func (p *payload) encodeReason(e *encoder, r crlset.Reason) {
	if p.columns&crlset.Reasons == 0 {
		e.bit(&p.reason[0], r == crlset.CertificateHold)
		return
	}
	encodeTree(e, p.reason[:], 4, uint64(r))
}

func (p *payload) decodeReason(d *decoder) crlset.Reason {
	if p.columns&crlset.Reasons == 0 {
		if d.bit(&p.reason[0]) {
			return crlset.CertificateHold
		}
		return crlset.Unspecified
	}
	return crlset.Reason(decodeTree(d, p.reason[:], 4))
}

func (p *payload) encodeDate(e *encoder, date int64) {
	if p.columns&crlset.Dates != 0 {
		p.date.encode(e, crlset.Key{C: uint64(p.newest - date)})
	}
}

// decodeDate gives dates of more than 40 bits as bad.
func (p *payload) decodeDate(d *decoder) int64 {
	if p.columns&crlset.Dates == 0 {
		return 0
	}
	k := p.date.decode(d)
	if lengthOf(k) > 41 {
		d.bad = true
		return 0
	}
	date := p.newest - int64(k.C)
	if !dateFits(date) {
		d.bad = true
	}
	return date
}
