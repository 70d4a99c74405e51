package vpcd

// Kind names how a card misbehaves after so many true answers, as package control's Fault has it. Package fault has many more.
type Kind string

// Faults by these names.
const (
	// Tear: the card leaves in the middle of a command.
	Tear Kind = "tear"
	// Nonsense: the card answers random-looking octets of random lengths.
	Nonsense Kind = "nonsense"
	// Stranger: not a My Number Card from the start; a count is of no meaning.
	Stranger Kind = "not-a-my-number-card"
)
