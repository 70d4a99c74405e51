//go:build integration

package crash_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"kazashi.example/central/lab/crash"
)

// total is what all scenarios came to.
var total tally

func init() { atEnd = total.String }

// tally counts. It may be used from any goroutine.
type tally struct {
	mu                                  sync.Mutex // guards what follows
	points                              map[crash.Kind]int
	scenarios, states, distinct, faults int
	kills, found, kept, idle            int
}

func (n *tally) add(ops []crash.Op, kills int, matrices ...crash.Matrix) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.points == nil {
		n.points = map[crash.Kind]int{}
	}
	for _, o := range ops {
		n.points[o.Kind]++
	}
	n.scenarios++
	n.kills += kills
	for _, m := range matrices {
		n.states += m.States
		n.distinct += m.Distinct
		n.faults += len(m.Faults)
	}
}

func (n *tally) without(l crash.Loss) {
	n.mu.Lock()
	defer n.mu.Unlock()
	switch {
	case l.Fault != nil:
		n.found++
	case l.Why != "":
		n.kept++
	default:
		n.idle++
	}
}

// String is one line; empty if nothing was counted.
func (n *tally) String() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.scenarios == 0 {
		return ""
	}
	sum, kinds := 0, []string{}
	for _, k := range slices.Sorted(maps.Keys(n.points)) {
		sum += n.points[k]
		kinds = append(kinds, fmt.Sprintf("%d %v", n.points[k], k))
	}
	return fmt.Sprintf("total: %d scenarios, %d points (%s), %d states (%d distinct) of which %d broken; "+
		"%d fsyncs left out in turn: %d found missing, %d kept for a reason, %d of no use; %d kills in earnest",
		n.scenarios, sum, strings.Join(kinds, ", "), n.states, n.distinct, n.faults,
		n.found+n.kept+n.idle, n.found, n.kept, n.idle, n.kills)
}
