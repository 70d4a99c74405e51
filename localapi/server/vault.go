package server

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"kazashi.example/localapi"
)

// Keeper is what the handler asks of the site's keys, and of closing the site. Errors are those of package localapi (ErrKeyRule, ErrNoKeys
// …) or TriesError and UnsafeError; another is a fault of the box. What a call changed is durable when it returns. Codes are the
// handler's to wipe.
type Keeper interface {
	// Keys says how they stand.
	Keys(ctx context.Context) (localapi.Keys, error)
	// Unlock opens them by the operator's code.
	Unlock(ctx context.Context, code localapi.Secret) error
	// SetCode puts them under a new code; old is empty where none is in force, or it was forgotten.
	SetCode(ctx context.Context, old, code localapi.Secret) error
	// LockKeys forgets them.
	LockKeys(ctx context.Context) error
	// AskCentral lets central open them after LockKeys.
	AskCentral(ctx context.Context) error
	// RotateKeys makes a new generation.
	RotateKeys(ctx context.Context) error
	// RequestKeys, AnswerKeys and ReceiveKeys are the files that boxes of a site exchange.
	RequestKeys(ctx context.Context) (localapi.Exchange, error)
	AnswerKeys(ctx context.Context, request []byte) (localapi.Exchange, error)
	ReceiveKeys(ctx context.Context, answer []byte) error
	// Closing says what closing the site would find.
	Closing(ctx context.Context) (localapi.Closing, error)
	// CloseSite erases.
	CloseSite(ctx context.Context, r localapi.CloseSite) (localapi.Certificate, error)
}

// TriesError is localapi.ErrKeyCode or localapi.ErrKeyWait, with what is left.
type TriesError struct {
	Reason error
	Left   int
	Wait   time.Duration
}

// Error is the reason's.
func (e *TriesError) Error() string { return e.Reason.Error() }

// Unwrap is the reason.
func (e *TriesError) Unwrap() error { return e.Reason }

// UnsafeError is localapi.ErrUnsafe with the number of records.
type UnsafeError struct{ Records uint64 }

// Error is the reason's.
func (e *UnsafeError) Error() string { return localapi.ErrUnsafe.Error() }

// Unwrap is localapi.ErrUnsafe.
func (*UnsafeError) Unwrap() error { return localapi.ErrUnsafe }

// keeper routes what is asked of the site's keys. Only opening them is for pages too: everything else goes over the unix socket alone.
func (h *Handler) keeper(k Keeper) {
	show := answering(h, "asking for the site's keys", func(ctx context.Context, _ *http.Request) (localapi.Keys, error) { return k.Keys(ctx) })
	h.route("/v1/keys", nil, show)
	h.mux.HandleFunc("POST /v1/keys/unlock", func(w http.ResponseWriter, r *http.Request) {
		if h.mayWrite(w, r) {
			h.tried(w, r, coded(k.Unlock), show)
		}
	})
	h.own("POST /v1/keys/code", bodied(func(ctx context.Context, u localapi.Unlocking) (any, error) {
		defer u.Wipe()
		return nil, k.SetCode(ctx, u.Code, u.New)
	}), show)
	for path, do := range map[string]func(context.Context) error{"lock": k.LockKeys, "central": k.AskCentral, "rotate": k.RotateKeys} {
		h.own("POST /v1/keys/"+path, func(r *http.Request) (any, error) { return nil, do(r.Context()) }, show)
	}
	h.own("POST /v1/keys/request", func(r *http.Request) (any, error) { return k.RequestKeys(r.Context()) }, show)
	h.own("PUT /v1/keys/answer", filed(func(ctx context.Context, file []byte) (any, error) { return k.AnswerKeys(ctx, file) }), show)
	h.own("PUT /v1/keys/receive", filed(func(ctx context.Context, file []byte) (any, error) { return nil, k.ReceiveKeys(ctx, file) }), show)
	h.route("/v1/close", nil, answering(h, "asking what closing would find", func(ctx context.Context, _ *http.Request) (localapi.Closing, error) {
		return k.Closing(ctx)
	}))
	h.own("POST /v1/close", bodied(func(ctx context.Context, c localapi.CloseSite) (any, error) { return k.CloseSite(ctx, c) }), show)
}

// coded reads the code in the body, and wipes it afterwards.
func coded(do func(context.Context, localapi.Secret) error) func(*http.Request) (any, error) {
	return bodied(func(ctx context.Context, u localapi.Unlocking) (any, error) {
		defer u.Wipe()
		return nil, do(ctx, u.Code)
	})
}

// filed reads the file in the body.
func filed(do func(context.Context, []byte) (any, error)) func(*http.Request) (any, error) {
	return func(r *http.Request) (answer any, err error) {
		r.Body = http.MaxBytesReader(nil, r.Body, localapi.MaxPeer)
		err = loading(func(ctx context.Context, file []byte) error {
			answer, err = do(ctx, file)
			return err
		})(r)
		return answer, err
	}
}

// own serves a request over the unix socket: what do returns or, when that is nil, what then answers.
func (h *Handler) own(pattern string, do func(*http.Request) (any, error), then http.HandlerFunc) {
	h.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case !onlyParams(r, nil):
			refuse(w, http.StatusBadRequest, localapi.CodeUnknownParameter)
		case overTCP(r):
			refuse(w, http.StatusForbidden, localapi.CodeSocketOnly)
		default:
			h.tried(w, r, do, then)
		}
	})
}

func (h *Handler) tried(w http.ResponseWriter, r *http.Request, do func(*http.Request) (any, error), then http.HandlerFunc) {
	v, err := do(r)
	var tries *TriesError
	var unsafe *UnsafeError
	switch {
	case err == nil && v == nil:
		then(w, r)
	case err == nil:
		h.answer(w, r, v)
	case errors.Is(err, errMedia):
		refuse(w, http.StatusUnsupportedMediaType, localapi.CodeMediaType)
	case errors.Is(err, errLarge):
		refuse(w, http.StatusRequestEntityTooLarge, localapi.CodeBodyTooLarge)
	case errors.As(err, &tries):
		code, _ := localapi.CodeOf(tries.Reason)
		seconds := int((tries.Wait + time.Second - 1) / time.Second)
		if code == localapi.CodeKeyWait {
			w.Header().Set("Retry-After", strconv.Itoa(seconds))
		}
		refuseAs(w, statuses[code], localapi.Error{Code: code, Left: tries.Left, Wait: seconds})
	case errors.As(err, &unsafe):
		refuseAs(w, statuses[localapi.CodeUnsafe], localapi.Error{Code: localapi.CodeUnsafe, Records: unsafe.Records})
	default:
		h.refused(w, r, "changing the site's keys", err)
	}
}
