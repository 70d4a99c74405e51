// Package tpm keeps a box's keys in a TPM 2.0: a signing key, one half of a sealing key, and secrets that open by an authorisation
// value whose wrong tries the TPM itself counts.
//
// Nothing is stored inside the TPM. Keys are objects under its storage root key (TCG TPM v2.0 Provisioning Guidance §7.5.1), kept by the
// caller as a [Blob]; another TPM, or this one after TPM2_Clear, opens none of them, and [Open] tells which of both it is by the
// endorsement key. One command runs at a time; a [TPM] may be used from any goroutine. Each object is loaded for one use and put away
// again, so that a TPM without resource manager has room. A [Blob] is no secret, but with this TPM and the authorisation it is one.
package tpm

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/google/go-tpm/tpm2"
	"github.com/google/go-tpm/tpm2/transport"
	"github.com/google/go-tpm/tpm2/transport/linuxtpm"
)

// Where a TPM can be.
const (
	Auto   = "auto" // Device if it is there
	None   = "none" // use no TPM
	Device = "/dev/tpmrm0"

	prefixUnix   = "unix:"
	prefixDevice = "device:"
)

// answerTimeout bounds one command at a TPM that is reached over a socket; the kernel bounds those at a device.
const answerTimeout = 30 * time.Second

// maxAnswer is the largest response, in octets (TPM2_PT_MAX_RESPONSE_SIZE is 4096 in all known parts).
const maxAnswer = 4096

// headerLen is tag, size and code of a response, in octets; retries bounds how often a command is sent.
const (
	headerLen = 10
	retries   = 8
)

// Errors of this package.
var (
	// ErrWhere says that a setting names no TPM.
	ErrWhere = errors.New(`a TPM is "auto", "none", "device:PATH" or "unix:PATH"`)
	// ErrNone says that this machine is to use no TPM, or has none.
	ErrNone = errors.New("no TPM here")
	// ErrGone says that the TPM does not answer.
	ErrGone = errors.New("the TPM that holds this box's keys does not answer: it was taken out, switched off in the firmware, or is broken")
	// ErrCleared says that the TPM is the right one and has lost its keys.
	ErrCleared = errors.New("the TPM was cleared: the keys of this box are lost, and it must join again as another box")
	// ErrOther says that this is another TPM.
	ErrOther = errors.New("this is another TPM than the one that holds this box's keys: the disk was moved, or the board replaced")
	// ErrBlob says that an object is damaged, or was made by another TPM.
	ErrBlob = errors.New("object of the TPM is damaged, or another TPM's")
	// ErrAuth says that the authorisation value was wrong. The TPM has counted it.
	ErrAuth = errors.New("wrong authorisation value")
	// ErrLockout says that the TPM refuses every try for a while: see Lockout.
	ErrLockout = errors.New("the TPM takes no try now: too many were wrong")
)

// Print tells TPMs apart: hashes of the endorsement key, which only the maker changes, and of the storage root key, which TPM2_Clear
// changes.
type Print struct {
	Endorsement []byte `cbor:"1,keyasint"` // SHA-256, 32 octets
	Storage     []byte `cbor:"2,keyasint"`
}

// Check returns ErrBlob unless both are hashes.
func (p Print) Check() error {
	if len(p.Endorsement) != sha256.Size || len(p.Storage) != sha256.Size {
		return ErrBlob
	}
	return nil
}

// Blob is an object of a TPM as it is kept on a disk.
type Blob struct {
	Public  []byte `cbor:"1,keyasint"` // TPMT_PUBLIC
	Private []byte `cbor:"2,keyasint"` // TPM2B_PRIVATE's buffer: encrypted by the TPM for itself
}

// maxBlob bounds either part of a Blob, in octets.
const maxBlob = 1 << 10

// Check returns ErrBlob unless both parts are there and no longer than an object can be.
func (b Blob) Check() error {
	if len(b.Public) == 0 || len(b.Private) == 0 || len(b.Public) > maxBlob || len(b.Private) > maxBlob {
		return ErrBlob
	}
	return nil
}

// TPM is an open TPM.
type TPM struct {
	mu    sync.Mutex // held for one whole use of an object: a TPM does one thing at a time
	port  transport.TPMCloser
	print Print
}

// Open connects to the TPM that where names and asks who it is. ErrNone for None and "", and for Auto on a machine without Device, ErrWhere,
// ErrGone.
func Open(where string) (*TPM, error) {
	port, err := dial(where)
	if err != nil {
		return nil, err
	}
	t := &TPM{port: line{port}}
	if err := t.identify(); err != nil {
		return nil, errors.Join(err, port.Close())
	}
	return t, nil
}

