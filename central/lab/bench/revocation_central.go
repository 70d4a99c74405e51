package bench

import (
	"context"
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"kazashi.example/central/lab/crlgen"
	"kazashi.example/central/lab/stage"
	"kazashi.example/sync/sign"
)

// nobody is an address where nothing listens: no part of this bench uses the line.
const nobody = "127.0.0.1:9"

// central is a data folder of the real program, with its keys made and nothing in it.
type central struct {
	run  *revocationRun
	dir  string
	conf string
}

// newCentral makes one, which end removes.
func (r *revocationRun) newCentral(ctx context.Context) (*central, error) {
	dir, err := os.MkdirTemp(r.dir, "central-")
	if err != nil {
		return nil, fmt.Errorf("making a data folder: %w", err)
	}
	c := &central{run: r, dir: dir, conf: filepath.Join(dir, "central.toml")}
	conf := stage.Central{
		DataDir: filepath.Join(dir, "data"), Uplink: nobody, HTTP: nobody, JPKI: "http://" + nobody,
		AuthAnchors: []string{r.file(filepath.Join("ca", crlgen.CertFile))}, Verifier: "practice-city", Services: []string{service},
		ListEvery: 15 * time.Minute, BackupEvery: time.Minute,
	}
	if err := stage.WriteConfig(c.conf, conf.TOML()); err != nil {
		return nil, errors.Join(err, c.end())
	}
	if err := c.do(ctx, "init"); err != nil {
		return nil, errors.Join(err, c.end())
	}
	return c, nil
}

func (c *central) end() error { return os.RemoveAll(c.dir) }

// do runs a command of the program to its end.
func (c *central) do(ctx context.Context, args ...string) error {
	cmd := exec.CommandContext(ctx, c.run.program("kazashi-central"), append(args, "--config", c.conf)...) //nolint:gosec // the lab's own
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("running kazashi-central %s: %w: %s", args[0], err, out)
	}
	return nil
}

// ingest runs the real program on a list, with a data folder of its own.
func (r *revocationRun) ingest(ctx context.Context, env []string, list string) (u usage, err error) {
	c, err := r.newCentral(ctx)
	if err != nil {
		return usage{}, err
	}
	defer func() { err = errors.Join(err, c.end()) }()
	quiet()
	return r.child(ctx, env, r.program("kazashi-central"), "crl", "ingest", "--config", c.conf, r.file(list))
}

// day has the program take the list of a day, make the next set, and export it to a folder that is returned.
func (c *central) day(ctx context.Context, l *crlgen.List, name string) (string, error) {
	list, stick := name+".crl", c.run.file(name+"-stick")
	if err := c.run.write(l, list); err != nil {
		return "", err
	}
	defer os.Remove(c.run.file(list))
	for _, args := range [][]string{{"ingest", c.run.file(list)}, {"build"}, {"export", stick}} {
		if err := c.do(ctx, append([]string{"crl"}, args...)...); err != nil {
			return "", err
		}
	}
	return stick, nil
}

// signingKey is the one with which a central signs what its boxes believe.
func signingKey(data string) (*ecdsa.PrivateKey, error) {
	text, err := os.ReadFile(filepath.Join(data, "keys", "sign.key"))
	if err != nil {
		return nil, fmt.Errorf("reading central's key: %w", err)
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, fmt.Errorf("%w: central's key is not PEM", ErrSame)
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("parsing central's key: %w", err)
	}
	if key, ok := key.(*ecdsa.PrivateKey); ok {
		return key, nil
	}
	return nil, fmt.Errorf("%w: central's key is of another kind", ErrSame)
}

// keyFile keeps the public half of the program's signing key where children look for it.
func (c *central) keyFile(path string) error {
	key, err := signingKey(filepath.Join(c.dir, "data"))
	if err != nil {
		return err
	}
	public, err := sign.PublicKeyOf(key.Public())
	if err != nil {
		return err
	}
	if err := os.WriteFile(path, public.DER(), 0o600); err != nil {
		return fmt.Errorf("keeping a key: %w", err)
	}
	return nil
}

// take moves the one file with that ending from a folder to a name of the run.
func (r *revocationRun) take(stick, ending, name string) error {
	files, err := filepath.Glob(filepath.Join(stick, "*"+ending))
	if err != nil || len(files) == 0 {
		return fmt.Errorf("looking for %s: %w: %w", ending, err, os.ErrNotExist)
	}
	if err := os.Rename(files[len(files)-1], r.file(name)); err != nil { // the newest has the highest number
		return fmt.Errorf("taking %s: %w", ending, err)
	}
	return nil
}
