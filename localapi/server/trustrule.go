package server

import (
	"context"
	"errors"
	"io"
	"net/http"

	"kazashi.example/localapi"
)

// Trusted is what the handler asks of the box's desired state. Errors are those of package localapi (ErrRoot, ErrOlder …); another is a
// fault of the box. What a call changed is durable, and in force, when it returns.
type Trusted interface {
	// Trust is the bundle in force.
	Trust(ctx context.Context) (localapi.Trust, error)
	// LoadTrust verifies a bundle and puts it in force.
	LoadTrust(ctx context.Context, file []byte) error
	// RevertTrust goes back to the bundle before.
	RevertTrust(ctx context.Context) error
	// Rules are the rules held.
	Rules(ctx context.Context) (localapi.Rules, error)
	// LoadRules verifies rules and puts them in force.
	LoadRules(ctx context.Context, file []byte) error
}

// trusted routes what the box's operator asks of bundle and rules. Changing them is not for pages: it goes over the unix socket alone.
func (h *Handler) trusted(t Trusted) {
	show := answering(h, "asking for the trust bundle", func(ctx context.Context, _ *http.Request) (localapi.Trust, error) { return t.Trust(ctx) })
	rules := answering(h, "asking for the rules", func(ctx context.Context, _ *http.Request) (localapi.Rules, error) { return t.Rules(ctx) })
	h.route("/v1/trust", nil, show)
	h.route("/v1/rules", nil, rules)
	h.change("PUT /v1/trust", "loading a trust bundle", loading(t.LoadTrust), show)
	h.change("PUT /v1/rules", "loading rules", loading(t.LoadRules), rules)
	h.change("POST /v1/trust/revert", "going back to the trust bundle before", func(r *http.Request) error { return t.RevertTrust(r.Context()) }, show)
}

var (
	errMedia = errors.New("body is not application/cbor")
	errLarge = errors.New("body is too large")
)

// loading reads the file in the body and hands it on.
func loading(take func(context.Context, []byte) error) func(*http.Request) error {
	return func(r *http.Request) error {
		if types := r.Header.Values("Content-Type"); len(types) != 1 || types[0] != "application/cbor" {
			return errMedia
		}
		b, err := io.ReadAll(io.LimitReader(r.Body, localapi.MaxSigned+1))
		switch {
		case err != nil:
			return errBody
		case len(b) > localapi.MaxSigned:
			return errLarge
		}
		return take(r.Context(), b)
	}
}

// change serves a request over the unix socket, and then answers what there is now.
func (h *Handler) change(pattern, doing string, do func(*http.Request) error, then http.HandlerFunc) {
	h.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case !onlyParams(r, nil):
			refuse(w, http.StatusBadRequest, localapi.CodeUnknownParameter)
			return
		case overTCP(r):
			refuse(w, http.StatusForbidden, localapi.CodeSocketOnly)
			return
		}
		switch err := do(r); {
		case err == nil:
			then(w, r)
		case errors.Is(err, errMedia):
			refuse(w, http.StatusUnsupportedMediaType, localapi.CodeMediaType)
		case errors.Is(err, errLarge):
			refuse(w, http.StatusRequestEntityTooLarge, localapi.CodeBodyTooLarge)
		default:
			h.refused(w, r, doing, err)
		}
	})
}
