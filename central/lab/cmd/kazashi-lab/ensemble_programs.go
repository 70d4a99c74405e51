package main

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"kazashi.example/central/lab/stage"
	"kazashi.example/sync/certid"
)

// onceWithin bounds a program that does one thing and ends.
const onceWithin = time.Minute

var errOnce = errors.New("a program failed")

func (e *ensemble) startJPKI(ctx context.Context) error {
	_, err := e.stage.Start(ctx, stage.Spec{
		Name: "practice JPKI", Path: e.program("kazashi-lab"), Log: e.path("log", "jpki.log"),
		Args:  []string{"jpki", "serve", "--world", e.path("world"), "--keys", e.keys, "--listen", e.at.JPKI, "--former"},
		Ready: stage.URL("http://" + e.at.JPKI + "/crl/auth.crl"),
	})
	return err
}

func (e *ensemble) centralConfig() string { return e.path("central", "central.toml") }
func (e *ensemble) boxConfig() string     { return e.own("box", "kazashi.toml") }

func (e *ensemble) startCentral(ctx context.Context) error {
	auth, sign, err := e.writeAnchors()
	if err != nil {
		return err
	}
	cards, err := e.cardAuthorities()
	if err != nil {
		return err
	}
	err = stage.WriteConfig(e.centralConfig(), stage.Central{
		DataDir: e.path("central"), Uplink: e.at.Uplink, HTTP: e.at.Central, AuthAnchors: auth, SignAnchors: sign,
		JPKI: "http://" + e.at.JPKI, Verifier: practiceVerifier, Services: []string{practiceService},
		Evidence: practiceEvidence, CardCAs: cards, ListEvery: listEvery, BackupEvery: backupEvery, RenewalsEvery: renewalsEvery,
	}.TOML())
	if err != nil {
		return err
	}
	if err := e.initCentral(ctx); err != nil {
		return err
	}
	e.service, err = e.stage.Start(ctx, stage.Spec{
		Name: "central", Path: e.program("kazashi-central"), Args: []string{"serve", "--config", e.centralConfig()},
		Log: e.path("log", "central.log"), Ready: stage.URL("http://" + e.at.Central + "/healthz"),
	})
	return err
}

// cardAuthorities are the files in which the world keeps the authorities of cards' own keys.
func (e *ensemble) cardAuthorities() ([]stage.CardCA, error) {
	anchors, err := e.world.CardAnchors()
	if err != nil {
		return nil, fmt.Errorf("reading the practice cards' authorities: %w", err)
	}
	var out []stage.CardCA
	for _, a := range anchors {
		path, err := filepath.Abs(a.Path)
		if err != nil {
			return nil, fmt.Errorf("finding a card authority: %w", err)
		}
		out = append(out, stage.CardCA{ID: hex.EncodeToString(a.KeyID[:]), Key: path})
	}
	return out, nil
}

// writeAnchors gives central the roots as files: who takes practice cards must be told whose they are.
func (e *ensemble) writeAnchors() (auth, sign []string, err error) {
	for _, a := range e.world.Anchors() {
		list, name := &auth, "auth"
		if a.Scope.Purpose == certid.PurposeSign {
			list, name = &sign, "sign"
		}
		path := e.path("central", "anchors", fmt.Sprintf("%s-g%d.cer", name, a.Generation))
		if err := stage.WriteConfig(path, a.Cert); err != nil {
			return nil, nil, err
		}
		*list = append(*list, path)
	}
	return auth, sign, nil
}

// initCentral makes central's keys once. Keys without a database are what an interrupted first start left: nothing was sealed
// to them yet.
func (e *ensemble) initCentral(ctx context.Context) error {
	if there(e.path("central", "central.db")) {
		return nil
	}
	if there(e.own("box", "place.cbor")) {
		return fmt.Errorf("%w: %s holds a box that joined a central which is gone; delete the folder", errFolder, e.dir)
	}
	if err := os.RemoveAll(e.path("central", "keys")); err != nil {
		return fmt.Errorf("removing keys of an interrupted start: %w", err)
	}
	_, err := e.once(ctx, "kazashi-central", "init", "--config", e.centralConfig())
	return err
}

// configureBox writes the box's configuration.
func (e *ensemble) configureBox() error {
	return stage.WriteConfig(e.boxConfig(), stage.Box{
		DataDir: e.own("box"), Desk: practiceDesk + e.mark, Service: practiceService, Central: e.at.Line, Counter: e.at.Counter,
		Sticks: filepath.Dir(e.stick()),
	}.TOML())
}

// joinCode is central's for one more box.
func (e *ensemble) joinCode(ctx context.Context) (string, error) {
	return e.once(ctx, "kazashi-central", "box", "code", "--config", e.centralConfig(), "--site", practiceSite, "--name", practiceBox+e.mark)
}

// startBox writes the box's configuration, joins it the first time, and runs it.
func (e *ensemble) startBox(ctx context.Context) error {
	if err := e.configureBox(); err != nil {
		return err
	}
	if !there(e.own("box", "place.cbor")) {
		code, err := e.joinCode(ctx)
		if err != nil {
			return err
		}
		if _, err := e.once(ctx, "kazashi", "join", "--config", e.boxConfig(), code); err != nil {
			return err
		}
	}
	return e.runBox(ctx)
}

func (e *ensemble) runBox(ctx context.Context) (err error) {
	e.box, err = e.stage.Start(ctx, e.boxSpec())
	return err
}

func (e *ensemble) boxSpec() stage.Spec {
	return stage.Spec{
		Name: "box" + e.mark, Path: e.program("kazashi"), Args: []string{"run", "--config", e.boxConfig()}, Env: []string{e.rig.Env()},
		Log: e.path("log", "box"+e.mark+".log"), Ready: stage.URL("http://" + e.at.Counter + "/healthz"),
	}
}

// once runs a program to its end and returns what it printed. The error carries what it complained of.
func (e *ensemble) once(ctx context.Context, name string, args ...string) (string, error) {
	return e.typing(ctx, "", name, args...)
}

// typing is once for a program that asks for something: it gets a line on its standard input.
func (e *ensemble) typing(ctx context.Context, line, name string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, onceWithin)
	defer cancel()
	cmd := exec.CommandContext(ctx, e.program(name), args...) //nolint:gosec // programs and arguments are the lab's own
	cmd.Stdin = strings.NewReader(line + "\n")
	var out, complaint bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaint
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%w: %s %s: %w: %s", errOnce, name, args[0], err, strings.TrimSpace(complaint.String()))
	}
	return strings.TrimSpace(out.String()), nil
}

func there(path string) bool {
	_, err := os.Lstat(path)
	return !errors.Is(err, fs.ErrNotExist)
}
