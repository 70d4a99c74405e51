package control_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"kazashi.example/reader/vcard"
	"kazashi.example/reader/vcard/control"
	"kazashi.example/reader/vcard/internal/testcard"
	"kazashi.example/reader/vcard/link"
	"kazashi.example/reader/vcard/vpcd"
)

// bench is a handler with two slots behind a socket, and a listener that plays vpcd for both.
type bench struct {
	client *control.Client
	socket string
	vpcd   net.Listener
}

func start(t *testing.T) bench {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b := bench{socket: filepath.Join(t.TempDir(), "control"), vpcd: l}
	ln, err := control.Listen(t.Context(), b.socket)
	if err != nil {
		t.Fatalf("Listen() = %v, want a listener", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	slots := []*vpcd.Slot{
		vpcd.New(l.Addr().String(), slog.New(slog.DiscardHandler)), vpcd.New(l.Addr().String(), slog.New(slog.DiscardHandler)),
	}
	for _, s := range slots {
		go func() { _ = s.Run(ctx) }()
	}
	srv := &http.Server{Handler: control.NewHandler(slots...)}
	go func() { _ = srv.Serve(ln) }()
	t.Cleanup(func() {
		cancel()
		_ = srv.Close()
		_ = l.Close()
	})
	b.client = control.NewClient(b.socket)
	if err := b.client.Ready(ctx); err != nil {
		t.Fatalf("Ready() = %v, want nil", err)
	}
	return b
}

func profile(t *testing.T) string {
	t.Helper()
	b, err := json.Marshal(testcard.Fixed())
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "card.json")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// exchange accepts a card at the vpcd port, sends it one command and returns its answer.
func (b bench) exchange(t *testing.T, cmd string) (net.Conn, string) {
	t.Helper()
	_ = b.vpcd.(*net.TCPListener).SetDeadline(time.Now().Add(10 * time.Second))
	conn, err := b.vpcd.Accept()
	if err != nil {
		t.Fatalf("waiting for the card: %v", err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	return conn, send(t, conn, cmd)
}

func send(t *testing.T, conn net.Conn, cmd string) string {
	t.Helper()
	if _, err := conn.Write(append([]byte{0, byte(len(cmd))}, cmd...)); err != nil {
		t.Fatal(err)
	}
	var head [2]byte
	if _, err := io.ReadFull(conn, head[:]); err != nil {
		t.Fatal(err)
	}
	answer := make([]byte, int(head[0])<<8|int(head[1]))
	if _, err := io.ReadFull(conn, answer); err != nil {
		t.Fatal(err)
	}
	return string(answer)
}

const (
	selectJPKI = "\x00\xA4\x04\x0C\x0A\xD3\x92\xF0\x00\x26\x01\x00\x00\x00\x01"
	wrongPIN   = "\x00\x20\x00\x98\x040000"
	askTries   = "\x00\x20\x00\x98"
)

func TestInsertCountRemove(t *testing.T) {
	b, path, ctx := start(t), profile(t), t.Context()
	got, err := b.client.Insert(ctx, 1, control.InsertRequest{Profile: path})
	if err != nil || !got.Inserted || got.Slot != 1 || got.Label != "practice card 1" {
		t.Fatalf("Insert() = %+v, %v, want practice card 1 in slot 1", got, err)
	}
	conn, answer := b.exchange(t, selectJPKI)
	if answer != "\x90\x00" {
		t.Errorf("SELECT = %X, want 9000", answer)
	}
	if err := b.client.Connected(ctx, 1); err != nil {
		t.Errorf("Connected() = %v, want nil", err)
	}
	if answer = send(t, conn, wrongPIN); answer != "\x63\xC2" {
		t.Errorf("VERIFY = %X, want 63C2", answer)
	}
	want := control.Slot{Slot: 1, Inserted: true, Connected: true, Label: "practice card 1", APDUs: 2, BytesUp: 24, BytesDown: 4}
	if got, err := b.client.Slot(ctx, 1); err != nil || got != want {
		t.Errorf("Slot(1) = %+v, %v, want %+v", got, err, want)
	}
	if _, err := b.client.ResetCounts(ctx, 1); err != nil {
		t.Errorf("ResetCounts() = %v, want nil", err)
	}
	if answer = send(t, conn, askTries); answer != "\x63\xC3" {
		t.Errorf("tries after reset-counts = %X, want 63C3", answer)
	}
	want = control.Slot{Slot: 1, APDUs: 3, BytesUp: 28, BytesDown: 6}
	if got, err := b.client.Remove(ctx, 1); err != nil || got != want {
		t.Errorf("Remove() = %+v, %v, want %+v", got, err, want)
	}
	if _, err := os.Stat(path + ".state"); err != nil {
		t.Errorf("state beside the profile: %v, want a file", err)
	}
}

func TestStrangerNeedsNoProfile(t *testing.T) {
	b := start(t)
	req := control.InsertRequest{Fault: &control.Fault{Kind: vpcd.Stranger}}
	if _, err := b.client.Insert(t.Context(), 0, req); err != nil {
		t.Fatalf("Insert() = %v, want nil", err)
	}
	if _, answer := b.exchange(t, selectJPKI); answer != "\x6A\x82" {
		t.Errorf("SELECT = %X, want 6A82", answer)
	}
	refused(t, "ResetCounts(stranger)", second(b.client.ResetCounts(t.Context(), 0)), 409, "no My Number Card")
}

func TestRefusals(t *testing.T) {
	b, path, ctx := start(t), profile(t), t.Context()
	bad := filepath.Join(t.TempDir(), "bad.json")
	if err := os.WriteFile(bad, []byte(`{"label":"x"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	insert := func(n int, r control.InsertRequest) error { return second(b.client.Insert(ctx, n, r)) }
	refused(t, "no slot", insert(2, control.InsertRequest{Profile: path}), 404, `no slot "2": there are 2, from 0`)
	refused(t, "no profile", insert(0, control.InsertRequest{}), 400, "absolute path")
	refused(t, "absent profile", insert(0, control.InsertRequest{Profile: path + "x"}), 422, "no such file")
	refused(t, "faulty profile", insert(0, control.InsertRequest{Profile: bad}), 422, "auth_pin")
	hot := &control.Fault{Kind: "hot"}
	refused(t, "unknown fault", insert(0, control.InsertRequest{Profile: path, Fault: hot}), 400, "none of the kinds")
	before := &control.Fault{Kind: vpcd.Tear, AfterAPDUs: -1}
	refused(t, "fault before", insert(0, control.InsertRequest{Profile: path, Fault: before}), 400, "after -1 commands")
	refused(t, "faults", insert(0, control.InsertRequest{Profile: path, Faults: []string{"tear-after"}}), 400, "tear-after=N")
	refused(t, "absent victim", insert(0, control.InsertRequest{Profile: path, Faults: []string{"relay=" + path + "x"}}), 400, "no such file")
	refused(t, "link", insert(0, control.InsertRequest{Profile: path, Link: "fast"}), 400, "not a link model")
	refused(t, "tries of nothing", tries(b.client.Tries(ctx, 0)), 409, "insert it first")
	refused(t, "tries of no slot", tries(b.client.Tries(ctx, 9)), 404, "no slot")
	refused(t, "renewal of nothing", second(b.client.Renew(ctx, 0, path)), 409, "insert it first")
	refused(t, "empty slot", second(b.client.Remove(ctx, 0)), 409, "no card lies in the slot")
	refused(t, "counts of nothing", second(b.client.ResetCounts(ctx, 0)), 409, "insert it first")
	if err := insert(0, control.InsertRequest{Profile: path}); err != nil {
		t.Fatalf("Insert() = %v, want nil", err)
	}
	refused(t, "occupied slot", insert(0, control.InsertRequest{Profile: path}), 409, "remove it first")
	refused(t, "card in another slot", insert(1, control.InsertRequest{Profile: path}), 409, "that card lies in slot 0")
}

// The bodies are read strictly.
func TestInsertBody(t *testing.T) {
	h := control.NewHandler(vpcd.New("127.0.0.1:1", slog.New(slog.DiscardHandler)))
	for _, what := range []string{"insert", "renew"} {
		for _, body := range []string{"", "[]", `{"colour":1}`, `{}{}`, `{"profile":"` + strings.Repeat("a", 70000) + `"}`} {
			w := httptest.NewRecorder()
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "/v1/slots/0/"+what, strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			h.ServeHTTP(w, req)
			if w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), `"error"`) {
				t.Errorf("%s(%.20q) = %d %s, want 400 and an error", what, body, w.Code, w.Body.String())
			}
		}
	}
}

func TestListen(t *testing.T) {
	b := start(t)
	if _, err := control.Listen(t.Context(), b.socket); !errors.Is(err, control.ErrInUse) {
		t.Errorf("Listen(served socket) = %v, want %v", err, control.ErrInUse)
	}
	info, err := os.Stat(b.socket)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("socket = %v, %v, want mode 0600", info, err)
	}
	stale := filepath.Join(filepath.Dir(b.socket), "stale")
	l, err := control.Listen(t.Context(), stale)
	if err != nil {
		t.Fatal(err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	_ = l.Close() // as after a SIGKILL: the socket is there, nobody behind it
	l, err = control.Listen(t.Context(), stale)
	if err != nil {
		t.Fatalf("Listen(stale socket) = %v, want a listener", err)
	}
	_ = l.Close()
	plain := filepath.Join(filepath.Dir(b.socket), "plain")
	if err := os.WriteFile(plain, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := control.Listen(t.Context(), plain); err == nil {
		t.Errorf("Listen(a plain file) = nil, want an error")
	}
	if b, _ := os.ReadFile(plain); string(b) != "mine" {
		t.Errorf("a plain file became %q, want it untouched", b)
	}
}

func TestWaitingGivesUp(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	err := control.NewClient(filepath.Join(t.TempDir(), "none")).Ready(ctx)
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Ready() without a server = %v, want %v", err, context.DeadlineExceeded)
	}
	b := start(t)
	if _, err := b.client.Insert(t.Context(), 0, control.InsertRequest{Profile: profile(t)}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel = context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := b.client.Connected(ctx, 0); !errors.Is(err, context.DeadlineExceeded) { // nobody accepts
		t.Errorf("Connected() without pcscd = %v, want %v", err, context.DeadlineExceeded)
	}
}

func tries(_ map[string]uint8, err error) error { return err }

// write makes a profile file of the fixed card after a change.
func write(t *testing.T, change func(*vcard.Profile)) string {
	t.Helper()
	p := testcard.Fixed()
	change(p)
	b, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "other.json")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

const (
	readCert   = "\x00\xB0\x8A\x00\x04"
	selectFace = "\x00\xA4\x04\x0C\x0A\xD3\x92\x10\x00\x31\x00\x01\x01\x04\x02"
	readCVC    = "\x00\xB0\x84\x00\x00"
)

func TestInsertWithFaultsAndLink(t *testing.T) {
	b, path, ctx := start(t), profile(t), t.Context()
	victim := write(t, func(p *vcard.Profile) { p.AuthCert, p.FaceCVC = []byte("\x30\x03\x01\x02\x03"), []byte("\x7F\x21\x00") })
	t.Chdir(filepath.Dir(victim))
	req := control.InsertRequest{
		Profile: path, Link: "848,select=1ms", Faults: []string{"relay=other.json", "tries=jpki/0018:1", "tear-before=6"},
		Fault: &control.Fault{Kind: "sw=6F00", AfterAPDUs: 4},
	}
	if _, err := b.client.Insert(ctx, 0, req); err != nil {
		t.Fatalf("Insert() = %v, want nil", err)
	}
	conn, _ := b.exchange(t, selectJPKI)
	for _, tt := range []struct{ cmd, want string }{
		{readCert, "\x30\x03\x01\x02\x90\x00"}, // the victim's
		{selectFace, "\x90\x00"},
		{readCVC, "\x7F\x21\x02CV\x90\x00"}, // the genuine card's
		{readCVC, "\x6F\x00"},
	} {
		if answer := send(t, conn, tt.cmd); answer != tt.want {
			t.Errorf("Transmit(%X) = %X, want %X", tt.cmd, answer, tt.want)
		}
	}
	left, err := b.client.Tries(ctx, 0)
	if err != nil || left["jpki/0018"] != 1 || left["face/0011"] != 10 {
		t.Errorf("Tries() = %v, %v, want 1 of jpki/0018 and 10 of face/0011", left, err)
	}
	m, err := link.Parse(req.Link)
	if err != nil {
		t.Fatal(err)
	}
	want := 2*m.Time([]byte(selectJPKI), make([]byte, 2)) + m.Time([]byte(readCert), make([]byte, 6)) +
		m.Time([]byte(readCVC), make([]byte, 7)) + m.Time([]byte(readCVC), make([]byte, 2))
	if got, err := b.client.Slot(ctx, 0); err != nil || got.LinkTime != want {
		t.Errorf("Slot(0) = %+v, %v, want a link time of %v", got, err, want)
	}
}

// P5: a renewal on the same card, while it lies there: new certificate, the birth key's counter as it was.
func TestP5Renew(t *testing.T) {
	b, path, ctx := start(t), profile(t), t.Context()
	renewed := write(t, func(p *vcard.Profile) { p.Label, p.AuthCert = "renewed card", []byte("\x30\x03\x01\x02\x03") })
	other := write(t, func(p *vcard.Profile) { p.CardKey = p.InputKey })
	req := control.InsertRequest{Profile: path, Faults: []string{"tries=face/0011:7", "tries=jpki/0018:1"}}
	if _, err := b.client.Insert(ctx, 0, req); err != nil {
		t.Fatalf("Insert() = %v, want nil", err)
	}
	refused(t, "another card", second(b.client.Renew(ctx, 0, other)), 422, "not the same card")
	refused(t, "absent profile", second(b.client.Renew(ctx, 0, path+"x")), 422, "no such file")
	if got, err := b.client.Renew(ctx, 0, renewed); err != nil || got.Label != "renewed card" {
		t.Fatalf("Renew() = %+v, %v, want the renewed card", got, err)
	}
	left, err := b.client.Tries(ctx, 0)
	if err != nil || left["jpki/0018"] != 3 || left["face/0011"] != 7 {
		t.Errorf("Tries() = %v, %v, want 3 of jpki/0018 and 7 of face/0011", left, err)
	}
	conn, _ := b.exchange(t, selectJPKI)
	if answer := send(t, conn, readCert); answer != "\x30\x03\x01\x02\x90\x00" {
		t.Errorf("certificate = %X, want the new one", answer)
	}
	refused(t, "the same card", second(b.client.Insert(ctx, 1, control.InsertRequest{Profile: renewed})), 409, "lies in slot 0")
	if _, err := os.Stat(renewed + ".state"); err != nil {
		t.Errorf("state beside the new profile: %v, want a file", err)
	}
}

func second(_ control.Slot, err error) error { return err }

func refused(t *testing.T, what string, err error, status int, message string) {
	t.Helper()
	e, ok := errors.AsType[*control.Error](err)
	if !ok || e.Status != status || !strings.Contains(e.Message, message) {
		t.Errorf("%s = %v, want status %d and %q", what, err, status, message)
	}
}
