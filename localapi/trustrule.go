package localapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"kazashi.example/sync/record"
)

// MaxSigned caps a file of a trust bundle or of rules, in octets (trust.MaxBundle).
const MaxSigned = 1 << 20

// Why a box does not take a trust bundle, or rules, from a file; or does not go back to the bundle before.
var (
	// ErrFileForm says that a file is no such thing, or contradicts itself.
	ErrFileForm = errors.New("file is not what it should be, or damaged")
	// ErrRoot says that a bundle's root keys do not follow from those believed here.
	ErrRoot = errors.New("bundle's root keys do not follow from those believed here")
	// ErrThreshold says that too few root keys signed a bundle.
	ErrThreshold = errors.New("too few root keys signed the bundle")
	// ErrSigner says that rules are signed by a key that the bundle does not name for that.
	ErrSigner = errors.New("signed by a key that may not sign this here")
	// ErrSignature says that a signature does not verify, or was made for another purpose.
	ErrSignature = errors.New("signature does not verify")
	// ErrRollback says that a bundle is older than one that was in force here.
	ErrRollback = errors.New("bundle is older than one that was in force here")
	// ErrOlder says that a file is not newer than what is held.
	ErrOlder = errors.New("file is not newer than what is held")
	// ErrExpired says that a bundle's time is over.
	ErrExpired = errors.New("bundle has expired")
	// ErrOtherSite says that rules are another site's.
	ErrOtherSite = errors.New("rules are another site's")
	// ErrBasis says that a rule contradicts its legal basis.
	ErrBasis = errors.New("rule contradicts its legal basis")
	// ErrApproval says that a rule needs a legal approval which the bundle in force does not carry.
	ErrApproval = errors.New("rule needs a legal approval that the bundle does not carry")
	// ErrNoPrevious says that there is no bundle to go back to.
	ErrNoPrevious = errors.New("no usable bundle from before is kept here")
	// ErrReverted says that the box is back at the bundle before already.
	ErrReverted = errors.New("box is back at the bundle before already")
	// ErrRootReplaced says that the bundle before was signed by root keys that have been replaced.
	ErrRootReplaced = errors.New("bundle before was signed by root keys that have been replaced")
)

// Trust is the trust bundle in force.
type Trust struct {
	Bundle   []byte `json:"bundle"`             // travelling form, signed
	Held     uint64 `json:"held"`               // highest number that was ever in force: only what is above it is taken
	Previous uint64 `json:"previous,omitempty"` // number of the bundle to which the box could go back; 0: none
	Reverted bool   `json:"reverted"`           // the box went back to this one from number Held
}

// Rules are the rules held.
type Rules struct {
	Signed     []byte             `json:"signed"`       // as central signed them; empty: none, and every tap is refused
	OutOfForce []record.ServiceID `json:"out_of_force"` // services whose legal approval is over
}

const (
	trustPath  = "/v1/trust"
	revertPath = "/v1/trust/revert"
	rulesPath  = "/v1/rules"
	mediaCBOR  = "application/cbor" // RFC 8949 §9.5
)

// Trust asks for the bundle in force. Errors: as Status.
func (c *Client) Trust(ctx context.Context) (t Trust, err error) {
	err = c.ask(ctx, http.MethodGet, trustPath, nil, &t)
	return t, err
}

// LoadTrust hands in a bundle; only over the unix socket. Errors: ErrFileForm, ErrRoot, ErrThreshold, ErrSignature, ErrRollback, ErrOlder,
// ErrExpired; otherwise as Status.
func (c *Client) LoadTrust(ctx context.Context, file []byte) (t Trust, err error) {
	err = c.load(ctx, trustPath, file, &t)
	return t, err
}

// RevertTrust goes back to the bundle before, until one newer than both comes; only over the unix socket. Errors: ErrNoPrevious,
// ErrReverted, ErrRootReplaced, ErrExpired; otherwise as Status.
func (c *Client) RevertTrust(ctx context.Context) (t Trust, err error) {
	err = c.ask(ctx, http.MethodPost, revertPath, nil, &t)
	return t, err
}

// Rules asks for the rules held. Errors: as Status.
func (c *Client) Rules(ctx context.Context) (r Rules, err error) {
	err = c.ask(ctx, http.MethodGet, rulesPath, nil, &r)
	return r, err
}

// LoadRules hands in rules; only over the unix socket. Errors: ErrFileForm, ErrSigner, ErrSignature, ErrOlder, ErrOtherSite, ErrBasis,
// ErrApproval; otherwise as Status.
func (c *Client) LoadRules(ctx context.Context, file []byte) (r Rules, err error) {
	err = c.load(ctx, rulesPath, file, &r)
	return r, err
}

func (c *Client) load(ctx context.Context, path string, file []byte, v any) error {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	answer, err := c.send(ctx, http.MethodPut, path, mediaCBOR, bytes.NewReader(file), "application/json")
	if err != nil {
		return err
	}
	defer answer.Close()
	if err := json.NewDecoder(io.LimitReader(answer, maxAnswer)).Decode(v); err != nil {
		return fmt.Errorf("decoding %s: %w", path, ErrNotABox)
	}
	return nil
}
