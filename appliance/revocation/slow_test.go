package revocation_test

import (
	"errors"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"kazashi.example/appliance/revocation/settest"
	"kazashi.example/sync/record"
	"kazashi.example/sync/wire"
)

// lease takes a file so that whoever opens it waits until it is given back, as for a slow disk; the channel tells that somebody does.
func lease(t *testing.T, path string) (waits <-chan os.Signal, give func()) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	must(t, err)
	broken := make(chan os.Signal, 1)
	signal.Notify(broken, syscall.SIGIO)
	const setLease = 1024
	if _, _, no := syscall.Syscall(syscall.SYS_FCNTL, f.Fd(), setLease, syscall.F_WRLCK); no != 0 {
		t.Fatalf("taking a lease: %v", no)
	}
	return broken, func() {
		signal.Stop(broken)
		_, _, no := syscall.Syscall(syscall.SYS_FCNTL, f.Fd(), setLease, syscall.F_UNLCK)
		if err := f.Close(); no != 0 || err != nil {
			t.Errorf("giving the lease back: %v, %v", no, err)
		}
	}
}

// P1: a tap waits for no disk that is slow to give a set, also when another set is offered meanwhile.
func TestP1ATapDoesNotWaitForASetBeingOpened(t *testing.T) {
	w := newWorld(t, 1)
	must(t, w.load(false, w.All[0]))
	theirs := w.keys
	w.keys = settest.New(t, auth).Keys()
	must(t, w.box.Trust(t.Context()))
	path := filepath.Join(w.dir, w.All[0].Name()+".set")
	must(t, os.Remove(path))
	must(t, os.WriteFile(path, w.All[0].Set, 0o600)) // a file that nobody has open
	w.keys = theirs
	waits, give := lease(t, path)
	trusted := make(chan error, 1)
	go func() { trusted <- w.box.Trust(t.Context()) }()
	<-waits
	tapped := make(chan record.Answer, 1)
	offered := make(chan struct{})
	go func() { w.box.Offered([]wire.SetOffer{w.Offer(0)}); close(offered) }()
	go func() { <-offered; tapped <- w.box.Answer(idOf(t, auth, revoked), issuer).Answer }()
	select {
	case a := <-tapped:
		if a != record.AnswerNotCovered {
			t.Errorf("a tap meanwhile: %v, want not_covered", a)
		}
	case <-time.After(10 * time.Second):
		t.Error("a tap waits for the disk")
	}
	give()
	must(t, errors.Join(<-trusted))
	w.holds("with its key again", 1)
}
