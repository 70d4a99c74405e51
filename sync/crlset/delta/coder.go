package delta

// The coder is a binary range coder with adaptive probabilities: the carries are LZMA's, but a probability follows counts instead
// of a fixed rate, so that what is learned of a steady source is paid once, about half of lg n bits a probability.

const (
	probBits  = 16      // of a probability as the range is split by it
	probLeast = 1 << 5  // 2^-11: what a decision costs at least, so that octets bound what they can tell
	memory    = 1 << 10 // decisions that a probability remembers
	topValue  = 1 << 24 // the range stays at or above
	rawBits   = 12      // equiprobable bits that are coded at once
)

// bit is the adaptive probability of a zero. The zero value is one half, knowing nothing.
type bit struct {
	lean int32  // the probability less one half, in 2^-31
	seen uint32 // decisions, up to memory-1
}

// rates[n] is how much of the way to the last decision a probability goes after n of them, in 2^-16: 1/(n+1.5).
var rates = func() (r [memory]int32) {
	for n := range r {
		r[n] = int32(2 << 16 / (2*n + 3))
	}
	return r
}()

// zero is the probability of a zero in 2^-probBits.
func (b *bit) zero() uint32 {
	return uint32(min(max(b.lean>>(31-probBits)+1<<(probBits-1), probLeast), 1<<probBits-probLeast))
}

func (b *bit) learn(one bool) {
	target := int64(1 << 30)
	if one {
		target = -target
	}
	b.lean += int32((target - int64(b.lean)) * int64(rates[b.seen]) >> 16)
	b.seen = min(b.seen+1, memory-1)
}

// encoder writes decisions.
type encoder struct {
	out     []byte
	low     uint64
	width   uint32 // the range
	pending int    // octets that a carry may still raise: the first of them is held, the others are 0xff
	held    byte
}

// newEncoder holds an octet before the first: it stays zero, for all decisions together are a fraction below one.
func newEncoder() encoder { return encoder{width: 1<<32 - 1, pending: 1} }

func (e *encoder) bit(b *bit, one bool) {
	bound := e.width >> probBits * b.zero()
	if one {
		e.low += uint64(bound)
		e.width -= bound
	} else {
		e.width = bound
	}
	b.learn(one)
	e.normalize()
}

// raw writes n equiprobable bits, at most 64.
func (e *encoder) raw(v uint64, n int) {
	for n > 0 {
		k := min(n, rawBits)
		n -= k
		e.width >>= k
		e.low += uint64(e.width) * (v >> n & (1<<k - 1))
		e.normalize()
	}
}

func (e *encoder) normalize() {
	for e.width < topValue {
		e.width <<= 8
		e.shift()
	}
}

// shift moves the highest octet of low out, once no carry can reach it.
func (e *encoder) shift() {
	if e.low < 0xff<<24 || e.low >= 1<<32 {
		carry := byte(e.low >> 32)
		for first := true; e.pending > 0; first, e.pending = false, e.pending-1 {
			if first {
				e.out = append(e.out, e.held+carry)
			} else {
				e.out = append(e.out, 0xff+carry)
			}
		}
		e.held = byte(e.low >> 24)
	}
	e.pending++
	e.low = e.low << 8 & (1<<32 - 1)
}

// finish returns all octets.
func (e *encoder) finish() []byte {
	for range 5 {
		e.shift()
	}
	return e.out[1:]
}

// decoder reads what an encoder wrote. Past the end it reads zeros. What no encoder writes it remembers in bad.
type decoder struct {
	in    []byte
	at    int
	width uint32
	code  uint32 // how far the octets lie above the low end of the range
	bad   bool
}

func newDecoder(in []byte) decoder {
	d := decoder{in: in, width: 1<<32 - 1}
	for range 4 {
		d.code = d.code<<8 | uint32(d.next())
	}
	d.bad = d.bad || d.code >= d.width
	return d
}

func (d *decoder) next() byte {
	if d.at >= len(d.in) {
		d.bad = true
		return 0
	}
	d.at++
	return d.in[d.at-1]
}

func (d *decoder) bit(b *bit) (one bool) {
	bound := d.width >> probBits * b.zero()
	if d.code < bound {
		d.width = bound
	} else {
		d.code -= bound
		d.width -= bound
		one = true
	}
	b.learn(one)
	d.normalize()
	return one
}

func (d *decoder) raw(n int) (v uint64) {
	for n > 0 {
		k := min(n, rawBits)
		n -= k
		d.width >>= k
		q := d.code / d.width
		if q >= 1<<k {
			q, d.bad = 0, true
		}
		d.code -= q * d.width
		v = v<<k | uint64(q)
		d.normalize()
	}
	return v
}

func (d *decoder) normalize() {
	for d.width < topValue {
		d.width <<= 8
		d.code = d.code<<8 | uint32(d.next())
	}
}

// whole reports whether the decisions so far are all that the octets tell, and the octets the only ones that tell them.
func (d *decoder) whole() bool { return !d.bad && d.at == len(d.in) && d.code == 0 }
