package server

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"time"

	"kazashi.example/localapi"
)

// Times of a live stream.
const (
	heartbeat   = 15 * time.Second // a silent stream says so often that it lives
	slow        = 5 * time.Second  // a client that takes longer to accept an event is dropped
	reconnectIn = 1000             // milliseconds: the retry hint to EventSource (HTML §9.2)
)

// events serves the live stream as server-sent events (HTML Living Standard §9.2). It begins with the status; what happened
// before is not repeated, so Last-Event-ID is accepted and means nothing: a client that was away asks for /v1/taps.
func (h *Handler) events(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet {
		w.Header().Set("Allow", "GET")
		refuse(w, http.StatusMethodNotAllowed, localapi.CodeMethod)
		return
	}
	select {
	case h.streams <- struct{}{}:
		defer func() { <-h.streams }()
	default:
		w.Header().Set("Retry-After", "5")
		refuse(w, http.StatusServiceUnavailable, localapi.CodeTooManyStreams)
		return
	}
	events, err := h.box.Subscribe(r.Context())
	if err != nil {
		h.failed(w, r, "subscribing to the events", err)
		return
	}
	status, err := h.box.Status(r.Context()) // after Subscribe, so that no change falls between
	if err != nil {
		h.failed(w, r, "asking the box for its status", err)
		return
	}
	s := stream{w: w, rc: http.NewResponseController(w)}
	if s.open(status) == nil {
		s.run(r, events)
	}
}

// stream writes to one client.
type stream struct {
	w  http.ResponseWriter
	rc *http.ResponseController
}

// open sends the head, the retry hint and the first event.
func (s stream) open(status localapi.Status) error {
	// The server's read deadline is for the request; past it, the connection's background read would end the stream.
	if err := s.rc.SetReadDeadline(time.Time{}); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return fmt.Errorf("lifting the read deadline: %w", err)
	}
	s.w.Header().Set("Content-Type", "text/event-stream")
	s.w.Header().Set("X-Accel-Buffering", "no")
	first := localapi.Event{Type: localapi.EventStatus, Time: status.Clock.Now, Status: &status}
	return s.send(fmt.Appendf(nil, "retry: %d\n\n", reconnectIn), first)
}

// run sends events until the client goes, the subscription ends or the client is too slow. Each is the end of this stream
// only; the client comes back and asks for the state anew, so there is nothing to report.
func (s stream) run(r *http.Request, events <-chan localapi.Event) {
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	for {
		var err error
		select {
		case <-r.Context().Done():
			return
		case <-stopping(r.Context()):
			return
		case <-beat.C:
			err = s.flush([]byte(": alive\n\n"))
		case e, open := <-events:
			if !open {
				return
			}
			err = s.send(nil, e)
		}
		if err != nil {
			return
		}
	}
}

func (s stream) send(prefix []byte, e localapi.Event) error {
	data, err := localapi.MarshalLive(e)
	if err != nil {
		return fmt.Errorf("sending an event: %w", err)
	}
	b := bytes.NewBuffer(prefix)
	if e.ID != "" {
		fmt.Fprintf(b, "id: %s\n", e.ID)
	}
	fmt.Fprintf(b, "event: %s\ndata: %s\n\n", e.Type, data) // JSON has no raw line break
	return s.flush(b.Bytes())
}

func (s stream) flush(b []byte) error {
	if err := s.rc.SetWriteDeadline(time.Now().Add(slow)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return fmt.Errorf("setting the write deadline: %w", err)
	}
	if _, err := s.w.Write(b); err != nil {
		return fmt.Errorf("writing to the stream: %w", err)
	}
	if err := s.rc.Flush(); err != nil {
		return fmt.Errorf("flushing the stream: %w", err)
	}
	return nil
}
