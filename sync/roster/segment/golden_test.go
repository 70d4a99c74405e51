package segment_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/fxamacker/cbor/v2"

	"kazashi.example/sync/roster/segment"
)

var write = flag.Bool("write", false, "write the segment that does not exist yet")

// golden is a segment of persons 0 and 1, and of the enrolment of person 9 that is gone, under 32 octets 01 at site branch-1.
var golden = filepath.Join("..", "..", "..", "testdata", "sync", "roster", "one.segment")

func goldenFile(t *testing.T) []byte {
	t.Helper()
	if _, err := os.Stat(golden); *write && errors.Is(err, os.ErrNotExist) {
		b, _ := made(t, keys(t, 1), func(w *segment.Writer) error { return errors.Join(people(0, 2)(w), w.Gone(tap(9))) })
		must(t, os.WriteFile(golden, b, 0o600))
	}
	b, err := os.ReadFile(golden)
	must(t, err)
	return b
}

// derived is HKDF-Expand of the site key.
func derived(t *testing.T, label string) []byte {
	t.Helper()
	k, err := hkdf.Expand(sha256.New, bytes.Repeat([]byte{1}, 32), "kazashi/site-key/v1/"+label, 32)
	must(t, err)
	return k
}

// The format stays as recorded, and as DESIGN.md says: read here with the standard library alone.
func TestAGoldenSegmentReadsByHand(t *testing.T) {
	b := goldenFile(t)
	size := len(b) - 32 // one chunk
	sum := sha256.Sum256(b[:size])
	if !bytes.Equal(sum[:], b[size:]) {
		t.Fatal("the digest behind the chunk is another")
	}
	foot := b[size-24 : size]
	index, rows := int(binary.LittleEndian.Uint64(foot)), int(binary.LittleEndian.Uint32(foot[8:])) //nolint:gosec // small
	if string(b[:8]) != "KZROSTR1" || !bytes.Equal(b[8:24], derived(t, "generation")[:16]) || rows != 10 || index+16*rows != size-24 ||
		!bytes.Equal(foot[12:], []byte{2, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0}) {
		t.Fatalf("header or footer of %d rows at %d of %d", rows, index, size)
	}
	key, err := hkdf.Expand(sha256.New, derived(t, "roster/entry"), "kazashi/roster/segment/v1"+string(b[24:40]), 32)
	must(t, err)
	block, err := aes.NewCipher(key)
	must(t, err)
	gcm, err := cipher.NewGCM(block)
	must(t, err)
	aad := append([]byte("\x83\x77kazashi/roster/entry/v1\x68branch-1\x50"), b[8:24]...)
	open := func(ref []byte) map[uint64]any {
		t.Helper()
		mac := hmac.New(sha256.New, derived(t, "roster/ref"))
		mac.Write(ref)
		i := bytes.Index(b[index:index+16*rows], mac.Sum(nil)[:12])
		if i < 0 || i%16 != 0 {
			t.Fatalf("reference %q is not in the index", ref)
		}
		place := binary.LittleEndian.Uint32(b[index+i+12:])
		at := 40 + int(place&^(1<<31))
		n := int(binary.LittleEndian.Uint16(b[at:]))
		nonce := append(make([]byte, 8), binary.BigEndian.AppendUint32(nil, place)...)
		plain, err := gcm.Open(nil, nonce, b[at+2:at+2+n], aad)
		must(t, err)
		plain = bytes.TrimRight(plain, "\x00")
		var v map[uint64]any
		must(t, cbor.Unmarshal(plain[:len(plain)-1], &v))
		return v
	}
	one := tap(1)
	for _, ref := range [][]byte{
		append([]byte("t\x00"), one.ID128[:]...), append([]byte("c\x0dpractice-city\x03"), person(1).Serial...), []byte("p\x00LIBPSEUDONYM000001"),
	} {
		if v := open(ref); !bytes.Equal(v[2].([]byte), person(1).Serial) || v[3] != "practice-city" { //nolint:forcetypeassert // a test
			t.Errorf("reference %q leads to somebody else", ref)
		}
	}
	if v := open([]byte("n\x07libraryL-0000000")); !bytes.Equal(v[2].([]byte), person(0).Serial) { //nolint:forcetypeassert // a test
		t.Error("the number leads to somebody else")
	}
	nine := tap(9)
	if v := open(append([]byte("t\x00"), nine.ID128[:]...)); !bytes.Equal(v[4].([]byte), nine.ID128[:]) { //nolint:forcetypeassert // a test
		t.Error("who is gone is somebody else")
	}
	s, err := segment.Open(b[:size])
	must(t, err)
	o, err := s.Opener(keys(t, 1))
	must(t, err)
	if look(t, s, o, keys(t, 1).Tap(one)) != 1 {
		t.Error("the package does not find person 1 in it")
	}
}
