package admin

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"kazashi.example/sync/record"
)

// Paths of what is kept and erased. They are on the socket alone.
const (
	pathRetention = "/v1/retention"
	pathErase     = "/v1/retention/run"
)

// Retention is what is kept, and what was erased.
type Retention struct {
	Round    time.Time   `json:"round,omitzero"`    // the last; zero: none yet
	AsOf     time.Time   `json:"as_of,omitzero"`    // up to when days counted as over in it; zero: no list said what time it is
	Erased   time.Time   `json:"erased,omitzero"`   // the last round that erased anything
	Records  int64       `json:"records,omitempty"` // of which that one erased something
	Services []Retained  `json:"services"`
	Backups  []OldBackup `json:"backups"` // that were made before it, and hold what it erased
}

// Retained is what is kept of one service.
type Retained struct {
	Service        record.ServiceID `json:"service"`
	KeepRecords    uint32           `json:"keep_records"`    // days by the rule in force; 0: no end
	KeepAttributes uint32           `json:"keep_attributes"` // days; 0: as long as their record
	InForce        bool             `json:"in_force"`        // there is a rule of it now
	Records        int64            `json:"records"`         // with their contents
	Attributes     int64            `json:"attributes"`      // of those, with attributes
	Erased         int64            `json:"erased"`          // records without contents
	Oldest         time.Time        `json:"oldest,omitzero"` // since when the oldest with contents is kept
}

// OldBackup names a backup.
type OldBackup struct {
	Name string    `json:"name"`
	Made time.Time `json:"made"`
}

// Erased is what one round did.
type Erased struct {
	AsOf       time.Time `json:"as_of,omitzero"` // up to when days counted as over; zero: nothing was looked at
	Records    int       `json:"records"`        // whose contents were erased
	Attributes int       `json:"attributes"`     // that lost their attributes alone
	Damaged    int       `json:"damaged"`        // of the records: could not be read, and lost all
}

// Eraser is an operator who sees to it that nothing is kept for too long.
type Eraser interface {
	// Retention says what is kept.
	Retention(ctx context.Context) (Retention, error)
	// Erase does a round now; durable.
	Erase(ctx context.Context) (Erased, error)
}

func erasing(mux *http.ServeMux, o Eraser, log *slog.Logger) {
	mux.Handle("GET "+pathRetention, ask(log, o.Retention))
	mux.Handle("POST "+pathErase, call(log, func(ctx context.Context, _ struct{}) (Erased, error) { return o.Erase(ctx) }))
}

// Retention says what is kept.
func (c *Client) Retention(ctx context.Context) (r Retention, err error) {
	err = c.do(ctx, http.MethodGet, pathRetention, nil, &r)
	return r, err
}

// Erase does a round now.
func (c *Client) Erase(ctx context.Context) (e Erased, err error) {
	err = c.do(ctx, http.MethodPost, pathErase, struct{}{}, &e)
	return e, err
}
