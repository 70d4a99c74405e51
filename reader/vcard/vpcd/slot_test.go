package vpcd_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"log/slog"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"kazashi.example/reader/vcard"
	"kazashi.example/reader/vcard/fault"
	"kazashi.example/reader/vcard/internal/testcard"
	"kazashi.example/reader/vcard/link"
	"kazashi.example/reader/vcard/vpcd"
)

const patience = 10 * time.Second

// reader plays vpcd's end of the port.
type reader struct {
	t    *testing.T
	conn net.Conn
}

// start runs a slot against a listener of ours.
func start(t *testing.T) (*vpcd.Slot, net.Listener) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := vpcd.New(l.Addr().String(), slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run() = %v, want nil", err)
		}
		_ = l.Close()
	})
	return s, l
}

func accept(t *testing.T, l net.Listener) *reader {
	t.Helper()
	_ = l.(*net.TCPListener).SetDeadline(time.Now().Add(patience))
	conn, err := l.Accept()
	if err != nil {
		t.Fatalf("waiting for a card: %v", err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(patience))
	return &reader{t, conn}
}

func (r *reader) send(hexes ...string) {
	r.t.Helper()
	var all []byte
	for _, h := range hexes {
		b := octets(r.t, h)
		all = append(binary.BigEndian.AppendUint16(all, uint16(len(b))), b...)
	}
	if _, err := r.conn.Write(all); err != nil {
		r.t.Fatal(err)
	}
}

func (r *reader) want(answer string) {
	r.t.Helper()
	var head [2]byte
	if _, err := io.ReadFull(r.conn, head[:]); err != nil {
		r.t.Fatalf("reading answer: %v, want %s", err, answer)
	}
	got := make([]byte, binary.BigEndian.Uint16(head[:]))
	if _, err := io.ReadFull(r.conn, got); err != nil {
		r.t.Fatalf("reading answer: %v, want %s", err, answer)
	}
	if want := octets(r.t, answer); !bytes.Equal(got, want) {
		r.t.Errorf("answer = %X, want %X", got, want)
	}
}

// wantEnd reads to the end of the connection and returns what came before.
func (r *reader) wantEnd() []byte {
	r.t.Helper()
	b, err := io.ReadAll(r.conn)
	if err != nil && !errors.Is(err, net.ErrClosed) && !strings.Contains(err.Error(), "reset") {
		r.t.Fatalf("connection ends with %v, want its end", err)
	}
	return b
}

func octets(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func newCard(t *testing.T) *vcard.Card {
	t.Helper()
	c, err := vcard.New(testcard.Fixed(), &vcard.MemoryStore{})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func insert(t *testing.T, s *vpcd.Slot, d vpcd.Device) {
	t.Helper()
	if err := s.Insert(d); err != nil {
		t.Fatalf("Insert() = %v, want nil", err)
	}
}

const (
	atrHex     = "3B888001000005E0B381A1007F"
	selectJPKI = "00A4040C0A D392F000260100000001"
)

func TestSlotSpeaksVPCD(t *testing.T) {
	s, l := start(t)
	insert(t, s, newCard(t))
	if err := s.Insert(newCard(t)); !errors.Is(err, vpcd.ErrOccupied) {
		t.Errorf("Insert(second card) = %v, want %v", err, vpcd.ErrOccupied)
	}
	r := accept(t, l)
	r.send("04")
	r.want(atrHex)
	r.send("00", "01", "04") // three control messages at once, one answer
	r.want(atrHex)
	r.send(selectJPKI, "0020009804 31323334", "802A009703 616263 80")
	r.want("9000")
	r.want("9000")
	r.want("6C00") // verified: it asks for the right Le
	r.send("02", selectJPKI, "802A009703 616263 00")
	r.want("9000")
	r.want("6982")         // a reset ended the security status
	r.send("", "07", "04") // nothing and the unknown are passed over
	r.want(atrHex)
	want := vpcd.Status{Inserted: true, Connected: true, APDUs: 5, BytesUp: 15 + 9 + 9 + 15 + 9, BytesDown: 10}
	if got := s.Status(); got != want {
		t.Errorf("Status() = %+v, want %+v", got, want)
	}
	if err := s.Remove(); err != nil {
		t.Errorf("Remove() = %v, want nil", err)
	}
	r.wantEnd()
	if err := s.Remove(); !errors.Is(err, vpcd.ErrEmpty) {
		t.Errorf("Remove() from an empty slot = %v, want %v", err, vpcd.ErrEmpty)
	}
	want.Inserted, want.Connected = false, false
	if got := s.Status(); got != want {
		t.Errorf("Status() after removal = %+v, want %+v", got, want)
	}
}

func TestSlotComesBack(t *testing.T) {
	s, l := start(t)
	insert(t, s, newCard(t))
	r := accept(t, l)
	_ = r.conn.Close() // pcscd was restarted
	r = accept(t, l)
	r.send("04")
	r.want(atrHex)
	if err := s.Remove(); err != nil {
		t.Fatal(err)
	}
	r.wantEnd()
	removed := time.Now()
	insert(t, s, newCard(t)) // the next card
	r = accept(t, l)
	if got := time.Since(removed); got < 400*time.Millisecond {
		t.Errorf("the next card came after %v, want it to give pcscd 400ms to see none", got)
	}
	r.send("04")
	r.want(atrHex)
}

// wrapped is a card with faults.
func wrapped(t *testing.T, texts ...string) vpcd.Device {
	t.Helper()
	var faults []fault.Fault
	for _, text := range texts {
		f, err := fault.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		faults = append(faults, f)
	}
	d, err := fault.Wrap(newCard(t), faults...)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestTear(t *testing.T) {
	s, l := start(t)
	insert(t, s, wrapped(t, "tear-before=2"))
	r := accept(t, l)
	r.send("04", selectJPKI, "00B08A0000")
	r.want(atrHex)
	r.want("9000")
	if rest := r.wantEnd(); len(rest) != 0 {
		t.Errorf("torn answer = %X, want none", rest)
	}
	insert(t, s, newCard(t)) // the slot is empty: the card is gone
}

func TestNoAnswerIsNoEnd(t *testing.T) {
	s, l := start(t)
	insert(t, s, wrapped(t, "ignore-extended", "refuse-extended@3"))
	r := accept(t, l)
	r.send(selectJPKI, "00B08A00000004", "00B08A00000004", "00B08A0004")
	r.want("9000")
	r.want("00") // too short for a status word, and the connection stays
	r.want("6700")
	r.want("30820128 9000")
}

func TestLongestAnswer(t *testing.T) {
	s, l := start(t)
	insert(t, s, wrapped(t, "flood"))
	r := accept(t, l)
	r.send(selectJPKI, "00B08A0004")
	r.want("9000")
	r.want("3083 00FFF8" + strings.Repeat("A5", 65528) + "9000")
}

// A command as a whole takes no less than the model's time, activation the first time after power alone.
func TestSlotTakesModelTime(t *testing.T) {
	s, l := start(t)
	m := link.Model{Activation: 30 * time.Millisecond, Select: 20 * time.Millisecond, Rate: link.Rate848}
	if err := s.InsertOver(newCard(t), m); err != nil {
		t.Fatal(err)
	}
	r := accept(t, l)
	r.send("04")
	r.want(atrHex)
	begun := time.Now()
	r.send("01", "04")
	r.want(atrHex)
	r.send(selectJPKI)
	r.want("9000")
	want := m.Select + link.Rate848.Time(17)
	if got := time.Since(begun); got < m.Activation+want {
		t.Errorf("power and SELECT took %v, want no less than %v", got, m.Activation+want)
	}
	if got := s.Status(); got.LinkTime != want {
		t.Errorf("Status() = %+v, want a link time of %v", got, want)
	}
}

// A card that hangs can be taken away.
func TestHangingCardCanBeRemoved(t *testing.T) {
	s, l := start(t)
	if err := s.InsertOver(newCard(t), link.Model{Select: time.Hour}); err != nil {
		t.Fatal(err)
	}
	r := accept(t, l)
	r.send(selectJPKI)
	for s.Status().APDUs == 0 {
		runtime.Gosched()
	}
	if err := s.Remove(); err != nil {
		t.Fatal(err)
	}
	if rest := r.wantEnd(); len(rest) != 0 {
		t.Errorf("answer of a removed card = %X, want none", rest)
	}
}
