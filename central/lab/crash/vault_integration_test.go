//go:build integration

package crash_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"kazashi.example/appliance/closing"
	"kazashi.example/appliance/vault"
	"kazashi.example/appliance/vault/tpm"
	"kazashi.example/central/lab/crash"
	"kazashi.example/sync/erasure"
	"kazashi.example/sync/record"
	"kazashi.example/sync/rule"
	"kazashi.example/sync/seal"
	"kazashi.example/sync/sign"
	"kazashi.example/sync/sitekey"
)

// Codes of a made-up operator.
var (
	oldCode = []byte("the code before")
	newCode = []byte("the code after")
)

func init() {
	children["keys made"] = onKeys(rule.UnlockCode, func(ctx context.Context, s *vault.Site) error { return s.Create(ctx, newCode) })
	children["code changed"] = onKeys(rule.UnlockCode, func(ctx context.Context, s *vault.Site) error { return s.SetCode(ctx, oldCode, newCode) })
	children["keys rotated"] = onKeys(rule.UnlockFile, func(ctx context.Context, s *vault.Site) error { return s.Rotate(ctx) })
	children["keys retired"] = onKeys(rule.UnlockFile, func(ctx context.Context, s *vault.Site) error {
		return s.Retire(ctx, func(sitekey.Generation) bool { return false })
	})
	children["keys locked"] = onKeys(rule.UnlockFile, func(ctx context.Context, s *vault.Site) error {
		return s.LockBy(ctx, vault.HeldByOrder)
	})
	children["keys wiped"] = onKeys(rule.UnlockFile, func(ctx context.Context, s *vault.Site) error {
		_, err := s.Wipe(ctx)
		return err
	})
	children["wrong code"] = onKeys(rule.UnlockCode, func(ctx context.Context, s *vault.Site) error {
		if err := s.Unlock(ctx, newCode); !errors.Is(err, vault.ErrCode) {
			return fmt.Errorf("unlocking by a wrong code: %w", err)
		}
		return nil
	})
	children["site closed"] = func(dir string) error {
		id, s, err := keep(dir, rule.UnlockFile)
		if err != nil {
			return err
		}
		_, err = closer(dir, id, s).Close(context.Background(), closing.Request{By: "s-01"})
		if err == nil {
			fmt.Println("done")
		}
		return err
	}
}

// onKeys is a box that does one thing to its site keys and says when it is done.
func onKeys(way rule.Unlock, do func(context.Context, *vault.Site) error) func(dir string) error {
	return func(dir string) error {
		_, s, err := keep(dir, way)
		if err == nil {
			err = do(context.Background(), s)
		}
		if err == nil {
			fmt.Println("done")
		}
		return err
	}
}

// keep opens the keys of a box without a TPM. Its own sealing and device keys stand for central's.
func keep(dir string, way rule.Unlock) (*vault.Identity, *vault.Site, error) {
	id, err := vault.Open(dir, vault.Options{TPM: tpm.None})
	if err != nil {
		return nil, nil, err
	}
	device, err := id.Public()
	if err != nil {
		return nil, nil, err
	}
	s, err := vault.OpenSite(context.Background(), vault.SiteConfig{
		Dir: dir, Identity: id, Site: "practice-branch", Central: func() (seal.PublicKey, error) { return id.Sealing.Public(), nil },
		Rule: func() rule.Unlock { return way }, Keys: func() sign.Keys { return sign.One{Key: device} }, AllowSwap: true,
		Log: slog.New(slog.DiscardHandler),
	})
	return id, s, err
}

// grantTo signs the open keys of a box over to it again, as central does.
func grantTo(id *vault.Identity, r sitekey.Ring, n uint64) ([]byte, error) {
	keys, err := sitekey.WrapAll(id.Sealing.Public(), "practice-branch", r)
	if err != nil {
		return nil, err
	}
	current, _, _ := r.Current()
	return sitekey.Grant{
		Version: rule.Version{CentralEpoch: 1, N: n}, Site: "practice-branch", Box: id.Box, Keys: keys, Current: current,
	}.Sign(id.Device)
}

// fileGrant is a grant of the keys before, kept where a check finds it; no box would keep it.
const fileGrant = "grant.test"

