package rig

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"time"

	"kazashi.example/appliance/box"
	"kazashi.example/appliance/config"
	"kazashi.example/central/lab/world"
	"kazashi.example/central/lab/world/worldtest"
	"kazashi.example/localapi"
	"kazashi.example/sync/record"
)

// envChild makes a test binary be a box instead; its value is a job.
const envChild = "KAZASHI_PROOF_BOX"

// job is what a child is told.
type job struct {
	Config string // of the box
	World  string // folder
	People []string
}

// said is one line of a child: a verdict that its counter heard.
type said struct {
	Person string
	Tap    localapi.Tap
}

// Child runs a box that takes one tap or enrolment after the other and prints each verdict once the counter has heard it, if this process
// was started by [Box.Killed]; it then does not return before it is killed. It belongs at the beginning of TestMain.
func Child() {
	text, ok := os.LookupEnv(envChild)
	if !ok {
		return
	}
	err := child(context.Background(), text)
	fmt.Fprintln(os.Stderr, "child ended:", err)
	os.Exit(1) //nolint:revive // deep-exit: this process is no test
}

func child(ctx context.Context, text string) error {
	var j job
	if err := json.Unmarshal([]byte(text), &j); err != nil {
		return err
	}
	conf, err := config.Parse([]byte(j.Config))
	if err != nil {
		return err
	}
	w, err := world.Open(ctx, j.World, world.Config{Keys: worldtest.KeyDir()})
	if err != nil {
		return err
	}
	hand := NewHand()
	b, err := box.Open(ctx, conf, hand, "v0.0.0-proof", time.Unix(0, 0), slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	go func() { cancel(b.Run(ctx)) }()
	events, err := b.Subscribe(ctx)
	if err != nil {
		return err
	}
	d := childDesk{box: b, hand: hand, events: events, out: json.NewEncoder(os.Stdout)}
	for n := rand.IntN(len(j.People)); ; n++ {
		p, err := w.Person(j.People[n%len(j.People)])
		if err != nil {
			return err
		}
		if err := d.lay(ctx, p); err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
	}
}

// childDesk is the counter of a child.
type childDesk struct {
	box    *box.Box
	hand   *Hand
	events <-chan localapi.Event
	out    *json.Encoder
}

// passing are refusals that a box gives while it starts, and a locked one as long as it is.
var passing = []error{localapi.ErrNextNotServed, localapi.ErrNextBusy, localapi.ErrNextUnready, localapi.ErrLocked}

// lay lays a card, every third time to enrol; before the box has rules and keys nobody can. What the counter hears is printed.
func (d *childDesk) lay(ctx context.Context, p world.Person) error {
	if rand.IntN(3) == 0 {
		_, err := d.box.NextCard(ctx, Enrolment(p, false))
		if err != nil && !slices.ContainsFunc(passing, func(is error) bool { return errors.Is(err, is) }) {
			return err
		}
	}
	if err := d.hand.Lay(ctx, p); err != nil {
		return err
	}
	for e := range d.events {
		if e.Type == localapi.EventReadFailed {
			break // the PIN was typed in for the card before
		}
		if e.Type == localapi.EventVerdict {
			if err := d.out.Encode(said{p.Key, *e.Tap}); err != nil {
				return err
			}
			break
		}
	}
	if err := d.hand.Take(ctx); err != nil {
		return err
	}
	for e := range d.events {
		if e.Type == localapi.EventCardRemoved {
			return nil
		}
	}
	return nil
}

// Killed runs a box that does not run here as a process of its own, lets it take taps of these people, and kills it (SIGKILL)
// a moment after it has said so many verdicts. Every verdict that it said goes into the ledger; Killed returns how many.
func (b *Box) Killed(after int, moment time.Duration, people ...string) int {
	b.r.tb.Helper()
	text, err := json.Marshal(job{Config: string(b.TOML()), World: b.r.World.Dir(), People: people})
	b.r.must(err)
	ctx, kill := context.WithTimeout(b.r.tb.Context(), patience)
	defer kill()
	cmd := exec.CommandContext(ctx, os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), envChild+"="+string(text))
	cmd.Stderr = b.r.BoxLog
	out, err := cmd.StdoutPipe()
	b.r.must(err)
	b.r.must(cmd.Start())
	n := b.listen(out, after, func() { time.AfterFunc(moment, kill) })
	if err := cmd.Wait(); cmd.ProcessState.ExitCode() >= 0 {
		b.r.tb.Fatalf("the box ended by itself: %v\n%s", err, b.r.BoxLog.Bytes())
	}
	return n
}

// listen notes what a child says to its end, and calls enough once it has said after verdicts.
func (b *Box) listen(out io.Reader, after int, enough func()) (n int) {
	b.r.tb.Helper()
	if after == 0 {
		enough()
	}
	for lines := bufio.NewScanner(out); lines.Scan(); {
		var s said
		if json.Unmarshal(lines.Bytes(), &s) != nil {
			break // killed in the middle of a line: nobody heard that one
		}
		p, err := b.r.World.Person(s.Person)
		b.r.must(err)
		b.r.Note(Told{Box: b.ID, Person: p, Tap: s.Tap})
		if n++; n == after {
			enough()
		}
	}
	return n
}

// Unheard are the taps that the box lists and no counter heard: their record was durable when the box was killed, and their
// verdict still on the way.
func (b *Box) Unheard() (taps []localapi.Tap) {
	b.r.tb.Helper()
	heard := map[record.TapID]bool{}
	for _, t := range b.r.Ledger() {
		heard[t.Tap.Tap] = true
	}
	for id, t := range b.Taps() {
		if !heard[id] {
			taps = append(taps, t)
		}
	}
	return taps
}
