package tray

import "kazashi.example/central/lab/tray/ledger"

// State is a moment of the tray.
type State struct {
	Up     bool        `json:"up"`   // the line
	Card   *Card       `json:"card"` // nil when none lies on the reader
	Taps   int64       `json:"taps"`
	Desk   string      `json:"desk"`
	People []PersonNow `json:"people"`
}

// PersonNow is a card on offer. It carries no serial: that stands in the ledger only.
type PersonNow struct {
	Key       string `json:"key"`
	Label     Text   `json:"label"`
	Trait     string `json:"trait"`
	Note      Text   `json:"note"`
	Revocable bool   `json:"revocable"` // has a certificate that was not revoked from here
	Revoked   bool   `json:"revoked"`   // revoked from here
	Published bool   `json:"published"` // and a list was published since
	Renewable bool   `json:"renewable"` // the practice JPKI can issue it another certificate
	Knows     Knows  `json:"knows"`     // what whoever plays the person types in
}

// State returns the present moment.
func (t *Tray) State() State {
	up := t.cfg.Line.Up()
	t.mu.Lock()
	defer t.mu.Unlock()
	s := State{Up: up, Taps: t.taps, Desk: t.cfg.Desk, People: make([]PersonNow, 0, len(t.people))}
	if t.card != nil {
		c := *t.card
		s.Card = &c
	}
	for _, p := range t.people {
		r, revoked := t.revoked[p.Key]
		s.People = append(s.People, PersonNow{
			Key: p.Key, Label: p.Label, Trait: p.Trait, Note: p.Note,
			Revocable: p.Revocable && !revoked, Revoked: revoked, Published: r.published,
			Renewable: p.Renewable, Knows: p.Knows,
		})
	}
	return s
}

// Entries returns the ledger, oldest first.
func (t *Tray) Entries() []ledger.Entry { return t.cfg.Ledger.Entries() }

// Changed returns a channel that is closed at the next change.
func (t *Tray) Changed() <-chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.news
}
