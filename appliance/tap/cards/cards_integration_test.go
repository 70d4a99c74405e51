//go:build integration

package cards_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"kazashi.example/appliance/tap"
	"kazashi.example/appliance/tap/cards"
	"kazashi.example/central/lab/pcscd"
	"kazashi.example/central/lab/world"
	"kazashi.example/central/lab/world/worldtest"
	"kazashi.example/localapi"
	"kazashi.example/reader/mynumber"
	"kazashi.example/reader/pcsc"
	"kazashi.example/reader/vcard/control"
	"kazashi.example/reader/vcard/vpcd"
)

// base is the reader rig's directory; libpcsclite reads the variable that names its socket once a process.
var base string

func TestMain(m *testing.M) {
	pcsc.Main()
	os.Exit(run(m))
}

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "cards")
	if err == nil {
		defer func() { _ = os.RemoveAll(dir) }()
		base = dir
		err = os.Setenv("PCSCLITE_CSOCK_NAME", filepath.Join(dir, "run", "pcscd.comm"))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

func next(t *testing.T, events <-chan tap.Event, want tap.Kind) tap.Event {
	t.Helper()
	for {
		select {
		case e := <-events:
			if e.Kind == want {
				return e
			}
		case <-time.After(20 * time.Second):
			t.Fatalf("no event of kind %d", want)
		}
	}
}

// TestRealReadersAndCards: no service, then one; a card is read; a stranger, a torn one and nonsense end as what they are, an empty
// reader and one that is not there get their words at the counter.
func TestRealReadersAndCards(t *testing.T) {
	vcard := filepath.Join(base, "vcard")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", vcard, "kazashi.example/reader/cmd/vcard").CombinedOutput(); err != nil {
		t.Fatalf("building the virtual card: %v: %s", err, out)
	}
	p, err := worldtest.Open(t, world.Config{}).Person("hanako")
	must(t, err)
	events := make(chan tap.Event, 64)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- cards.PCSC{}.Watch(ctx, func(e tap.Event) { events <- e }) }()
	if e := next(t, events, tap.ServiceLost); e.Err == nil {
		t.Error("ServiceLost says nothing about why")
	}
	fails(t, "no reader", localapi.FailureNoPCSC)

	rig, err := pcscd.Start(t.Context(), pcscd.Config{VCard: vcard, Slots: 1, Dir: base})
	must(t, err)
	t.Cleanup(func() { must(t, rig.Stop()) })
	next(t, events, tap.ReaderAdded)
	reader := rig.ReaderName(0)
	fails(t, reader, localapi.FailureTorn) // empty
	fails(t, "no such reader", localapi.FailureReaderGone)
	for _, tc := range []struct {
		name string
		req  control.InsertRequest
		want error
	}{
		{"in order", control.InsertRequest{Profile: p.Profile}, nil},
		{"stranger", control.InsertRequest{Fault: &control.Fault{Kind: vpcd.Stranger}}, mynumber.ErrNotMyNumber},
		{"torn", control.InsertRequest{Profile: p.Profile, Fault: &control.Fault{Kind: vpcd.Tear, AfterAPDUs: 1}}, mynumber.ErrTorn},
		{"nonsense", control.InsertRequest{Profile: p.Profile, Fault: &control.Fault{Kind: vpcd.Nonsense, AfterAPDUs: 1}}, mynumber.ErrNonsense},
	} {
		_, err := rig.Control().Insert(t.Context(), 0, tc.req)
		must(t, err)
		if e := next(t, events, tap.CardArrived); e.Reader != reader || e.Already {
			t.Errorf("%s: arrived on %q, already %t", tc.name, e.Reader, e.Already)
		}
		read(t, reader, tc.want)
		if _, err := rig.Control().Remove(t.Context(), 0); err != nil && !errors.Is(tc.want, mynumber.ErrTorn) { // a torn one is gone
			t.Fatal(err)
		}
		next(t, events, tap.CardRemoved)
	}
	cancel()
	must(t, <-done)
}

// fails connects to a reader and compares the counter's word for why that is not possible.
func fails(t *testing.T, reader string, want localapi.ReadFailure) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
	defer cancel()
	_, err := cards.PCSC{}.Open(ctx, reader)
	var r *tap.ReadError
	if !errors.As(err, &r) || r.Failure != want {
		t.Errorf("Open(%q) = %v, want %s", reader, err, want)
	}
}

// read reads the card on a reader, and compares what became of it.
func read(t *testing.T, reader string, want error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
	defer cancel()
	conn, err := cards.PCSC{}.Open(ctx, reader)
	must(t, err)
	cert, err := mynumber.New(conn, mynumber.Options{}).ReadAuthCert(ctx)
	if !errors.Is(err, want) || want == nil && len(cert.DER()) < 1000 {
		t.Errorf("ReadAuthCert() = %d octets, %v, want %v", len(cert.DER()), err, want)
	}
	var r *tap.ReadError
	if errors.As(err, &r) && r.Failure != localapi.FailureTorn { // the service may not know yet that the card is gone; then ErrTorn alone says it
		t.Errorf("a card that was taken away is %v at the counter, want torn", err)
	}
	must(t, conn.Close())
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
