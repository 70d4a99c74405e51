package localapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
)

// Why a box does not do what is asked about the site's keys.
var (
	// ErrKeyCode says that the operator's code was wrong; Error.Left and Error.Wait say what is left.
	ErrKeyCode = errors.New("wrong operator's code")
	// ErrKeyWait says that no code is taken now; Error.Wait says for how long.
	ErrKeyWait = errors.New("no operator's code is taken now")
	// ErrKeyForm says that a new code is too short or too long.
	ErrKeyForm = errors.New("operator's code is too short or too long")
	// ErrKeyOld says that the code in force is wanted as well.
	ErrKeyOld = errors.New("operator's code in force is wanted as well")
	// ErrKeyRule says that no signed rule lets the keys open without a code.
	ErrKeyRule = errors.New("no rule lets the keys open without a code")
	// ErrNoKeys says that there are none.
	ErrNoKeys = errors.New("box has no site keys")
	// ErrNoCode says that a code must be set first.
	ErrNoCode = errors.New("no operator's code is set")
	// ErrWiped says that the keys were erased here.
	ErrWiped = errors.New("site keys were erased here")
	// ErrMember says that the other box is no member of this site.
	ErrMember = errors.New("other box is no member of this site")
	// ErrAnswer says that an answer is to another request.
	ErrAnswer = errors.New("answer to another request")
	// ErrSwap says that memory may be written to an unencrypted disk.
	ErrSwap = errors.New("memory may be written to an unencrypted disk")
	// ErrTPM says that the TPM does not answer, was cleared, or is another.
	ErrTPM = errors.New("TPM does not answer, was cleared, or is another")
	// ErrUnsafe says that records are not safe at central; Error.Records says how many.
	ErrUnsafe = errors.New("records are not safe at central")
	// ErrClosing says that another closing is not finished.
	ErrClosing = errors.New("another closing is not finished")
)

// MaxPeer caps a file that boxes of a site exchange, in octets (sitekey.MaxPeer).
const MaxPeer = 128 << 10

// Unlocking is the body of a request that opens the keys or changes the code.
type Unlocking struct {
	Code Secret `json:"code,omitzero"` // the code in force; empty where none is
	New  Secret `json:"new,omitzero"`  // the new one, where the code is changed
}

// Check is nil: what a code must be is the box's to say.
func (Unlocking) Check() error { return nil }

// Wipe zeroes both codes.
func (u Unlocking) Wipe() { u.Code.Wipe(); u.New.Wipe() }

// Exchange is a file that boxes of a site exchange.
type Exchange struct {
	File []byte `json:"file"`
	Box  string `json:"box,omitempty"` // the box that an answer is for
}

// Closing is what closing the site would find.
type Closing struct {
	Site   string   `json:"site"`
	Unsafe uint64   `json:"records_not_safe"`
	Items  []Erased `json:"items"`
}

// Erased is one kind of thing that goes.
type Erased struct {
	What  string `json:"what"`
	Count uint64 `json:"count"`
}

// CloseSite is the body of the request that closes the site on this box.
type CloseSite struct {
	Site       string `json:"site"`                 // as a sign that it is meant
	By         string `json:"by"`                   // who says so: a member of staff, as records name them
	Lose       uint64 `json:"lose,omitempty"`       // exactly as many records as are not safe
	Everything bool   `json:"everything,omitempty"` // records, identity and settings too; the box then stops
}

// Check is nil: the box compares.
func (CloseSite) Check() error { return nil }

// Certificate is a certificate of erasure.
type Certificate struct {
	ID     string `json:"id"`
	Text   string `json:"text"`
	Signed []byte `json:"signed"`
}

// Paths of the site's keys.
const (
	keysPath  = "/v1/keys"
	closePath = "/v1/close"
)

// Keys asks how the site's keys stand. Errors: as Status.
func (c *Client) Keys(ctx context.Context) (k Keys, err error) {
	err = c.ask(ctx, http.MethodGet, keysPath, nil, &k)
	return k, err
}

// Unlock opens the site's keys by the operator's code, which stays the caller's to wipe. Errors: ErrKeyCode, ErrKeyWait, ErrNoKeys,
// ErrKeyRule, ErrSwap, ErrTPM; otherwise as Status.
func (c *Client) Unlock(ctx context.Context, code Secret) (Keys, error) {
	return c.keys(ctx, keysPath+"/unlock", Unlocking{Code: code})
}

