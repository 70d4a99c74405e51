//go:build integration

package pcsc_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ebfe/scard"

	"kazashi.example/reader/mynumber"
	"kazashi.example/reader/pcsc"
	"kazashi.example/reader/vcard/control"
)

// between runs something before each command of a procedure.
type between struct {
	card *pcsc.Card
	n    int
	do   func(n int)
}

func (b *between) Transmit(ctx context.Context, cmd []byte) ([]byte, error) {
	b.n++
	b.do(b.n)
	return b.card.Transmit(ctx, cmd)
}

// A second program wants the card at every command of an enrolment: it gets it when we are through and not before.
func TestSecondUserInTheMiddleOfEnrol(t *testing.T) {
	d := newDesk(t, 2)
	h := d.holder(t, "hanako")
	s := spot{t, d, <-d.free}
	if err := s.lay(control.InsertRequest{Profile: h.Profile}); err != nil {
		t.Fatal(err)
	}
	reader := d.rig.ReaderName(s.slot)
	present(t, reader)
	before, err := s.tries()
	if err != nil {
		t.Fatal(err)
	}
	t.Run("ours alone", func(t *testing.T) {
		service := establish(t)
		enrolWith(t, s, h, pcsc.Exclusive, func(n int) {
			for _, mode := range []scard.ShareMode{scard.ShareShared, scard.ShareExclusive} {
				if _, err := service.Connect(reader, mode, scard.ProtocolAny); !errors.Is(err, scard.ErrSharingViolation) {
					t.Errorf("command %d: another program's Connect = %v, want a sharing violation", n, err)
				}
			}
		})
	})
	t.Run("shared", func(t *testing.T) {
		theirs := other(t, reader, scard.ShareShared)
		waiting := make(chan error, 1)
		enrolWith(t, s, h, pcsc.Shared, func(n int) {
			if n == 1 {
				go func() { // waits within pcscd until our transaction ends
					_, err := theirs.Transmit([]byte{0, 0xA4, 4, 0x0C, 2, 0x3F, 0})
					waiting <- err
				}()
			}
		})
		// Close reset the card, which the next command of another program is told (SCardTransmit(3)).
		if err := <-waiting; err != nil && !errors.Is(err, scard.ErrResetCard) {
			t.Errorf("another program's command = %v, want it answered or told of the reset", err)
		}
		if err := theirs.Disconnect(scard.LeaveCard); err != nil {
			t.Error(err)
		}
	})
	if after, err := s.tries(); err != nil || !maps.Equal(before, after) {
		t.Errorf("tries %v became %v, %v", before, after, err)
	}
}

func establish(t *testing.T) *scard.Context {
	t.Helper()
	service, err := scard.EstablishContext()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = service.Release() })
	return service
}

// enrolWith enrols while something else goes on, and wants it done.
func enrolWith(t *testing.T, s spot, h holder, share pcsc.Share, do func(n int)) {
	t.Helper()
	card, err := pcsc.Connect(t.Context(), s.desk.rig.ReaderName(s.slot), share)
	if err != nil {
		t.Fatal(err)
	}
	b := &between{card: card, do: do}
	if err := enrol.run(t.Context(), mynumber.New(b, s.desk.options(t, nil)), h); err != nil || b.n != commands[enrol.name] {
		t.Errorf("enrolment in %d commands = %v, want it done in %d", b.n, err, commands[enrol.name])
	}
	if err := card.Close(); err != nil {
		t.Errorf("Close = %v", err)
	}
}

