package main

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"kazashi.example/central/lab/world"
	"kazashi.example/central/lab/world/worldtest"
)

// atEnd is done after all tests.
var atEnd = func() {}

type tests struct{ *testing.M }

// Run runs them all.
func (t tests) Run() int {
	defer atEnd()
	return t.M.Run()
}

func TestMain(m *testing.M) {
	testscript.Main(tests{m}, map[string]func(){"kazashi-lab": main})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(e *testscript.Env) error {
			e.Setenv("KEYS", worldtest.KeyDir())
			return nil
		},
	})
}

// TestServe runs the service as the command does, asks it for a list and ends it as an interrupt would.
func TestServe(t *testing.T) {
	w := worldtest.Open(t, world.Config{People: 1})
	ctx, cancel := context.WithCancel(t.Context())
	out, in := io.Pipe()
	root := newRoot()
	root.SetArgs([]string{"jpki", "serve", "--world", w.Dir(), "--keys", worldtest.KeyDir(), "--listen", "127.0.0.1:0"})
	root.SetOut(in)
	done := make(chan error, 1)
	go func() {
		err := root.ExecuteContext(ctx)
		in.Close() // whoever still waits for a line shall not wait for ever
		done <- err
	}()
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	url := strings.TrimSpace(strings.TrimPrefix(line, "practice JPKI on "))
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+"/crl/auth.crl", nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK || res.Header.Get("Content-Type") != "application/pkix-crl" {
		t.Errorf("GET /crl/auth.crl = %s, %s", res.Status, res.Header.Get("Content-Type"))
	}
	cancel()
	if err := <-done; err != nil {
		t.Errorf("jpki serve after the interrupt = %v, want nil", err)
	}
}