// SetCode puts the keys under a new code, or makes the first; only over the unix socket, as what follows. Errors: ErrKeyForm, ErrKeyOld,
// and as Unlock.
func (c *Client) SetCode(ctx context.Context, old, code Secret) (Keys, error) {
	return c.keys(ctx, keysPath+"/code", Unlocking{Code: old, New: code})
}

// LockKeys forgets the open keys. Errors: as Status.
func (c *Client) LockKeys(ctx context.Context) (Keys, error) {
	return c.keys(ctx, keysPath+"/lock", Unlocking{})
}

// AskCentral lets central open the keys after they were locked by hand. Errors: as Status.
func (c *Client) AskCentral(ctx context.Context) (Keys, error) {
	return c.keys(ctx, keysPath+"/central", Unlocking{})
}

// RotateKeys makes a new generation. Errors: ErrLocked, ErrNoKeys, ErrNoCode; otherwise as Status.
func (c *Client) RotateKeys(ctx context.Context) (Keys, error) {
	return c.keys(ctx, keysPath+"/rotate", Unlocking{})
}

// RequestKeys asks an unlocked box of the site, by a file that anybody may carry. Errors: as Status.
func (c *Client) RequestKeys(ctx context.Context) ([]byte, error) {
	var e Exchange
	err := c.ask(ctx, http.MethodPost, keysPath+"/request", nil, &e)
	return e.File, err
}

// AnswerKeys answers another box's request with the open keys. Errors: ErrLocked, ErrNoKeys, ErrMember, ErrFileForm, ErrOtherSite,
// ErrSigner, ErrSignature; otherwise as Status.
func (c *Client) AnswerKeys(ctx context.Context, request []byte) (e Exchange, err error) {
	err = c.load(ctx, keysPath+"/answer", request, &e)
	return e, err
}

// ReceiveKeys opens the keys by another box's answer. Errors: ErrAnswer, ErrWiped, and as AnswerKeys.
func (c *Client) ReceiveKeys(ctx context.Context, answer []byte) (k Keys, err error) {
	err = c.load(ctx, keysPath+"/receive", answer, &k)
	return k, err
}

// Closing asks what closing the site would find. Errors: as Status.
func (c *Client) Closing(ctx context.Context) (p Closing, err error) {
	err = c.ask(ctx, http.MethodGet, closePath, nil, &p)
	return p, err
}

// CloseSite erases what names people on this box, for good. Errors: ErrUnsafe, ErrUnknown for another site or nobody, ErrClosing;
// otherwise as Status.
func (c *Client) CloseSite(ctx context.Context, r CloseSite) (cert Certificate, err error) {
	b, err := json.Marshal(r)
	if err != nil {
		return cert, fmt.Errorf("encoding a closing: %w", err)
	}
	err = c.ask(ctx, http.MethodPost, closePath, b, &cert)
	return cert, err
}

func (c *Client) keys(ctx context.Context, path string, u Unlocking) (k Keys, err error) {
	body := u.body()
	defer clear(body)
	err = c.ask(ctx, http.MethodPost, path, body, &k)
	return k, err
}

// body is JSON with the codes in the clear, which Marshal would not write. The caller wipes it.
func (u Unlocking) body() []byte {
	b := bytes.NewBuffer(make([]byte, 0, 4<<10)) // so that no copy stays behind
	b.WriteByte('{')
	for _, f := range []struct {
		name string
		s    Secret
	}{{"code", u.Code}, {"new", u.New}} {
		if f.s.IsZero() {
			continue
		}
		if b.Len() > 1 {
			b.WriteByte(',')
		}
		fmt.Fprintf(b, "%q:", f.name)
		quote(b, f.s.Octets())
	}
	b.WriteByte('}')
	return b.Bytes()
}

// quote writes a JSON string (RFC 8259 §7) without making a Go string of it.
func quote(w *bytes.Buffer, s []byte) {
	const hex = "0123456789abcdef"
	w.WriteByte('"')
	for _, c := range s {
		switch {
		case c == '"' || c == '\\':
			w.Write([]byte{'\\', c})
		case c < 0x20:
			w.Write([]byte{'\\', 'u', '0', '0', hex[c>>4], hex[c&15]})
		default:
			w.WriteByte(c)
		}
	}
	w.WriteByte('"')
}
