package box

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"kazashi.example/appliance/roster"
	"kazashi.example/appliance/sitebook"
	"kazashi.example/appliance/tap"
	"kazashi.example/sync/certid"
	"kazashi.example/sync/record"
	entries "kazashi.example/sync/roster"
)

var (
	_ tap.People = (*memory)(nil)
	_ tap.Book   = (*memory)(nil)
)

// memory is the roster of this run as a tap asks it: whoever it knows counts as confirmed, and nothing but enrolments is remembered.
type memory struct {
	book *roster.Book
	log  *slog.Logger

	mu       sync.Mutex // guards entering
	entering map[record.TapID]entries.Entry
}

func newMemory(b *roster.Book, log *slog.Logger) *memory {
	return &memory{book: b, log: log, entering: map[record.TapID]entries.Entry{}}
}

// Find is a look into memory.
func (m *memory) Find(_ context.Context, v record.VerifierID, id certid.CertID) (sitebook.Known, error) {
	e, ok := m.book.Find(v, id)
	if !ok {
		return sitebook.Known{Person: sitebook.PersonOf(v, id, record.TapID{})}, nil
	}
	return sitebook.Known{Person: sitebook.Enrolled(e), Entry: e, Source: sitebook.Central}, nil
}

// Used is never.
func (*memory) Used(context.Context, record.ServiceID, sitebook.Person) (time.Time, error) {
	return time.Time{}, nil
}

// Number is none.
func (*memory) Number(context.Context, record.ServiceID, sitebook.Known) (string, error) {
	return "", nil
}

// ByNumber is nobody.
func (*memory) ByNumber(context.Context, record.ServiceID, string) (sitebook.Person, bool, error) {
	return sitebook.Person{}, false, nil
}

// Write notes an enrolment.
func (m *memory) Write(_ context.Context, v sitebook.Visit) error {
	if v.Enrolment == nil {
		return nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.entering[v.Tap] = *v.Enrolment
	return nil
}

// Confirm puts the person into the roster, now that the record is durable.
func (m *memory) Confirm(t record.TapID) {
	e, ok := m.leave(t)
	if !ok {
		return
	}
	if err := m.book.Add(e); err != nil {
		m.log.Error("enrolment is recorded, and is no use here until central has it", slog.Any("error", err))
	}
}

// Doubt forgets the enrolment.
func (m *memory) Doubt(t record.TapID) { m.leave(t) }

func (m *memory) leave(t record.TapID) (entries.Entry, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	e, ok := m.entering[t]
	delete(m.entering, t)
	return e, ok
}

// Locked is false: there is no key to it.
func (*memory) Locked() bool { return false }
