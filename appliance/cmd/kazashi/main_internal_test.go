package main

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"kazashi.example/appliance/config"
	"kazashi.example/central/lab/jpki"
	"kazashi.example/central/lab/stage"
	"kazashi.example/central/lab/world"
	"kazashi.example/central/lab/world/worldtest"
	"kazashi.example/firmware/command/commandtest"
	"kazashi.example/sync/certid"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"kazashi": main, "get": get})
}

// TestScripts runs the box's program against a real central and the practice JPKI. No script finds a PC/SC service.
func TestScripts(t *testing.T) {
	programs := t.TempDir()
	build := exec.CommandContext(t.Context(), "go", "build", "-o", programs, "kazashi.example/central/cmd/kazashi-central")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building kazashi-central: %v\n%s", err, out)
	}
	w := worldtest.Open(t, world.Config{People: 1})
	authority, err := jpki.NewService(w, jpki.Config{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(authority)
	t.Cleanup(web.Close)
	var anchors []string
	for _, a := range w.Anchors() {
		if a.Scope.Purpose != certid.PurposeAuth {
			continue
		}
		path := filepath.Join(programs, fmt.Sprintf("auth-%d.cer", a.Generation))
		if err := os.WriteFile(path, a.Cert, 0o600); err != nil {
			t.Fatal(err)
		}
		anchors = append(anchors, path)
	}
	commands := commandtest.Commands()
	commands["expire"], commands["impostor"], commands["records"] = expire, impostor, records
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(e *testscript.Env) error {
			e.Setenv("PATH", programs+string(os.PathListSeparator)+e.Getenv("PATH"))
			e.Setenv("PCSCLITE_CSOCK_NAME", filepath.Join(e.WorkDir, "no-pcscd"))
			return setUp(t, e, stage.Central{AuthAnchors: anchors, JPKI: web.URL})
		},
		Cmds: commands,
	})
}

// setUp writes c.toml for one central and b.toml and b2.toml for two boxes, and names their places: $UPLINK, $HTTP, $PAGE, $PAGE2, $LINE.
func setUp(t *testing.T, e *testscript.Env, c stage.Central) error {
	at, err := stage.FreePorts(t.Context(), 5)
	if err != nil {
		return err
	}
	for i, name := range []string{"UPLINK", "HTTP", "PAGE", "PAGE2", "LINE"} {
		e.Setenv(name, at[i])
	}
	c.DataDir, c.Uplink, c.HTTP = filepath.Join(e.WorkDir, "c"), at[0], at[1]
	c.Verifier, c.Services, c.ListEvery, c.BackupEvery = "practice-city", []string{"practice.library"}, time.Second, time.Hour
	b := stage.Box{DataDir: filepath.Join(e.WorkDir, "b"), Desk: "counter-1", Service: "practice.library", Central: at[0], Counter: at[2]}
	b2, line := b, b
	b2.DataDir, b2.Counter = filepath.Join(e.WorkDir, "b2"), at[3]
	line.Central = at[4]
	return errors.Join(
		stage.WriteConfig(filepath.Join(e.WorkDir, "c.toml"), c.TOML()),
		stage.WriteConfig(filepath.Join(e.WorkDir, "b.toml"), b.TOML()),
		stage.WriteConfig(filepath.Join(e.WorkDir, "b2.toml"), b2.TOML()),
		stage.WriteConfig(filepath.Join(e.WorkDir, "line.toml"), line.TOML()),
	)
}

// TestReference holds README.md to the program.
func TestReference(t *testing.T) {
	commandtest.Reference(t, newRoot(), reflect.TypeFor[config.Config]())
}

func TestHelp(t *testing.T) { commandtest.Help(t, newRoot()) }
