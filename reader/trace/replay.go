package trace

import (
	"bytes"
	"context"
	"fmt"

	"kazashi.example/reader/apdu"
)

// DiffersError says which command was not the recorded one. It wraps ErrDiffers and holds headers only.
type DiffersError struct {
	Line int // of the transcript's text; of its last line when it has no further command
	Got  apdu.Header
	What string // what differs: "header", "lengths", "data" or "no further command was recorded"
}

// Error names the line, the command and what differs.
func (e *DiffersError) Error() string {
	return fmt.Sprintf("%v: line %d, command %s: %s", ErrDiffers, e.Line, e.Got, e.What)
}

// Unwrap is ErrDiffers.
func (*DiffersError) Unwrap() error { return ErrDiffers }

// Replayer answers as the card did when a transcript was recorded.
type Replayer struct {
	t    *Transcript
	next int
}

var _ Transmitter = (*Replayer)(nil)

// NewReplayer plays t from its beginning. t must not change while it is played.
func NewReplayer(t *Transcript) *Replayer { return &Replayer{t: t} }

// Transmit compares a command with the recorded one, as far as that is not masked, and returns the recorded answer. A *DiffersError for
// another command, ErrMasked for an answer that is masked, ErrGone, apdu.ErrNoAnswer, or the error of ctx. A recorded command that ended
// with its caller's time returns context.DeadlineExceeded, an answer without a status word one octet.
func (r *Replayer) Transmit(ctx context.Context, raw []byte) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("replaying: %w", err)
	}
	cmd, err := apdu.ParseCommand(raw)
	if err != nil {
		return nil, fmt.Errorf("replaying a command: %w", err)
	}
	line := r.next + firstExchange
	if r.next == len(r.t.Exchanges) {
		return nil, &DiffersError{Line: line, Got: cmd.Header(), What: "no further command was recorded"}
	}
	x := r.t.Exchanges[r.next]
	if what := x.differs(cmd, extended(raw)); what != "" {
		return nil, &DiffersError{Line: line, Got: cmd.Header(), What: what}
	}
	r.next++
	return x.answer(line)
}

// differs names the first thing in which a command is not the recorded one.
func (x Exchange) differs(cmd apdu.Command, ext bool) string {
	switch {
	case cmd.Header() != x.Header:
		return "header"
	case ext != x.Extended || cmd.Ne != x.Ne || len(cmd.Data) != x.Data.Len:
		return "lengths"
	case !bytes.HasPrefix(cmd.Data, x.Data.Shown):
		return "data"
	}
	return ""
}

func (x Exchange) answer(line int) ([]byte, error) {
	switch x.Failure {
	case 0:
	case NoAnswer:
		return nil, fmt.Errorf("replaying line %d: %w", line, apdu.ErrNoAnswer)
	case Ended:
		return nil, fmt.Errorf("replaying line %d: %w", line, context.DeadlineExceeded)
	case Nonsense:
		return []byte{0x00}, nil
	case Gone:
		return nil, fmt.Errorf("replaying line %d: %w", line, ErrGone)
	}
	if x.Answer.Masked() {
		return nil, fmt.Errorf("replaying line %d: %w", line, ErrMasked)
	}
	return apdu.Response{Data: x.Answer.Shown, SW: x.SW}.Bytes(), nil
}

// Left is how many recorded commands were not sent.
func (r *Replayer) Left() int { return len(r.t.Exchanges) - r.next }
