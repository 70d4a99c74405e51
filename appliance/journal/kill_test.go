package journal_test

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"kazashi.example/appliance/journal"
	"kazashi.example/sync/ack"
	"kazashi.example/sync/epoch"
	"kazashi.example/sync/record"
	"kazashi.example/sync/seal"
)

// The environment by which the test program runs itself as a box that is going to be killed.
const (
	envPath    = "KAZASHI_TEST_JOURNAL"
	envKey     = "KAZASHI_TEST_RECIPIENT"
	envDevice  = "KAZASHI_TEST_DEVICE"
	envBox     = "KAZASHI_TEST_BOX"
	envCount   = "KAZASHI_TEST_RECORDS" // after how many it ends by itself; empty: never
	envReaders = "KAZASHI_TEST_READERS" // how many append; empty: one
	envNow     = "KAZASHI_TEST_NOW"     // its clock stands, its log is on standard error, and it is asked for a tap that never was; empty: none of it
)

// kills is how often the box is killed.
const kills = 12

func init() {
	if os.Getenv(envNow) != "" {
		runtime.LockOSThread() // a box whose disk fails opens its journal in the one thread that the faults are for
	}
}

func TestMain(m *testing.M) {
	if os.Getenv(envPath) == "" {
		os.Exit(m.Run())
	}
	if err := victim(context.Background(), os.Getenv(envPath)); err != nil {
		fmt.Println("error:", err)
		os.Exit(1)
	}
}

// victim appends until it is killed, and says each id once it has been told that the record is durable. It turns epochs as it
// goes, so that the kill meets those as well.
func victim(ctx context.Context, path string) error {
	key, err1 := hex.DecodeString(os.Getenv(envKey))
	der, err2 := hex.DecodeString(os.Getenv(envDevice))
	box, err3 := record.ParseID(os.Getenv(envBox))
	if err := errors.Join(err1, err2, err3); err != nil {
		return err
	}
	to, err1 := seal.ParsePublicKey(key)
	device, err2 := x509.ParseECPrivateKey(der)
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	o := journal.Options{
		Device: device, Box: record.BoxID{ID128: box}, Recipient: func() (seal.PublicKey, error) { return to, nil }, Fresh: true,
	}
	if now := number(envNow); now != 0 {
		o.Now = func() time.Time { return time.Unix(int64(now), 0) }
		o.Log = slog.New(slog.NewTextHandler(os.Stderr, nil))
	}
	j, err := journal.Open(ctx, path, o)
	if err != nil {
		return err
	}
	readers := max(1, number(envReaders))
	faults := make([]error, readers)
	var wg sync.WaitGroup
	for r := range readers {
		wg.Go(func() { faults[r] = speak(ctx, j, r, readers) })
	}
	wg.Wait()
	if err := errors.Join(faults...); err != nil {
		return err
	}
	for reading := func(a journal.Aside) bool { return !a.Read }; slices.ContainsFunc(j.SetAside(), reading); {
		runtime.Gosched()
	}
	if os.Getenv(envNow) != "" {
		known, err := j.Has(ctx, record.NewTapID(), 0)
		fmt.Println("has another tap:", known, err)
	}
	return j.Close()
}

// number is that of a variable of the environment; 0 if it is empty.
func number(variable string) (n int) {
	_, _ = fmt.Sscan(os.Getenv(variable), &n)
	return n
}

// speak appends what falls to one of several readers. A single one turns epochs as it goes.
func speak(ctx context.Context, j *journal.Journal, reader, readers int) error {
	count := number(envCount)
	for n := reader; count == 0 || n < count; n += readers {
		if readers == 1 && n%5 == 4 {
			j.Renew(epoch.CauseClock)
		}
		id, err := j.Append(ctx, text(n), clearOf(n))
		if err != nil {
			return err
		}
		fmt.Println(id, n)
	}
	return nil
}

// environment makes the test program the box of a journal.
func (c *central) environment(t *testing.T, path string, more ...string) []string {
	t.Helper()
	der, err := x509.MarshalECPrivateKey(c.device.(*ecdsa.PrivateKey))
	must(t, err)
	return append(append(os.Environ(), more...), envPath+"="+path, envKey+"="+hex.EncodeToString(c.private.Public().Bytes()),
		envDevice+"="+hex.EncodeToString(der), envBox+"="+c.box.String())
}