func dial(where string) (transport.TPMCloser, error) {
	switch {
	case where == None || where == "":
		return nil, ErrNone
	case where == Auto:
		port, err := linuxtpm.Open(Device)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, ErrNone
		}
		return port, gone(err)
	case strings.HasPrefix(where, prefixDevice):
		port, err := linuxtpm.Open(strings.TrimPrefix(where, prefixDevice))
		return port, gone(err)
	case strings.HasPrefix(where, prefixUnix):
		return socket(strings.TrimPrefix(where, prefixUnix)), nil
	default:
		return nil, fmt.Errorf("%w: %q", ErrWhere, where)
	}
}

// Valid returns ErrWhere unless where is a setting that Open understands.
func Valid(where string) error {
	_, unix := strings.CutPrefix(where, prefixUnix)
	_, device := strings.CutPrefix(where, prefixDevice)
	if where == "" || where == Auto || where == None || unix || device {
		return nil
	}
	return fmt.Errorf("%w: %q", ErrWhere, where)
}

// line is the connection to a TPM. Its errors are ErrGone; what the TPM itself answered is none of its errors.
type line struct{ transport.TPMCloser }

// Send writes one command and reads its response. A command that the TPM could not start (TPM_RC_RETRY, before the first try at an object
// that counts tries) is sent again, as the kernel's driver does.
func (l line) Send(command []byte) (answer []byte, err error) {
	for range retries {
		if answer, err = l.TPMCloser.Send(command); err != nil {
			return nil, gone(err)
		}
		if len(answer) < headerLen || binary.BigEndian.Uint32(answer[6:]) != uint32(tpm2.TPMRCRetry) {
			break
		}
	}
	return answer, nil
}

func gone(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: %w", ErrGone, err)
}

// socket is an emulated TPM behind a unix socket: one connection a command.
type socket string

// Send writes one command and reads its response.
func (s socket) Send(command []byte) ([]byte, error) {
	c, err := net.DialTimeout("unix", string(s), answerTimeout) //nolint:noctx // the library's interface has no context
	if err != nil {
		return nil, err
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(answerTimeout)); err != nil {
		return nil, err
	}
	if _, err := c.Write(command); err != nil {
		return nil, err
	}
	b := make([]byte, maxAnswer)
	n, err := c.Read(b)
	if err != nil {
		return nil, err
	}
	return b[:n], nil
}

// Close does nothing: no connection stays open.
func (socket) Close() error { return nil }

// identify hashes the two primary keys.
func (t *TPM) identify() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	var hashes [2][]byte
	for i, of := range []struct {
		hierarchy tpm2.TPMHandle
		template  tpm2.TPMTPublic
	}{{tpm2.TPMRHEndorsement, tpm2.ECCEKTemplate}, {tpm2.TPMRHOwner, tpm2.ECCSRKTemplate}} {
		p, err := t.primary(of.hierarchy, of.template)
		if err != nil {
			return fmt.Errorf("asking the TPM who it is: %w", err)
		}
		sum := sha256.Sum256(tpm2.Marshal(p.public))
		hashes[i] = sum[:]
		t.flush(p.handle)
	}
	t.print = Print{hashes[0], hashes[1]}
	return nil
}

// Print says which TPM this is.
func (t *TPM) Print() Print { return t.print }

// Is returns nil if this is the TPM of p with its keys; ErrCleared or ErrOther otherwise.
func (t *TPM) Is(p Print) error {
	switch {
	case !bytes.Equal(p.Endorsement, t.print.Endorsement):
		return ErrOther
	case !bytes.Equal(p.Storage, t.print.Storage):
		return ErrCleared
	default:
		return nil
	}
}

// Close lets go of the TPM. Keys that were taken from it fail from then on.
func (t *TPM) Close() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.port.Close()
}

// loaded is an object inside the TPM.
type loaded struct {
	handle tpm2.TPMHandle
	name   tpm2.TPM2BName
	public tpm2.TPMTPublic
}

// primary makes a primary key anew; the same template gives the same key until the hierarchy's seed changes.
func (t *TPM) primary(hierarchy tpm2.TPMHandle, template tpm2.TPMTPublic) (loaded, error) {
	r, err := tpm2.CreatePrimary{PrimaryHandle: hierarchy, InPublic: tpm2.New2B(template)}.Execute(t.port)
	if err != nil {
		return loaded{}, err
	}
	public, err := r.OutPublic.Contents()
	if err != nil {
		t.flush(r.ObjectHandle)
		return loaded{}, fmt.Errorf("%w: %w", ErrBlob, err)
	}
	return loaded{r.ObjectHandle, r.Name, *public}, nil
}