// withKeys puts a box with keys into a folder: two generations, both named by central.
func withKeys(way rule.Unlock) func(dir string) error {
	return func(dir string) error {
		ctx := context.Background()
		id, s, err := keep(dir, way)
		if err != nil {
			return err
		}
		if err := errors.Join(s.Create(ctx, oldCode), s.Rotate(ctx)); err != nil {
			return err
		}
		r, err := s.Ring()
		if err != nil {
			return err
		}
		g, err := grantTo(id, r, 1)
		if err != nil {
			return err
		}
		book := os.WriteFile(filepath.Join(dir, "sitebook.db"), []byte("made-up people"), 0o600)
		return errors.Join(s.Take(ctx, g), os.WriteFile(filepath.Join(dir, fileGrant), g, 0o600), book)
	}
}

// withKeyToRetire is withKeys after a grant that leaves the first generation out.
func withKeyToRetire(dir string) error {
	if err := withKeys(rule.UnlockFile)(dir); err != nil {
		return err
	}
	id, s, err := keep(dir, rule.UnlockFile)
	if err != nil {
		return err
	}
	r, err := s.Ring()
	if err != nil {
		return err
	}
	g, err := grantTo(id, r.Without(r.Generations()[0]), 2)
	if err != nil {
		return err
	}
	return s.Take(context.Background(), g)
}

func withIdentity(dir string) error {
	_, _, err := keep(dir, rule.UnlockCode)
	return err
}

// openBy opens what is left by the codes, one after the other. What is said to be done leaves the new code alone. A file that was found
// damaged is a fault: nothing that is interrupted damages one.
func openBy(s crash.State, way rule.Unlock, codes ...[]byte) (*vault.Identity, *vault.Site, error) {
	id, v, err := keep(s.Dir, way)
	if err != nil {
		return nil, nil, err
	}
	if _, err := os.Stat(filepath.Join(s.Dir, "site-ring.damaged")); !errors.Is(err, fs.ErrNotExist) {
		return nil, nil, errors.Join(errors.New("a damaged file was left"), err)
	}
	for _, code := range codes {
		if err = v.Unlock(context.Background(), code); err == nil {
			break
		}
	}
	return id, v, err
}

// once has a check judge states of which the files of keys are the same once, because stretching a code takes a fifth of a second. Each
// is opened all the same. A thorough run judges each.
func once(check func(crash.State) error) func(crash.State) error {
	if thorough() {
		return check
	}
	var mu sync.Mutex // guards verdicts, and lets one code at a time be stretched
	verdicts := map[string]error{}
	return func(s crash.State) error {
		if _, _, err := openBy(s, rule.UnlockCode); err != nil {
			return err
		}
		var lying strings.Builder
		fmt.Fprint(&lying, isDone(s))
		for _, name := range []string{"site-ring.cbor", "code-tries.cbor"} {
			b, err := os.ReadFile(filepath.Join(s.Dir, name))
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
			fmt.Fprintf(&lying, " %t %x", err == nil, b)
		}
		mu.Lock()
		defer mu.Unlock()
		err, known := verdicts[lying.String()]
		if !known {
			err = check(s)
			verdicts[lying.String()] = err
		}
		return err
	}
}

func isDone(s crash.State) bool { return slices.Contains(s.Said, "done") }

// keysMade: no key, or one that opens, and that central can open as well.
func keysMade(s crash.State) error {
	id, v, err := openBy(s, rule.UnlockCode, newCode)
	if errors.Is(err, vault.ErrNone) && !isDone(s) {
		return v.Create(context.Background(), newCode) // and it goes on from there
	}
	if err != nil {
		return err
	}
	r, err := v.Ring()
	if err != nil || r.Len() != 1 {
		return errors.Join(fmt.Errorf("%d generations, want 1", r.Len()), err)
	}
	made, err := sitekey.UnwrapAll(id.Sealing, "practice-branch", v.Made())
	if err != nil || !made.Equal(r) {
		return errors.Join(fmt.Errorf("central can open %d generations, want the same", made.Len()), err)
	}
	return nil
}

