// Package keeper is what the local API and central's orders ask of the site's keys and of closing the site: it joins packages vault and
// closing, and puts their errors into the words of localapi.
//
// It keeps no state. A [Keeper] may be used from any goroutine; what is durable, and when, its parts say. It logs no code.
package keeper

import (
	"context"
	"errors"
	"slices"
	"time"

	"kazashi.example/appliance/closing"
	"kazashi.example/appliance/vault"
	"kazashi.example/appliance/vault/tpm"
	"kazashi.example/localapi"
	"kazashi.example/localapi/server"
	"kazashi.example/sync/canon"
	"kazashi.example/sync/erasure"
	"kazashi.example/sync/record"
	"kazashi.example/sync/sign"
	"kazashi.example/sync/sitekey"
)

// Keeper joins the parts. All but Left and Staff are required.
type Keeper struct {
	Identity *vault.Identity
	Site     *vault.Site
	Closer   *closing.Closing
	// Left is called when everything was certified as erased: the box must stop, and closing.Leave runs once all is closed.
	Left func()
	// Staff lists who may sign in, where that can be read now.
	Staff func(ctx context.Context) ([]localapi.Staff, error)
}

var _ server.Keeper = (*Keeper)(nil)

// words are vault's errors and those below it, as the local API names them.
var words = []struct{ is, word error }{
	{vault.ErrForm, localapi.ErrKeyForm},
	{vault.ErrOld, localapi.ErrKeyOld},
	{vault.ErrRule, localapi.ErrKeyRule},
	{vault.ErrNone, localapi.ErrNoKeys},
	{vault.ErrLocked, localapi.ErrLocked},
	{vault.ErrNoCode, localapi.ErrNoCode},
	{vault.ErrWiped, localapi.ErrWiped},
	{vault.ErrRequest, localapi.ErrAnswer},
	{vault.ErrElsewhere, localapi.ErrOtherSite},
	{vault.ErrBehind, localapi.ErrOlder},
	{vault.ErrSwap, localapi.ErrSwap},
	{tpm.ErrGone, localapi.ErrTPM},
	{tpm.ErrCleared, localapi.ErrTPM},
	{tpm.ErrOther, localapi.ErrTPM},
	{tpm.ErrBlob, localapi.ErrTPM},
	{sitekey.ErrMember, localapi.ErrMember},
	{sitekey.ErrPeer, localapi.ErrFileForm},
	{sitekey.ErrSite, localapi.ErrOtherSite},
	{sitekey.ErrRecipient, localapi.ErrOtherSite},
	{sign.ErrMessage, localapi.ErrFileForm},
	{sign.ErrUnknownKey, localapi.ErrSigner},
	{sign.ErrSignature, localapi.ErrSignature},
	{canon.ErrForm, localapi.ErrFileForm},
	{canon.ErrShape, localapi.ErrFileForm},
	{canon.ErrSize, localapi.ErrFileForm},
	{closing.ErrUnderWay, localapi.ErrClosing},
	{erasure.ErrCertificate, localapi.ErrUnknown},
}

// say puts an error into a word that the local API has; one that has none stays as it is.
func say(err error) error {
	var tries *vault.TryError
	if errors.As(err, &tries) {
		word := localapi.ErrKeyCode
		if errors.Is(tries.Reason, vault.ErrWait) {
			word = localapi.ErrKeyWait
		}
		return &server.TriesError{Reason: word, Left: tries.Left, Wait: tries.Wait}
	}
	var unsafe *closing.UnsafeError
	if errors.As(err, &unsafe) {
		return &server.UnsafeError{Records: unsafe.Records}
	}
	for _, w := range words {
		if errors.Is(err, w.is) {
			return w.word
		}
	}
	return err
}

// Keys says how the site's keys stand. It asks the TPM for its lockout if they are locked by a code.
func (k *Keeper) Keys(context.Context) (localapi.Keys, error) {
	st := k.Site.State()
	a := localapi.Keys{
		State: localapi.KeyState(st.Phase), By: string(st.By), TPM: k.Identity.Weakness() == "", CodeSet: st.Stored == vault.ByCode,
		Tries: st.Left, Wait: int((st.Wait + time.Second - 1) / time.Second), CodeWanted: st.CodeWanted, Generations: st.Generations,
	}
	if st.Trouble != nil {
		a.Trouble = localapi.ErrTPM.Error()
	}
	return a, nil
}

