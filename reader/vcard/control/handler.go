package control

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"path/filepath"
	"strconv"
	"sync"

	"kazashi.example/reader/vcard"
	"kazashi.example/reader/vcard/vpcd"
)

const maxBody = 64 << 10

// Handler serves slots; make one with [NewHandler].
type Handler struct {
	mux *http.ServeMux

	mu     sync.Mutex // guards places; taken for a whole request
	places []*place
}

var _ http.Handler = (*Handler)(nil)

// place is a slot and what was last laid there.
type place struct {
	slot    *vpcd.Slot
	label   string
	profile string      // cleaned path; empty for a stranger
	card    *vcard.Card // nil for a stranger
}

// NewHandler serves slots, numbered from 0 in this order. It starts nothing; their Run is the caller's.
func NewHandler(slots ...*vpcd.Slot) *Handler {
	h := &Handler{mux: http.NewServeMux()}
	for _, s := range slots {
		h.places = append(h.places, &place{slot: s})
	}
	h.mux.HandleFunc("GET /v1/slots", h.list)
	h.mux.HandleFunc("POST /v1/slots/{n}/insert", h.onSlot(h.insert))
	h.mux.HandleFunc("POST /v1/slots/{n}/remove", h.onSlot(h.remove))
	h.mux.HandleFunc("POST /v1/slots/{n}/reset-counts", h.onSlot(h.resetCounts))
	return h
}

// ServeHTTP serves one request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) { h.mux.ServeHTTP(w, r) }

// Insert lays a card on a slot, as the request of a client would; a relative profile path is taken from here. *Error.
func (h *Handler) Insert(n int, req InsertRequest) error {
	if req.Profile != "" {
		abs, err := filepath.Abs(req.Profile)
		if err != nil {
			return refuse(statusBad, "resolving profile path: %v", err)
		}
		req.Profile = abs
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if n < 0 || n >= len(h.places) {
		return refuse(statusNoSlot, "no slot %d: there are %d, from 0", n, len(h.places))
	}
	return h.lay(h.places[n], req)
}

func (h *Handler) list(w http.ResponseWriter, _ *http.Request) {
	h.mu.Lock()
	defer h.mu.Unlock()
	all := make([]Slot, 0, len(h.places))
	for i, p := range h.places {
		all = append(all, p.view(i))
	}
	reply(w, http.StatusOK, all)
}

// onSlot finds the slot, lets act do its work and answers with the slot or the refusal.
func (h *Handler) onSlot(act func(*place, *http.Request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		h.mu.Lock()
		defer h.mu.Unlock()
		n, err := strconv.Atoi(r.PathValue("n"))
		if err != nil || n < 0 || n >= len(h.places) {
			answer(w, refuse(statusNoSlot, "no slot %.20q: there are %d, from 0", r.PathValue("n"), len(h.places)))
			return
		}
		if err := act(h.places[n], r); err != nil {
			answer(w, err)
			return
		}
		reply(w, http.StatusOK, h.places[n].view(n))
	}
}

func (h *Handler) insert(p *place, r *http.Request) error {
	var req InsertRequest
	d := json.NewDecoder(http.MaxBytesReader(nil, r.Body, maxBody))
	d.DisallowUnknownFields()
	if err := d.Decode(&req); err != nil {
		return refuse(statusBad, "body is not an insert request: %v", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return refuse(statusBad, "body goes on after the insert request")
	}
	return h.lay(p, req)
}

func (h *Handler) lay(p *place, req InsertRequest) error {
	if p.slot.Status().Inserted {
		return refuse(statusConflict, "%v", vpcd.ErrOccupied)
	}
	next, device, err := h.make(req)
	if err != nil {
		return err
	}
	if err := p.slot.Insert(device); err != nil {
		return refuse(statusConflict, "%v", err)
	}
	p.label, p.profile, p.card = next.label, next.profile, next.card
	return nil
}

// make reads the profile and gives the card its fault.
func (h *Handler) make(req InsertRequest) (place, vpcd.Device, error) {
	if req.Fault != nil && req.Fault.Kind == vpcd.Stranger && req.Profile == "" {
		return withFault(place{label: string(vpcd.Stranger)}, nil, req.Fault)
	}
	if !filepath.IsAbs(req.Profile) {
		return place{}, nil, refuse(statusBad, "profile must be an absolute path")
	}
	next := place{profile: filepath.Clean(req.Profile)}
	for i, other := range h.places {
		if other.profile == next.profile && other.slot.Status().Inserted {
			return place{}, nil, refuse(statusConflict, "that card lies in slot %d: remove it first", i)
		}
	}
	profile, err := vcard.LoadProfile(next.profile)
	if err != nil {
		return place{}, nil, refuse(statusProfile, "%v", err)
	}
	next.label = profile.Label
	next.card, err = vcard.New(profile, vcard.NewFileStore(next.profile+vcard.StateSuffix))
	if err != nil {
		return place{}, nil, refuse(statusProfile, "%v", err)
	}
	return withFault(next, next.card, req.Fault)
}

func withFault(p place, d vpcd.Device, f *Fault) (place, vpcd.Device, error) {
	if f == nil {
		return p, d, nil
	}
	d, err := vpcd.Faulty(d, vpcd.Fault{Kind: f.Kind, AfterAPDUs: f.AfterAPDUs})
	if err != nil {
		return place{}, nil, refuse(statusBad, "%v", err)
	}
	return p, d, nil
}

func (h *Handler) remove(p *place, _ *http.Request) error {
	if err := p.slot.Remove(); err != nil {
		return refuse(statusConflict, "%v", err)
	}
	return nil
}

func (h *Handler) resetCounts(p *place, _ *http.Request) error {
	if !p.slot.Status().Inserted || p.card == nil {
		return refuse(statusConflict, "no My Number Card lies in the slot: insert it first")
	}
	if err := p.card.ResetCounts(); err != nil {
		return refuse(statusBroken, "%v", err)
	}
	return nil
}

func (p *place) view(n int) Slot {
	s := p.slot.Status()
	v := Slot{
		Slot: n, Inserted: s.Inserted, Connected: s.Connected,
		APDUs: s.APDUs, BytesUp: s.BytesUp, BytesDown: s.BytesDown,
	}
	if s.Inserted {
		v.Label = p.label
	}
	return v
}

type refusal struct {
	Error string `json:"error"`
}

func answer(w http.ResponseWriter, err error) {
	if e, ok := errors.AsType[*Error](err); ok {
		reply(w, e.Status, refusal{e.Message})
		return
	}
	reply(w, statusBroken, refusal{err.Error()})
}

// reply ignores a client that is gone.
func reply(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}
