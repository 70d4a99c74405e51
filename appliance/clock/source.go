package clock

import (
	"os"
	"strconv"
	"strings"
	"time"
)

// Reading is what a machine says at one moment.
type Reading struct {
	Wall time.Time     // its time of day, which may be set
	Up   time.Duration // since it was started, which may not
	Boot string        // names the start; empty where it has no name
}

// start is when the machine was started, by its time of day.
func (r Reading) start() time.Time { return r.Wall.Add(-r.Up) }

// Source reads the machine. It does not block.
type Source func() Reading

// System is the machine that this program runs on: time of day, and what the kernel says of this boot (proc(5): /proc/uptime,
// /proc/sys/kernel/random/boot_id). Without those a boot is a run of this program.
func System() Source {
	start := time.Now()
	up, boot := uptime(), ""
	if b, err := os.ReadFile("/proc/sys/kernel/random/boot_id"); err == nil && up > 0 {
		boot = strings.TrimSpace(string(b))
	}
	return func() Reading {
		now := time.Now()
		return Reading{Wall: now.Round(0).UTC(), Up: up + now.Sub(start), Boot: boot}
	}
}

// uptime is how long the machine has been running, sleep included; 0 where the kernel does not say.
func uptime() time.Duration {
	b, err := os.ReadFile("/proc/uptime")
	if err != nil {
		return 0
	}
	seconds, _, _ := strings.Cut(string(b), " ")
	s, err := strconv.ParseFloat(seconds, 64)
	if err != nil || s < 0 || s > 1e9 {
		return 0
	}
	return time.Duration(s * float64(time.Second))
}
