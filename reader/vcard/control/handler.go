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
	"kazashi.example/reader/vcard/fault"
	"kazashi.example/reader/vcard/link"
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
	number  int
	slot    *vpcd.Slot
	label   string
	profile string      // cleaned path; empty for a stranger
	card    *vcard.Card // nil for a stranger
}

// NewHandler serves slots, numbered from 0 in this order. It starts nothing; their Run is the caller's.
func NewHandler(slots ...*vpcd.Slot) *Handler {
	h := &Handler{mux: http.NewServeMux()}
	for i, s := range slots {
		h.places = append(h.places, &place{number: i, slot: s})
	}
	h.mux.HandleFunc("GET /v1/slots", h.list)
	h.mux.HandleFunc("POST /v1/slots/{n}/insert", h.onSlot(h.insert))
	h.mux.HandleFunc("POST /v1/slots/{n}/remove", h.onSlot(h.remove))
	h.mux.HandleFunc("POST /v1/slots/{n}/reset-counts", h.onSlot(h.resetCounts))
	h.mux.HandleFunc("POST /v1/slots/{n}/renew", h.onSlot(h.renew))
	h.mux.HandleFunc("GET /v1/slots/{n}/tries", h.tries)
	return h
}

// ServeHTTP serves one request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) { h.mux.ServeHTTP(w, r) }

// Insert lays a card on a slot, as the request of a client would; a relative profile path is taken from here. *Error.
func (h *Handler) Insert(n int, req InsertRequest) error {
	req, err := req.absolute()
	if err != nil {
		return refuse(statusBad, "%v", err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	p, err := h.place(strconv.Itoa(n))
	if err != nil {
		return err
	}
	return h.lay(p, req)
}

// place finds a slot by its number; *Error.
func (h *Handler) place(number string) (*place, error) {
	n, err := strconv.Atoi(number)
	if err != nil || n < 0 || n >= len(h.places) {
		return nil, refuse(statusNoSlot, "no slot %.20q: there are %d, from 0", number, len(h.places))
	}
	return h.places[n], nil
}

func (h *Handler) list(w http.ResponseWriter, _ *http.Request) {
	h.mu.Lock()
	defer h.mu.Unlock()
	all := make([]Slot, 0, len(h.places))
	for _, p := range h.places {
		all = append(all, p.view())
	}
	reply(w, http.StatusOK, all)
}

// onSlot finds the slot, lets act do its work and answers with the slot or the refusal.
func (h *Handler) onSlot(act func(*place, *http.Request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		h.mu.Lock()
		defer h.mu.Unlock()
		p, err := h.place(r.PathValue("n"))
		if err == nil {
			err = act(p, r)
		}
		if err != nil {
			answer(w, err)
			return
		}
		reply(w, http.StatusOK, p.view())
	}
}

// body reads one JSON object strictly.
func body(r *http.Request, into any, what string) error {
	d := json.NewDecoder(http.MaxBytesReader(nil, r.Body, maxBody))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return refuse(statusBad, "body is not %s: %v", what, err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return refuse(statusBad, "body goes on after %s", what)
	}
	return nil
}

func (h *Handler) insert(p *place, r *http.Request) error {
	var req InsertRequest
	if err := body(r, &req, "an insert request"); err != nil {
		return err
	}
	return h.lay(p, req)
}

func (h *Handler) lay(p *place, req InsertRequest) error {
	if p.slot.Status().Inserted {
		return refuse(statusConflict, "%v", vpcd.ErrOccupied)
	}
	faults, err := req.faults()
	if err != nil {
		return refuse(statusBad, "%v", err)
	}
	model, err := link.Parse(req.Link)
	if err != nil {
		return refuse(statusBad, "link %v", err)
	}
	next, err := h.load(req.Profile, faults)
	if err != nil {
		return err
	}
	device, err := fault.Wrap(next.bare(), faults...)
	if err != nil {
		return refuse(statusBad, "%v", err)
	}
	if err := p.slot.InsertOver(device, model); err != nil {
		return refuse(statusConflict, "%v", err)
	}
	p.label, p.profile, p.card = next.label, next.profile, next.card
	return nil
}

// load reads the profile of a card; a stranger has none.
func (h *Handler) load(path string, faults []fault.Fault) (place, error) {
	if path == "" && len(faults) > 0 && faults[0].Kind == fault.Stranger {
		return place{label: string(fault.Stranger)}, nil
	}
	if !filepath.IsAbs(path) {
		return place{}, refuse(statusBad, "profile must be an absolute path")
	}
	next := place{profile: filepath.Clean(path)}
	for i, other := range h.places {
		if other.profile == next.profile && other.slot.Status().Inserted {
			return place{}, refuse(statusConflict, "that card lies in slot %d: remove it first", i)
		}
	}
	profile, err := vcard.LoadProfile(next.profile)
	if err != nil {
		return place{}, refuse(statusProfile, "%v", err)
	}
	next.label = profile.Label
	next.card, err = vcard.New(profile, vcard.NewFileStore(next.profile+vcard.StateSuffix))
	if err != nil {
		return place{}, refuse(statusProfile, "%v", err)
	}
	return next, nil
}

// bare is the card as faults take it; a stranger's is nil.
func (p *place) bare() fault.Card {
	if p.card == nil {
		return nil
	}
	return p.card
}

func (h *Handler) remove(p *place, _ *http.Request) error {
	if err := p.slot.Remove(); err != nil {
		return refuse(statusConflict, "%v", err)
	}
	return nil
}

// inserted is the card that lies in the slot; *Error.
func (p *place) inserted() (*vcard.Card, error) {
	if !p.slot.Status().Inserted || p.card == nil {
		return nil, refuse(statusConflict, "no My Number Card lies in the slot: insert it first")
	}
	return p.card, nil
}

func (h *Handler) resetCounts(p *place, _ *http.Request) error {
	card, err := p.inserted()
	if err != nil {
		return err
	}
	if err := card.ResetCounts(); err != nil {
		return refuse(statusBroken, "%v", err)
	}
	return nil
}

func (h *Handler) renew(p *place, r *http.Request) error {
	var req RenewRequest
	if err := body(r, &req, "a renew request"); err != nil {
		return err
	}
	card, err := p.inserted()
	if err != nil {
		return err
	}
	next, err := filepath.Abs(req.Profile)
	if err != nil || next != filepath.Clean(req.Profile) {
		return refuse(statusBad, "profile must be an absolute path")
	}
	profile, err := vcard.LoadProfile(next)
	if err != nil {
		return refuse(statusProfile, "%v", err)
	}
	if err := card.Renew(profile, vcard.NewFileStore(next+vcard.StateSuffix)); err != nil {
		return refuse(statusProfile, "%v", err)
	}
	p.label, p.profile = profile.Label, next
	return nil
}

func (h *Handler) tries(w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	defer h.mu.Unlock()
	p, err := h.place(r.PathValue("n"))
	if err != nil {
		answer(w, err)
		return
	}
	card, err := p.inserted()
	if err != nil {
		answer(w, err)
		return
	}
	reply(w, http.StatusOK, card.Tries())
}

func (p *place) view() Slot {
	s := p.slot.Status()
	v := Slot{
		Slot: p.number, Inserted: s.Inserted, Connected: s.Connected,
		APDUs: s.APDUs, BytesUp: s.BytesUp, BytesDown: s.BytesDown, LinkTime: s.LinkTime,
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
