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
	"strings"
	"testing"
	"time"

	"kazashi.example/reader/vcard"
	"kazashi.example/reader/vcard/internal/testcard"
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

func TestTear(t *testing.T) {
	s, l := start(t)
	d, err := vpcd.Faulty(newCard(t), vpcd.Fault{Kind: vpcd.Tear, AfterAPDUs: 1})
	if err != nil {
		t.Fatal(err)
	}
	insert(t, s, d)
	r := accept(t, l)
	r.send("04", selectJPKI, "00B08A0000")
	r.want(atrHex)
	r.want("9000")
	if rest := r.wantEnd(); len(rest) != 0 {
		t.Errorf("torn answer = %X, want none", rest)
	}
	insert(t, s, newCard(t)) // the slot is empty: the card is gone
}

func TestNonsense(t *testing.T) {
	answers := map[string]bool{}
	for range 2 {
		d, err := vpcd.Faulty(newCard(t), vpcd.Fault{Kind: vpcd.Nonsense, AfterAPDUs: 1})
		if err != nil {
			t.Fatal(err)
		}
		if got := d.Transmit(octets(t, selectJPKI)); string(got) != "\x90\x00" {
			t.Errorf("Transmit() before the fault = %X, want 9000", got)
		}
		for range 50 {
			got := d.Transmit(octets(t, "00B08A0000"))
			if len(got) == 0 || len(got) > 302 {
				t.Errorf("Transmit() = %d octets, want 1 to 302", len(got))
			}
			answers[string(got)] = true
		}
	}
	if len(answers) < 45 || len(answers) > 50 {
		t.Errorf("two runs gave %d different answers, want the same 50 or nearly so", len(answers))
	}
}

func TestStranger(t *testing.T) {
	d, err := vpcd.Faulty(nil, vpcd.Fault{Kind: vpcd.Stranger})
	if err != nil {
		t.Fatal(err)
	}
	for _, aid := range []string{
		"D392F000260100000001", "D3921000310001010408", "D3921000310001010402", "D3921000310001010401", "D3921000310001010100",
	} {
		if got := d.Transmit(octets(t, "00A4040C0A"+aid)); string(got) != "\x6A\x82" {
			t.Errorf("Transmit(SELECT %s) = %X, want 6A82", aid, got)
		}
	}
	if got := d.Transmit(octets(t, "00B08A0000")); string(got) != "\x6D\x00" {
		t.Errorf("Transmit(READ BINARY) = %X, want 6D00", got)
	}
	var tck byte
	for _, b := range d.ATR()[1:] {
		tck ^= b
	}
	if tck != 0 || hex.EncodeToString(d.ATR()) == strings.ToLower(atrHex) {
		t.Errorf("ATR() = %X, want another card's that checks to 00, not %02X", d.ATR(), tck)
	}
}

func TestFaultyRefuses(t *testing.T) {
	for _, f := range []vpcd.Fault{{}, {Kind: "hot"}, {Kind: vpcd.Tear, AfterAPDUs: -1}} {
		if _, err := vpcd.Faulty(newCard(t), f); !errors.Is(err, vpcd.ErrFault) {
			t.Errorf("Faulty(%+v) = %v, want %v", f, err, vpcd.ErrFault)
		}
	}
}
