package pack

import "math/bits"

var inByte = func() (t [8][256]uint8) {
	for b := range 256 {
		n := 0
		for i := range 8 {
			if b>>i&1 == 1 {
				t[n][b] = uint8(i)
				n++
			}
		}
	}
	return t
}()

// Select is the place of the one bit of x that has n one bits below it; x must have more than n.
func Select(x uint64, n uint) uint {
	const ones, tops = 0x0101010101010101, 0x8080808080808080
	s := x - x>>1&0x5555555555555555
	s = s&0x3333333333333333 + s>>2&0x3333333333333333
	s = (s + s>>4) & 0x0f0f0f0f0f0f0f0f * ones                       // in each octet, the one bits up to it
	at := uint(bits.OnesCount64(((uint64(n)*ones|tops)-s)&tops)) * 8 // octets with at most n
	below := uint(s << 8 >> at & 0xff)
	return at + uint(inByte[(n-below)&7][x>>at&0xff])
}
