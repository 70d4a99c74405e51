package box

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"kazashi.example/appliance/config"
	"kazashi.example/appliance/desired"
	"kazashi.example/appliance/vault"
	"kazashi.example/sync/canon"
	"kazashi.example/sync/courier"
	"kazashi.example/sync/durable"
	"kazashi.example/sync/trust"
	"kazashi.example/sync/wire"
)

// Errors of joining by stick.
var (
	// ErrNotAsked says that no request to join is under way.
	ErrNotAsked = errors.New("this box has not asked to join by stick; run `kazashi join --courier DIR CODE` first")
	// ErrNoAnswer says that central has not answered on this stick yet.
	ErrNoAnswer = errors.New("no answer of central's to this box is on the stick; import it there with `kazashi-central courier import`, and bring it back")
)

// FilePending is, in the data directory, the request to join by stick that is not answered, with the code's secret. It is removed when the box
// has joined.
const FilePending = "join.pending"

// maxPending caps it, in octets.
const maxPending = wire.MaxJoin + 1<<10

// pending is a request to join that went out.
type pending struct {
	Version uint8             `cbor:"1,keyasint"`
	Secret  []byte            `cbor:"2,keyasint"`
	Root    trust.Fingerprint `cbor:"3,keyasint"`
	Request wire.JoinRequest  `cbor:"4,keyasint"`
}

// code is the join code of the request.
func (p pending) code() wire.JoinCode {
	return wire.JoinCode{Secret: [16]byte(p.Secret), Root: p.Root}
}

// JoinByStick takes a place at a site with a one-time code and no line, in two steps: the first call puts this box's public keys on the stick,
// proved with the code, and reports that it has not joined; the second one, after central answered on that stick, completes it. Either step may be
// repeated after a crash, and a later code takes the place of an earlier one. Errors: ErrInUse, wire.ErrProof, those of package courier and of the
// parts; the place from before stays then.
func JoinByStick(ctx context.Context, conf config.Config, folder string, code wire.JoinCode, release string) (_ desired.Place, joined bool, err error) {
	a, err := newApplicant(ctx, conf)
	if err != nil {
		return desired.Place{}, false, err
	}
	defer func() { err = errors.Join(err, a.close()) }()
	if a.asked != nil && a.asked.code() == code {
		switch place, err := a.answered(folder); {
		case err == nil:
			return place, true, nil
		case !errors.Is(err, ErrNoAnswer) && !errors.Is(err, courier.ErrNotStick):
			return desired.Place{}, false, err
		}
	}
	return desired.Place{}, false, a.ask(folder, code, release)
}

// TakeAnswer completes a join by stick with the answer that is on one. ErrNotAsked, ErrNoAnswer, courier.ErrNotStick; otherwise as JoinByStick.
func TakeAnswer(ctx context.Context, conf config.Config, folder string) (_ desired.Place, err error) {
	a, err := newApplicant(ctx, conf)
	if err != nil {
		return desired.Place{}, err
	}
	defer func() { err = errors.Join(err, a.close()) }()
	if a.asked == nil {
		return desired.Place{}, ErrNotAsked
	}
	return a.answered(folder)
}

// Asked reports whether a request to join by stick is under way in a data directory.
func Asked(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, FilePending))
	return err == nil
}

// applicant is a box that asks for a place. It holds the data directory.
type applicant struct {
	dir   string
	held  *lock
	id    *vault.Identity
	asked *pending // nil: no request is under way
}

func newApplicant(ctx context.Context, conf config.Config) (_ *applicant, err error) {
	a := &applicant{dir: conf.DataDir}
	if a.held, err = hold(ctx, conf.DataDir); err != nil {
		return nil, err
	}
	if a.id, err = vault.Open(conf.DataDir, vault.Options{TPM: conf.TPM}); err == nil {
		a.asked, err = a.recall()
	}
	if err != nil {
		return nil, errors.Join(err, a.close())
	}
	return a, nil
}

func (a *applicant) close() error {
	var err error
	if a.id != nil {
		err = a.id.Close()
	}
	return errors.Join(err, a.held.free())
}

