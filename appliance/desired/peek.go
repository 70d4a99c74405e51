package desired

import (
	"fmt"
	"os"
	"path/filepath"

	"kazashi.example/reader/jpki"
	"kazashi.example/sync/trust"
)

// Peek reads the certificate authorities that the box in dir believes, for a tool beside the running box: it locks, writes and
// sets aside nothing. ErrNotJoined, ErrPlace, or an error of package trust.
func Peek(dir string) (*jpki.Anchors, error) {
	kept, err := peek(dir)
	return kept.anchors, err
}

// PeekTrust reads the trust bundle itself, as Peek does.
func PeekTrust(dir string) (trust.Opened, error) {
	kept, err := peek(dir)
	return kept.Opened, err
}

func peek(dir string) (belief, error) {
	place, err := readPlace(dir)
	if err != nil {
		return belief{}, err
	}
	if _, back, err := reverted(dir, place); err != nil {
		return belief{}, fmt.Errorf("reading the trust bundle: %w", err)
	} else if back != nil {
		return *back, nil
	}
	b, err := os.ReadFile(filepath.Join(dir, fileTrust))
	if err != nil {
		return belief{}, fmt.Errorf("reading the trust bundle: %w", err)
	}
	kept, err := open(b, trust.Terms{Root: place.Root})
	if err != nil {
		return belief{}, fmt.Errorf("reading the trust bundle: %w", err)
	}
	return kept, nil
}