// The service is killed in the middle of an enrolment, and comes back without the reader: torn, with the reason; then no such reader; then,
// on another reader, the same card with the same tries enrols.
func TestServiceKilledInTheMiddleOfEnrol(t *testing.T) {
	w, p := person(t, "hanako")
	for _, tt := range []struct {
		at   int
		when string
	}{{4, "before the PIN"}, {5, "after the PIN"}, {13, "before the birth key"}, {17, "before the last signature"}} {
		t.Run(tt.when, func(t *testing.T) {
			d := &desk{rig: rig(t, 4), world: w, issuer: cardIssuers(t, w)}
			h := d.holder(t, p.Key)
			path, s := save(t, h.profile), spot{t, d, 3}
			if err := s.lay(control.InsertRequest{Profile: path}); err != nil {
				t.Fatal(err)
			}
			o := d.options(t, mynumber.NewMemory())
			gone := d.rig.ReaderName(3)
			err := s.connected(func(c *pcsc.Card) error {
				b := &between{card: c, do: func(n int) {
					if n == tt.at {
						kill(t, pidOfPCSCD(t))
						<-d.rig.Done()
					}
				}}
				return enrol.run(t.Context(), mynumber.New(b, o), h)
			})
			if !errors.Is(err, mynumber.ErrTorn) || !errors.Is(err, pcsc.ErrNoService) {
				t.Errorf("enrolment = %v, want ErrTorn and ErrNoService", err)
			}
			noneLeft(t)
			stop(t, d.rig)
			d.rig = rig(t, 2)
			if _, err := pcsc.Connect(t.Context(), gone, pcsc.Exclusive); !errors.Is(err, pcsc.ErrNoReader) {
				t.Errorf("Connect to a reader that did not come back = %v, want ErrNoReader", err)
			}
			s.slot = 0
			if err := s.lay(control.InsertRequest{Profile: path}); err != nil {
				t.Fatal(err)
			}
			tries, err := s.tries()
			for name, left := range map[string]uint8{"jpki/0018": 3, "jpki/001B": 5, "input/0011": 3, "face/0011": 10} {
				if err != nil || tries[name] != left {
					t.Errorf("%d tries of %s, %v, want %d", tries[name], name, err, left)
				}
			}
			if _, err := s.unharmed(enrol, h, o, nil); err != nil {
				t.Errorf("enrolment on another reader = %v", err)
			}
		})
	}
}

// The card is busy with a command when the service is killed: the enrolment ends with it.
func TestServiceKilledInTheMiddleOfACommand(t *testing.T) {
	d := newDesk(t, 2)
	h := d.holder(t, "hanako")
	s := spot{t, d, 0}
	if err := s.lay(control.InsertRequest{Profile: save(t, h.profile), Link: "none,verify=1h"}); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.run(enrol, h, d.options(t, nil)) }()
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	for n := 0; n < 3; <-again.C { // the query takes as long as the value would: the third command does not come back
		var err error
		if n, err = s.commands(); err != nil {
			t.Fatal(err)
		}
	}
	kill(t, pidOfPCSCD(t))
	if err := <-done; !errors.Is(err, mynumber.ErrTorn) || !errors.Is(err, pcsc.ErrNoService) {
		t.Errorf("enrolment = %v, want ErrTorn and ErrNoService", err)
	}
	noneLeft(t)
}

func kill(t *testing.T, pid int) {
	t.Helper()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Error(err)
	}
}

// P3: a password that went through a worker is nowhere in its memory afterwards, while the worker waits for the next card.
func TestP3WorkerKeepsNoPassword(t *testing.T) {
	d := newDesk(t, 2)
	h := d.holder(t, "hanako")
	word := strings.Join([]string{"Q7XW", "K9ZP", "4VJB", "2MHT"}, "")
	h.profile.SignPassword = word
	password, err := mynumber.NewPassword(word)
	if err != nil {
		t.Fatal(err)
	}
	h.password = password
	s := spot{t, d, <-d.free}
	if err := s.lay(control.InsertRequest{Profile: save(t, h.profile)}); err != nil {
		t.Fatal(err)
	}
	err = s.connected(func(c *pcsc.Card) error {
		if err := signCertificate.run(t.Context(), mynumber.New(c, d.options(t, nil)), h); err != nil {
			return err
		}
		for _, pid := range workers(t) {
			if n := inMemory(t, pid, []byte(word)); n > 0 {
				t.Errorf("a worker that holds the card has the password in its memory %d times", n)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if n := inMemory(t, os.Getpid(), []byte(word)); n == 0 {
		t.Error("the search finds nothing where there is something") // word itself
	}
}

// inMemory counts where a process has something in what it can write to.
func inMemory(t *testing.T, pid int, what []byte) (n int) {
	t.Helper()
	maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", pid))
	if err != nil {
		t.Fatal(err)
	}
	mem, err := os.Open(fmt.Sprintf("/proc/%d/mem", pid))
	if err != nil {
		t.Fatal(err)
	}
	defer mem.Close()
	for line := range strings.Lines(string(maps)) {
		var from, to uint64
		var rights string
		if _, err := fmt.Sscanf(line, "%x-%x %s", &from, &to, &rights); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		if !strings.HasPrefix(rights, "rw") {
			continue
		}
		part := make([]byte, to-from)
		if got, err := mem.ReadAt(part, int64(from)); err == nil || got > 0 {
			n += bytes.Count(part[:got], what)
		}
	}
	return n
}