func (a *applicant) path() string { return filepath.Join(a.dir, FilePending) }

// recall reads the request that is under way. One that is damaged, or another identity's, is none: the next call asks anew.
func (a *applicant) recall() (*pending, error) {
	if err := durable.RemoveLeft(a.path()); err != nil {
		return nil, fmt.Errorf("clearing up a request to join: %w", err)
	}
	b, err := os.ReadFile(a.path())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil //nolint:nilnil // none
	}
	if err != nil {
		return nil, fmt.Errorf("reading the request to join: %w", err)
	}
	var p pending
	if canon.Decode(b, &p, maxPending) != nil || p.Version != 1 || len(p.Secret) != len(wire.JoinCode{}.Secret) || p.Request.Box != a.id.Box {
		return nil, nil //nolint:nilnil,nilerr // as good as none
	}
	return &p, nil
}

// ask puts the request on the stick. It is durable here first, so that no answer comes to a box that has forgotten what it asked. An answer to
// another request goes.
func (a *applicant) ask(folder string, code wire.JoinCode, release string) (err error) {
	device, err := a.id.Public()
	if err != nil {
		return err
	}
	if a.asked == nil || a.asked.code() != code {
		request, err := wire.JoinRequest{
			Box: a.id.Box, Device: device.DER(), Sealing: a.id.Sealing.Public().Bytes(), Release: release,
		}.Prove(code)
		if err != nil {
			return err
		}
		a.asked = &pending{Version: 1, Secret: code.Secret[:], Root: code.Root, Request: request}
		b, err := canon.Encode(*a.asked)
		if err != nil {
			return err
		}
		if err := durable.WriteFile(a.path(), b, 0o600); err != nil {
			return err
		}
	}
	stick, err := courier.Make(folder)
	if err != nil {
		return fmt.Errorf("opening the stick: %w", err)
	}
	defer func() { err = errors.Join(err, stick.Close()) }()
	w, err := stick.Writer(courier.Config{Kind: courier.Joining, Box: a.id.Box})
	if err != nil {
		return err
	}
	if err := w.JoinRequest(a.asked.Request); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	return stick.Remove(courier.Name{Kind: courier.Joined, Box: a.id.Box})
}

// answered reads the answer on a stick and takes the place. A crash after the place became durable leaves the request, which then completes
// the same once more.
func (a *applicant) answered(folder string) (desired.Place, error) {
	answer, err := a.read(folder)
	if err != nil {
		return desired.Place{}, fmt.Errorf("joining by stick: %w", err)
	}
	code := a.asked.code()
	if err := answer.Verify(code, a.asked.Request); err != nil {
		return desired.Place{}, fmt.Errorf("joining by stick: %w", err)
	}
	place := desired.Place{Box: a.id.Box, Site: answer.Site, Name: answer.Name, Root: code.Root, Replaces: answer.Replaces}
	if err := desired.Create(a.dir, place, answer.Bundle); err != nil {
		return desired.Place{}, err
	}
	return place, forgetRequest(a.dir)
}

// forgetRequest removes the request that is answered, or overtaken by a join over the line, and with it the code's secret.
func forgetRequest(dir string) error {
	err := os.Remove(filepath.Join(dir, FilePending))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("removing the request to join by stick: %w", err)
	}
	return durable.SyncDir(dir)
}

func (a *applicant) read(folder string) (answer wire.JoinAnswer, err error) {
	stick, err := courier.Find(folder)
	if err != nil {
		return answer, err
	}
	defer func() { err = errors.Join(err, stick.Close()) }()
	p, err := stick.Open(courier.Name{Kind: courier.Joined, Box: a.id.Box})
	if errors.Is(err, fs.ErrNotExist) {
		return answer, ErrNoAnswer
	}
	if err != nil {
		return answer, err
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	if err := p.Unseal(a.id.Sealing); err != nil {
		return answer, err
	}
	for part, err := range p.Parts() {
		if err != nil {
			return answer, err
		}
		return part.JoinAnswer()
	}
	return answer, ErrNoAnswer
}
