package vcard

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"sync"
)

// State is what a card remembers without power. The zero value is a card as it was issued.
type State struct {
	// Tries is the number of tries left by PIN reference ("jpki/0018"); a reference that is missing has all its tries.
	Tries map[string]uint8 `json:"tries,omitempty"`
	// Changed holds the PINs that CHANGE REFERENCE DATA has set, by the same names.
	Changed map[string]string `json:"changed,omitempty"`
	// Issued names the certificate, by its SHA-256 in hex, that a reference was issued with. Where the card has another one now, it
	// was renewed, and what is remembered of that reference no longer holds. Missing: not known, still holds.
	Issued map[string]string `json:"issued,omitempty"`
}

// String prints REDACTED: a changed PIN is still a PIN.
func (State) String() string { return redacted }

// GoString prints REDACTED.
func (State) GoString() string { return redacted }

func (s State) clone() State {
	return State{Tries: maps.Clone(s.Tries), Changed: maps.Clone(s.Changed), Issued: maps.Clone(s.Issued)}
}

// stateID names a card in a Store: by its CardID, else by its authentication certificate, so that profiles from before CardID keep
// their state.
func stateID(p *Profile) string {
	of := append([]byte("card id\x00"), p.CardID...)
	if p.CardID == "" {
		of = p.AuthCert
	}
	sum := sha256.Sum256(of)
	return hex.EncodeToString(sum[:])
}

// Store keeps the state of cards, by an id that the card chooses.
type Store interface {
	// Load returns the zero State for a card it has not seen.
	Load(card string) (State, error)
	// Save has made the state durable when it returns nil; after an error the old state or the new one stands.
	Save(card string, s State) error
}

var (
	_ Store = (*MemoryStore)(nil)
	_ Store = (*FileStore)(nil)
)

// MemoryStore is a Store that lives as long as the process. The zero value is ready.
type MemoryStore struct {
	mu    sync.Mutex // guards cards
	cards map[string]State
}

// Load never fails.
func (m *MemoryStore) Load(card string) (State, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.cards[card].clone(), nil
}

// Save never fails.
func (m *MemoryStore) Save(card string, s State) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.cards == nil {
		m.cards = map[string]State{}
	}
	m.cards[card] = s.clone()
	return nil
}

// FileStore is a Store in one small JSON file. Every Save replaces the file whole (temporary file, fsync, rename, fsync of the
// directory): a crash leaves the old state or the new one, and perhaps a temporary file beside it. One process at a time may use
// a path.
type FileStore struct {
	path string
	mu   sync.Mutex // guards the file
}

// ErrState says that a state file cannot be understood; the remedy is to delete it, which gives every card all its tries.
var ErrState = errors.New("card state file is damaged: delete it to give its cards all their tries again")

// NewFileStore keeps states at path; the file need not exist, its directory must.
func NewFileStore(path string) *FileStore { return &FileStore{path: path} }

type stateFile struct {
	Version int              `json:"version"`
	Cards   map[string]State `json:"cards"`
}

const stateVersion = 1

// Load reads the file; one that is missing is a new card's, one that cannot be parsed is ErrState.
func (f *FileStore) Load(card string) (State, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	all, err := f.read()
	if err != nil {
		return State{}, err
	}
	return all.Cards[card], nil
}

// Save is durable when it returns nil.
func (f *FileStore) Save(card string, s State) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	all, err := f.read()
	if err != nil {
		return err
	}
	all.Cards[card] = s
	b, err := json.Marshal(all)
	if err != nil {
		return fmt.Errorf("encoding card state: %w", err)
	}
	return f.replace(b)
}

func (f *FileStore) read() (stateFile, error) {
	all := stateFile{Version: stateVersion}
	b, err := os.ReadFile(f.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return all, fmt.Errorf("reading card state: %w", err)
	case json.Unmarshal(b, &all) != nil || all.Version != stateVersion:
		return all, fmt.Errorf("reading %s: %w", f.path, ErrState)
	}
	if all.Cards == nil {
		all.Cards = map[string]State{}
	}
	return all, nil
}

func (f *FileStore) replace(b []byte) error {
	dir := filepath.Dir(f.path)
	tmp, err := os.CreateTemp(dir, filepath.Base(f.path)+".*")
	if err != nil {
		return fmt.Errorf("creating card state: %w", err)
	}
	_, err = tmp.Write(b)
	err = errors.Join(err, tmp.Sync(), tmp.Close())
	if err == nil {
		err = os.Rename(tmp.Name(), f.path)
	}
	if err != nil {
		return fmt.Errorf("writing card state: %w", errors.Join(err, os.Remove(tmp.Name())))
	}
	return syncDir(dir)
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("opening directory of card state: %w", err)
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		return fmt.Errorf("syncing directory of card state: %w", err)
	}
	return nil
}
