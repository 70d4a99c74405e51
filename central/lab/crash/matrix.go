package crash

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
)

// Matrix is what became of all states of one kind of interruption.
type Matrix struct {
	Title    string
	Points   string // how many of which kind
	States   int    // that may arise
	Distinct int    // of them, each checked once
	Faults   []Fault
}

// String is one line.
func (m Matrix) String() string {
	verdict := "all whole"
	if len(m.Faults) > 0 {
		verdict = fmt.Sprintf("%d of them broken", len(m.Faults))
	}
	return fmt.Sprintf("%s: %s, %d states (%d distinct), %s", m.Title, m.Points, m.States, m.Distinct, verdict)
}

// Points counts the operations of the run by kind.
func (r *Run) Points() string {
	var count [len(kindNames)]int
	for _, o := range r.ops {
		count[o.Kind]++
	}
	var parts []string
	for k, n := range count {
		if n > 0 {
			parts = append(parts, fmt.Sprintf("%d %v", n, Kind(k))) //nolint:gosec // an index of kindNames
		}
	}
	return fmt.Sprintf("%d points (%s)", len(r.ops), strings.Join(parts, ", "))
}

// Kill checks what a SIGKILL leaves before the first and after each operation.
func (r *Run) Kill(ctx context.Context) Matrix {
	return r.matrix(ctx, "SIGKILL", func(m *muster) {
		for k := range len(r.ops) + 1 {
			m.killed(k)
		}
	})
}

// Power checks what may be on the disk if the power goes before the first or after any operation.
func (r *Run) Power(ctx context.Context) Matrix {
	title := "power cut"
	if r.scenario.Sample > 0 {
		title += ", a sample"
	}
	return r.matrix(ctx, title, func(m *muster) {
		m.sample = r.scenario.Sample
		for k := range len(r.ops) + 1 {
			m.cut(k, -1)
		}
	})
}

// Loss is an fsync with what its absence would do.
type Loss struct {
	Op    Op
	Fault *Fault // nil: nothing that a check saw
	Why   string // then the reason from the scenario's Superfluous, if it has one
	Part  bool   // not all states were tried, but Scenario.Sample of them at a point
}

// String is one line.
func (l Loss) String() string {
	switch {
	case l.Fault != nil:
		return fmt.Sprintf("without %v: %v", l.Op, l.Fault)
	case l.Why != "":
		return fmt.Sprintf("without %v: nothing is broken%s; kept, because %s", l.Op, map[bool]string{true: " in a sample"}[l.Part], l.Why)
	default:
		return fmt.Sprintf("without %v: nothing is broken", l.Op)
	}
}

// Without leaves out each fsync in turn, and looks for a state of the power matrix that is then broken: first at the end, where what was
// said binds the most, then from the fsync on.
func (r *Run) Without(ctx context.Context) (losses []Loss) {
	for j, o := range r.ops {
		if !o.Kind.syncs() {
			continue
		}
		why := r.scenario.Superfluous[o.String()]
		found, stop := context.WithCancel(ctx)
		m := r.matrix(found, "", func(m *muster) {
			m.broken = stop
			if why != "" {
				m.sample = r.scenario.Sample
			}
			m.cut(len(r.ops), j)
			for k := j + 1; k < len(r.ops) && found.Err() == nil; k++ {
				m.cut(k, j)
			}
		})
		stop()
		l := Loss{Op: o, Why: why, Part: why != "" && r.scenario.Sample > 0}
		if len(m.Faults) > 0 {
			l.Fault = &m.Faults[0]
		}
		losses = append(losses, l)
	}
	return losses
}

