package revocation

import (
	"context"
	"path/filepath"

	"kazashi.example/appliance/fetch"
	"kazashi.example/sync/crlset"
	"kazashi.example/sync/crlset/manifest"
	"kazashi.example/sync/wire"
)

// job is one way in: where files come from, and what their parts are called meanwhile.
type job struct {
	*Cache
	remote Remote
	ext    string // extPart or extLoad
}

// part is the path of a file while it comes.
func (j job) part(n name, ext string) string { return filepath.Join(j.Dir, n.String()+ext+j.ext) }

// faults are the words for what is the matter with a file.
var faults = fetch.Faults{Full: ErrFull, Digest: crlset.ErrDigest, Size: manifest.ErrManifest}

func (j job) fetcher() fetch.Fetcher {
	return fetch.Fetcher{Remote: j.remote, Faults: faults, Gained: func(n int) { j.gained.Add(uint64(n)) }} //nolint:gosec // a count
}

// whole fetches a file that is judged as a whole. Errors are fetch.Fetcher.Whole's.
func (j job) whole(ctx context.Context, blob wire.Blob, path string) ([]byte, error) {
	return j.fetcher().Whole(ctx, blob, path, manifest.MaxManifest)
}

// chunks fetches a file whose chunks have digests that were signed. Errors are fetch.Fetcher.Chunks's.
func (j job) chunks(ctx context.Context, w fetch.Wanted, path string) error {
	return j.fetcher().Chunks(ctx, w, path)
}

// room is ErrFull unless there is room for n octets.
func room(dir string, n uint64) error { return fetch.Fetcher{Faults: faults}.Room(dir, n) }

// full names the reason if it is that the disk has no room.
func full(err error) error { return fetch.Full(err, ErrFull) }
