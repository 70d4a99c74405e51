package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"kazashi.example/appliance/config"
	"kazashi.example/central/lab/pcscd"
	"kazashi.example/central/lab/stage"
	"kazashi.example/localapi"
	"kazashi.example/reader/vcard/control"
	"kazashi.example/sync/record"
)

// Patience with programs and cards.
const (
	readyWithin  = time.Minute
	cardWithin   = 20 * time.Second
	settleIdle   = 5 * time.Second
	settleQuick  = 2 * time.Second
	openscWithin = 30 * time.Second
	betweenCards = time.Second // so that everyone has seen the card go
)

// measureReader runs the real box on a real pcscd with a virtual card reader. It looks at the box's memory while nothing happens,
// counts the APDUs of its taps on the virtual card, and those of OpenSC on the same cards once the box has left the reader.
func (r *run) measureReader(ctx context.Context) (err error) {
	rig, err := pcscd.Start(ctx, pcscd.Config{VCard: r.program("vcard"), Slots: 1})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rig.Stop()) }()
	conf, _, err := r.scene.newBox(ctx, "reading", r.scene.uplink)
	if err != nil {
		return err
	}
	box, client, err := r.startBox(ctx, conf, stage.Spec{
		Name: "box", Path: r.program("kazashi"), Args: []string{"run", "--config", conf}, Env: []string{rig.Env()},
	})
	if err != nil {
		return err
	}
	defer client.Close()
	idle, err := r.idle(ctx, box.Pid())
	if err != nil {
		return err
	}
	r.figure("box_rss_idle_mib", "%.1f", idle[0], "MiB")
	cards := r.scene.people[:min(r.n.cards, len(r.scene.people))]
	ours, err := countAPDUs(ctx, rig.Control(), cards, newTaps(client))
	if err != nil {
		return err
	}
	if err := r.scene.stage.Stop(box); err != nil {
		return err
	}
	theirs, err := countAPDUs(ctx, rig.Control(), cards, func(ctx context.Context) error { return r.opensc(ctx, rig) })
	if err != nil {
		return err
	}
	r.figure("apdus_certificate", "%d", slices.Max(ours), "apdus")
	r.figure("opensc_apdus_certificate", "%d", slices.Min(theirs), "apdus")
	return nil
}

func (r *run) idle(ctx context.Context, pid int) ([]float64, error) {
	pause := settleIdle
	if r.Quick {
		pause = settleQuick
	}
	if err := settle(ctx, pause); err != nil {
		return nil, err
	}
	return residentMiB(ctx, pid, "VmRSS")
}

// startBox starts a box of this configuration and waits until it has a reader, the line, rules and a list.
func (r *run) startBox(ctx context.Context, conf string, spec stage.Spec) (*stage.Process, *localapi.Client, error) {
	c, err := config.Load(conf)
	if err != nil {
		return nil, nil, err
	}
	client, err := localapi.NewClient("unix:" + c.Socket())
	if err != nil {
		return nil, nil, err
	}
	spec.Log, spec.ReadyWithin = strings.TrimSuffix(conf, ".toml")+".log", readyWithin
	spec.Ready = func(ctx context.Context) error {
		s, err := client.Status(ctx)
		if err == nil && (!s.Line.Up || s.Service.Basis == 0 || s.List.ThisUpdate.IsZero() || len(s.Readers) == 0) {
			err = errNotYet
		}
		return err
	}
	box, err := r.scene.stage.Start(ctx, spec)
	return box, client, err
}

// countAPDUs lays each card, waits until read has been done with it, takes it away, and says how many commands it got.
func countAPDUs(ctx context.Context, cards *control.Client, people []resident, read func(context.Context) error) ([]uint64, error) {
	var counts []uint64
	for _, p := range people {
		if _, err := cards.Insert(ctx, 0, control.InsertRequest{Profile: p.Profile}); err != nil {
			return nil, err
		}
		if err := connected(ctx, cards); err != nil {
			return nil, err
		}
		if err := read(ctx); err != nil {
			return nil, err
		}
		slot, err := cards.Remove(ctx, 0)
		if err != nil {
			return nil, err
		}
		counts = append(counts, slot.APDUs)
		if err := settle(ctx, betweenCards); err != nil {
			return nil, err
		}
	}
	return counts, nil
}

func connected(ctx context.Context, cards *control.Client) error {
	ctx, cancel := context.WithTimeout(ctx, cardWithin)
	defer cancel()
	return cards.Connected(ctx, 0)
}

// newTaps waits, at each call, for one tap more, and that it was accepted.
func newTaps(client *localapi.Client) func(context.Context) error {
	var last record.TapID
	return func(ctx context.Context) error {
		var first localapi.Outcome
		err := until(ctx, cardWithin, func(ctx context.Context) error {
			taps, err := client.Taps(ctx, 1)
			if err != nil {
				return err
			}
			if len(taps) == 0 || taps[0].Tap == last {
				return errNotYet
			}
			last, first = taps[0].Tap, taps[0].First
			return nil
		})
		if err == nil && first.Verdict != record.VerdictAccepted {
			err = fmt.Errorf("%w: %s (%s)", errNotAccepted, first.Verdict, first.Reason)
		}
		return err
	}
}

var errNoCertificate = errors.New("pkcs15-tool read no certificate")

// opensc reads the authentication certificate as its users do, with nothing configured and nothing remembered.
func (r *run) opensc(ctx context.Context, rig *pcscd.Rig) error {
	ctx, cancel := context.WithTimeout(ctx, openscWithin)
	defer cancel()
	home := filepath.Join(r.dir, "opensc-home")
	if err := errors.Join(os.RemoveAll(home), os.MkdirAll(home, 0o700)); err != nil {
		return fmt.Errorf("making OpenSC's home: %w", err)
	}
	cmd := exec.CommandContext(ctx, "pkcs15-tool", "--read-certificate", "01")
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + home, rig.Env()}
	out, err := cmd.CombinedOutput()
	if errors.Is(err, exec.ErrNotFound) {
		return fmt.Errorf("%w: run apt-get install opensc", err)
	}
	if err != nil || !bytes.Contains(out, []byte("BEGIN CERTIFICATE")) {
		return fmt.Errorf("%w: %w: %s", errNoCertificate, err, bytes.TrimSpace(out))
	}
	return nil
}
