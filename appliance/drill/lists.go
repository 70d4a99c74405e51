package drill

import (
	"bytes"
	"encoding/hex"
	"io"
	"os"
	"path/filepath"
	"strings"

	"kazashi.example/sync/canon"
	"kazashi.example/sync/crlset"
	"kazashi.example/sync/crlset/manifest"
	"kazashi.example/sync/roster"
	"kazashi.example/sync/roster/segment"
	"kazashi.example/sync/sign"
)

// How files begin that are searched where they lie.
const (
	magicSet     = "KZCRLS\x00\x02"
	magicDelta   = "KZCRLD\x00\x01"
	magicSegment = "KZROSTR1"
)

// lookSet reads a whole set, and compares it with the digests of the manifest beside it. Where there is none every block is decoded.
func (f *file) lookSet() {
	var m manifest.Manifest
	b, err := os.ReadFile(strings.TrimSuffix(f.path, ".set") + ".manifest")
	if err == nil {
		err = canon.Decode(b, &m, manifest.MaxManifest)
	}
	if err != nil {
		m.Digests = nil
	}
	s, err := crlset.OpenFile(f.path, m.Digests)
	if err != nil {
		f.problem(UnknownContent, "")
		return
	}
	defer s.Close()                      // it was only read
	f.hold(RevokedCards, int64(s.Len())) //nolint:gosec // fewer than people
	if err := s.Scrub(f.ctx); err != nil && f.ctx.Err() == nil {
		f.problem(UnknownContent, "")
	}
}

// lookSetPart looks at a part of a set, or at a delta: how it begins, and whether text is in it. How many entries it has is not known.
func (f *file) lookSetPart() {
	f.hold(RevokedCards, 1)
	if !f.begins(magicSet, magicDelta) {
		f.problem(UnknownContent, "")
	}
	f.sweep()
}

// begins reports whether a file begins as one of these do, as far as it goes.
func (f *file) begins(with ...string) bool {
	in, err := os.Open(f.path)
	if err != nil {
		return false
	}
	defer in.Close() // it was only read
	for _, w := range with {
		head := make([]byte, len(w))
		n, _ := in.ReadAt(head, 0)
		if string(head[:n]) == w[:n] {
			return true
		}
	}
	return false
}

// lookManifest looks at the signed side of a set, or at the head of a delta. Neither has an entry of a list in it.
func (f *file) lookManifest() {
	f.hold(Settings, 1)
	b, ok := f.octets(manifest.MaxManifest)
	if !ok || strings.HasSuffix(f.path, ".part") || strings.HasSuffix(f.path, ".load") {
		return
	}
	var m manifest.Manifest
	err := canon.Decode(b, &m, manifest.MaxManifest)
	if err == nil {
		var again []byte
		if again, err = m.Encode(); err == nil && !bytes.Equal(again, b) {
			err = errForm
		}
	}
	if _, head := sign.Payload(b); err != nil && head != nil {
		f.problem(UnknownContent, "")
	}
}

// lookHead looks at the head of a roster, which says how many people there are.
func (f *file) lookHead() {
	if strings.HasSuffix(f.path, ".part") {
		f.hold(RosterSize, 1)
		f.sweep()
		return
	}
	f.small(func(b []byte) error {
		f.hold(RosterSize, 1)
		payload, err := sign.Payload(b)
		if err != nil {
			return err
		}
		h, err := exact[roster.Head](payload)
		if err != nil {
			return err
		}
		f.site = h.Site
		return h.Check()
	})
}

// lookSegment compares a segment with the digests that central signed, if a head here names it; else it is a part of a download.
func (f *file) lookSegment() {
	part, ok := f.partOf(filepath.Base(f.path))
	if !ok || strings.HasSuffix(f.path, ".part") {
		f.hold(Roster, 1)
		if !f.begins(magicSegment) {
			f.problem(UnknownContent, "")
		}
		f.sweep()
		return
	}
	f.hold(Roster, int64(part.Entries))
	s, err := segment.OpenFile(f.path, part)
	if err == nil {
		err = s.Scrub(f.ctx.Err)
		_ = s.CloseNow()
	}
	if err != nil && f.ctx.Err() == nil {
		f.problem(UnknownContent, "")
		f.sweep()
	}
}

// partOf finds what the heads here say of a segment.
func (f *file) partOf(name string) (roster.Part, bool) {
	for _, head := range []string{"head", "head.previous"} {
		b, err := os.ReadFile(filepath.Join(filepath.Dir(f.path), head))
		if err != nil {
			continue
		}
		h, err := roster.PeekHead(b)
		if err != nil {
			continue
		}
		for _, p := range h.Parts {
			if strings.HasPrefix(name, hex.EncodeToString(p.Root[:])+".") {
				return p, true
			}
		}
	}
	return roster.Part{}, false
}

// lookDigests looks at the digests of what is under way: 32 octets each, which look like noise.
func (f *file) lookDigests() {
	b, ok := f.octets(maxSmall)
	if !ok {
		return
	}
	f.hold(Settings, 1)
	if !noise(b) {
		f.problem(UnknownContent, "")
	}
}

// lookNoughts is for room that is kept back: one octet again and again, 0xa5 where the file system cannot keep room without writing.
func (f *file) lookNoughts() {
	in, err := os.Open(f.path)
	if err != nil {
		f.problem(Unreadable, "")
		return
	}
	defer in.Close() // it was only read
	buf, none := make([]byte, 1<<20), make([]byte, 1<<20)
	for first := true; ; first = false {
		n, err := io.ReadFull(in, buf)
		if first && n > 0 && buf[0] == 0xa5 {
			none = bytes.Repeat(buf[:1], len(none))
		}
		if !bytes.Equal(buf[:n], none[:n]) {
			f.problem(UnknownContent, "")
			f.sweep()
			return
		}
		if err != nil {
			return // its end, or what the disk does not give, which is no content
		}
	}
}
