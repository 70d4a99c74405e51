package page

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"time"

	"kazashi.example/central/lab/tray/ledger"
)

// keepAlive is how often an idle event stream says that it is still there.
const keepAlive = 15 * time.Second

func (h *Handler) api(w http.ResponseWriter, r *http.Request) {
	if mt, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || mt != "application/json" {
		h.refuse(w, http.StatusUnsupportedMediaType, "media_type", "send application/json")
		return
	}
	req, err := decode(r.Body)
	if err != nil {
		h.refuse(w, http.StatusBadRequest, "request", err.Error())
		return
	}
	e, err := h.perform(r, req)
	if err != nil {
		f := h.failed(r, err)
		h.refuse(w, f.status, f.code, err.Error())
		return
	}
	h.send(w, http.StatusOK, e)
}

// decode reads one JSON object with known fields and nothing after it; an empty body is an empty object.
func decode(body io.Reader) (request, error) {
	var req request
	dec := json.NewDecoder(body)
	dec.DisallowUnknownFields()
	if err := dec.Decode(&req); err == io.EOF {
		return request{}, nil
	} else if err != nil {
		return request{}, fmt.Errorf("reading the request: %w", err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return request{}, fmt.Errorf("reading the request: %w", errRequest)
	}
	return req, nil
}

func (h *Handler) failed(r *http.Request, err error) fault {
	f := faultOf(err)
	if f.status >= http.StatusInternalServerError {
		h.log.ErrorContext(r.Context(), "deed failed", slog.String("deed", r.PathValue("deed")), slog.String("error", err.Error()))
	}
	return f
}

func (h *Handler) state(w http.ResponseWriter, _ *http.Request) {
	h.send(w, http.StatusOK, h.tray.State())
}

func (h *Handler) ledger(w http.ResponseWriter, _ *http.Request) {
	entries := h.tray.Entries()
	if entries == nil {
		entries = []ledger.Entry{}
	}
	h.send(w, http.StatusOK, map[string]any{"entries": entries})
}

// events streams one "change" event at the beginning and one after each change; its data is the number of ledger entries.
func (h *Handler) events(w http.ResponseWriter, r *http.Request) {
	rc := http.NewResponseController(w)
	if err := rc.SetReadDeadline(time.Time{}); err != nil { // the server's deadline is for requests, and this one has been read
		h.refuse(w, http.StatusInternalServerError, "stream", "no stream on this connection")
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	idle := time.NewTicker(keepAlive)
	defer idle.Stop()
	changed := h.tray.Changed()
	line := h.change()
	for {
		if _, err := io.WriteString(w, line); err != nil {
			return
		}
		if err := rc.Flush(); err != nil {
			return
		}
		select {
		case <-changed:
			changed = h.tray.Changed()
			line = h.change()
		case <-idle.C:
			line = ": still here\n\n"
		case <-r.Context().Done():
			return
		}
	}
}

func (h *Handler) change() string {
	return fmt.Sprintf("event: change\ndata: %d\n\n", len(h.tray.Entries()))
}

func (h *Handler) refuse(w http.ResponseWriter, status int, code, message string) {
	h.send(w, status, map[string]any{"error": map[string]string{"code": code, "message": message}})
}

func (h *Handler) send(w http.ResponseWriter, status int, v any) {
	b, err := json.MarshalIndent(v, "", " ")
	if err != nil { // none of the types sent here can fail
		panic(fmt.Sprintf("encoding an answer: %v", err))
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(b, '\n')) // a caller that went away needs no answer
}
