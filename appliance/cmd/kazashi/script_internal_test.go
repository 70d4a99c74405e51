package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	_ "modernc.org/sqlite" // to let a code expire

	"kazashi.example/sync/uplink"
)

// awaitLimit is how long a script waits for anything.
const awaitLimit = 20 * time.Second

// get is a program that prints what a URL answers.
func get() {
	resp, err := http.Get(os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	defer resp.Body.Close()
	_, _ = io.Copy(os.Stdout, resp.Body)
}

// status N PROGRAM ARGS… wants exactly that exit status.
func status(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: status N PROGRAM ARGS…")
	}
	err := ts.Exec(args[1], args[2:]...)
	got := 0
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		got = exit.ExitCode()
	}
	if strconv.Itoa(got) != args[0] {
		ts.Fatalf("exit status %d (%v), want %s", got, err, args[0])
	}
}

// await PATTERN PROGRAM ARGS… repeats a program until its output matches.
func await(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: await PATTERN PROGRAM ARGS…")
	}
	want := regexp.MustCompile("(?m)" + args[0])
	poll := time.NewTicker(50 * time.Millisecond)
	defer poll.Stop()
	for deadline := time.After(awaitLimit); ; {
		err := ts.Exec(args[1], args[2:]...)
		if want.MatchString(ts.ReadFile("stdout")) {
			return
		}
		select {
		case <-poll.C:
		case <-deadline:
			ts.Fatalf("%q did not come: %v", args[0], err)
		}
	}
}

// terminate WORD sends SIGTERM to the program in the background that has WORD among its arguments.
func terminate(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: terminate WORD")
	}
	for _, c := range ts.BackgroundCmds() {
		if slices.Contains(c.Args, args[0]) {
			ts.Check(c.Process.Signal(syscall.SIGTERM))
			return
		}
	}
	ts.Fatalf("no program with %q runs", args[0])
}

// occupy ADDRESS listens there to the end of the script.
func occupy(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: occupy ADDRESS")
	}
	l, err := net.Listen("tcp", args[0])
	ts.Check(err)
	ts.Defer(func() { l.Close() })
}

// expire DIR lets every join code of a central that does not run have expired an hour ago.
func expire(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: expire DIR")
	}
	db, err := sql.Open("sqlite", filepath.Join(ts.MkAbs(args[0]), "central.db"))
	ts.Check(err)
	r, err := db.Exec("UPDATE codes SET expires = ?", time.Now().Add(-time.Hour).UnixMilli())
	ts.Check(errors.Join(err, db.Close()))
	if n, err := r.RowsAffected(); n == 0 || err != nil {
		ts.Fatalf("no code to expire: %v", err)
	}
}

// impostor ADDRESS CENTRAL is somebody in between: it shows a key of its own and passes every request on to central.
func impostor(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: impostor ADDRESS CENTRAL")
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	ts.Check(err)
	conf, err := uplink.ServerConfig(key)
	ts.Check(err)
	own, err := uplink.WrapKey(key)
	ts.Check(err)
	onward := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{
		MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{own}, InsecureSkipVerify: true,
	}}}
	l, err := tls.Listen("tcp", args[0], conf)
	ts.Check(err)
	s := &http.Server{ReadHeaderTimeout: awaitLimit, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, 0)}
	s.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { pass(w, r, onward, args[1]) })
	done := make(chan struct{})
	go func() { defer close(done); _ = s.Serve(l) }()
	ts.Defer(func() { s.Close(); <-done })
}

func pass(w http.ResponseWriter, r *http.Request, onward *http.Client, to string) {
	ctx, cancel := context.WithTimeout(r.Context(), awaitLimit)
	defer cancel()
	b, _ := io.ReadAll(r.Body)
	req, _ := http.NewRequestWithContext(ctx, r.Method, "https://"+to+r.URL.Path, bytes.NewReader(b))
	req.Header = r.Header
	resp, err := onward.Do(req)
	if err != nil {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	defer resp.Body.Close()
	w.Header().Set("Content-Type", resp.Header.Get("Content-Type"))
	w.WriteHeader(resp.StatusCode)
	_, _ = io.Copy(w, resp.Body)
}
