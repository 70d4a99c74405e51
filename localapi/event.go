package localapi

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"kazashi.example/sync/record"
)

// EventType is the SSE event name.
type EventType string

// Event types, and which fields of Event they carry besides ID, Type and Time.
const (
	EventCardPresent EventType = "card_present" // Reader
	EventCardRemoved EventType = "card_removed" // Reader
	EventReading     EventType = "reading"      // Reader
	EventReadFailed  EventType = "read_failed"  // Reader, Failure; Tries and TriesOf when it is about a PIN
	EventVerdict     EventType = "verdict"      // Tap, Rests, Number if served, Enrol after an enrolment, Link after a link; sent only after the record is durable (P1)
	EventSettled     EventType = "settled"      // Tap with Final; Subject if the person was served and central gave a PPID; the last one of a tap counts
	EventStatus      EventType = "status"       // Status; the first event of every stream, and after each change
)

// EventTypes lists them all, in the order above.
func EventTypes() []EventType {
	return []EventType{
		EventCardPresent, EventCardRemoved, EventReading, EventReadFailed, EventVerdict, EventSettled, EventStatus,
	}
}

// Rests says what a verdict rests on (P6).
type Rests struct {
	Basis      record.Basis      `json:"basis,omitzero"` // zero when there was no rule
	Evidence   record.Evidence   `json:"evidence"`
	Answer     record.Answer     `json:"answer"`
	Rule       uint64            `json:"rule"` // version of the rule
	List       List              `json:"list,omitzero"`
	Confidence record.Confidence `json:"confidence"`
	Used       time.Time         `json:"used,omitzero"` // when the service served this person last before, where its rule counts that
}

// Event is one thing that happened just now. Events are live only: none is stored, none is repeated.
//
// Marshalled as it is, Subject and Number print as REDACTED; MarshalLive reveals them.
type Event struct {
	ID      string         `json:"-"` // the SSE id, given by feed.Feed: "<start of the feed>-<n>"
	Type    EventType      `json:"type"`
	Time    time.Time      `json:"time"`
	Reader  string         `json:"reader,omitempty"`
	Failure ReadFailure    `json:"failure,omitempty"`
	Tries   int            `json:"tries,omitempty"`    // left, of the PIN that Failure speaks of
	TriesOf PINName        `json:"tries_of,omitempty"` // that PIN, also when none are left; empty where Failure is of all or of none
	Tap     *Tap           `json:"tap,omitempty"`
	Rests   *Rests         `json:"rests,omitempty"`
	Enrol   *Enrolled      `json:"enrolled,omitempty"` // with EventVerdict, when the card was laid to be enrolled
	Status  *Status        `json:"status,omitempty"`
	Link    *Linked        `json:"linked,omitempty"` // with EventVerdict, when the card was laid to link a number or to take one back
	Subject record.Subject `json:"ppid,omitzero"`
	Number  record.Number  `json:"number,omitzero"` // the service's own of the person, with EventVerdict if the person was served
}

// ErrEvent is returned by UnmarshalLive for text that is no event.
var ErrEvent = errors.New("not an event")

// live is Event as it goes over the live stream: PPID and number in the clear.
type live struct {
	Event
	PPID   string `json:"ppid,omitempty"`
	Number string `json:"number,omitempty"`
}

// MarshalLive returns e as JSON with PPID and number in the clear. It is the only place of this API where either is revealed, the PPID
// only for EventSettled and the number only for EventVerdict; for every other type they are left out. Its result goes to a live connection and nowhere else.
func MarshalLive(e Event) ([]byte, error) {
	out := live{Event: e}
	out.Subject, out.Event.Number = record.Subject{}, record.Number{}
	switch e.Type { //nolint:exhaustive // nothing else names anybody
	case EventSettled:
		out.PPID = e.Subject.Reveal()
	case EventVerdict:
		out.Number = e.Number.Reveal()
	}
	b, err := json.Marshal(out)
	if err != nil {
		return nil, fmt.Errorf("encoding event %s: %w", e.Type, err)
	}
	return b, nil
}

// UnmarshalLive is the inverse of MarshalLive, but for ID. An event without a type, or with a tap without a verdict, is none.
// The error is ErrEvent and quotes none of the text.
func UnmarshalLive(b []byte) (Event, error) {
	var in live
	if err := json.Unmarshal(b, &in); err != nil || in.Type == "" {
		return Event{}, ErrEvent
	}
	if t := in.Tap; t != nil && (!t.First.Valid() || t.Final != nil && !t.Final.Valid()) {
		return Event{}, ErrEvent
	}
	e := in.Event
	e.Subject, e.Number = record.NewSubject(in.PPID), record.NewNumber(in.Number)
	return e, nil
}
