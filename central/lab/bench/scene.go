package bench

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"kazashi.example/central/admin"
	"kazashi.example/central/daemon"
	"kazashi.example/central/lab/stage"
	"kazashi.example/central/lab/world"
)

const (
	service = "drill"
	desk    = "desk-1"

	lookEvery = 100 * time.Millisecond // at something that changes by itself
	askWithin = 10 * time.Second       // for one answer
)

// scene is a practice world, its JPKI and a central, as real processes.
type scene struct {
	run    *run
	stage  *stage.Stage
	world  *world.World
	people []resident     // whose cards are in order
	daemon *stage.Process // central
	data   string         // its data folder

	conf     string        // central's configuration file
	uplink   string        // host:port
	http     string        // host:port of its operator's side
	operator *admin.Client // of central: counts anew whenever it is asked
}

func openScene(ctx context.Context, r *run) (*scene, error) {
	s := &scene{run: r, stage: stage.New(r.Log)}
	w, err := world.Open(ctx, filepath.Join(r.dir, "world"), world.Config{Keys: r.Keys})
	if err != nil {
		return nil, fmt.Errorf("opening practice world: %w", err)
	}
	s.world = w
	if s.people, err = residents(w); err != nil {
		return nil, err
	}
	if err := s.start(ctx); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

func (s *scene) close() error { return s.stage.Close() }

// program is the path of a built program.
func (r *run) program(name string) string { return filepath.Join(r.Bin, name) }

func (s *scene) certs() [][]byte { return certsOf(s.people) }

// start runs the practice JPKI and central.
func (s *scene) start(ctx context.Context) error {
	ports, err := stage.FreePorts(ctx, 3)
	if err != nil {
		return err
	}
	jpki := "http://" + ports[0]
	_, err = s.stage.Start(ctx, stage.Spec{
		Name: "jpki", Path: s.run.program("kazashi-lab"), Log: filepath.Join(s.run.dir, "jpki.log"),
		Args:  []string{"jpki", "serve", "--world", s.world.Dir(), "--keys", s.run.Keys, "--listen", ports[0]},
		Ready: stage.URL(jpki + "/crl/auth.crl"),
	})
	if err != nil {
		return err
	}
	auth, sign, err := s.anchorFiles()
	if err != nil {
		return err
	}
	cards, err := s.cardAuthorities()
	if err != nil {
		return err
	}
	s.uplink, s.conf = ports[1], filepath.Join(s.run.dir, "central.toml")
	s.http, s.data = ports[2], filepath.Join(s.run.dir, "central")
	conf := stage.Central{
		DataDir: s.data, Uplink: ports[1], HTTP: ports[2], JPKI: jpki,
		AuthAnchors: auth, SignAnchors: sign, CardCAs: cards, Verifier: "practice-city", Services: []string{service},
		ListEvery: 15 * time.Minute, BackupEvery: time.Minute, // central's own defaults
	}
	if err := stage.WriteConfig(s.conf, conf.TOML()); err != nil {
		return err
	}
	if _, err := s.command(ctx, "kazashi-central", "init", "--config", s.conf); err != nil {
		return err
	}
	s.operator = admin.NewClient(filepath.Join(s.data, daemon.Socket))
	return s.serve(ctx)
}

// serve runs central.
func (s *scene) serve(ctx context.Context) (err error) {
	s.daemon, err = s.stage.Start(ctx, stage.Spec{
		Name: "central", Path: s.run.program("kazashi-central"), Args: []string{"serve", "--config", s.conf},
		Log: filepath.Join(s.run.dir, "central.log"), Ready: stage.URL("http://" + s.http + "/healthz"),
	})
	return err
}

// cardAuthorities are the files in which the practice world keeps the authorities of cards' own keys.
func (s *scene) cardAuthorities() (all []stage.CardCA, err error) {
	anchors, err := s.world.CardAnchors()
	if err != nil {
		return nil, fmt.Errorf("reading the practice cards' authorities: %w", err)
	}
	for _, a := range anchors {
		all = append(all, stage.CardCA{ID: hex.EncodeToString(a.KeyID[:]), Key: a.Path})
	}
	return all, nil
}

// anchorFiles writes the practice roots for central's configuration.
func (s *scene) anchorFiles() (auth, sign []string, err error) {
	for i, a := range s.world.Anchors() {
		path := filepath.Join(s.run.dir, fmt.Sprintf("root-%d.cer", i))
		if err := os.WriteFile(path, a.Cert, 0o600); err != nil {
			return nil, nil, fmt.Errorf("writing a practice root: %w", err)
		}
		if a.Scope.Purpose.String() == "sign" {
			sign = append(sign, path)
		} else {
			auth = append(auth, path)
		}
	}
	return auth, sign, nil
}

// command runs a program to its end and returns what it printed.
func (s *scene) command(ctx context.Context, program string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, s.run.program(program), args...) //nolint:gosec // programs and arguments are the lab's own
	var complaint strings.Builder
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("running %s %s: %w: %s", program, args[0], err, strings.TrimSpace(complaint.String()))
	}
	return strings.TrimSpace(string(out)), nil
}

// newBox configures a box below the run's folder that finds central at an address, and joins it.
func (s *scene) newBox(ctx context.Context, name, central string) (conf string, b stage.Box, err error) {
	ports, err := stage.FreePorts(ctx, 1)
	if err != nil {
		return "", b, err
	}
	conf = filepath.Join(s.run.dir, name+".toml")
	b = stage.Box{DataDir: filepath.Join(s.run.dir, name), Desk: desk, Service: service, Central: central, Counter: ports[0]}
	if err := stage.WriteConfig(conf, b.TOML()); err != nil {
		return "", b, err
	}
	code, err := s.command(ctx, "kazashi-central", "box", "code", "--site", "branch-1", "--name", name, "--config", s.conf)
	if err != nil {
		return "", b, err
	}
	_, err = s.command(ctx, "kazashi", "join", code, "--config", conf)
	return conf, b, err
}

// central asks central how it is.
func (s *scene) central(ctx context.Context) (admin.Status, error) {
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	return s.operator.Status(ctx)
}

// errNotYet is why until goes on waiting.
var errNotYet = errors.New("not yet")

// until looks again and again until look is content; its last complaint is the error when time is over.
func until(ctx context.Context, within time.Duration, look func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		err := look(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", ctx.Err(), err)
		case <-tick.C:
		}
	}
}

// settle waits, so that what a program does right after its start is over.
func settle(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
