package trace

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"kazashi.example/reader/apdu"
	"kazashi.example/reader/tlv"
)

// maxCertificate is the longest certificate that a Recorder puts together, in octets.
const maxCertificate = 8192

// Recorder writes down what passes through it.
type Recorder struct {
	out       Transmitter
	procedure string
	redact    redactor
	practice  func(der []byte) bool // nil in the ordinary mode

	list []Exchange
	kept int  // octets of data in list
	full bool // something did not go in

	cert   []byte // what was read of the authentication certificate, practice mode only
	proved bool   // the card has shown a practice certificate
	refute bool   // the card has shown another one
}

var _ Transmitter = (*Recorder)(nil)

// NewRecorder records what a procedure says to t in the ordinary mode: masked but for what names nobody. procedure is its name, lower-case
// letters and hyphens; anything else is written as "unnamed".
func NewRecorder(t Transmitter, procedure string) *Recorder {
	if !isName(procedure) {
		procedure = unnamed
	}
	return &Recorder{out: t, procedure: procedure}
}

// NewPracticeRecorder records what goes to t unmasked, PINs included, for practice cards only. practice is asked about each
// authentication certificate that the card gives, whole and in DER; it has to verify that certificate's chain, not only read its names.
// Until it has said yes, and from when it has said no, the transcript is held back. A certificate proves no card: who lays another's card
// under a copied certificate is not found out here.
func NewPracticeRecorder(t Transmitter, procedure string, practice func(der []byte) bool) *Recorder {
	r := NewRecorder(t, procedure)
	r.practice, r.redact.unmasked = practice, true
	return r
}

// Transmit passes a command on and returns what came back, unchanged. Octets that are no command are not passed on: an error that wraps
// apdu.ErrCommand.
func (r *Recorder) Transmit(ctx context.Context, raw []byte) ([]byte, error) {
	cmd, err := apdu.ParseCommand(raw)
	if err != nil {
		return nil, fmt.Errorf("recording a command: %w", err)
	}
	defer clear(cmd.Data) // a copy, of a PIN perhaps
	v := r.redact.look(cmd)
	x := Exchange{Header: cmd.Header(), Extended: extended(raw), Ne: cmd.Ne, Data: keep(cmd.Data, v.data, whole)}
	answer, err := r.out.Transmit(ctx, raw)
	if err != nil {
		x.Failure = failure(ctx, err)
		r.redact.settle(cmd, v, nil)
		r.append(x)
		return nil, err //nolint:wrapcheck // a recorder adds nothing to what passes through it
	}
	resp, bad := apdu.ParseResponse(answer)
	defer clear(resp.Data) // a copy as well
	if bad != nil {
		x.Failure = Nonsense
		r.redact.settle(cmd, v, nil)
		r.append(x)
		return answer, nil
	}
	r.redact.settle(cmd, v, &resp)
	if !v.tells(cmd, resp) {
		x.Failure = Nonsense
		r.append(x)
		return answer, nil
	}
	x.Answer, x.SW = keep(resp.Data, true, v.answer), resp.SW
	r.append(x)
	if r.practice != nil && authCerts[v.from] {
		r.gather(v.offset, resp.Data)
	}
	return answer, nil
}

// keep copies what may be kept of b.
func keep(b []byte, show bool, limit int) Data {
	d := Data{Len: len(b)}
	if show {
		d.Shown = bytes.Clone(b[:min(len(b), limit)])
	}
	return d
}

func extended(raw []byte) bool { return len(raw) > 5 && raw[4] == 0 }

func failure(ctx context.Context, err error) Failure {
	switch {
	case errors.Is(err, apdu.ErrNoAnswer):
		return NoAnswer
	case ctx.Err() != nil:
		return Ended
	}
	return Gone
}

func (r *Recorder) append(x Exchange) {
	r.kept += len(x.Data.Shown) + len(x.Answer.Shown)
	if len(r.list) == MaxExchanges || r.kept > MaxLen/4 { // each octet takes two characters
		r.full = true
		return
	}
	r.list = append(r.list, x)
}

// gather puts the certificate together from its reads, and has it judged when it is whole.
func (r *Recorder) gather(offset int, data []byte) {
	if offset == 0 {
		r.cert = nil
	}
	if offset != len(r.cert) || len(data) == 0 || len(r.cert)+len(data) > maxCertificate+maxCertificate {
		return
	}
	r.cert = append(r.cert, data...)
	total, err := tlv.TotalLen(r.cert)
	if err != nil || total > len(r.cert) || total > maxCertificate {
		return
	}
	if r.practice(bytes.Clone(r.cert[:total])) {
		r.proved = true
	} else {
		r.refute = true
	}
	r.cert = nil
}

// Transcript returns what was recorded. ErrTooLong if it is not all of it. ErrNotPractice in practice mode, unless the card has shown a
// practice certificate and no other; what was kept is overwritten then.
func (r *Recorder) Transcript() (*Transcript, error) {
	if r.practice != nil && (!r.proved || r.refute) {
		r.forget()
		return nil, ErrNotPractice
	}
	if r.full {
		return nil, ErrTooLong
	}
	return &Transcript{Procedure: r.procedure, Unmasked: r.practice != nil, Exchanges: append([]Exchange(nil), r.list...)}, nil
}

// WriteTo writes the text of Transcript, or nothing and Transcript's error.
func (r *Recorder) WriteTo(w io.Writer) (int64, error) {
	t, err := r.Transcript()
	if err != nil {
		return 0, err
	}
	n, err := w.Write(t.Bytes())
	if err != nil {
		return int64(n), fmt.Errorf("writing the transcript: %w", err)
	}
	return int64(n), nil
}

func (r *Recorder) forget() {
	for _, x := range r.list {
		clear(x.Data.Shown)
		clear(x.Answer.Shown)
	}
	clear(r.cert)
	r.list, r.cert, r.kept = nil, nil, 0
}
