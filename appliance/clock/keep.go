package clock

import (
	"crypto"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"kazashi.example/sync/canon"
	"kazashi.example/sync/durable"
	"kazashi.example/sync/record"
	"kazashi.example/sync/sign"
)

// ErrStamp says that a kept time is not one that this box wrote.
var ErrStamp = errors.New("kept time is not this box's")

// Kind says what a Stamp is for.
type Kind uint8

// Kinds. Numbers are reserved for ever.
const (
	KindFloor Kind = 1 // the floor
	KindEnd   Kind = 2 // the time at an orderly end
	KindBoot  Kind = 3 // where the time stands in a boot of the machine
)

// String names the file: "floor", "end" or "boot".
func (k Kind) String() string {
	switch k {
	case KindFloor:
		return "floor"
	case KindEnd:
		return "end"
	case KindBoot:
		return "boot"
	default:
		return "unknown"
	}
}

// Stamp is a time that is kept; times are whole milliseconds when they come back.
type Stamp struct {
	Kind Kind
	Era  uint32    // how often the floor had been lowered
	Time time.Time // of KindFloor and KindEnd

	// Of KindBoot alone: the boot's name, when it began by what was said in each remembered stretch, how many are not remembered, whether
	// central was heard, and when it began by what the machine said then.
	Boot    string
	Started []time.Time
	Before  int
	Heard   bool
	Pace    time.Time
}

// near says that a restart would find no other time in s than in t.
func (s Stamp) near(t Stamp) bool {
	same := s.Kind == t.Kind && s.Era == t.Era && s.Boot == t.Boot && s.Before == t.Before && s.Heard == t.Heard &&
		len(s.Started) == len(t.Started)
	if !same || len(s.Started) == 0 {
		return same
	}
	last := len(s.Started) - 1
	return s.Started[last].Sub(t.Started[last]).Abs() < time.Second && s.Pace.Sub(t.Pace).Abs() < time.Second
}

// Keep keeps stamps across restarts, one of a kind.
type Keep interface {
	// Load returns the one kept; the zero Stamp if there is none.
	Load(k Kind) (Stamp, error)
	// Store keeps one durably, in place of the last of its kind.
	Store(s Stamp) error
}

// Disk keeps stamps as small files in a folder, clock.floor, clock.end and clock.boot, each signed by the box's device key. What another
// box signed, or nobody did, is refused: whoever writes to a box's disk while it is off can make it forget, and can put back what it had
// signed before. A floor that was lowered since is known by the other stamps; if all are put back it counts again, and is lowered again.
type Disk struct {
	Dir    string
	Box    record.BoxID
	Device crypto.Signer
}

var _ Keep = Disk{}

// stamp is a Stamp as it is signed, times in Unix milliseconds.
type stamp struct {
	Version uint8        `cbor:"1,keyasint"`
	Box     record.BoxID `cbor:"2,keyasint"`
	Kind    Kind         `cbor:"3,keyasint"`
	Era     uint32       `cbor:"4,keyasint"`
	Time    int64        `cbor:"5,keyasint"`
	Boot    string       `cbor:"6,keyasint,omitempty"`
	Started []int64      `cbor:"7,keyasint,omitempty"`
	Before  int          `cbor:"8,keyasint,omitempty"`
	Heard   bool         `cbor:"9,keyasint,omitempty"`
	Pace    int64        `cbor:"10,keyasint"`
}

// maxStamp caps a file, in octets.
const maxStamp = 4 << 10

func (d Disk) path(k Kind) string { return filepath.Join(d.Dir, "clock."+k.String()) }

// Load reads a file. ErrStamp, or an error of packages sign, canon or os.
func (d Disk) Load(k Kind) (Stamp, error) {
	b, err := os.ReadFile(d.path(k))
	if errors.Is(err, fs.ErrNotExist) {
		return Stamp{}, nil
	}
	if err != nil {
		return Stamp{}, fmt.Errorf("reading a kept time: %w", err)
	}
	s, err := d.open(b)
	if err == nil && s.Kind != k {
		err = ErrStamp
	}
	if err != nil {
		return Stamp{}, fmt.Errorf("reading the kept time %s: %w", k, err)
	}
	return s, nil
}

func (d Disk) open(b []byte) (Stamp, error) {
	pub, err := sign.PublicKeyOf(d.Device.Public())
	if err != nil {
		return Stamp{}, err
	}
	payload, _, err := sign.Open(sign.One{Key: pub}, sign.PurposeShutdown, b)
	if err != nil {
		return Stamp{}, err
	}
	var s stamp
	if err := canon.Decode(payload, &s, maxStamp); err != nil {
		return Stamp{}, err
	}
	if s.Version != 1 || s.Box != d.Box || s.Before < 0 || len(s.Started) > maxStretches {
		return Stamp{}, ErrStamp
	}
	out := Stamp{Kind: s.Kind, Era: s.Era, Time: at(s.Time), Boot: s.Boot, Before: s.Before, Heard: s.Heard, Pace: at(s.Pace)}
	for _, t := range s.Started {
		out.Started = append(out.Started, at(t))
	}
	return out, nil
}

// Store signs and replaces a file.
func (d Disk) Store(s Stamp) error {
	out := stamp{
		Version: 1, Box: d.Box, Kind: s.Kind, Era: s.Era, Time: s.Time.UnixMilli(), Boot: s.Boot, Before: s.Before, Heard: s.Heard, Pace: s.Pace.UnixMilli(),
	}
	for t := range slices.Values(s.Started) {
		out.Started = append(out.Started, t.UnixMilli())
	}
	payload, err := canon.Encode(out)
	if err != nil {
		return err
	}
	msg, err := sign.Sign(d.Device, sign.PurposeShutdown, payload)
	if err != nil {
		return err
	}
	if err := durable.WriteFile(d.path(s.Kind), msg, 0o600); err != nil {
		return fmt.Errorf("keeping the time %s: %w", s.Kind, err)
	}
	return nil
}

func at(ms int64) time.Time { return time.UnixMilli(ms).UTC() }
