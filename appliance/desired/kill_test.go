package desired_test

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	osexec "os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	_ "modernc.org/sqlite" // to spoil a database by hand

	"kazashi.example/appliance/desired"
)

// perBatch is how many verdicts the killed process takes at once.
const perBatch = 5

// exec runs statements on a closed database.
func exec(t *testing.T, path, statements string) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	must(t, err)
	_, err = db.ExecContext(t.Context(), statements)
	must(t, errors.Join(err, db.Close()))
}

// TestMain is also the process that the crash test kills: with a folder and a file of batches it applies one after the other,
// and says so.
func TestMain(m *testing.M) {
	if dir := os.Getenv("DESIRED_TEST_VICTIM"); dir != "" {
		if err := victim(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

func victim(dir string) error {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	s, err := desired.Open(ctx, dir, quiet)
	if err != nil {
		return err
	}
	for n := 1; ; n++ {
		msg, err := os.ReadFile(filepath.Join(dir, "batches", strconv.Itoa(n)))
		if err != nil {
			return err
		}
		if _, err := s.ApplyVerdicts(ctx, msg); err != nil {
			return err
		}
		fmt.Println(n * perBatch)
	}
}

// Killed between, or inside, any two steps, the box holds exactly the verdicts that its version names.
func TestAKillLeavesVersionAndRowsTogether(t *testing.T) { // P2
	c := newCentral(t)
	for _, after := range []int{1, 2, 7, 20} {
		dir := c.join()
		must(t, os.Mkdir(filepath.Join(dir, "batches"), 0o700))
		for n := 1; n <= 200; n++ {
			first := uint64(n-1)*perBatch + 1
			must(t, os.WriteFile(filepath.Join(dir, "batches", strconv.Itoa(n)), c.batch(1, first, first+perBatch-1), 0o600))
		}
		said := killAfter(t, dir, after)
		s := open(t, dir)
		held, err := s.Held(t.Context())
		must(t, err)
		if held.N < said || held.N%perBatch != 0 {
			t.Fatalf("killed after batch %d: Held = %d, want a whole batch and at least the %d that were said", after, held.N, said)
		}
		for n := uint64(1); n <= held.N+1; n++ {
			if _, ok, err := s.Final(t.Context(), idOf(n)); ok != (n <= held.N) || err != nil {
				t.Fatalf("Held = %d, but Final(%d) = %v, %v", held.N, n, ok, err)
			}
		}
	}
}

// killAfter starts the victim and kills it without warning once it has said lines times that a batch is durable. It returns
// the last number that was said.
func killAfter(t *testing.T, dir string, lines int) (said uint64) {
	t.Helper()
	cmd := osexec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), "DESIRED_TEST_VICTIM="+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	for scan := bufio.NewScanner(out); scan.Scan(); lines-- {
		said, err = strconv.ParseUint(strings.TrimSpace(scan.Text()), 10, 64)
		must(t, err)
		if lines == 1 {
			must(t, cmd.Process.Kill())
		}
	}
	if err := cmd.Wait(); err == nil || said == 0 {
		t.Fatalf("victim ended with %v after %d, want to have killed it", err, said)
	}
	return said
}
