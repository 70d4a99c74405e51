package roster

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"kazashi.example/sync/chunk"
	"kazashi.example/sync/roster"
	"kazashi.example/sync/roster/segment"
	"kazashi.example/sync/sign"
)

// File is a roster as it lies in a box's folder.
type File struct {
	Head   roster.Head
	Chunks int   // compared with their digests
	Err    error // why it cannot be used; nil if it can
}

// Peek reads the rosters in a folder, the newest first, and compares every chunk of them with its digest, whether a box runs there or not.
// It changes nothing and needs no site key. None where there is no folder.
func Peek(dir string, keys sign.Keys) ([]File, error) {
	var all []File
	for _, name := range []string{fileHead, filePrevious} {
		signed, err := os.ReadFile(filepath.Join(dir, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("reading a roster's head: %w", err)
		}
		f := File{}
		if f.Head, f.Err = roster.OpenHead(keys, signed); f.Err == nil {
			f.Chunks, f.Err = compared(dir, f.Head.Parts)
		}
		if len(all) == 0 || all[0].Err != nil || f.Err != nil || f.Head.Version != all[0].Head.Version {
			all = append(all, f)
		}
	}
	return all, nil
}

// compared reads segments whole.
func compared(dir string, parts []roster.Part) (chunks int, err error) {
	for i, p := range parts {
		s, err := segment.OpenFile(filepath.Join(dir, hex.EncodeToString(p.Root[:])+extSegment), p)
		if err == nil {
			err = errors.Join(s.Scrub(func() error { return nil }), s.CloseNow())
		}
		if err != nil {
			return chunks, fmt.Errorf("reading segment %d: %w", i, err)
		}
		chunks += chunk.Count(p.Size)
	}
	return chunks, nil
}
