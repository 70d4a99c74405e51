package bench

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"kazashi.example/central/lab/crlgen"
	"kazashi.example/central/lab/stage"
)

// nobody is an address where nothing listens: no part of this bench uses the line.
const nobody = "127.0.0.1:9"

// ingest runs the real program on a list, in a new data folder that is made before and removed after.
func (r *revocationRun) ingest(ctx context.Context, env []string, list string) (u usage, err error) {
	dir, err := os.MkdirTemp(r.dir, "central-")
	if err != nil {
		return usage{}, fmt.Errorf("making a data folder: %w", err)
	}
	defer os.RemoveAll(dir)
	conf := filepath.Join(dir, "central.toml")
	c := stage.Central{
		DataDir: filepath.Join(dir, "data"), Uplink: nobody, HTTP: nobody, JPKI: "http://" + nobody,
		AuthAnchors: []string{r.file(filepath.Join("ca", crlgen.CertFile))}, Verifier: "practice-city", Services: []string{service},
		ListEvery: 15 * time.Minute, BackupEvery: time.Minute,
	}
	if err := stage.WriteConfig(conf, c.TOML()); err != nil {
		return usage{}, err
	}
	program := r.program("kazashi-central")
	if out, err := exec.CommandContext(ctx, program, "init", "--config", conf).CombinedOutput(); err != nil { //nolint:gosec // the lab's own
		return usage{}, fmt.Errorf("making central's keys: %w: %s", err, out)
	}
	quiet()
	return r.child(ctx, env, program, "crl", "ingest", "--config", conf, r.file(list))
}
