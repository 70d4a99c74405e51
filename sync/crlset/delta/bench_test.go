package delta_test

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"kazashi.example/sync/crlset"
	"kazashi.example/sync/crlset/delta"
	"kazashi.example/sync/crlset/manifest"
	"kazashi.example/sync/internal/byhand"
	"kazashi.example/sync/rule"
)

// The measured case: 20,000 additions of one day to 10 million entries of 300 million serials.
const (
	universe = 300_000_000
	revoked  = 10_000_000
	oneDay   = 20_000
	fiveYear = 5 * 365 * 86400
)

// mix is reasons with an entropy of about two bits.
var mix = []struct {
	reason crlset.Reason
	share  float64
}{{crlset.Superseded, 0.35}, {crlset.CessationOfOperation, 0.30}, {crlset.Unspecified, 0.15}, {crlset.CertificateHold, 0.12}, {crlset.KeyCompromise, 0.08}}

func mixed(rng *rand.Rand) crlset.Reason {
	x := rng.Float64()
	for _, m := range mix {
		if x -= m.share; x < 0 {
			return m.reason
		}
	}
	return crlset.Superseded
}

func entropy() (bits float64) {
	for _, m := range mix {
		bits -= m.share * math.Log2(m.share)
	}
	return bits
}

// choose is lg C(n, k).
func choose(n, k float64) float64 {
	g := func(x float64) float64 { v, _ := math.Lgamma(x + 1); return v }
	return (g(n) - g(k) - g(n-k)) / math.Ln2
}

// population gives revoked serials at random, with or without those of the last day.
type population struct {
	rng   *rand.Rand
	at    uint64
	today bool
}

func people(today bool) *population {
	return &population{rng: rand.New(rand.NewPCG(1, 1)), today: today}
}

func (p *population) Next(e *crlset.Entry) (bool, error) {
	for p.at < universe {
		p.at++
		r := p.rng.Uint64N(universe)
		if r >= revoked+oneDay {
			continue
		}
		*e = crlset.Entry{Key: crlset.Key{C: p.at}, Reason: mixed(p.rng)}
		if r >= revoked {
			if e.Date = firstDay + p.rng.Int64N(86400); p.today {
				return true, nil
			}
			continue
		}
		e.Date = firstDay - fiveYear + p.rng.Int64N(fiveYear)
		return true, nil
	}
	return false, nil
}

// measured is the base on disk and the delta.
type measured struct {
	base  string
	size  int64
	delta []byte
	stats delta.Stats
}

func measure(b *testing.B) measured {
	b.Helper()
	dir := os.Getenv("KAZASHI_BENCH_DIR")
	if dir == "" {
		dir = b.TempDir()
	}
	m := measured{base: filepath.Join(dir, "base"), delta: nil}
	if _, err := os.Stat(m.base); err != nil {
		f, err := os.Create(m.base)
		if err != nil {
			b.Fatal(err)
		}
		pour(b, f)
		if err := f.Close(); err != nil {
			b.Fatal(err)
		}
	}
	set, err := crlset.OpenFile(m.base, nil)
	if err != nil {
		b.Fatal(err)
	}
	m.size = int64(set.Size())
	var out bytes.Buffer
	if m.stats, err = delta.Write(&out, set, people(true), set.Plan()); err != nil {
		b.Fatal(err)
	}
	m.delta = out.Bytes()
	if err := set.Close(); err != nil {
		b.Fatal(err)
	}
	return m
}

func pour(b *testing.B, w io.Writer) {
	b.Helper()
	out := crlset.NewPlanningWriter(w, crlset.Full)
	from := people(false)
	var e crlset.Entry
	for {
		more, err := from.Next(&e)
		if err != nil {
			b.Fatal(err)
		}
		if !more {
			break
		}
		if err := out.Add(e); err != nil {
			b.Fatal(err)
		}
	}
	if _, err := out.Close(); err != nil {
		b.Fatal(err)
	}
}

