package bench

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"syscall"
	"time"

	"kazashi.example/central/lab/stage"
	"kazashi.example/localapi"
)

const (
	tapsWithin   = 10 * time.Minute
	settleWithin = 15 * time.Minute
)

// measureMany looks at a box's memory after many records went through it. A card on a reader takes seconds, so that ten thousand
// would take hours: the box is RunBelt in a process of its own, which is the whole of `kazashi run` but for the PC/SC reader.
// The taps are taken while the line is cut; then the line comes back, and how fast central settles them is timed as well,
// from the first record that it holds to the last whose final verdict is durable on the box.
func (r *run) measureMany(ctx context.Context) (err error) {
	line, stop, err := r.openLine(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()
	conf, _, err := r.scene.newBox(ctx, "busy", line.Addr())
	if err != nil {
		return err
	}
	box, client, err := r.startBelt(ctx, conf, r.scene.certs())
	if err != nil {
		return err
	}
	defer client.Close()
	before, err := r.scene.central(ctx)
	if err != nil {
		return err
	}
	line.Cut()
	if err := begin(box.Pid()); err != nil {
		return err
	}
	if err := r.allWritten(ctx, client); err != nil {
		return err
	}
	line.Restore()
	rate, err := r.allSettled(ctx, before.Settled, before.Records+before.Waiting)
	if err != nil {
		return err
	}
	if err := r.printMemory(ctx, box.Pid()); err != nil {
		return err
	}
	r.figure("central_records_s", "%.0f", rate, "records/s")
	return r.scene.stage.Stop(box)
}

// startBelt starts a box whose cards are laid once it is told to begin.
func (r *run) startBelt(ctx context.Context, conf string, certs [][]byte) (*stage.Process, *localapi.Client, error) {
	file := strings.TrimSuffix(conf, ".toml") + ".pem"
	if err := writeCerts(file, certs); err != nil {
		return nil, nil, err
	}
	return r.startBox(ctx, conf, stage.Spec{
		Name: "busy box", Path: r.program("kazashi-lab"),
		Args: []string{"bench", "belt", "--config", conf, "--certs", file, "--taps", strconv.Itoa(r.n.records)},
	})
}

// begin tells a box started by startBelt to lay its cards.
func begin(pid int) error {
	if err := syscall.Kill(pid, Begin); err != nil {
		return fmt.Errorf("telling the box to begin: %w", err)
	}
	return nil
}

// allWritten waits until every tap is durable on the box.
func (r *run) allWritten(ctx context.Context, client *localapi.Client) error {
	start := time.Now()
	err := until(ctx, tapsWithin, func(ctx context.Context) error {
		s, err := client.Status(ctx)
		if err == nil && s.Waiting.Records < r.n.records {
			err = fmt.Errorf("%w: %d of %d records are written", errNotYet, s.Waiting.Records, r.n.records)
		}
		return err
	})
	if err == nil {
		r.Log.InfoContext(ctx, "all taps are written, the line comes back", r.attrs(time.Since(start))...)
	}
	return err
}

// allSettled waits until central has settled as many records more, and says how many that is a second.
func (r *run) allSettled(ctx context.Context, settled, held int64) (float64, error) {
	var start time.Time
	err := until(ctx, settleWithin, func(ctx context.Context) error {
		s, err := r.scene.central(ctx)
		if err != nil {
			return err
		}
		if start.IsZero() && s.Records+s.Waiting > held {
			start = time.Now()
		}
		if s.Settled < settled+int64(r.n.records) {
			return fmt.Errorf("%w: %d of %d records are settled", errNotYet, s.Settled-settled, r.n.records)
		}
		return nil
	})
	took := time.Since(start)
	if err == nil {
		r.Log.InfoContext(ctx, "all records are settled", r.attrs(took)...)
	}
	return float64(r.n.records) / took.Seconds(), err
}

func (r *run) printMemory(ctx context.Context, pid int) error {
	now, err := residentMiB(ctx, pid, "VmRSS")
	if err != nil {
		return err
	}
	peak, err := memory(pid, "VmHWM")
	if err != nil {
		return err
	}
	r.figure("box_rss_10k_mib", "%.1f", now[0], "MiB")
	r.figure("box_rss_10k_peak_mib", "%.1f", peak, "MiB")
	return nil
}
