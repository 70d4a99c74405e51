package bench_test

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"testing"

	"kazashi.example/central/lab/bench"
	"kazashi.example/central/lab/world/worldtest"
)

// figures parses what a run printed: a value for every name, each name once.
func figures(t *testing.T, out string) map[string]float64 {
	t.Helper()
	all := map[string]float64{}
	for line := range strings.Lines(out) {
		f := strings.Fields(line)
		if len(f) > 0 && f[0] == "#" {
			continue
		}
		if len(f) != 4 || f[0] != "figure" {
			t.Errorf("Run printed %q, want figure NAME VALUE UNIT", line)
			continue
		}
		v, err := strconv.ParseFloat(f[2], 64)
		if err != nil {
			t.Errorf("value of %s = %q, want a number", f[1], f[2])
		}
		if _, twice := all[f[1]]; twice {
			t.Errorf("figure %s was printed twice", f[1])
		}
		all[f[1]] = v
	}
	return all
}

// atMost are the promises that are counts and so the same on every machine.
var atMost = map[string]float64{
	"apdus_certificate": 2, "apdus_tap_card": 8, "apdus_tap_card_cvc_cached": 7, "apdus_tap_card_bound": 4, "apdus_pin": 5,
	"apdus_enrol": 17, "apdus_enrol_cvc_cached": 15,
}

func checkCounts(t *testing.T, got map[string]float64) {
	t.Helper()
	for name, most := range atMost {
		switch n, ok := got[name]; {
		case !ok:
			t.Errorf("figure %s was not printed", name)
		case n < 1 || n > most:
			t.Errorf("figure %s = %v, want at most %v", name, n, most)
		}
		short, ok := got[name+"_short"]
		if !ok || short < got[name] {
			t.Errorf("figure %s_short = %v, %v, want no less than with extended lengths", name, short, ok)
		}
		octets := strings.Replace(name, "apdus_", "bytes_", 1)
		if got[octets] < 1000 || got[octets+"_short"] <= got[octets] {
			t.Errorf("figures %s = %v and _short %v, want a certificate at least, and more for short lengths", octets, got[octets], got[octets+"_short"])
		}
	}
}

// TestP1ReaderWithoutReaders runs without the programs that make a reader: what is counted and computed in this process is printed all the
// same, what is not is named in the error, and nothing is left behind.
func TestP1ReaderWithoutReaders(t *testing.T) {
	var out bytes.Buffer
	dir := t.TempDir()
	err := bench.RunReader(t.Context(), bench.Config{
		Bin: t.TempDir(), Dir: dir, Keys: worldtest.KeyDir(), Quick: true, Out: &out, Log: slog.New(slog.DiscardHandler),
	})
	if !errors.Is(err, bench.ErrMissing) {
		t.Fatalf("RunReader = %v, want ErrMissing", err)
	}
	for _, name := range []string{"opensc_apdus_certificate", "tap_model_excess_106_p50_ms", "certificate_read_vs_opensc"} {
		if !strings.Contains(err.Error(), name) {
			t.Errorf("RunReader = %v, want it to name %s", err, name)
		}
		if strings.Contains(out.String(), name) {
			t.Errorf("RunReader printed %s without a reader", name)
		}
	}
	got := figures(t, out.String())
	checkCounts(t, got)
	for _, name := range []string{"tap_crypto_vs_primitives", "tap_crypto_p50_us", "tap_computing_vs_primitives", "primitives_p50_us"} {
		if got[name] <= 0 {
			t.Errorf("figure %s = %v, want one", name, got[name])
		}
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("RunReader left %v behind (%v)", left, err)
	}
}
