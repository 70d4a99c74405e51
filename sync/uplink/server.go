package uplink

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"time"

	"kazashi.example/sync/canon"
	"kazashi.example/sync/sign"
	"kazashi.example/sync/wire"
)

const mediaType = "application/cbor"

// Service is central behind the uplink. device is the key the peer proved on this connection; whether it belongs to a box is
// the service's to say. A *Refusal goes to the box as it is; any other error is logged and goes out as CodeInternal.
type Service interface {
	// Known is asked before the body of a push or poll is read, so that nobody but a box can make central read and decode
	// megabytes: nil for a box that joined, whatever became of it since, and a *Refusal with CodeUnknownBox for anybody else.
	Known(ctx context.Context, device sign.PublicKey) error
	// Join registers a box. It has stored what it answers.
	Join(ctx context.Context, device sign.PublicKey, r wire.JoinRequest) (wire.JoinAnswer, error)
	// Push has durably stored everything that its answer does not name as refused.
	Push(ctx context.Context, device sign.PublicKey, p wire.Push) (wire.Pushed, error)
	// Poll may block for p.Wait seconds.
	Poll(ctx context.Context, device sign.PublicKey, p wire.Poll) (wire.Polled, error)
	// Blob opens a file for a box that is in service. *Refusal with CodeUnknownBox or CodeRevokedBox for anybody else, and with
	// CodeUnknownBlob for what is not there.
	Blob(ctx context.Context, device sign.PublicKey, id wire.BlobID) (io.ReadSeekCloser, error)
}

// Handler serves the uplink's methods. It must sit behind ServerConfig.
func Handler(s Service, log *slog.Logger) http.Handler {
	mux := http.NewServeMux()
	mux.Handle(pathHello, method(log, terms{wire.MaxJoin, shortest, anybody}, hello))
	mux.Handle(pathJoin, method(log, terms{wire.MaxJoin, shortest, anybody}, s.Join))
	mux.Handle(pathPush, method(log, terms{wire.MaxPush, longest, s.Known}, s.Push))
	mux.Handle(pathPoll, method(log, terms{wire.MaxPoll, longest, s.Known}, s.Poll))
	mux.Handle(pathBlob+"{id}", &blobs{s, log, &streams{each: map[sign.KeyID]int{}}})
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		fail(r.Context(), log, w, http.StatusNotFound, &Refusal{Code: wire.CodeUnknownRoute, Message: "no such method"})
	})
	return mux
}

// terms bound what is read of a request: so many octets, in so long at most, of whom.
type terms struct {
	limit int64
	whole time.Duration
	from  func(context.Context, sign.PublicKey) error
}

func anybody(context.Context, sign.PublicKey) error { return nil }

// hello lets a box that is about to join see the server's key.
func hello(context.Context, sign.PublicKey, struct{}) (struct{}, error) { return struct{}{}, nil }

func method[In, Out any](log *slog.Logger, read terms, do func(context.Context, sign.PublicKey, In) (Out, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx := r.Context()
		if r.Method != http.MethodPost || r.Header.Get("Content-Type") != mediaType || r.TLS == nil {
			fail(ctx, log, w, http.StatusBadRequest, &Refusal{Code: wire.CodeBadMessage, Message: "POST " + mediaType + " over TLS"})
			return
		}
		device, err := peerKey(*r.TLS)
		if err != nil {
			fail(ctx, log, w, http.StatusForbidden, &Refusal{Code: wire.CodeUnknownBox, Message: err.Error()})
			return
		}
		if err := read.from(ctx, device); err != nil {
			w.Header().Set("Connection", "close") // what is still to come of the body is not waited for
			fail(ctx, log, w, http.StatusForbidden, err)
			return
		}
		var in In
		b, err := readAll(w, r, read)
		if err == nil {
			err = canon.Decode(b, &in, int(read.limit))
		}
		if err != nil {
			fail(ctx, log, w, http.StatusBadRequest, &Refusal{Code: wire.CodeBadMessage, Message: err.Error()})
			return
		}
		out, err := do(ctx, device, in)
		if err != nil {
			fail(ctx, log, w, http.StatusForbidden, err)
			return
		}
		answer(ctx, log, w, http.StatusOK, out)
	})
}

func asRefusal(err error) (*Refusal, bool) {
	var r *Refusal
	return r, errors.As(err, &r)
}

// fail sends a refusal; an error that is none stays here.
func fail(ctx context.Context, log *slog.Logger, w http.ResponseWriter, status int, err error) {
	r, ok := asRefusal(err)
	if !ok {
		if ctx.Err() == nil {
			log.ErrorContext(ctx, "uplink request failed", slog.Any("error", err))
		}
		r, status = &Refusal{Code: wire.CodeInternal, Message: "central could not do it; try again"}, http.StatusInternalServerError
	}
	answer(ctx, log, w, status, wire.Failure{Code: r.Code, Message: r.Message})
}

func answer(ctx context.Context, log *slog.Logger, w http.ResponseWriter, status int, body any) {
	b, err := canon.Encode(body)
	if err != nil {
		log.ErrorContext(ctx, "encoding an uplink answer failed", slog.Any("error", err))
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", mediaType)
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	if _, err := newPaced(w).Write(b); err != nil {
		log.DebugContext(ctx, "the box left before its answer", slog.Any("error", err))
	}
}
