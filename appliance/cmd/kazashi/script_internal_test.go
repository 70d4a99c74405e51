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
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	_ "modernc.org/sqlite" // to let a code expire

	"kazashi.example/firmware/command/commandtest"
	"kazashi.example/sync/uplink"
)

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
	s := &http.Server{ReadHeaderTimeout: commandtest.Limit, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, 0)}
	s.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { pass(w, r, onward, args[1]) })
	done := make(chan struct{})
	go func() { defer close(done); _ = s.Serve(l) }()
	ts.Defer(func() { s.Close(); <-done })
}

func pass(w http.ResponseWriter, r *http.Request, onward *http.Client, to string) {
	ctx, cancel := context.WithTimeout(r.Context(), commandtest.Limit)
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
