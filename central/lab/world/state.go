package world

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"kazashi.example/central/lab/world/pki"
	"kazashi.example/sync/certid"
)

// format is the version of world.json.
const format = 2

// state is world.json: what was made, and the ledger since.
type state struct {
	Format       int               `json:"format"`
	Mark         string            `json:"mark"`
	Seed         uint64            `json:"seed"`
	People       int               `json:"people"`
	Made         time.Time         `json:"made"`
	NextSerial   map[string]uint32 `json:"next_serial"` // by purpose, and with -g4 the next generation's
	ListNumber   map[string]int64  `json:"list_number"` // last CRL number given out, by purpose
	Certificates []certLine        `json:"certificates"`
	Revocations  []revocationLine  `json:"revocations"`
	Renewals     []renewalLine     `json:"renewals"`
	Cards        []cardLine        `json:"cards"` // made since, oldest first
}

// cardLine is a new card for somebody who had one.
type cardLine struct {
	Person string    `json:"person"`
	At     time.Time `json:"at"`
}

// card is which card of a person's this is, from 1, and when the last new one was made; zero for the first.
func (st *state) card(key string) (number int, made time.Time) {
	number = 1
	for _, l := range st.Cards {
		if l.Person == key {
			number, made = number+1, l.At
		}
	}
	return number, made
}

type certLine struct {
	Person     string    `json:"person"`
	Purpose    string    `json:"purpose"`
	Serial     string    `json:"serial"` // hex
	Generation int       `json:"generation"`
	NotBefore  time.Time `json:"not_before"`
	NotAfter   time.Time `json:"not_after"`
	File       string    `json:"file"`
	Unlisted   bool      `json:"unlisted,omitempty"`
	Replaced   bool      `json:"replaced,omitempty"`
}

type revocationLine struct {
	Purpose string     `json:"purpose"`
	Serial  string     `json:"serial"`
	Reason  pki.Reason `json:"reason"`
	At      time.Time  `json:"at"`
	Lifted  *time.Time `json:"lifted,omitempty"` // end of a hold
}

type renewalLine struct {
	Person  string    `json:"person"`
	Purpose string    `json:"purpose"`
	Old     string    `json:"old"`
	New     string    `json:"new"`
	At      time.Time `json:"at"`
}

func statePath(dir string) string { return filepath.Join(dir, "world.json") }

// loadState reads world.json; fs.ErrNotExist if there is none.
func loadState(dir string) (*state, fs.FileInfo, error) {
	f, err := os.Open(statePath(dir))
	if err != nil {
		return nil, nil, fmt.Errorf("opening practice world: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, nil, fmt.Errorf("reading practice world: %w", err)
	}
	st := new(state)
	if err := json.NewDecoder(f).Decode(st); err != nil {
		return nil, nil, fmt.Errorf("%w: %s: %w", ErrOther, f.Name(), err)
	}
	if st.Format != format || st.Mark != pki.PracticeMark {
		return nil, nil, fmt.Errorf("%w: %s has format %d, want %d; delete the folder or choose another",
			ErrOther, f.Name(), st.Format, format)
	}
	return st, info, nil
}

func (st *state) save(dir string) error {
	b, err := json.MarshalIndent(st, "", " ")
	if err != nil {
		return fmt.Errorf("encoding practice world: %w", err)
	}
	return writeFile(statePath(dir), append(b, '\n'))
}

// certificate finds a line by purpose and serial.
func (st *state) certificate(id certid.CertID) *certLine {
	for i := range st.Certificates {
		c := &st.Certificates[i]
		if c.Purpose == id.Scope.Purpose.String() && c.Serial == hexSerial(id.Serial) {
			return c
		}
	}
	return nil
}

// revocation finds what is in force against a certificate.
func (st *state) revocation(id certid.CertID) *revocationLine {
	for i := range st.Revocations {
		r := &st.Revocations[i]
		if r.Lifted == nil && r.Purpose == id.Scope.Purpose.String() && r.Serial == hexSerial(id.Serial) {
			return r
		}
	}
	return nil
}

func (st *state) addRevocation(id certid.CertID, reason pki.Reason, at time.Time) {
	st.Revocations = append(st.Revocations, revocationLine{
		Purpose: id.Scope.Purpose.String(), Serial: hexSerial(id.Serial), Reason: reason, At: at.UTC().Truncate(time.Second),
	})
}

func hexSerial(s certid.Serial) string { return hex.EncodeToString(s.Bytes()) }

// lineID reads the identity of a line that this package wrote.
func lineID(purpose, serial string) (certid.CertID, error) {
	p, err := certid.ParsePurpose(purpose)
	if err != nil {
		return certid.CertID{}, fmt.Errorf("%w: %w", ErrOther, err)
	}
	b, err := hex.DecodeString(serial)
	if err != nil {
		return certid.CertID{}, fmt.Errorf("%w: %w", ErrOther, err)
	}
	s, err := certid.ParseSerial(b)
	if err != nil {
		return certid.CertID{}, fmt.Errorf("%w: %w", ErrOther, err)
	}
	return certid.CertID{Scope: scope(p), Serial: s}, nil
}
