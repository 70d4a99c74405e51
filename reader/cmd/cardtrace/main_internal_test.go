package main

import (
	"context"
	"encoding/hex"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"kazashi.example/central/lab/world"
	"kazashi.example/central/lab/world/worldtest"
	"kazashi.example/reader/pcsc"
	"kazashi.example/reader/vcard"
)

// cardtrace-in-process is the program with a virtual card in its own process where a reader would be; CARD is its profile.
func TestMain(m *testing.M) {
	pcsc.Main()
	testscript.Main(m, map[string]func(){
		"cardtrace":            main,
		"cardtrace-in-process": func() { os.Exit((&program{open: openProfile, readers: oneReader}).run(os.Args[1:])) },
	})
}

func openProfile(_ context.Context, reader string) (session, error) {
	if reader != "" && reader != "Own Reader" {
		return session{}, pcsc.ErrNoReader
	}
	card, err := vcard.Open(os.Getenv("CARD"))
	if err != nil {
		return session{}, err
	}
	return session{Transmitter: inProcess{card: card}, reader: "Own Reader", close: card.Reset}, nil
}

func oneReader(context.Context) ([]readerState, error) {
	return []readerState{{"Own Reader", "card"}}, nil
}

func TestScripts(t *testing.T) {
	w := worldtest.Open(t, world.Config{Now: madeOn})
	person := practicePerson(t, "hanako")
	stored, err := filepath.Abs(transcripts)
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"status": status,
			"with":   with,
		},
		Setup: func(e *testscript.Env) error {
			p, err := w.Person("hanako")
			if err != nil {
				return err
			}
			e.Setenv("CARD", e.WorkDir+"/card.json")
			e.Setenv("STORED", stored)
			hexPIN := strings.ToUpper(hex.EncodeToString([]byte(person.AuthPIN)))
			e.Setenv("PIN", person.AuthPIN)
			e.Setenv("PIN_HEX", hexPIN)
			b, err := os.ReadFile(p.Profile)
			return errors.Join(err,
				os.WriteFile(e.WorkDir+"/card.json", b, 0o600),
				os.WriteFile(e.WorkDir+"/trust.pem", practiceTrust(t, w), 0o600),
				os.WriteFile(e.WorkDir+"/pin", []byte(person.AuthPIN+"\n"), 0o600),
				os.WriteFile(e.WorkDir+"/birth", []byte(person.Birth.Compact()+"\n"), 0o600))
		},
	})
}

// status N PROGRAM ARGS… wants exactly that exit status.
func status(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: status N PROGRAM ARGS…")
	}
	expect(ts, args[0], ts.Exec(args[1], args[2:]...))
}

// with FILE N PROGRAM ARGS… gives the program FILE as file descriptor 3 and wants exactly that exit status.
func with(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 {
		ts.Fatalf("usage: with FILE N PROGRAM ARGS…")
	}
	script := `exec 3<"$0"; exec "$@"`
	expect(ts, args[1], ts.Exec("sh", append([]string{"-c", script, ts.MkAbs(args[0])}, args[2:]...)...))
}

func expect(ts *testscript.TestScript, want string, err error) {
	got := 0
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		got = exit.ExitCode()
	}
	if strconv.Itoa(got) != want {
		ts.Fatalf("exit status %d (%v), want %s", got, err, want)
	}
}