// codeChanged: the old code or the new one, never neither, and the new one when that was said.
func codeChanged(s crash.State) error {
	codes := [][]byte{oldCode, newCode}
	if isDone(s) {
		codes = codes[1:]
	}
	_, v, err := openBy(s, rule.UnlockCode, codes...)
	if err != nil {
		return err
	}
	return has(v, 2)
}

// wrongCounted: what was told to be wrong is counted, whatever becomes of the power then.
func wrongCounted(s crash.State) error {
	_, v, err := openBy(s, rule.UnlockCode)
	if err != nil {
		return err
	}
	if left := v.State().Left; left != 4 && (left != 5 || isDone(s)) {
		return fmt.Errorf("%d codes would be taken, want 4, or 5 if nothing was told", left)
	}
	return nil
}

func has(v *vault.Site, lengths ...int) error {
	r, err := v.Ring()
	if err != nil || !slices.Contains(lengths, r.Len()) {
		return errors.Join(fmt.Errorf("%d generations, want one of %v", r.Len(), lengths), err)
	}
	return nil
}

// keysRotated: what was there, and with it the new one wrapped for central too, or not.
func keysRotated(s crash.State) error {
	_, v, err := openBy(s, rule.UnlockFile)
	if err != nil {
		return err
	}
	lengths := []int{3}
	if !isDone(s) {
		lengths = []int{2, 3}
	}
	r, _ := v.Ring()
	if made := v.Made(); r.Len() == 3 && (len(made) != 1 || made[0].Generation != r.Generations()[2]) || r.Len() == 2 && len(made) != 0 {
		return fmt.Errorf("%d generations, of which %d are for central", r.Len(), len(made))
	}
	return has(v, lengths...)
}

// keysRetired: both, or the current one.
func keysRetired(s crash.State) error {
	_, v, err := openBy(s, rule.UnlockFile)
	if err != nil {
		return err
	}
	if isDone(s) {
		return has(v, 1)
	}
	return has(v, 1, 2)
}

// keysLocked: open as before, or locked over every start; what central gave before opens nothing then.
func keysLocked(s crash.State) error {
	_, v, err := keep(s.Dir, rule.UnlockFile)
	if err != nil {
		return err
	}
	if v.State().Held == vault.HeldNot && !isDone(s) {
		return has(v, 2)
	}
	g, err := os.ReadFile(filepath.Join(s.Dir, fileGrant))
	if err != nil {
		return err
	}
	if err := errors.Join(v.Review(context.Background()), v.Take(context.Background(), g)); err != nil {
		return err
	}
	if _, err := v.Ring(); !errors.Is(err, vault.ErrLocked) {
		return fmt.Errorf("after a lock: %w", err)
	}
	return nil
}

// keysWiped: all keys, or none and none that comes back.
func keysWiped(s crash.State) error {
	_, v, err := keep(s.Dir, rule.UnlockFile)
	if err != nil {
		return err
	}
	if _, err := v.Ring(); err == nil && !isDone(s) {
		if _, err := v.Wipe(context.Background()); err != nil { // and it goes on from there
			return err
		}
	}
	return wiped(s.Dir, v)
}

func wiped(dir string, v *vault.Site) error {
	if _, err := v.Ring(); !errors.Is(err, vault.ErrNone) {
		return fmt.Errorf("after a wipe: %w", err)
	}
	g, err := os.ReadFile(filepath.Join(dir, fileGrant))
	if err != nil {
		return err
	}
	if err := v.Take(context.Background(), g); !errors.Is(err, vault.ErrWiped) {
		return fmt.Errorf("a key that was wiped came back: %w", err)
	}
	return nil
}

