package closing_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"kazashi.example/appliance/closing"
	"kazashi.example/appliance/vault"
	"kazashi.example/appliance/vault/tpm"
	"kazashi.example/sync/erasure"
	"kazashi.example/sync/record"
	"kazashi.example/sync/rule"
	"kazashi.example/sync/seal"
	"kazashi.example/sync/sign"
)

const site = record.SiteID("practice-shelter")

var errPulled = errors.New("the plug was pulled")

// shelter is a box with real site keys, and a file of made-up people for each other part.
type shelter struct {
	*closing.Closing
	t      *testing.T
	dir    string
	id     *vault.Identity
	keys   *vault.Site
	unsafe uint64
	pull   string // the part before which the plug is pulled
	dead   bool   // it was pulled
	halted int    // how often taps were halted, less how often they went on
	taps   uint64 // what is tapped as soon as anything is erased
	now    time.Time
}

func open(t *testing.T) *shelter {
	t.Helper()
	s := &shelter{t: t, dir: t.TempDir(), now: time.UnixMilli(1_795_000_000_000)}
	s.start()
	if err := errors.Join(s.keys.Create(t.Context(), nil), s.keys.Rotate(t.Context())); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"roster", "sitebook.db", "journal.db", "kazashi.lock"} {
		if err := os.WriteFile(filepath.Join(s.dir, name), []byte("made-up people"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// start is a start of the box on its folder.
func (s *shelter) start() {
	s.t.Helper()
	central, err := seal.GenerateKey()
	if err != nil {
		s.t.Fatal(err)
	}
	if s.id, err = vault.Open(s.dir, vault.Options{TPM: tpm.None}); err != nil {
		s.t.Fatal(err)
	}
	s.keys, err = vault.OpenSite(s.t.Context(), vault.SiteConfig{
		Dir: s.dir, Identity: s.id, Site: site, Central: func() (seal.PublicKey, error) { return central.Public(), nil },
		Rule: func() rule.Unlock { return rule.UnlockFile }, Keys: func() sign.Keys { return sign.One{} }, AllowSwap: true,
		Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		s.t.Fatal(err)
	}
	s.Closing = closing.New(closing.Config{
		Dir: s.dir, Box: s.id.Box, Site: site, Device: s.id.Device, Keys: s.keys.Generations,
		Records: func(context.Context) (uint64, error) { return s.unsafe, nil },
		Parts:   []closing.Part{s.siteKeys(), s.file("roster"), s.file("sitebook.db")},
		Now:     func() (time.Time, record.Confidence) { return s.now, record.ConfidenceChecked },
		Log:     slog.New(slog.DiscardHandler),
		Halt: func() func() {
			s.halted++
			return func() { s.halted-- }
		},
	})
	s.dead = false
}

// erasing is what happens when a part is about to be erased.
func (s *shelter) erasing(part string) error {
	if s.dead = s.dead || s.pull == part; s.dead {
		return errPulled
	}
	if s.halted == 0 {
		s.unsafe += s.taps
	}
	return nil
}

func (s *shelter) siteKeys() closing.Part {
	return closing.Part{
		Count: func(context.Context) ([]erasure.Item, error) {
			return []erasure.Item{{What: "site-keys", Count: uint64(len(s.keys.Generations()))}}, nil
		},
		Erase: func(ctx context.Context) error {
			if err := s.erasing("site-keys"); err != nil {
				return err
			}
			_, err := s.keys.Wipe(ctx)
			return err
		},
	}
}

func (s *shelter) file(name string) closing.Part {
	path := filepath.Join(s.dir, name)
	return closing.Part{
		What: strings.ReplaceAll(name, ".", "_"),
		Count: func(context.Context) ([]erasure.Item, error) {
			b, err := os.ReadFile(path)
			if errors.Is(err, fs.ErrNotExist) {
				err = nil
			}
			return []erasure.Item{{What: strings.ReplaceAll(name, ".", "_"), Count: uint64(len(b))}}, err
		},
		Erase: func(context.Context) error {
			if err := s.erasing(name); err != nil {
				return err
			}
			if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
			return nil
		},
	}
}

// gone fails unless nothing is left of what names people.
func (s *shelter) gone() {
	s.t.Helper()
	if _, err := s.keys.Ring(); !errors.Is(err, vault.ErrNone) {
		s.t.Errorf("Ring = %v, want ErrNone", err)
	}
	for _, name := range []string{"roster", "sitebook.db"} {
		if _, err := os.Stat(filepath.Join(s.dir, name)); !errors.Is(err, fs.ErrNotExist) {
			s.t.Errorf("%s: %v, want it gone", name, err)
		}
	}
}

// certified opens the certificate on the disk.
func (s *shelter) certified(d closing.Done) {
	s.t.Helper()
	key, err := s.id.Public()
	if err != nil {
		s.t.Fatal(err)
	}
	base := filepath.Join(s.dir, "erasure-"+d.Certificate.ID.String())
	msg, err := os.ReadFile(base + ".cbor")
	if err != nil || !bytes.Equal(msg, d.Message) {
		s.t.Fatalf("the signed certificate on the disk: %v, or another", err)
	}
	got, err := erasure.Open(sign.One{Key: key}, msg)
	if err != nil || !reflect.DeepEqual(got, d.Certificate) {
		s.t.Errorf("the certificate on the disk says %+v, %v", got, err)
	}
	text, err := os.ReadFile(base + ".txt")
	if err != nil || string(text) != d.Text {
		s.t.Errorf("the certificate for people: %v", err)
	}
	if b, err := os.ReadFile(base + ".json"); err != nil || !bytes.Contains(b, []byte(`"site": "practice-shelter"`)) {
		s.t.Errorf("the certificate in JSON: %v", err)
	}
}

var items = []erasure.Item{{What: "site-keys", Count: 2}, {What: "roster", Count: 14}, {What: "sitebook_db", Count: 14}}

// P2: a site is not closed while records are not safe, unless whoever closes it says exactly how many are left behind.
func TestP2ASiteIsNotClosedOverRecords(t *testing.T) {
	s := open(t)
	s.unsafe = 3
	var e *closing.UnsafeError
	for _, lose := range []uint64{0, 2, 4} {
		if _, err := s.Close(t.Context(), closing.Request{By: "staff-7", Lose: lose}); !errors.As(err, &e) || e.Records != 3 {
			t.Errorf("Close losing %d = %v, want UnsafeError of 3", lose, err)
		}
	}
	if got, err := s.keys.Ring(); err != nil || got.Len() != 2 {
		t.Errorf("a refused closing took the keys: %v", err)
	}
	if unsafe, got, err := s.Look(t.Context()); unsafe != 3 || err != nil || !reflect.DeepEqual(got, items) {
		t.Errorf("Look = %d, %v, %v", unsafe, got, err)
	}
	keys := s.keys.Generations()
	d, err := s.Close(t.Context(), closing.Request{By: "staff-7", Lose: 3})
	if err != nil {
		t.Fatal(err)
	}
	s.gone()
	s.certified(d)
	c := d.Certificate
	if c.Unsafe != 3 || c.By != "staff-7" || c.Box != s.id.Box || !reflect.DeepEqual(c.Items, items) || !reflect.DeepEqual(c.Keys, keys) {
		t.Errorf("the certificate says %+v", c)
	}
	if b, err := os.ReadFile(filepath.Join(s.dir, "journal.db")); err != nil || len(b) == 0 {
		t.Errorf("the records went with it: %v", err)
	}
	s.unsafe = 0
	if d, err = s.Close(t.Context(), closing.Request{By: "staff-7"}); err != nil || d.Certificate.Items[0].Count != 0 {
		t.Errorf("closing again = %v, %v, want a certificate of nothing", d.Certificate.Items, err)
	}
}

// The plug is pulled before each part: the next start finishes, and the certificate says what was there at the beginning.
func TestAClosingThatWasInterrupted(t *testing.T) {
	for _, pull := range []string{"site-keys", "roster", "sitebook.db"} {
		t.Run(pull, func(t *testing.T) {
			s := open(t)
			if _, found, err := s.Resume(t.Context()); found || err != nil {
				t.Errorf("Resume of nothing = %v, %v", found, err)
			}
			s.pull = pull
			if _, err := s.Close(t.Context(), closing.Request{By: "staff-7"}); !errors.Is(err, errPulled) {
				t.Fatalf("Close = %v, want errPulled", err)
			}
			if _, err := s.Close(t.Context(), closing.Request{By: "staff-8"}); !errors.Is(err, closing.ErrUnderWay) {
				t.Errorf("another Close = %v, want ErrUnderWay", err)
			}
			s.pull = ""
			s.start()
			s.now = s.now.Add(time.Minute)
			d, found, err := s.Resume(t.Context())
			if !found || err != nil {
				t.Fatalf("Resume = %v, %v", found, err)
			}
			s.gone()
			s.certified(d)
			c := d.Certificate
			if c.By != "staff-7" || c.Ended-c.Began != time.Minute.Milliseconds() || !reflect.DeepEqual(c.Items, items) || len(c.Keys) != 2 {
				t.Errorf("the certificate says %+v", c)
			}
			if _, found, err := s.Resume(t.Context()); found || err != nil {
				t.Errorf("Resume again = %v, %v, want nothing", found, err)
			}
		})
	}
}

// Central's order leaves the records to be sent, and is named.
func TestCentralOrdersAWipe(t *testing.T) {
	s := open(t)
	s.unsafe = 5
	order := record.NewTapID().ID128
	d, err := s.Close(t.Context(), closing.Request{Order: order})
	if err != nil {
		t.Fatal(err)
	}
	s.gone()
	s.certified(d)
	if again, err := s.Close(t.Context(), closing.Request{Order: order}); err != nil || !bytes.Equal(again.Message, d.Message) {
		t.Errorf("the same order again = %v, want the certificate that was given", err)
	}
	if c := d.Certificate; c.By != erasure.ByOrder || c.Order == nil || *c.Order != order || c.Unsafe != 5 {
		t.Errorf("the certificate says %+v", c)
	}
}

// Everything goes but the certificate and the lock, also if the plug is pulled in the middle.
func TestEverythingGoes(t *testing.T) {
	s := open(t)
	if err := closing.Leave(s.dir); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(s.dir, "identity.key")); err != nil {
		t.Fatalf("Leave without a plan: %v", err)
	}
	d, err := s.Close(t.Context(), closing.Request{By: "staff-7", Everything: true})
	if err != nil {
		t.Fatal(err)
	}
	if leaving, err := closing.Leaving(s.dir); !leaving || err != nil {
		t.Errorf("Leaving = %v, %v, want true", leaving, err)
	}
	again, found, err := s.Resume(t.Context())
	if !found || err != nil || !bytes.Equal(again.Message, d.Message) {
		t.Errorf("Resume = %v, %v, want the certificate that was given out", found, err)
	}
	for range 2 {
		if err := closing.Leave(s.dir, "kazashi.lock"); err != nil {
			t.Fatal(err)
		}
	}
	s.certified(d)
	left, err := os.ReadDir(s.dir)
	if err != nil || len(left) != 4 {
		t.Errorf("%v left (%v), want the certificate's three files and the lock", left, err)
	}
	if leaving, err := closing.Leaving(s.dir); leaving || err != nil {
		t.Errorf("Leaving = %v, %v, want false", leaving, err)
	}
}

// P1: a damaged plan keeps nobody from anything, and is kept to be looked at.
func TestP1ADamagedPlanIsSetAside(t *testing.T) {
	s := open(t)
	spoil := func() {
		t.Helper()
		if err := os.WriteFile(filepath.Join(s.dir, "closing.cbor"), []byte{0xa0}, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	spoil()
	leaving, err := closing.Leaving(s.dir)
	if err := errors.Join(err, closing.Leave(s.dir)); leaving || err != nil {
		t.Errorf("Leaving = %v, Leave = %v, want a box that stays", leaving, err)
	}
	if _, found, err := s.Resume(t.Context()); found || err != nil {
		t.Errorf("Resume = %v, %v, want nothing to go on with", found, err)
	}
	if b, err := os.ReadFile(filepath.Join(s.dir, "closing.damaged")); err != nil || !bytes.Equal(b, []byte{0xa0}) {
		t.Errorf("set aside %x, %v, want what was there", b, err)
	}
	if _, err := s.keys.Ring(); err != nil {
		t.Errorf("a damaged plan took the keys: %v", err)
	}
	if _, err := s.Close(t.Context(), closing.Request{By: "no name"}); err == nil {
		t.Error("Close by nobody = nil")
	}
	spoil()
	if _, err := s.Close(t.Context(), closing.Request{By: "staff-7"}); err != nil {
		t.Errorf("Close over a damaged plan = %v", err)
	}
	s.gone()
}

// Whoever asked and is gone does not end a closing that has begun, and whoever asks for the same again finishes one that was interrupted.
func TestAClosingGoesOnWithoutItsCaller(t *testing.T) {
	s := open(t)
	ctx, leave := context.WithCancel(t.Context())
	s.Parts = append([]closing.Part{{
		What:  "caller",
		Count: func(context.Context) ([]erasure.Item, error) { return []erasure.Item{{What: "caller"}}, nil },
		Erase: func(ctx context.Context) error { leave(); return ctx.Err() },
	}}, s.Parts...)
	d, err := s.Close(ctx, closing.Request{By: "staff-7"})
	if err != nil || ctx.Err() == nil {
		t.Fatalf("Close = %v, its caller %v", err, ctx.Err())
	}
	s.certified(d)
	s.gone()

	s = open(t)
	s.pull = "roster"
	if _, err := s.Close(t.Context(), closing.Request{By: "staff-7"}); !errors.Is(err, errPulled) {
		t.Fatalf("Close = %v, want errPulled", err)
	}
	s.pull, s.dead = "", false
	for _, other := range []closing.Request{{By: "staff-8"}, {By: "staff-7", Everything: true}, {Order: record.ID128{1}}} {
		if _, err := s.Close(t.Context(), other); !errors.Is(err, closing.ErrUnderWay) {
			t.Errorf("Close(%+v) = %v, want ErrUnderWay", other, err)
		}
	}
	if d, err = s.Close(t.Context(), closing.Request{By: "staff-7"}); err != nil || !reflect.DeepEqual(d.Certificate.Items, items) {
		t.Fatalf("the same again = %v, %v", d.Certificate.Items, err)
	}
	s.certified(d)
	s.gone()
}

// P2: taps end before anything is counted that is to go, stay ended while a plan lies there, and go on where nothing came of it.
func TestP2NothingIsTappedIntoWhatGoes(t *testing.T) {
	s := open(t)
	s.unsafe, s.taps = 3, 2
	var e *closing.UnsafeError
	if _, err := s.Close(t.Context(), closing.Request{By: "staff-7", Everything: true}); !errors.As(err, &e) || s.halted != 0 {
		t.Fatalf("Close = %v, taps halted %d, want a refusal after which they go on", err, s.halted)
	}
	s.pull = "roster"
	all := closing.Request{By: "staff-7", Everything: true, Lose: 3}
	if _, err := s.Close(t.Context(), all); !errors.Is(err, errPulled) || s.halted != 1 {
		t.Fatalf("Close = %v, taps halted %d, want them halted while the plan lies there", err, s.halted)
	}
	s.pull, s.dead = "", false
	d, err := s.Close(t.Context(), all)
	if err != nil || s.halted != 1 || d.Certificate.Unsafe != 3 || !d.Certificate.Everything {
		t.Fatalf("Close = %v, taps halted %d, certificate %+v", err, s.halted, d.Certificate)
	}
	if leaving, err := closing.Leaving(s.dir); !leaving || err != nil {
		t.Errorf("Leaving = %v, %v", leaving, err)
	}
}

// P2: should records be added all the same, they stay: the certificate says so, and whoever asked is told how many they are.
func TestP2RecordsThatCameMeanwhileStay(t *testing.T) {
	for _, certified := range []bool{false, true} {
		s := open(t)
		s.pull = "roster"
		if _, err := s.Close(t.Context(), closing.Request{By: "staff-7", Everything: true}); !errors.Is(err, errPulled) {
			t.Fatal(err)
		}
		s.pull, s.dead = "", false
		if certified { // and then the plug was pulled before the plan said so
			plan, err := os.ReadFile(filepath.Join(s.dir, "closing.cbor"))
			_, _, rerr := s.Resume(t.Context())
			if err := errors.Join(err, rerr, os.WriteFile(filepath.Join(s.dir, "closing.cbor"), plan, 0o600)); err != nil {
				t.Fatal(err)
			}
		}
		s.start()
		s.unsafe = 3
		var e *closing.UnsafeError
		d, found, err := s.Resume(t.Context())
		if !found || !errors.As(err, &e) || e.Records != 3 || s.halted != 1 {
			t.Errorf("Resume = %v, %v, taps halted %d", found, err, s.halted)
		}
		s.gone()
		s.certified(d)
		if c := d.Certificate; c.Everything || c.Unsafe != 3 {
			t.Errorf("the certificate says %+v, want 3 records that stay", c)
		}
		if all, err := filepath.Glob(filepath.Join(s.dir, "erasure-*.cbor")); err != nil || len(all) != 1 {
			t.Errorf("certificates %v, %v, want one", all, err)
		}
		if err := closing.Leave(s.dir); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(filepath.Join(s.dir, "journal.db")); err != nil {
			t.Errorf("the journal: %v", err)
		}
	}
}

// P3: what central orders waits for no count, no disk and no other part: the keys go first, and the certificate says what is not known.
func TestP3AnOrderedWipeWaitsForNothing(t *testing.T) {
	errDisk := errors.New("the disk is gone")
	s := open(t)
	order := record.ID128{1}
	counted := func() error {
		if _, err := s.keys.Ring(); err == nil {
			t.Error("something was counted while the keys were there")
		}
		return errDisk
	}
	s.Records = func(context.Context) (uint64, error) { return 0, counted() }
	s.Parts[1].Count = func(context.Context) ([]erasure.Item, error) { return nil, counted() }
	s.Parts[1].Erase = func(context.Context) error { return errDisk }
	if _, err := s.Close(t.Context(), closing.Request{Order: order}); !errors.Is(err, errDisk) {
		t.Fatalf("Close = %v, want errDisk", err)
	}
	if _, err := os.Stat(filepath.Join(s.dir, "sitebook.db")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the site book: %v, want it gone although the roster stays", err)
	}
	s.Parts[1] = s.file("roster")
	d, err := s.Close(t.Context(), closing.Request{Order: order})
	if err != nil {
		t.Fatal(err)
	}
	s.gone()
	s.certified(d)
	want := []erasure.Item{{What: "site-keys", Count: 2}, {What: "roster", Unknown: true}, {What: "sitebook_db", Count: 14}}
	if c := d.Certificate; !reflect.DeepEqual(c.Items, want) || !c.Uncounted || len(c.Keys) != 2 {
		t.Errorf("the certificate says %+v, want %v and no number of records", c, want)
	}
	for _, part := range []string{"could not be counted", "roster "} {
		if !strings.Contains(d.Text, part) {
			t.Errorf("the certificate for people lacks %q:\n%s", part, d.Text)
		}
	}
}

// P3: where not even a plan can be written, what was ordered is erased all the same.
func TestP3AnOrderedWipeNeedsNoPlan(t *testing.T) {
	s := open(t)
	if err := os.MkdirAll(filepath.Join(s.dir, "closing.cbor", "in the way"), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Close(t.Context(), closing.Request{Order: record.ID128{1}}); err == nil {
		t.Error("Close = nil, want an error: nothing can say that it is finished")
	}
	s.gone()
}

// The plug is pulled around the erasing of the keys that were ordered: the next start finishes, and their number is known.
func TestAnOrderedWipeThatWasInterrupted(t *testing.T) {
	for _, pull := range []string{"site-keys", "roster", "sitebook.db"} {
		s := open(t)
		s.pull = pull
		if _, err := s.Close(t.Context(), closing.Request{Order: record.ID128{1}}); !errors.Is(err, errPulled) {
			t.Fatalf("%s: Close = %v, want errPulled", pull, err)
		}
		s.pull = ""
		s.start()
		d, found, err := s.Resume(t.Context())
		if !found || err != nil || !reflect.DeepEqual(d.Certificate.Items, items) || d.Certificate.Uncounted || len(d.Certificate.Keys) != 2 {
			t.Errorf("%s: Resume = %v, %v, certificate %+v", pull, found, err, d.Certificate)
		}
		s.gone()
	}
}

func FuzzPlan(f *testing.F) {
	f.Add([]byte{0xa0})
	c := erasure.Certificate{
		Version: 1, ID: erasure.NewID(), Box: record.NewBoxID(), Site: site, By: "staff-7", Began: 1, Ended: 1, Items: items,
	}
	if b, err := closing.EncodePlan(c); err == nil {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		out, err := closing.RewritePlan(in)
		if err != nil {
			return
		}
		if again, err := closing.RewritePlan(out); err != nil || !bytes.Equal(again, out) {
			t.Fatalf("accepted %x, written again as %x (%v)", in, out, err)
		}
	})
}
