package keeper_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"kazashi.example/appliance/closing"
	"kazashi.example/appliance/keeper"
	"kazashi.example/appliance/vault"
	"kazashi.example/appliance/vault/tpm"
	"kazashi.example/localapi"
	"kazashi.example/sync/erasure"
	"kazashi.example/sync/record"
	"kazashi.example/sync/rule"
	"kazashi.example/sync/seal"
	"kazashi.example/sync/sign"
)

const site = record.SiteID("practice-shelter")

// open is a box without a TPM whose signed rule wants no code, so that nothing has to be stretched.
func open(t *testing.T, broken *error) *keeper.Keeper {
	t.Helper()
	dir := t.TempDir()
	id, err := vault.Open(dir, vault.Options{TPM: tpm.None})
	if err != nil {
		t.Fatal(err)
	}
	s, err := vault.OpenSite(t.Context(), vault.SiteConfig{
		Dir: dir, Identity: id, Site: site, Central: func() (seal.PublicKey, error) { return id.Sealing.Public(), nil },
		Rule: func() rule.Unlock { return rule.UnlockFile }, Keys: func() sign.Keys { return sign.One{} }, AllowSwap: true,
		Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	return &keeper.Keeper{Identity: id, Site: s, Closer: closing.New(closing.Config{
		Dir: dir, Box: id.Box, Site: site, Device: id.Device, Keys: s.Generations,
		Records: func(context.Context) (uint64, error) { return 0, nil },
		Parts: []closing.Part{{
			Count: func(context.Context) ([]erasure.Item, error) {
				return []erasure.Item{{What: "site-keys", Count: uint64(len(s.Generations()))}}, nil
			},
			Erase: func(ctx context.Context) error {
				if *broken != nil {
					return *broken
				}
				_, err := s.Wipe(ctx)
				return err
			},
		}},
		Now: func() (time.Time, record.Confidence) { return time.Unix(1_795_000_000, 0), record.ConfidenceChecked },
		Log: slog.New(slog.DiscardHandler),
	})}
}

// Every refusal has a word of the local API; what is a fault of the box has none.
func TestRefusalsHaveWords(t *testing.T) {
	var broken error
	k := open(t, &broken)
	_, answered := k.AnswerKeys(t.Context(), []byte("nonsense"))
	for name, c := range map[string]struct{ got, want error }{
		"unlock without keys": {k.Unlock(t.Context(), localapi.NewSecret("x")), localapi.ErrNoKeys},
		"rotate without keys": {k.RotateKeys(t.Context()), localapi.ErrNoKeys},
		"answer without keys": {answered, localapi.ErrNoKeys},
		"a short code":        {k.SetCode(t.Context(), localapi.Secret{}, localapi.NewSecret("short")), localapi.ErrKeyForm},
		"nonsense received":   {k.ReceiveKeys(t.Context(), []byte("nonsense")), localapi.ErrFileForm},
	} {
		if !errors.Is(c.got, c.want) {
			t.Errorf("%s: %v, want %v", name, c.got, c.want)
		}
	}
}

func TestAnOrderIsDoneAfterAnInterruptedClosing(t *testing.T) {
	var broken error
	k := open(t, &broken)
	if err := k.Site.Create(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if st, err := k.Keys(t.Context()); err != nil || st.State != localapi.KeysOpen || st.By != "file" || st.TPM || st.CodeSet {
		t.Errorf("Keys = %+v, %v", st, err)
	}
	broken = errors.New("the plug was pulled")
	if _, err := k.CloseSite(t.Context(), localapi.CloseSite{Site: string(site), By: "s-01"}); !errors.Is(err, broken) {
		t.Fatalf("CloseSite = %v", err)
	}
	if _, err := k.CloseSite(t.Context(), localapi.CloseSite{Site: string(site), By: "s-02"}); !errors.Is(err, localapi.ErrClosing) {
		t.Errorf("CloseSite by another = %v, want ErrClosing", err)
	}
	for _, r := range []localapi.CloseSite{{Site: "other", By: "s-01"}, {Site: string(site)}, {Site: string(site), By: erasure.ByOrder}} {
		if _, err := k.CloseSite(t.Context(), r); !errors.Is(err, localapi.ErrUnknown) {
			t.Errorf("CloseSite(%+v) = %v, want ErrUnknown", r, err)
		}
	}
	broken = nil
	order := record.NewTapID().ID128
	msg, err := k.Wipe(t.Context(), order)
	if err != nil {
		t.Fatal(err)
	}
	device, err := k.Identity.Public()
	if err != nil {
		t.Fatal(err)
	}
	if c, err := erasure.Open(sign.One{Key: device}, msg); err != nil || c.Order == nil || *c.Order != order {
		t.Errorf("the certificate says %+v, %v", c, err)
	}
	if _, err := k.Site.Ring(); !errors.Is(err, vault.ErrNone) {
		t.Errorf("Ring = %v, want ErrNone", err)
	}
}

// Whoever closes is a member of staff where the list can be read; where it cannot, the certificate says that nobody looked.
func TestWhoClosesIsOfTheStaff(t *testing.T) {
	staff := []localapi.Staff{{ID: "s-01"}}
	for name, c := range map[string]struct {
		by         string
		staff      func(context.Context) ([]localapi.Staff, error)
		want       error
		unverified bool
	}{
		"a member":     {"s-01", func(context.Context) ([]localapi.Staff, error) { return staff, nil }, nil, false},
		"a stranger":   {"s-02", func(context.Context) ([]localapi.Staff, error) { return staff, nil }, localapi.ErrUnknown, false},
		"locked":       {"s-02", func(context.Context) ([]localapi.Staff, error) { return nil, localapi.ErrLocked }, nil, true},
		"no staff":     {"s-02", func(context.Context) ([]localapi.Staff, error) { return nil, nil }, nil, true},
		"no site book": {"s-02", nil, nil, true},
	} {
		var broken error
		k := open(t, &broken)
		k.Staff = c.staff
		got, err := k.CloseSite(t.Context(), localapi.CloseSite{Site: string(site), By: c.by})
		if !errors.Is(err, c.want) {
			t.Errorf("%s: CloseSite = %v, want %v", name, err, c.want)
		}
		if said := strings.Contains(got.Text, "not verified"); said != c.unverified {
			t.Errorf("%s: not verified %v, want %v:\n%s", name, said, c.unverified, got.Text)
		}
	}
}

// Everything that an interrupted closing was to erase goes, also where central orders less meanwhile.
func TestAnOrderFinishesAClosingOfEverything(t *testing.T) {
	broken, left := errors.New("the plug was pulled"), false
	k := open(t, &broken)
	k.Left = func() { left = true }
	all := localapi.CloseSite{Site: string(site), By: "s-01", Everything: true}
	if _, err := k.CloseSite(t.Context(), all); !errors.Is(err, broken) || left {
		t.Fatalf("CloseSite = %v, left %v", err, left)
	}
	broken = nil
	if _, err := k.Wipe(t.Context(), record.NewTapID().ID128); !errors.Is(err, closing.ErrUnderWay) || !left {
		t.Errorf("Wipe = %v, left %v; want the box to leave", err, left)
	}
}