func closer(dir string, id *vault.Identity, s *vault.Site) *closing.Closing {
	book := filepath.Join(dir, "sitebook.db")
	return closing.New(closing.Config{
		Dir: dir, Box: id.Box, Site: "practice-branch", Device: id.Device, Keys: s.Generations,
		Records: func(context.Context) (uint64, error) { return 0, nil },
		Parts: []closing.Part{
			{
				Count: func(context.Context) ([]erasure.Item, error) {
					return []erasure.Item{{What: "site-keys", Count: uint64(len(s.Generations()))}}, nil
				},
				Erase: func(ctx context.Context) error { _, err := s.Wipe(ctx); return err },
			},
			{
				Count: func(context.Context) ([]erasure.Item, error) {
					b, err := os.ReadFile(book)
					return []erasure.Item{{What: "site-book", Count: uint64(len(b))}}, err
				},
				Erase: func(context.Context) error {
					if err := os.Remove(book); err != nil && !errors.Is(err, fs.ErrNotExist) {
						return err
					}
					return nil
				},
			},
		},
		Now: func() (time.Time, record.Confidence) { return time.Unix(1_795_000_000, 0), record.ConfidenceChecked },
		Log: slog.New(slog.DiscardHandler),
	})
}

// siteClosed: nothing was begun, or the next start finishes it, and the one certificate says what was there.
func siteClosed(s crash.State) error {
	id, v, err := keep(s.Dir, rule.UnlockFile)
	if err != nil {
		return err
	}
	d, found, err := closer(s.Dir, id, v).Resume(context.Background())
	if err != nil {
		return err
	}
	book, berr := os.ReadFile(filepath.Join(s.Dir, "sitebook.db"))
	certificates, err := filepath.Glob(filepath.Join(s.Dir, "erasure-*.cbor"))
	if err != nil {
		return err
	}
	if _, err := v.Ring(); err == nil && len(book) > 0 && !found && !isDone(s) {
		return nil
	}
	if !errors.Is(berr, fs.ErrNotExist) && !s.Power || len(certificates) != 1 {
		return fmt.Errorf("%d certificates, the book: %w", len(certificates), berr)
	}
	msg, err := os.ReadFile(certificates[0])
	if err != nil {
		return err
	}
	device, err := id.Public()
	if err != nil {
		return err
	}
	c, err := erasure.Open(sign.One{Key: device}, msg)
	if err != nil || len(c.Items) != 2 || c.Items[0].Count != 2 || c.Items[1].Count != 14 || found && string(d.Message) != string(msg) {
		return errors.Join(fmt.Errorf("the certificate says %v", c.Items), err)
	}
	if err := readable(certificates[0], c, msg, device); err != nil {
		return err
	}
	return wiped(s.Dir, v)
}

// readable demands the forms of a certificate for people and programs beside it.
func readable(path string, c erasure.Certificate, msg []byte, device sign.PublicKey) error {
	asJSON, err := c.JSON(msg)
	if err != nil {
		return err
	}
	base := strings.TrimSuffix(path, ".cbor")
	for tail, want := range map[string]string{".json": string(asJSON), ".txt": c.Text(device.ID())} {
		if b, err := os.ReadFile(base + tail); err != nil || string(b) != want {
			return errors.Join(fmt.Errorf("the certificate's %s is %d octets, want %d", tail, len(b), len(want)), err)
		}
	}
	return nil
}

// P3: killed or cut off at any point, the keys open by the old or the new way, never by neither; what is erased stays so.
func TestSiteKeysAreWhole(t *testing.T) {
	t.Parallel()
	for _, s := range []crash.Scenario{
		{Name: "keys made", Before: withIdentity, Check: once(keysMade)},
		{Name: "wrong code", Before: withKeys(rule.UnlockCode), Check: wrongCounted},
		{
			Name: "code changed", Before: withKeys(rule.UnlockCode), Check: once(codeChanged),
			Superfluous: map[string]string{"fsync dir .": "a wrong code is counted by it; that a right one ended the count may be lost"},
		},
		{Name: "keys rotated", Before: withKeys(rule.UnlockFile), Check: keysRotated},
		{Name: "keys retired", Before: withKeyToRetire, Check: keysRetired},
		{Name: "keys locked", Before: withKeys(rule.UnlockFile), Check: keysLocked},
		{Name: "keys wiped", Before: withKeys(rule.UnlockFile), Check: keysWiped},
		{
			Name: "site closed", Before: withKeys(rule.UnlockFile), Check: siteClosed,
			Superfluous: map[string]string{"fsync dir .": "while the plan of the closing lies there the next start does again what was lost"},
		},
	} {
		s.Child = again(s.Name)
		matrices(t, s)
	}
}
