// Package admin is how an operator speaks to a running central: HTTP over a unix socket in the data directory for what
// changes anything, and a read-only part of it on a loopback address for health checks and metrics.
//
// Who may open the socket may operate central: [Listen] makes it for its owner alone. Nothing here names a person; a join code
// is shown once, to the operator who asked for it. Handlers and Client may be used from any goroutine. What a call changed is
// durable when it returns. Nothing here decides anything: an [Operator] does.
package admin

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"time"

	"kazashi.example/sync/record"
)

// Bounds of one request.
const (
	maxRequest    = 4 << 10 // octets of a body
	healthTimeout = 5 * time.Second
)

// Code asks for a join code.
type Code struct {
	Site  record.SiteID `json:"site"`
	Name  string        `json:"name"`
	Hours int           `json:"hours,omitempty"` // how long it can be used; 0: a day
}

// NewCode is the code, shown once.
type NewCode struct {
	Code    string    `json:"code"`
	Expires time.Time `json:"expires"`
}

// Box is one box of the fleet.
type Box struct {
	ID      record.BoxID  `json:"id"`
	Site    record.SiteID `json:"site"`
	Name    string        `json:"name"`
	State   string        `json:"state"`
	Joined  time.Time     `json:"joined"`
	Release string        `json:"release"`
	Seen    time.Time     `json:"seen,omitzero"`
	Stick   time.Time     `json:"stick,omitzero"` // when its word came last by stick
	Waiting uint64        `json:"waiting"`        // records that the box says it has not delivered
	// Withheld says that the box gets no site keys until it is reinstated: it was ordered to wipe or lock itself.
	Withheld bool `json:"withheld,omitempty"`
	// Replaces and ReplacedBy are whose place it took, and who took its place.
	Replaces   string   `json:"replaces,omitempty"`
	ReplacedBy string   `json:"replaced_by,omitempty"`
	Reports    []Report `json:"reports,omitempty"`
}

// Detail is one box with what is missing of it.
type Detail struct {
	Box
	Orders   []Order `json:"orders"` // newest first
	Gaps     []Gap   `json:"gaps"`
	MoreGaps bool    `json:"more_gaps,omitempty"` // there are more than are listed
	// Untold are taps that were settled otherwise than was said, of a box that hears no verdicts any more.
	Untold     []Untold `json:"untold,omitempty"`
	MoreUntold bool     `json:"more_untold,omitempty"`
}

// Untold is a tap that needs a second look, and of which nobody at the counter knows.
type Untold struct {
	Record  string           `json:"record"`
	Tapped  time.Time        `json:"tapped"` // by the box's clock
	Desk    record.DeskID    `json:"desk"`
	Service record.ServiceID `json:"service"`
	Said    string           `json:"said"`
	Final   string           `json:"final"`
	Reason  string           `json:"reason"`
}

// Gap is a run of records, or the beginning of an epoch, that the box must have written and central lacks.
type Gap struct {
	Epoch         string `json:"epoch"`
	First         uint64 `json:"first,omitempty"` // of the records that are missing, the last included
	Last          uint64 `json:"last,omitempty"`
	HeaderMissing bool   `json:"header_missing,omitempty"` // the epoch is named by its successor and never came
}

// Report is something that an operator must look at.
type Report struct {
	Kind   string    `json:"kind"`
	Reason string    `json:"reason"`
	Epoch  string    `json:"epoch"`
	Other  string    `json:"other,omitempty"`
	Seq    uint64    `json:"seq,omitempty"`
	At     time.Time `json:"at"`
}

// Status is the state of central in numbers.
type Status struct {
	Release      string    `json:"release"`
	CentralEpoch uint64    `json:"central_epoch"`
	Started      time.Time `json:"started"`
	Boxes        int64     `json:"boxes"`
	Quarantined  int64     `json:"quarantined"`
	Waiting      int64     `json:"waiting"`   // received, not yet settled
	Awaiting     int64     `json:"awaiting"`  // not in waiting: an enrolment or a renewal must come first
	SetAside     int64     `json:"set_aside"` // envelopes that do not open
	Proved       Proved    `json:"proved"`
	Records      int64     `json:"records"`
	Settled      int64     `json:"settled"`   // the box holds the final verdict durably
	Corrected    int64     `json:"corrected"` // final verdict differs from the first
	Persons      int64     `json:"persons"`
	Reports      int64     `json:"reports"`
	Gaps         int64     `json:"gaps"` // epochs of which something is missing
	Enrolments   int64     `json:"enrolments"`
	Renewals     int64     `json:"renewals"`  // certificates known to have taken another's place
	Conflicts    int64     `json:"conflicts"` // that nobody settled: `person conflicts` lists them
	Erased       int64     `json:"erased"`    // records whose contents were kept for long enough
	Attested     int64     `json:"attested"`  // records with attributes
	// RetentionAsOf is up to when what is kept was looked through; zero: not yet.
	RetentionAsOf time.Time `json:"retention_as_of,omitzero"`
	// RenewalsAsked is when the service of renewals answered last; zero: never.
	RenewalsAsked time.Time `json:"renewals_asked,omitzero"`
}

// Proved counts records by what central found proved. Those that were refused before anything was looked at are in none.
type Proved struct {
	PIN         int64 `json:"pin"`
	Card        int64 `json:"card"`
	CardBound   int64 `json:"card-bound"`
	Certificate int64 `json:"certificate"`
}

// Backup names a finished backup.
type Backup struct {
	Name string `json:"name"`
	File string `json:"file"`
}

