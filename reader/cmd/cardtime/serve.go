package main

import (
	"bufio"
	"context"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"kazashi.example/reader/cvc"
	"kazashi.example/reader/mynumber"
	"kazashi.example/sync/certid"
)

// Procedures, by the evidence that they give.
const (
	certificate = "certificate"
	cardBound   = "card-bound"
	cardProof   = "card"
)

const (
	maxRequest = 1 << 16 // octets of one line
	within     = 30 * time.Second
)

var errRequest = errors.New("request cannot be understood")

// request names a procedure and what it needs.
type request struct {
	Reader      string      `json:"reader"`
	Procedure   string      `json:"procedure"`
	Remember    bool        `json:"remember"`    // use and keep what is learnt; otherwise everything is new
	Birth       string      `json:"birth"`       // YYYYMMDD, for card
	Gregorian   bool        `json:"gregorian"`   // the form of the card's birth key
	Message     []byte      `json:"message"`     // what the card signs
	Authorities []authority `json:"authorities"` // for card
}

// authority is a card authority's key.
type authority struct {
	Hierarchy string `json:"hierarchy"`
	ID        string `json:"id"`  // 32 hex digits
	Key       []byte `json:"key"` // SubjectPublicKeyInfo, DER
}

// answer is what one request took, in nanoseconds. Procedure runs from the first command until what the card gave is verified; Waiting
// is the part of it in which an answer of the card was waited for.
type answer struct {
	Connect   time.Duration `json:"connect_ns"`
	Procedure time.Duration `json:"procedure_ns"`
	Waiting   time.Duration `json:"waiting_ns"`
	Close     time.Duration `json:"close_ns"`
	Commands  int           `json:"commands"`
	Octets    int           `json:"octets"` // both ways
	Error     string        `json:"error,omitempty"`
}

// connection is a card that can be let go.
type connection interface {
	mynumber.Transmitter
	Close() error
}

// timer answers requests.
type timer struct {
	open        func(ctx context.Context, reader string) (connection, error)
	memory      *mynumber.Memory
	said        []byte // what authorities was made of
	authorities *cvc.Authorities
}

// serve answers line by line until in ends.
func (t *timer) serve(ctx context.Context, in io.Reader, out io.Writer) error {
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, maxRequest)
	encoder := json.NewEncoder(out)
	for lines.Scan() {
		r, err := parse(lines.Bytes())
		if err != nil {
			return err
		}
		a, err := t.answer(ctx, r)
		if errors.Is(err, errRequest) {
			return err
		}
		if err != nil {
			a.Error = err.Error()
		}
		if err := encoder.Encode(a); err != nil {
			return fmt.Errorf("writing an answer: %w", err)
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("reading requests: %w", err)
	}
	return nil
}

// parse reads one line; the error quotes nothing of it.
func parse(line []byte) (request, error) {
	var r request
	if json.Unmarshal(line, &r) != nil {
		return request{}, fmt.Errorf("%w: not the JSON object that it should be", errRequest)
	}
	switch r.Procedure {
	case certificate, cardBound, cardProof:
		return r, nil
	}
	return request{}, fmt.Errorf("%w: procedure %.20q", errRequest, r.Procedure)
}

// answer runs one request.
func (t *timer) answer(ctx context.Context, r request) (a answer, err error) {
	run, err := t.procedure(r)
	if err != nil {
		return a, err
	}
	memory := t.memory
	if !r.Remember {
		memory = mynumber.NewMemory()
	}
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	begun := time.Now()
	conn, err := t.open(ctx, r.Reader)
	if err != nil {
		return a, fmt.Errorf("connecting: %w", err)
	}
	a.Connect = time.Since(begun)
	l := &listener{connection: conn}
	card := mynumber.New(l, mynumber.Options{Reader: r.Reader, Memory: memory, Authorities: t.authorities})
	begun = time.Now()
	err = run(ctx, card)
	a.Procedure = time.Since(begun)
	begun = time.Now()
	err = errors.Join(err, conn.Close())
	a.Close = time.Since(begun)
	a.Waiting, a.Commands, a.Octets = l.waiting, l.commands, l.octets
	return a, err
}

// procedure is what a request asks for, with all that it says understood.
func (t *timer) procedure(r request) (func(context.Context, *mynumber.Card) error, error) {
	if err := t.believe(r.Authorities); err != nil {
		return nil, err
	}
	read := func(ctx context.Context, card *mynumber.Card) error {
		_, err := card.ReadAuthCert(ctx)
		return err
	}
	prove := func(context.Context, *mynumber.Card) error { return nil }
	switch r.Procedure {
	case cardBound:
		prove = func(ctx context.Context, card *mynumber.Card) error {
			_, err := card.SignFace(ctx, r.Message)
			return err
		}
	case cardProof:
		birth, err := mynumber.ParseBirthDate(r.Birth)
		if err != nil {
			return nil, fmt.Errorf("%w: birth date", errRequest)
		}
		face := mynumber.FaceRequest{Birth: birth, Form: mynumber.FormEra, Message: r.Message}
		if r.Gregorian {
			face.Form = mynumber.FormGregorian
		}
		prove = func(ctx context.Context, card *mynumber.Card) error {
			_, err := card.ProveFace(ctx, face)
			return err
		}
	}
	return func(ctx context.Context, card *mynumber.Card) error {
		if err := read(ctx, card); err != nil {
			return err
		}
		return prove(ctx, card)
	}, nil
}

// believe makes the set of authorities, the same one as long as the same are named: what is remembered of municipalities goes by it.
func (t *timer) believe(list []authority) error {
	said, err := json.Marshal(list)
	if err != nil {
		return fmt.Errorf("%w: %w", errRequest, err)
	}
	if t.authorities != nil && string(said) == string(t.said) {
		return nil
	}
	var all []cvc.Authority
	for _, a := range list {
		hierarchy, err := certid.ParseHierarchy(a.Hierarchy)
		if err != nil {
			return fmt.Errorf("%w: %w", errRequest, err)
		}
		key, err := x509.ParsePKIXPublicKey(a.Key)
		if err != nil {
			return fmt.Errorf("%w: key of an authority", errRequest)
		}
		one := cvc.Authority{Hierarchy: hierarchy, Key: key}
		if n, err := hex.Decode(one.ID[:], []byte(a.ID)[:min(len(a.ID), 2*len(one.ID))]); err != nil || n != len(one.ID) {
			return fmt.Errorf("%w: identifier of an authority", errRequest)
		}
		all = append(all, one)
	}
	set, err := cvc.NewAuthorities(all)
	if err != nil {
		return fmt.Errorf("%w: %w", errRequest, err)
	}
	t.said, t.authorities = said, set
	return nil
}

// listener counts what goes to the card and how long its answers take.
type listener struct {
	connection
	waiting          time.Duration
	commands, octets int
}

// Transmit passes one command on.
func (l *listener) Transmit(ctx context.Context, command []byte) ([]byte, error) {
	begun := time.Now()
	got, err := l.connection.Transmit(ctx, command)
	l.waiting += time.Since(begun)
	l.commands++
	l.octets += len(command) + len(got)
	return got, err //nolint:wrapcheck // the procedures look at the transmitter's errors
}