// Unlock opens them by the operator's code.
func (k *Keeper) Unlock(ctx context.Context, code localapi.Secret) error {
	return say(k.Site.Unlock(ctx, code.Octets()))
}

// SetCode puts them under a new code.
func (k *Keeper) SetCode(ctx context.Context, old, code localapi.Secret) error {
	return say(k.Site.SetCode(ctx, old.Octets(), code.Octets()))
}

// LockKeys forgets them.
func (k *Keeper) LockKeys(ctx context.Context) error { return say(k.Site.Lock(ctx)) }

// AskCentral lets central open them after LockKeys.
func (k *Keeper) AskCentral(context.Context) error {
	k.Site.Ask()
	return nil
}

// RotateKeys makes a new generation.
func (k *Keeper) RotateKeys(ctx context.Context) error { return say(k.Site.Rotate(ctx)) }

// RequestKeys is a file that asks an unlocked box of the site.
func (k *Keeper) RequestKeys(context.Context) (localapi.Exchange, error) {
	file, err := k.Site.Request()
	return localapi.Exchange{File: file}, say(err)
}

// AnswerKeys answers another box's request.
func (k *Keeper) AnswerKeys(ctx context.Context, request []byte) (localapi.Exchange, error) {
	file, box, err := k.Site.Answer(ctx, request)
	if err != nil {
		return localapi.Exchange{}, say(err)
	}
	return localapi.Exchange{File: file, Box: box.String()}, nil
}

// ReceiveKeys opens the keys by another box's answer.
func (k *Keeper) ReceiveKeys(ctx context.Context, answer []byte) error {
	return say(k.Site.Receive(ctx, answer))
}

// Closing says what closing the site would find.
func (k *Keeper) Closing(ctx context.Context) (localapi.Closing, error) {
	unsafe, items, err := k.Closer.Look(ctx)
	p := localapi.Closing{Site: string(k.Site.Site), Unsafe: unsafe}
	for _, it := range items {
		p.Items = append(p.Items, localapi.Erased{What: it.What, Count: it.Count})
	}
	return p, say(err)
}

// CloseSite erases what names people here. ErrUnknown unless r names this site and a member of staff; where nobody can look, because the
// book is locked or lists no staff, the certificate says so.
func (k *Keeper) CloseSite(ctx context.Context, r localapi.CloseSite) (localapi.Certificate, error) {
	if r.Site != string(k.Site.Site) || r.By == erasure.ByOrder || record.CheckName(record.DeskID(r.By)) != nil {
		return localapi.Certificate{}, localapi.ErrUnknown
	}
	known, verified := k.member(ctx, r.By)
	if verified && !known {
		return localapi.Certificate{}, localapi.ErrUnknown
	}
	d, err := k.Closer.Close(ctx, closing.Request{By: r.By, Unverified: !verified, Lose: r.Lose, Everything: r.Everything})
	if err != nil {
		return localapi.Certificate{}, say(err)
	}
	k.left(d)
	return localapi.Certificate{ID: d.Certificate.ID.String(), Text: d.Text, Signed: d.Message}, nil
}

// member reports whether somebody is of the staff, and whether that could be looked up.
func (k *Keeper) member(ctx context.Context, id string) (known, verified bool) {
	if k.Staff == nil {
		return false, false
	}
	all, err := k.Staff(ctx)
	if err != nil || len(all) == 0 {
		return false, false
	}
	return slices.ContainsFunc(all, func(s localapi.Staff) bool { return s.ID == id }), true
}

func (k *Keeper) left(d closing.Done) {
	if d.Certificate.Everything && k.Left != nil {
		k.Left()
	}
}

// Wipe does central's order to erase, and returns the signed certificate. A closing that is under way is finished first.
func (k *Keeper) Wipe(ctx context.Context, order record.ID128) ([]byte, error) {
	before, _, berr := k.Closer.Resume(ctx)
	d, err := k.Closer.Close(ctx, closing.Request{Order: order})
	if err != nil {
		k.left(before)
		return nil, errors.Join(err, berr)
	}
	return d.Message, nil
}
