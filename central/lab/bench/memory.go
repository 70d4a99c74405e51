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

// residentMiB is resident memory of a process in MiB, as the medians of a few looks at lines of its status (proc_pid_status(5)).
func residentMiB(ctx context.Context, pid int, lines ...string) ([]float64, error) {
	samples := make([][]float64, len(lines))
	for range memorySamples {
		if err := settle(ctx, memoryEvery); err != nil {
			return nil, err
		}
		for i, line := range lines {
			m, err := memory(pid, line)
			if err != nil {
				return nil, err
			}
			samples[i] = append(samples[i], m)
		}
	}
	medians := make([]float64, len(lines))
	for i := range lines {
		var err error
		if medians[i], err = stats.Median(samples[i]); err != nil {
			return nil, err
		}
	}
	return medians, nil
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