// signed is the octets of the delta's head, with one partition.
func (m measured) signed(b *testing.B) int {
	b.Helper()
	key := byhand.Key("bench central")
	row := manifest.Row{Key: make([]byte, 32), Number: 4000, ThisUpdate: firstDay, NextUpdate: firstDay + 2*86400}
	next := row
	next.Number, next.ThisUpdate, next.NextUpdate = row.Number+1, row.ThisUpdate+86400, row.NextUpdate+86400
	h := manifest.Head{Hierarchy: 1, Purpose: 1, Number: rule.Version{CentralEpoch: 1, N: 4001}, Issuers: [][]byte{make([]byte, 32)}}
	h, err := h.Describe(crlset.Summary{Entries: revoked, Size: uint64(m.size)}, []manifest.Row{next})
	if err != nil {
		b.Fatal(err)
	}
	d := manifest.DeltaHead{Version: manifest.Version, Base: rule.Version{CentralEpoch: 1, N: 4000}, Size: m.stats.Size, Digests: m.stats.Digests}
	if d.Next, err = h.Sign(key); err != nil {
		b.Fatal(err)
	}
	msg, err := d.Between([]manifest.Row{row}, []manifest.Row{next}).Sign(key)
	if err != nil {
		b.Fatal(err)
	}
	return len(msg)
}

func BenchmarkDelta(b *testing.B) {
	m := measure(b)
	added := float64(m.stats.Added)
	limit := (choose(universe-revoked, added) + added*(math.Log2(86400)+entropy())) / 8
	head := m.signed(b)
	for b.Loop() {
		if _, err := delta.Open(m.delta); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric((float64(len(m.delta))+float64(head))/limit, "of-limit")
	b.ReportMetric(float64(len(m.delta))/limit, "unsigned-of-limit")
	b.ReportMetric(float64(head), "head-B")
	b.ReportMetric(limit, "limit-B")
}

// BenchmarkApply alternates with a plain write and fsync of as many octets, and reports medians of both, their ratio, processor time
// and peak memory of one run.
func BenchmarkApply(b *testing.B) {
	m := measure(b)
	set, err := crlset.OpenFile(m.base, nil)
	if err != nil {
		b.Fatal(err)
	}
	octets, err := os.ReadFile(m.base)
	if err != nil {
		b.Fatal(err)
	}
	d := read(b, m.delta)
	path := filepath.Join(filepath.Dir(m.base), "next")
	plain := func(f *os.File) error { _, err := f.Write(octets); return err }
	apply := func(f *os.File) error { _, err := delta.Apply(f, set, d); return err }
	var walls [2][]float64
	var cpu []float64
	b.SetBytes(m.size)
	for b.Loop() {
		for i, write := range []func(*os.File) error{plain, apply} {
			before, began := used(b), time.Now()
			durably(b, path, write)
			walls[i] = append(walls[i], time.Since(began).Seconds()*1e3)
			if i == 1 {
				cpu = append(cpu, (used(b)-before)*1e3)
			}
		}
	}
	b.ReportMetric(median(walls[0]), "plain-ms")
	b.ReportMetric(median(walls[1]), "apply-ms")
	b.ReportMetric(median(walls[1])/median(walls[0]), "ratio")
	b.ReportMetric(median(cpu), "cpu-ms")
	b.ReportMetric(slices.Min(walls[1])/slices.Min(walls[0]), "best-ratio")
	octets = nil
	b.ReportMetric(peak(b, func() { durably(b, path, apply) }), "peak-MiB")
}

func median(x []float64) float64 {
	slices.Sort(x)
	return x[len(x)/2]
}

// used is the processor time of the process in seconds.
func used(b *testing.B) float64 {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
}

// peak is the most resident memory while do runs, mapped files included (proc(5), VmHWM and clear_refs).
func peak(b *testing.B, do func()) (mib float64) {
	b.Helper()
	debug.FreeOSMemory()
	if err := os.WriteFile("/proc/self/clear_refs", []byte("5"), 0); err != nil {
		b.Fatal(err)
	}
	do()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		b.Fatal(err)
	}
	_, after, _ := strings.Cut(string(status), "VmHWM:")
	var kib float64
	if _, err := fmt.Sscan(after, &kib); err != nil {
		b.Fatal(err)
	}
	return kib / 1024
}

// durably writes and fsyncs a file.
func durably(b *testing.B, path string, write func(f *os.File) error) {
	b.Helper()
	f, err := os.Create(path)
	if err != nil {
		b.Fatal(err)
	}
	if err := write(f); err != nil {
		b.Fatal(err)
	}
	if err := f.Sync(); err != nil {
		b.Fatal(err)
	}
	if err := f.Close(); err != nil {
		b.Fatal(err)
	}
}