// TestP1P2KilledAtAnyMoment: whatever the box said is durable is there after SIGKILL, under the id it said, and every epoch
// names the true end of the one before.
func TestP1P2KilledAtAnyMoment(t *testing.T) {
	c, path := newCentral(t), newPath(t)
	env := c.environment(t, path)
	want := map[string]string{}
	for round := range kills {
		run(t, env, time.Duration(rand.IntN(60))*time.Millisecond, want)
		j := c.open(path)
		if aside := j.SetAside(); len(aside) != 0 {
			t.Fatalf("round %d: set aside %v", round, aside)
		}
		level := ack.Received
		if round%3 == 2 {
			level = ack.Safe
		}
		c.settle(j, level)
		c.accept(j, c.acknowledge(level))
		if _, err := j.Prune(t.Context(), 50); err != nil {
			t.Fatal(err)
		}
		shut(t, j)
	}
	got := c.texts()
	for id, text := range want {
		if got[id] != text {
			t.Errorf("record %s opens to %q, want %q", id, got[id], text)
		}
	}
	if len(want) < kills {
		t.Errorf("only %d records in %d rounds", len(want), kills)
	}
	// The box was killed between commit and answer at most once a round.
	if n := len(got) - len(want); n < 0 || n > kills {
		t.Errorf("%d records that nobody was told of, in %d rounds", n, kills)
	}
	c.wantOneLine()
}

// TestP2KilledWhileReadingWhatWasSetAside: whoever reads the damaged database is killed again and again, while taps go on. In the end all that was whole
// is here once, and what was found is known.
func TestP2KilledWhileReadingWhatWasSetAside(t *testing.T) {
	const records = 400
	l := lade(t, records)
	overwrite(t, l.path, 0, noise(4096))
	want := map[string]string{}
	for id, text := range l.all {
		want[id.String()] = text
	}
	env := l.c.environment(t, l.path)
	for range 5 {
		run(t, env, time.Duration(rand.IntN(30))*time.Millisecond, want)
	}
	synctest.Test(t, func(t *testing.T) {
		after := l.copy(t)
		j := after.c.open(after.path)
		time.Sleep(time.Hour)
		aside := j.SetAside()
		if len(aside) != 1 || !aside[0].Read || aside[0].Whole != records || aside[0].Damaged != 0 {
			t.Errorf("SetAside() = %+v, want one with %d records", aside, records)
		}
		after.c.settle(j, ack.Received)
		got := after.c.texts()
		for id, text := range want {
			if got[id] != text {
				t.Errorf("record %s opens to %q, want %q", id, got[id], text)
			}
		}
		shut(t, j)
	})
}

// texts are the contents that central opened, by the ids as the box says them.
func (c *central) texts() map[string]string {
	c.t.Helper()
	out := map[string]string{}
	for id, text := range c.opened() {
		out[id.String()] = text
	}
	return out
}

// run starts the box, lets it work for a while after its first record, kills it and notes what it said.
func run(t *testing.T, env []string, life time.Duration, want map[string]string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^$")
	cmd.Env, cmd.Stderr = env, os.Stderr
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	lines := bufio.NewReader(out)
	kill := time.AfterFunc(time.Minute, func() { _ = cmd.Process.Kill() }) // if it never says a word
	for {
		line, err := lines.ReadString('\n')
		if errors.Is(err, io.EOF) {
			break // a line that was cut short was not said
		}
		must(t, err)
		var id string
		var n int
		if _, err := fmt.Sscan(line, &id, &n); err != nil {
			t.Fatalf("the box said %q", line)
		}
		if want[id] != "" {
			t.Errorf("id %s given twice", id)
		}
		want[id] = string(text(n))
		if n == 0 {
			kill.Reset(life)
		}
	}
	kill.Stop()
	var exit *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Fatalf("the box ended by %v, want SIGKILL", err)
	}
}

// wantOneLine checks that the epochs follow each other in one line, each naming the true end of the one before.
func (c *central) wantOneLine() {
	c.t.Helper()
	firsts, named := 0, map[record.EpochID]bool{}
	for id, s := range c.headers {
		p := s.Header.Predecessor
		if p.Lineage == epoch.LineageFirst {
			firsts++
			continue
		}
		if got := c.end(p.Epoch); got != p {
			c.t.Errorf("epoch %s names %+v, which ended as %+v", id, p, got)
		}
		if named[p.Epoch] {
			c.t.Errorf("two epochs name %s as predecessor", p.Epoch)
		}
		named[p.Epoch] = true
	}
	if firsts != 1 {
		c.t.Errorf("%d first epochs, want 1", firsts)
	}
}