// Operator is what stands behind the handler.
type Operator interface {
	Mender
	Ruler
	Keeper
	Eraser
	Linker
	Replacer
	Carrier

	// Status counts.
	Status(ctx context.Context) (Status, error)
	// Boxes lists every box.
	Boxes(ctx context.Context) ([]Box, error)
	// Box is one box with its gaps.
	Box(ctx context.Context, id record.BoxID) (Detail, error)
	// NewCode makes a join code.
	NewCode(ctx context.Context, c Code) (NewCode, error)
	// SetState puts a box into "active", "quarantined" or "revoked"; "settled" opens what is held of one that stays revoked.
	SetState(ctx context.Context, id record.BoxID, state string) error
	// Backup makes a named backup; its records are safe when it returns.
	Backup(ctx context.Context, name string) (Backup, error)
}

// Watched is an operator that also answers programs which ask again and again: neither call costs more for being made often.
type Watched interface {
	Operator
	// Healthy asks the database for one row.
	Healthy(ctx context.Context) error
	// Recent is a Status that may be a few seconds old.
	Recent(ctx context.Context) (Status, error)
}

// Refused is an error whose text is for the operator.
type Refused struct{ Err error }

func (r *Refused) Error() string { return r.Err.Error() }

// Unwrap returns the cause.
func (r *Refused) Unwrap() error { return r.Err }

// change asks for another state of a box.
type change struct {
	ID    record.BoxID `json:"id"`
	State string       `json:"state"`
}

// named asks for a backup.
type named struct {
	Name string `json:"name"`
}

// Handler serves everything. It belongs on the unix socket only.
func Handler(o Watched, log *slog.Logger) http.Handler {
	mux := readOnly(o, o.Status, log)
	mux.Handle("POST /v1/codes", call(log, o.NewCode))
	mux.Handle("POST "+pathBackups, call(log, func(ctx context.Context, n named) (Backup, error) { return o.Backup(ctx, n.Name) }))
	mux.Handle("POST "+pathBoxes+"/state", call(log, func(ctx context.Context, c change) (struct{}, error) {
		return struct{}{}, o.SetState(ctx, c.ID, c.State)
	}))
	mending(mux, o, log)
	ruling(mux, o, log)
	keeping(mux, o, log)
	erasing(mux, o, log)
	linking(mux, o, log)
	replacing(mux, o, log)
	carrying(mux, o, log)
	return mux
}

// ReadOnly serves health, recent status, boxes and metrics, for a loopback address. It answers no page of another site.
func ReadOnly(o Watched, metrics http.Handler, log *slog.Logger) http.Handler {
	mux := readOnly(o, o.Recent, log)
	mux.Handle("GET /metrics", metrics)
	return guard(mux)
}

func readOnly(o Watched, status func(context.Context) (Status, error), log *slog.Logger) *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), healthTimeout)
		defer cancel()
		if err := o.Healthy(ctx); err != nil {
			log.ErrorContext(ctx, "health check failed", slog.Any("error", err))
			http.Error(w, "the database does not answer", http.StatusServiceUnavailable)
			return
		}
		_, _ = io.WriteString(w, "ok\n") // whoever asked is gone otherwise
	})
	mux.Handle("GET /v1/status", ask(log, status))
	mux.Handle("GET "+pathBoxes, ask(log, o.Boxes))
	mux.HandleFunc("GET "+pathBoxes+"/{id}", func(w http.ResponseWriter, r *http.Request) {
		id, err := record.ParseID(r.PathValue("id"))
		if err != nil {
			answer(r.Context(), log, w, nil, &Refused{err})
			return
		}
		box, err := o.Box(r.Context(), record.BoxID{ID128: id})
		answer(r.Context(), log, w, box, err)
	})
	return mux
}

func ask[Out any](log *slog.Logger, do func(context.Context) (Out, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		out, err := do(r.Context())
		answer(r.Context(), log, w, out, err)
	})
}

func call[In, Out any](log *slog.Logger, do func(context.Context, In) (Out, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		in, err := decode[In](http.MaxBytesReader(w, r.Body, maxRequest))
		if err != nil {
			answer(r.Context(), log, w, nil, &Refused{err})
			return
		}
		out, err := do(r.Context(), in)
		answer(r.Context(), log, w, out, err)
	})
}

// errTrailing says that a request goes on after its end.
var errTrailing = errors.New("request is more than one JSON value")

// decode reads exactly one JSON value without unknown fields.
func decode[In any](r io.Reader) (in In, err error) {
	d := json.NewDecoder(r)
	d.DisallowUnknownFields()
	if err := d.Decode(&in); err != nil {
		return in, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return in, errors.Join(errTrailing, err)
	}
	return in, nil
}

// failure is the body of every answer that is not 200.
type failure struct {
	Error string `json:"error"`
}

func answer(ctx context.Context, log *slog.Logger, w http.ResponseWriter, out any, err error) {
	status := http.StatusOK
	var refused *Refused
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		status, out = http.StatusRequestEntityTooLarge, failure{large.Error()}
	case errors.As(err, &refused):
		status, out = http.StatusBadRequest, failure{refused.Error()}
	case err != nil:
		log.ErrorContext(ctx, "an operator's request failed", slog.Any("error", err))
		status, out = http.StatusInternalServerError, failure{"central could not do it; its log says why"}
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(out); err != nil {
		log.DebugContext(ctx, "the operator left before the answer", slog.Any("error", err))
	}
}
