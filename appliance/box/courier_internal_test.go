package box

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	carrier "kazashi.example/appliance/courier"
	"kazashi.example/localapi"
	"kazashi.example/sync/courier"
)

// held are couriers whose every job waits until it is let go.
func held(root string, job carry) *couriers {
	return &couriers{
		root: root, mounted: func(string, string) bool { return true }, now: time.Now, changed: func() {}, log: slog.New(slog.DiscardHandler),
		begun: make(chan begun, 1), carries: map[localapi.CourierWhat]carry{localapi.CourierExport: job, localapi.CourierImport: job},
		count: func(context.Context) (uint64, uint64, error) { return 3, 5, nil },
	}
}

var anywhere = localapi.CourierOrder{Path: "/media/usb"}

// One job at a time; the second is refused, and takes nothing from the first.
func TestOneUseOfAStickAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		goOn := make(chan struct{})
		c := held("", func(_ context.Context, folder string, progress func(done, total uint64)) (localapi.CourierSummary, error) {
			progress(1, 3)
			<-goOn
			return localapi.CourierSummary{Files: 1, Records: 3}, nil
		})
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- c.Run(ctx) }()
		if err := c.BeginCourier(t.Context(), localapi.CourierExport, anywhere); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		v, err := c.Courier(t.Context())
		if err != nil || v.Job.Done != 1 || v.Job.Total != 3 || !v.Job.Ended.IsZero() || v.Job.Stick != "usb" || v.Waiting != 3 || v.Unsafe != 5 {
			t.Errorf("Courier() = %+v, %+v, %v, want a job at 1 of 3", v, v.Job, err)
		}
		if err := c.BeginCourier(t.Context(), localapi.CourierImport, anywhere); !errors.Is(err, localapi.ErrCourierBusy) {
			t.Errorf("a second job = %v, want ErrCourierBusy", err)
		}
		close(goOn)
		synctest.Wait()
		if v, _ = c.Courier(t.Context()); v.Job.What != localapi.CourierExport || v.Job.Ended.IsZero() || v.Job.Summary.Records != 3 || v.Job.Failed != nil {
			t.Errorf("job = %+v, want the first one, ended", v.Job)
		}
		stop()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("Run() = %v, want the context's end", err)
		}
	})
}

// A box that stops ends the job, and says so to whoever asks before it is gone.
func TestAStopOfTheBoxEndsTheJob(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := held("", func(ctx context.Context, _ string, _ func(done, total uint64)) (localapi.CourierSummary, error) {
			<-ctx.Done()
			return localapi.CourierSummary{Files: 2}, fmt.Errorf("writing: %w", ctx.Err())
		})
		ctx, stop := context.WithCancel(t.Context())
		go func() { _ = c.Run(ctx) }()
		if err := c.BeginCourier(t.Context(), localapi.CourierExport, anywhere); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		stop()
		synctest.Wait()
		if v, _ := c.Courier(t.Context()); v.Job.Failed == nil || v.Job.Failed.Code != localapi.CodeCourierStopped || v.Job.Summary.Files != 2 {
			t.Errorf("job = %+v, want it stopped, with what was written", v.Job)
		}
	})
}

// A stick that hangs holds no answer up for longer than a look may take, and is looked at once, however often it is asked.
func TestAStickThatHangsHoldsNobodyUp(t *testing.T) {
	root := t.TempDir()
	if err := os.Mkdir(filepath.Join(root, "USB"), 0o700); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		hangs, looks := make(chan struct{}), 0
		c := held(root, nil)
		c.mounted = func(string, string) bool { looks++; <-hangs; return true }
		for range 3 {
			began := time.Now()
			v, err := c.Courier(t.Context())
			if took := time.Since(began); err != nil || len(v.Sticks) != 0 || took != lookPatience {
				t.Errorf("Courier() = %+v, %v after %s, want no stick after %s", v, err, took, lookPatience)
			}
		}
		if err := c.BeginCourier(t.Context(), localapi.CourierExport, localapi.CourierOrder{Stick: "USB"}); !errors.Is(err, localapi.ErrNoStick) {
			t.Errorf("BeginCourier() = %v, want ErrNoStick", err)
		}
		close(hangs)
		synctest.Wait()
		if v, err := c.Courier(t.Context()); err != nil || len(v.Sticks) != 1 || looks != 2 {
			t.Errorf("Courier() = %+v, %v after %d looks, want the stick after 2", v, err, looks)
		}
	})
}

