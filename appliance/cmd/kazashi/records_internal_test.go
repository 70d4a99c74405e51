package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"kazashi.example/appliance/journal"
	"kazashi.example/sync/record"
	"kazashi.example/sync/seal"
)

// records DIR N makes the data directory of a box that died with N records of made-up people, and nothing else of it.
func records(ts *testscript.TestScript, neg bool, args []string) {
	n := 0
	if len(args) == 2 {
		n, _ = strconv.Atoi(args[1])
	}
	if neg || n == 0 {
		ts.Fatalf("usage: records DIR N")
	}
	dir := ts.MkAbs(args[0])
	device, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	ts.Check(err)
	central, err := seal.GenerateKey()
	ts.Check(errors.Join(err, os.MkdirAll(dir, 0o700)))
	j, err := journal.Open(context.Background(), filepath.Join(dir, "journal.db"), journal.Options{
		Device: device, Box: record.NewBoxID(), Fresh: true, Recipient: func() (seal.PublicKey, error) { return central.Public(), nil },
	})
	ts.Check(err)
	for i := range n {
		_, err := j.Append(context.Background(), fmt.Appendf(nil, "made-up content %d", i), journal.Clear{
			Tap: record.NewTapID(), Time: time.UnixMilli(int64(i)), Desk: "counter-1", Service: "practice.library",
			Verdict: record.VerdictProvisional, Reason: record.ReasonListOld, Code: "2K7M",
		})
		ts.Check(err)
	}
	ts.Check(j.Close())
}