// Lose leaves out one fsync of a name: the last one that something was said after, or one before it if no state at a point where something had
// just been said is then broken. It is [Run.Without] for those who are in a hurry. [ErrTrace] if there is none of that name.
func (r *Run) Lose(ctx context.Context, name string) (Loss, error) {
	var l Loss
	for j := len(r.ops) - 1; j >= 0 && l.Fault == nil; j-- {
		if o := r.ops[j]; !o.Kind.syncs() || o.String() != name {
			continue
		}
		found, stop := context.WithCancel(ctx)
		m := r.matrix(found, "", func(m *muster) {
			m.broken, m.sample = stop, r.scenario.Sample
			for k := j + 1; k < len(r.ops); k++ {
				if r.ops[k].Kind == Say {
					m.cut(k+1, j)
				}
			}
		})
		stop()
		if m.States == 0 {
			continue // what nobody was told of binds nobody
		}
		l = Loss{Op: r.ops[j], Part: r.scenario.Sample > 0}
		if len(m.Faults) > 0 {
			l.Fault = &m.Faults[0]
		}
	}
	if l.Op.name == "" {
		return l, fmt.Errorf("%w: nothing was said after %q", ErrTrace, name)
	}
	return l, ctx.Err()
}

// muster collects states and has each distinct one checked once.
type muster struct {
	run    *Run
	jobs   chan job
	broken func() // called at the first fault, if not nil
	sample int    // states at a point, as Scenario.Sample
	states int
	seen   map[string]bool

	mu     sync.Mutex // guards what follows and run.verdicts
	faults []Fault
}

type job struct {
	key   string
	tree  tree
	state State
}

func (r *Run) matrix(ctx context.Context, title string, fill func(*muster)) Matrix {
	m := &muster{run: r, jobs: make(chan job), seen: map[string]bool{}}
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for j := range m.jobs {
				if ctx.Err() == nil {
					m.check(j)
				}
			}
		})
	}
	fill(m)
	close(m.jobs)
	workers.Wait()
	if ctx.Err() != nil && m.broken == nil {
		m.faults = append(m.faults, Fault{"the matrix", ctx.Err()})
	}
	return Matrix{Title: r.scenario.Name + ": " + title, Points: r.Points(), States: m.states, Distinct: len(m.seen), Faults: m.faults}
}

// killed is the one state after k operations when the kernel lives on.
func (m *muster) killed(k int) {
	p := newPoint(m.run.top, m.run.ops[:k], -1)
	keep := map[int]bool{}
	for _, i := range p.names {
		keep[i] = true
	}
	t, digest := p.tree(keep, func(*inode) choice { return everything })
	m.add(t, fmt.Sprintf("kill %d %x", k, digest), State{Point: "killed " + after(p.ops), Said: said(p.ops), Done: p.ops})
}

// cut is every state after k operations when the power goes; operation without had no effect.
func (m *muster) cut(k, without int) {
	p := newPoint(m.run.top, m.run.ops[:k], without)
	words := said(p.ops)
	for _, l := range p.losses(m.run.scenario.Thorough, m.sample) {
		t, digest := p.tree(l.names.keep, l.data.pick)
		m.add(t, fmt.Sprintf("cut %d %x", len(words), digest), State{
			Power: true, Said: words, Done: p.ops,
			Point: fmt.Sprintf("power cut %s; names: %s; data: %s", after(p.ops), l.names.label, l.data.label),
		})
	}
}

func (m *muster) add(t tree, key string, s State) {
	m.states++
	if !m.seen[key] {
		m.seen[key] = true
		m.jobs <- job{key, t, s}
	}
}

func (m *muster) check(j job) {
	m.mu.Lock()
	err, known := m.run.verdicts[j.key]
	m.mu.Unlock()
	if !known {
		err = m.run.try(j)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.run.verdicts[j.key] = err
	if err == nil {
		return
	}
	m.faults = append(m.faults, Fault{j.state.Point, err})
	if m.broken != nil {
		m.broken()
	}
}

// try makes a state, has it checked and removes it.
func (r *Run) try(j job) (err error) {
	top, err := os.MkdirTemp(r.scratch, "state-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(top)) }()
	j.state.Dir = filepath.Join(top, "data")
	if err := j.tree.write(j.state.Dir); err != nil {
		return err
	}
	return r.scenario.Check(j.state)
}

// judge checks a folder that a real kill left.
func (r *Run) judge(s State) error {
	if err := r.scenario.Check(s); err != nil {
		return Fault{s.Point, err}
	}
	return nil
}