// A stick that was pulled after it was seen is neither named again nor written in place of: its folder is one of the box's own disk then.
func TestP10AStickThatWasPulledIsNotWrittenInPlaceOf(t *testing.T) {
	root := t.TempDir()
	if err := os.Mkdir(filepath.Join(root, "USB"), 0o700); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		there, hangs := true, make(chan struct{})
		var hang <-chan struct{}
		wrote := 0
		c := held(root, func(context.Context, string, func(done, total uint64)) (localapi.CourierSummary, error) {
			wrote++
			return localapi.CourierSummary{Files: 1}, nil
		})
		c.mounted = func(string, string) bool {
			if hang != nil {
				<-hang
			}
			return there
		}
		usb := localapi.CourierOrder{Stick: "USB"}
		if err := c.BeginCourier(t.Context(), localapi.CourierExport, usb); err != nil {
			t.Fatal(err)
		}
		there = false // before the job came to it
		ctx, stop := context.WithCancel(t.Context())
		go func() { _ = c.Run(ctx) }()
		synctest.Wait()
		if v, err := c.Courier(t.Context()); err != nil || v.Job.Failed == nil || v.Job.Failed.Code != localapi.CodeStickGone || wrote != 0 {
			t.Errorf("job = %+v, %v, wrote %d times, want stick_gone", v.Job, err, wrote)
		}
		there = true
		if v, err := c.Courier(t.Context()); err != nil || len(v.Sticks) != 1 {
			t.Fatalf("Courier() = %+v, %v", v, err)
		}
		there, hang = false, hangs // pulled, and the look hangs on it
		if err := c.BeginCourier(t.Context(), localapi.CourierExport, usb); !errors.Is(err, localapi.ErrNoStick) || wrote != 0 {
			t.Errorf("BeginCourier() = %v, wrote %d times, want ErrNoStick", err, wrote)
		}
		close(hangs)
		stop()
		synctest.Wait()
	})
}

// Every reason for which a stick or a file on it cannot be used has a code of its own; a fault of the box has none.
func TestRefusalsOfSticksHaveCodes(t *testing.T) {
	for _, try := range []struct {
		err  error
		want localapi.ErrorCode
	}{
		{carrier.ErrNothing, localapi.CodeNothing},
		{courier.ErrNotStick, localapi.CodeNotStick},
		{courier.ErrHalf, localapi.CodeHalf},
		{courier.ErrDamaged, localapi.CodeParcel},
		{courier.ErrIrregular, localapi.CodeParcel},
		{courier.ErrOtherBox, localapi.CodeOtherBox},
		{courier.ErrSigner, localapi.CodeParcelSigner},
		{courier.ErrNewer, localapi.CodeNewerRelease},
		{courier.ErrCrowded, localapi.CodeCrowded},
		{courier.ErrFull, localapi.CodeStickFull},
		{courier.ErrGone, localapi.CodeStickGone},
		{courier.ErrReadOnly, localapi.CodeStickReadOnly},
		{fmt.Errorf("%w: %w", courier.ErrReadOnly, syscall.EROFS), localapi.CodeStickReadOnly},
		{fmt.Errorf("%w: %w", courier.ErrReadOnly, syscall.EACCES), localapi.CodeStickDenied},
		{syscall.ENOSPC, localapi.CodeBoxFailed}, // of the box's own disk
		{&fs.PathError{Op: "write", Path: "/var/lib/kazashi/.new-rules.cbor-1", Err: syscall.EIO}, localapi.CodeBoxFailed},
		{fs.ErrPermission, localapi.CodeBoxFailed},
		{errors.New("something else"), localapi.CodeBoxFailed},
	} {
		if got := courierCode(fmt.Errorf("using a stick: %w", try.err)); got != try.want {
			t.Errorf("courierCode(%v) = %s, want %s", try.err, got, try.want)
		}
	}
}

// What is mounted is on another device than the folder around it: /proc is everywhere, and nothing in it but what is mounted there.
func TestOnlyWhatIsMountedIsAStick(t *testing.T) {
	root := t.TempDir()
	for _, name := range []string{"plain", "practice"} {
		if err := os.Mkdir(filepath.Join(root, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(root, "practice", fileStick), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]bool{"/proc": true, "/proc/self": false, filepath.Join(root, "plain"): false, filepath.Join(root, "practice"): true} {
		if got := mounted(path, filepath.Dir(path)); got != want {
			t.Errorf("mounted(%s) = %t, want %t", path, got, want)
		}
	}
}
