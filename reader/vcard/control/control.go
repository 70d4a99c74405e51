// Package control steers the virtual cards of another process over a unix socket: which card lies in which slot.
//
// [Handler] is the serving end, [Client] the other. Both speak JSON over HTTP:
//
//	GET  /v1/slots                     every slot
//	POST /v1/slots/{n}/insert          lays a card on slot n, body InsertRequest
//	POST /v1/slots/{n}/remove          takes it away
//	POST /v1/slots/{n}/reset-counts    gives the card in the slot all its PIN tries, as a city office does
//	POST /v1/slots/{n}/renew           puts other certificates on the card in the slot, as a city office does, body RenewRequest
//	GET  /v1/slots/{n}/tries           tries left of every PIN reference of the card in the slot
//
// Each answer to a POST is the slot; a refusal is {"error": "…"} with a 4xx status. A client and a handler may be used from any
// goroutine. Nothing is durable here. Whoever can open the socket can read every profile file that the serving process can: the
// socket is its owner's alone.
package control

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"

	"kazashi.example/reader/vcard/vpcd"
)

// Slot is what a client sees of a slot. The counters run from the last insertion and stand still after the removal.
type Slot struct {
	Slot int `json:"slot"` // from 0
	// Inserted: a card lies in the slot. Connected: pcscd has spoken to it, so that its PC/SC clients hear of it by now.
	Inserted  bool   `json:"inserted"`
	Connected bool   `json:"connected"`
	Label     string `json:"label"` // of the card that lies there
	APDUs     uint64 `json:"apdus"` // commands
	BytesUp   uint64 `json:"bytes_up"`
	BytesDown uint64 `json:"bytes_down"` // status words included
	// LinkTime is what the link model says that the commands took, in nanoseconds; to be subtracted from what was measured.
	LinkTime time.Duration `json:"link_time_ns"`
}

// InsertRequest names a card, its faults and its link. Profile is the path of a profile file on the serving side, absolute; the fault
// "not-a-my-number-card" needs none.
type InsertRequest struct {
	Profile string `json:"profile,omitempty"`
	// Faults are those of package fault by their text form, such as "tear-after=3"; the first is innermost.
	Faults []string `json:"faults,omitempty"`
	// Link is a link.Model by its text form, such as "106" or "424,apdu=18ms"; empty takes no time.
	Link string `json:"link,omitempty"`
	// Fault is one more fault in a form of its own, after those of Faults.
	Fault *Fault `json:"fault,omitempty"`
}

// Fault is a misbehaviour of the card after so many commands: a kind of package vpcd, or the text form of any fault of package fault.
type Fault struct {
	Kind       vpcd.Kind `json:"kind"`
	AfterAPDUs int       `json:"after_apdus"`
}

// RenewRequest names the profile with the new certificates, like InsertRequest.Profile.
type RenewRequest struct {
	Profile string `json:"profile"`
}

// Error is a refusal by the serving end: an HTTP status and what to do.
type Error struct {
	Status  int
	Message string
}

// Error is the message alone.
func (e *Error) Error() string { return "virtual card: " + e.Message }

// ErrInUse says that another process serves the socket.
var ErrInUse = errors.New("another process serves this socket: stop it or choose another path")

// Listen makes the socket, for its owner alone. A socket that nobody serves any more is replaced; ErrInUse.
func Listen(ctx context.Context, path string) (net.Listener, error) {
	d := net.Dialer{Timeout: time.Second}
	if conn, err := d.DialContext(ctx, "unix", path); err == nil {
		_ = conn.Close()
		return nil, fmt.Errorf("listening on %s: %w", path, ErrInUse)
	}
	if info, err := os.Lstat(path); err == nil && info.Mode().Type() == os.ModeSocket {
		if err := os.Remove(path); err != nil {
			return nil, fmt.Errorf("removing stale socket: %w", err)
		}
	}
	l, err := new(net.ListenConfig).Listen(ctx, "unix", path)
	if err != nil {
		return nil, fmt.Errorf("listening for control: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("closing the socket to others: %w", err), l.Close())
	}
	return l, nil
}

func refuse(status int, format string, args ...any) *Error {
	return &Error{Status: status, Message: fmt.Sprintf(format, args...)}
}

const (
	statusBad      = http.StatusBadRequest
	statusNoSlot   = http.StatusNotFound
	statusConflict = http.StatusConflict
	statusProfile  = http.StatusUnprocessableEntity
	statusBroken   = http.StatusInternalServerError
)
