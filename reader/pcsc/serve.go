package pcsc

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/ebfe/scard"
)

// workerEnv makes a program that calls Main a worker.
const workerEnv = "KAZASHI_PCSC_WORKER"

// lifeline is the descriptor that tells a worker of its parent's end, also in the middle of a call.
const lifeline = 3

// hooked is set once Main was called: a program that does not call it would run itself a second time instead of a worker.
var hooked atomic.Bool

// Main must be called before anything else in main (and in the TestMain of tests) of every program that uses this package. It
// returns at once, unless this process is the worker that another one of the same program started to speak to pcscd; then it
// serves that one and never returns.
func Main() {
	hooked.Store(true)
	if os.Getenv(workerEnv) == "" {
		return
	}
	os.Exit(serve()) //nolint:revive // what is left of this program is not to run
}

// serve answers until the parent closes its ends or dies. What a terminal or a service manager tells all processes at once is
// for the parent to act on.
func serve() int {
	signal.Ignore(syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT)
	_, _, _ = syscall.RawSyscall(syscall.SYS_PRCTL, syscall.PR_SET_DUMPABLE, 0, 0) // PINs pass here: no core, no debugger
	go func() {
		_, _ = os.NewFile(lifeline, "lifeline").Read(make([]byte, 1))
		os.Exit(0) //nolint:revive // the parent is gone, and a call may never end; the service resets the card for us
	}()
	s := server{conn: conn{in: os.Stdin, out: os.Stdout}}
	os.Stdout = os.Stderr // nothing else may write between frames
	for {
		what, body, err := s.conn.receive()
		if err != nil {
			return 0
		}
		if err := s.answer(what, body); err != nil {
			return 1
		}
	}
}

// server is what a worker holds: at most one context of the service, and at most one card of that.
type server struct {
	conn    conn
	service *scard.Context
	card    *scard.Card
	share   Share
}

// answer does what it is asked for and says what came of it. Neither question nor answer stays in memory.
func (s *server) answer(what byte, body []byte) error {
	answer, gone, err := s.do(what, body)
	clear(body)
	if err != nil {
		kind, words := encodeError(err, gone)
		return s.conn.send(kind, words)
	}
	err = s.conn.send(answerOK, answer)
	clear(answer)
	return err
}

func (s *server) do(what byte, body []byte) (answer []byte, gone bool, err error) {
	switch what {
	case opConnect:
		err = s.connect(body)
	case opTransmit:
		return s.transmit(body)
	case opDisconnect:
		s.release()
	case opList:
		answer, err = s.list()
	case opWait:
		answer, err = s.wait(body)
	default:
		err = fmt.Errorf("%w: kind %d", errFrame, what)
	}
	return answer, false, err
}

// connect uses a fresh context each time: one of a service that was restarted would be worth nothing.
func (s *server) connect(body []byte) (err error) {
	if len(body) < 2 || len(body) > 1+maxName {
		return errFrame
	}
	s.release()
	if s.service, err = scard.EstablishContext(); err != nil {
		s.service = nil
		return err
	}
	s.share = Share(body[0])
	mode := scard.ShareExclusive
	if s.share == Shared {
		mode = scard.ShareShared
	}
	if s.card, err = s.service.Connect(string(body[1:]), mode, scard.ProtocolAny); err == nil {
		err = s.begin()
	}
	if err != nil {
		s.release()
	}
	return err
}

func (s *server) begin() error {
	if p := s.card.ActiveProtocol(); p != scard.ProtocolT0 && p != scard.ProtocolT1 {
		return scard.ErrProtoMismatch // ebfe/scard panics when asked to transmit by any other
	}
	if s.share == Shared {
		return s.card.BeginTransaction()
	}
	return nil
}

func (s *server) transmit(command []byte) (answer []byte, gone bool, err error) {
	if s.card == nil || len(command) == 0 { // ebfe/scard takes the address of its first octet
		return nil, false, errFrame
	}
	if answer, err = s.card.Transmit(command); err == nil && len(answer) < 2 {
		err = scard.ErrNotTransacted // some drivers call a card that was torn away a success without octets
	}
	if err != nil {
		gone, err = s.why(err)
	}
	return answer, gone, err
}

// why asks the service whether the card is still there. A service that is not there itself is the better reason: what a call
// says that it ended in the middle of may be anything.
func (s *server) why(failed error) (gone bool, err error) {
	status, err := s.card.Status()
	if err == nil {
		return status.State&scard.Present == 0, failed
	}
	var code scard.Error
	if errors.As(err, &code) && errors.Is(kinds[code], ErrNoService) {
		return true, err
	}
	return true, failed
}

// release gives back whatever there is; errors are those of a card or service that is gone, with nothing to give.
func (s *server) release() {
	if s.card != nil {
		if s.share == Shared {
			_ = s.card.EndTransaction(scard.LeaveCard)
		}
		_ = s.card.Disconnect(scard.ResetCard)
	}
	if s.service != nil {
		_ = s.service.Release()
	}
	s.card, s.service = nil, nil
}

// list keeps its context for the waits that follow, as long as the service knows it.
func (s *server) list() ([]byte, error) {
	if s.service == nil {
		service, err := scard.EstablishContext()
		if err != nil {
			return nil, err
		}
		s.service = service
	}
	names, err := s.service.ListReaders()
	if err != nil {
		if err != scard.ErrNoReadersAvailable { //nolint:errorlint // ebfe/scard returns its codes bare
			s.release()
		}
		return nil, err
	}
	return appendNames(nil, names), nil
}

func (s *server) wait(body []byte) ([]byte, error) {
	if s.service == nil || len(body) < 4 {
		return nil, errFrame
	}
	states, err := decodeStates(body[4:])
	if err != nil {
		return nil, err
	}
	limit := time.Duration(binary.BigEndian.Uint32(body)) * time.Millisecond
	if err := s.service.GetStatusChange(states, limit); err != nil {
		if err != scard.ErrTimeout { //nolint:errorlint // ebfe/scard returns its codes bare
			s.release() // the next list begins anew
		}
		return nil, err
	}
	return appendEvents(nil, states), nil
}
