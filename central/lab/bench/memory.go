package bench

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"kazashi.example/central/lab/bench/stats"
)

const (
	memorySamples = 5
	memoryEvery   = 500 * time.Millisecond
)

var errNoMemory = errors.New("kernel does not say how much memory the process has")

// resident memory of a process in MiB, as the median of a few looks (proc_pid_status(5), VmRSS).
func residentMiB(ctx context.Context, pid int) (float64, error) {
	var samples []float64
	for range memorySamples {
		if err := settle(ctx, memoryEvery); err != nil {
			return 0, err
		}
		m, err := memory(pid, "VmRSS")
		if err != nil {
			return 0, err
		}
		samples = append(samples, m)
	}
	return stats.Median(samples)
}

// memory is a line of /proc/PID/status in MiB.
func memory(pid int, name string) (float64, error) {
	text := field(fmt.Sprintf("/proc/%d/status", pid), name)
	kib, err := strconv.ParseUint(strings.TrimSuffix(text, " kB"), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%w: %s of %d is %q", errNoMemory, name, pid, text)
	}
	return float64(kib) / 1024, nil
}