func (t *TPM) flush(h tpm2.TPMHandle) {
	_, _ = tpm2.FlushContext{FlushHandle: h}.Execute(t.port) // a TPM that is gone holds nothing either
}

// withRoot runs f while the storage root key is loaded. It must be the one that the box began with.
func (t *TPM) withRoot(f func(root loaded) error) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.rooted(f)
}

// rooted is withRoot for one who holds mu.
func (t *TPM) rooted(f func(root loaded) error) error {
	root, err := t.primary(tpm2.TPMRHOwner, tpm2.ECCSRKTemplate)
	if err != nil {
		return err
	}
	defer t.flush(root.handle)
	if sum := sha256.Sum256(tpm2.Marshal(root.public)); !bytes.Equal(sum[:], t.print.Storage) {
		return ErrCleared
	}
	return f(root)
}

// withObject runs f while an object is loaded.
func (t *TPM) withObject(b Blob, f func(root, o loaded) error) error {
	return t.withRoot(func(root loaded) error {
		o, err := t.load(root, b)
		if err != nil {
			return err
		}
		defer t.flush(o.handle)
		return f(root, o)
	})
}

// saved is the context of an object that was loaded before (TPM 2.0 Part 1, "Context Management"): it loads again without the storage root
// key, whose making is the slowest of all. It is good until the TPM is restarted or cleared.
type saved struct {
	context tpm2.TPMSContext
	object  loaded // its handle is void
}

// withSaved runs f while an object is loaded, from kept if that still loads; kept is guarded by mu.
func (t *TPM) withSaved(b Blob, kept **saved, f func(o loaded) error) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if *kept != nil {
		if r, err := (tpm2.ContextLoad{Context: (*kept).context}).Execute(t.port); err == nil {
			o := (*kept).object
			o.handle = r.LoadedHandle
			defer t.flush(o.handle)
			return f(o)
		}
		*kept = nil
	}
	return t.rooted(func(root loaded) error {
		o, err := t.load(root, b)
		if err != nil {
			return err
		}
		defer t.flush(o.handle)
		if r, err := (tpm2.ContextSave{SaveHandle: o.handle}).Execute(t.port); err == nil { // one that cannot save is only slower
			*kept = &saved{r.Context, o}
		}
		return f(o)
	})
}

func (t *TPM) load(root loaded, b Blob) (loaded, error) {
	if err := b.Check(); err != nil {
		return loaded{}, err
	}
	public, err := tpm2.Unmarshal[tpm2.TPMTPublic](b.Public)
	if err != nil {
		return loaded{}, fmt.Errorf("%w: %w", ErrBlob, err)
	}
	r, err := tpm2.Load{
		ParentHandle: root.auth(),
		InPublic:     tpm2.New2B(*public),
		InPrivate:    tpm2.TPM2BPrivate{Buffer: b.Private},
	}.Execute(t.port)
	if errors.Is(err, tpm2.TPMRCIntegrity) || errors.Is(err, tpm2.TPMRCSize) || errors.Is(err, tpm2.TPMRCBinding) {
		return loaded{}, fmt.Errorf("%w: %w", ErrBlob, err)
	}
	if err != nil {
		return loaded{}, err
	}
	return loaded{r.ObjectHandle, r.Name, *public}, nil
}

// auth authorises by an empty value over a session that nobody on the bus can change or read.
func (l loaded) auth() tpm2.AuthHandle {
	return tpm2.AuthHandle{Handle: l.handle, Name: l.name, Auth: tpm2.PasswordAuth(nil)}
}

// create makes an object under the storage root key. What goes in is encrypted on the bus.
func (t *TPM) create(template tpm2.TPMTPublic, secret *tpm2.TPMSSensitiveCreate) (b Blob, err error) {
	err = t.withRoot(func(root loaded) error {
		c := tpm2.Create{
			ParentHandle: tpm2.AuthHandle{Handle: root.handle, Name: root.name, Auth: root.session(nil, inward)},
			InPublic:     tpm2.New2B(template),
		}
		if secret != nil {
			c.InSensitive = tpm2.TPM2BSensitiveCreate{Sensitive: secret}
		}
		r, err := c.Execute(t.port)
		if err != nil {
			return err
		}
		public, err := r.OutPublic.Contents()
		if err != nil {
			return fmt.Errorf("%w: %w", ErrBlob, err)
		}
		b = Blob{Public: tpm2.Marshal(public), Private: r.OutPrivate.Buffer}
		return nil
	})
	if err != nil {
		return Blob{}, fmt.Errorf("making an object in the TPM: %w", err)
	}
	return b, nil
}
