// Package seldom keeps what strangers can cause from filling the log: one line in so much time, which says how often it
// happened.
//
// A [Line] may be used from any goroutine and keeps three words of memory. It writes nothing itself. What is counted after a
// line was written shows in the next one, however late that comes.
package seldom

import (
	"sync"
	"time"
)

// Every is the usual time between two lines.
const Every = 10 * time.Second

// Line is one kind of event.
type Line struct {
	every time.Duration
	now   func() time.Time

	mu    sync.Mutex // guards what follows
	last  time.Time
	count int
}

// New makes a line that is written at most once in every.
func New(every time.Duration, now func() time.Time) *Line { return &Line{every: every, now: now} }

// Happened counts an event. due says that a line is to be written now; count is how many events it stands for.
func (l *Line) Happened() (count int, due bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.count++
	now := l.now()
	if since := now.Sub(l.last); !l.last.IsZero() && since >= 0 && since < l.every {
		return 0, false
	}
	count, l.count, l.last = l.count, 0, now
	return count, true
}
