package store

import "kazashi.example/sync/rule"

// Rulings are what central demanded of taps, every edition that was ever in force: a tap is decided by the one that its box held.
type Rulings interface {
	// AddRuling keeps an edition; ErrTaken if there is one of this version.
	AddRuling(v rule.Version, body []byte) error
	// Ruling finds an edition; ErrNone.
	Ruling(v rule.Version) ([]byte, error)
	// RulingVersions lists them, newest first.
	RulingVersions() ([]rule.Version, error)
}
