package server

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"kazashi.example/localapi"
	"kazashi.example/localapi/catalog"
	"kazashi.example/localapi/page"
)

// MaxStreams is how many live streams a Handler serves at once.
const MaxStreams = 32

// Config is what a Handler needs. Box and Log must be set.
type Config struct {
	Box     Box
	Log     *slog.Logger
	Metrics http.Handler // serves GET /metrics; nil leaves it out
	Desk    Desk         // serves staff, presence, links and corrections; nil leaves them out
	Trusted Trusted      // serves trust bundle and rules; nil leaves them out
	People  People       // serves questions about the roster; nil leaves them out
	Keeper  Keeper       // serves the site's keys and its closing; nil leaves them out
	Courier Courier      // serves the way by USB stick; nil leaves it out
	Unseen  Unseen       // serves verdicts from before a restart; nil leaves them out

	// Hosts are names besides the loopback ones by which the box may be asked, as in a Host header: "name" stands for the
	// name with the listening port, "name:port" for exactly that.
	Hosts []string
}

// Handler serves the local API.
type Handler struct {
	box     Box
	log     *slog.Logger
	guard   guard
	mux     *http.ServeMux
	parts   page.Parts
	streams chan struct{} // one element for each live stream
}

var _ http.Handler = (*Handler)(nil)

// New makes a handler; it starts nothing.
func New(c Config) *Handler {
	h := &Handler{
		box: c.Box, log: c.Log, guard: guard{hosts: c.Hosts},
		parts: page.Parts{Desk: c.Desk != nil, Keys: c.Keeper != nil, Courier: c.Courier != nil, Unseen: c.Unseen != nil},
		mux:   http.NewServeMux(), streams: make(chan struct{}, MaxStreams),
	}
	h.route("/v1/status", nil, h.status)
	h.route("/v1/taps", []string{"limit"}, h.taps)
	h.route("/v1/events", nil, h.events)
	h.mux.HandleFunc(nextPath, h.nextCard)
	h.route("/healthz", nil, h.healthz)
	h.route("/assets/{name}", nil, h.asset)
	h.route("/{$}", []string{"lang"}, h.page)
	if c.Metrics != nil {
		h.route("/metrics", nil, c.Metrics.ServeHTTP)
	}
	if c.Desk != nil {
		h.desk(c.Desk)
	}
	if c.Trusted != nil {
		h.trusted(c.Trusted)
	}
	if c.People != nil {
		h.people(c.People)
	}
	if c.Keeper != nil {
		h.keeper(c.Keeper)
	}
	if c.Courier != nil {
		h.courier(c.Courier)
	}
	if c.Unseen != nil {
		h.unseen(c.Unseen)
	}
	h.mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { refuse(w, http.StatusNotFound, localapi.CodeNotFound) })
	return h
}

// ServeHTTP checks where a request comes from, and routes it.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	setHeaders(w.Header())
	if status, code := h.guard.check(r); code != "" {
		refuse(w, status, code)
		return
	}
	h.mux.ServeHTTP(w, r)
}

// route serves GET and HEAD of pattern, with no query parameter but params, each at most once.
func (h *Handler) route(pattern string, params []string, serve http.HandlerFunc) {
	h.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			refuse(w, http.StatusMethodNotAllowed, localapi.CodeMethod)
			return
		}
		if !onlyParams(r, params) {
			refuse(w, http.StatusBadRequest, localapi.CodeUnknownParameter)
			return
		}
		serve(w, r)
	})
}

// onlyParams reports whether the query has no parameter but params, each at most once.
func onlyParams(r *http.Request, params []string) bool {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return false
	}
	for name, values := range query {
		if !slices.Contains(params, name) || len(values) != 1 {
			return false
		}
	}
	return true
}

func (h *Handler) status(w http.ResponseWriter, r *http.Request) {
	s, err := h.box.Status(r.Context())
	if err != nil {
		h.failed(w, r, "asking the box for its status", err)
		return
	}
	h.answer(w, r, s)
}

func (h *Handler) taps(w http.ResponseWriter, r *http.Request) {
	limit := localapi.DefaultTaps
	if q := r.URL.Query(); q.Has("limit") {
		n, err := strconv.Atoi(q.Get("limit"))
		if err != nil || n < 1 || n > localapi.MaxTaps {
			refuse(w, http.StatusBadRequest, localapi.CodeBadParameter)
			return
		}
		limit = n
	}
	taps, err := h.box.Taps(r.Context(), limit)
	if err != nil {
		h.failed(w, r, "asking the box for its taps", err)
		return
	}
	h.answer(w, r, localapi.Taps{Taps: append([]localapi.Tap{}, taps...)})
}

// healthz says that the program answers; whether it can take taps is in the status.
func (h *Handler) healthz(w http.ResponseWriter, _ *http.Request) {
	write(w, "text/plain; charset=utf-8", []byte("ok\n"))
}

func (h *Handler) page(w http.ResponseWriter, r *http.Request) {
	html, err := page.Render(r.URL.Query().Get("lang"), h.parts)
	switch {
	case errors.Is(err, page.ErrLang):
		refuse(w, http.StatusBadRequest, localapi.CodeBadParameter)
	case err != nil:
		h.failed(w, r, "rendering the counter page", err)
	default:
		write(w, "text/html; charset=utf-8", html)
	}
}

func (h *Handler) asset(w http.ResponseWriter, r *http.Request) {
	b, mediaType, ok := page.Asset(r.PathValue("name"))
	if !ok {
		refuse(w, http.StatusNotFound, localapi.CodeNotFound)
		return
	}
	write(w, mediaType, b)
}

func (h *Handler) answer(w http.ResponseWriter, r *http.Request, v any) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		h.failed(w, r, "encoding the answer", err)
		return
	}
	write(w, "application/json", b.Bytes())
}

// failed answers box_failed; the reason goes to the log only, and not even there when the client went away.
func (h *Handler) failed(w http.ResponseWriter, r *http.Request, doing string, err error) {
	if r.Context().Err() == nil {
		h.log.ErrorContext(r.Context(), "local api failed", slog.String("doing", doing), slog.Any("error", err))
	}
	refuse(w, http.StatusInternalServerError, localapi.CodeBoxFailed)
}

// refuse answers an error as localapi.Error. A refused write means that the client is gone: there is nobody left to tell.
func refuse(w http.ResponseWriter, status int, code localapi.ErrorCode) {
	refuseAs(w, status, localapi.Error{Code: code})
}

// refuseWaiting is refuse for who has to wait.
func refuseWaiting(w http.ResponseWriter, seconds int) {
	refuseAs(w, http.StatusTooManyRequests, localapi.Error{Code: localapi.CodeWait, Wait: seconds})
}

func refuseAs(w http.ResponseWriter, status int, e localapi.Error) {
	t := catalog.Error(e.Code)
	e.MessageEN, e.MessageJA = t.EN, t.JA
	b, err := json.Marshal(e)
	if err != nil {
		panic("server: localapi.Error does not marshal: " + err.Error()) // three strings always do
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(b, '\n'))
}

// write answers 200. See refuse for the dropped error.
func write(w http.ResponseWriter, mediaType string, b []byte) {
	w.Header().Set("Content-Type", mediaType)
	w.Header().Set("Content-Length", strconv.Itoa(len(b)))
	_, _ = w.Write(b)
}
