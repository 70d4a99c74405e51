package server

import (
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"

	"kazashi.example/localapi"
)

const (
	nextPath = "/v1/next-card"
	maxBody  = 1 << 10 // bytes of a body
)

// nextCard serves what the next card is laid for. A PIN comes in here and goes to the box: it stands in no URL, log or answer.
func (h *Handler) nextCard(w http.ResponseWriter, r *http.Request) {
	if !onlyParams(r, nil) {
		refuse(w, http.StatusBadRequest, localapi.CodeUnknownParameter)
		return
	}
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		h.tellNext(w, r)
	case http.MethodPut, http.MethodDelete:
		if !writeAllowed(r) {
			refuse(w, http.StatusForbidden, localapi.CodeForeignOrigin)
			return
		}
		if r.Method == http.MethodPut {
			h.setNext(w, r)
		} else {
			h.cancelNext(w, r)
		}
	default:
		w.Header().Set("Allow", "GET, HEAD, PUT, DELETE")
		refuse(w, http.StatusMethodNotAllowed, localapi.CodeMethod)
	}
}

func (h *Handler) tellNext(w http.ResponseWriter, r *http.Request) {
	s, err := h.box.Status(r.Context())
	if err != nil {
		h.failed(w, r, "asking the box for its status", err)
		return
	}
	h.answer(w, r, localapi.NextState{Next: s.Next})
}

func (h *Handler) cancelNext(w http.ResponseWriter, r *http.Request) {
	if err := h.box.CancelNextCard(r.Context()); err != nil {
		h.failed(w, r, "cancelling the next card", err)
		return
	}
	h.tellNext(w, r) // a card that is being handled is handled to its end
}

func (h *Handler) setNext(w http.ResponseWriter, r *http.Request) {
	asked, status, code := readNext(r)
	if code != "" {
		refuse(w, status, code)
		return
	}
	next, err := h.box.NextCard(r.Context(), asked)
	if err != nil {
		asked.Wipe()
		h.refused(w, r, "waiting for the next card", err)
		return
	}
	h.log.InfoContext(r.Context(), "waiting for the next card", slog.String("kind", string(next.Kind)))
	h.answer(w, r, localapi.NextState{Next: &next})
}

// readNext reads the body; an empty code means that it is in the right form. The buffer is wiped in every case.
func readNext(r *http.Request) (asked localapi.NextCardRequest, status int, code localapi.ErrorCode) {
	if types := r.Header.Values("Content-Type"); len(types) != 1 || types[0] != "application/json" {
		return asked, http.StatusUnsupportedMediaType, localapi.CodeMediaType
	}
	var buffer [maxBody + 1]byte
	defer clear(buffer[:])
	n, err := io.ReadFull(r.Body, buffer[:])
	switch {
	case err == nil:
		return asked, http.StatusRequestEntityTooLarge, localapi.CodeBodyTooLarge
	case !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF), json.Unmarshal(buffer[:n], &asked) != nil:
		return asked, http.StatusBadRequest, localapi.CodeBadBody
	case asked.Check() != nil:
		asked.Wipe()
		return asked, http.StatusUnprocessableEntity, localapi.CodeNextForm
	}
	return asked, 0, ""
}
