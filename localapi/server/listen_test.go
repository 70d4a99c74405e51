package server_test

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"kazashi.example/localapi"
	"kazashi.example/localapi/internal/scene"
	"kazashi.example/localapi/server"
	"kazashi.example/sync/record"
)

func TestListenTCPSaysWhichPortIsTaken(t *testing.T) {
	l, err := server.ListenTCP(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, err = server.ListenTCP(t.Context(), l.Addr().String())
	if !errors.Is(err, server.ErrInUse) || !strings.Contains(err.Error(), l.Addr().String()) || !strings.Contains(err.Error(), "choose another port") {
		t.Errorf("ListenTCP on a taken port = %v, want ErrInUse with the address and what to do", err)
	}
}

func socketPath(t *testing.T) string {
	t.Helper()
	return filepath.Join(t.TempDir(), "kazashi.sock")
}

func TestListenUnix(t *testing.T) {
	path := socketPath(t)
	l, err := server.ListenUnix(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := info.Mode(), fs.ModeSocket|0o660; got != want {
		t.Errorf("mode of the socket = %v, want %v", got, want)
	}
	if _, err := server.ListenUnix(t.Context(), path); !errors.Is(err, server.ErrInUse) {
		t.Errorf("ListenUnix on a living socket = %v, want ErrInUse", err)
	}
	if err := l.Close(); err != nil {
		t.Errorf("Close = %v", err)
	}
	if left, err := filepath.Glob(filepath.Dir(path) + "/*"); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestListenUnixReplacesADeadSocketOnly(t *testing.T) {
	path := socketPath(t)
	for _, p := range []string{path, path + ".new"} {
		dead, err := net.ListenUnix("unix", &net.UnixAddr{Name: p})
		if err != nil {
			t.Fatal(err)
		}
		dead.SetUnlinkOnClose(false) // as after SIGKILL
		_ = dead.Close()
	}
	l, err := server.ListenUnix(t.Context(), path)
	if err != nil {
		t.Fatalf("ListenUnix over a dead socket = %v", err)
	}
	_ = l.Close()

	if err := os.WriteFile(path, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := server.ListenUnix(t.Context(), path); !errors.Is(err, server.ErrNotSocket) {
		t.Errorf("ListenUnix over a file = %v, want ErrNotSocket", err)
	}
	if b, err := os.ReadFile(path); err != nil || string(b) != "precious" {
		t.Errorf("the file in the way = %q, %v, want it untouched", b, err)
	}
}

// Closing leaves alone what another program has put in the socket's place since.
func TestCloseRemovesItsOwnSocketOnly(t *testing.T) {
	path := socketPath(t)
	l, err := server.ListenUnix(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Remove(path), os.WriteFile(path, nil, 0o600), l.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(path); err != nil {
		t.Errorf("after Close, the other's file: %v, want it there", err)
	}
}

func TestListenUnixRefusesALongPath(t *testing.T) {
	_, err := server.ListenUnix(t.Context(), "/tmp/"+strings.Repeat("long/", 30)+"kazashi.sock")
	if err == nil || !strings.Contains(err.Error(), "shorter data directory") {
		t.Errorf("ListenUnix on a long path = %v, want what to do about it", err)
	}
}

func TestServeReportsAFailedListener(t *testing.T) {
	l, err := server.ListenTCP(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
	if err := server.Serve(t.Context(), handler(scene.New()), discard, l); err == nil {
		t.Error("Serve on a closed listener = nil, want its error")
	}
}

func TestClient(t *testing.T) {
	box := scene.New()
	box.Keep(scene.Tap(2, record.VerdictRefused, record.ReasonRevoked), scene.Tap(1, record.VerdictAccepted, record.ReasonInOrder))
	path := socketPath(t)
	l, err := server.ListenUnix(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	serve(t, box, l)
	for _, target := range []string{"unix:" + path, serveTCP(t, box, "127.0.0.1:0").url} {
		c := client(t, target)
		status, err := c.Status(t.Context())
		if want, _ := box.Status(t.Context()); err != nil || !reflect.DeepEqual(status, want) {
			t.Errorf("%s: Status = %+v, %v, want %+v", target, status, err, want)
		}
		taps, err := c.Taps(t.Context(), 0)
		if want, _ := box.Taps(t.Context(), 2); err != nil || !reflect.DeepEqual(taps, want) {
			t.Errorf("%s: Taps = %+v, %v, want %+v", target, taps, err, want)
		}
		var refused *localapi.Error
		if _, err := c.Taps(t.Context(), 501); !errors.As(err, &refused) || refused.Code != localapi.CodeBadParameter || refused.Status != 400 {
			t.Errorf("%s: Taps(501) = %v, want a bad_parameter *Error", target, err)
		}
	}
}

func TestClientEvents(t *testing.T) {
	box := scene.New()
	c := client(t, serveTCP(t, box, "127.0.0.1:0").url)
	tap := scene.Tap(1, record.VerdictAccepted, record.ReasonInOrder)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var types []localapi.EventType
	var last error
	for e, err := range c.Events(ctx) {
		if err != nil {
			last = err
			break
		}
		types = append(types, e.Type)
		switch e.Type {
		case localapi.EventStatus:
			box.Say(tap)
		case localapi.EventVerdict:
			box.Settle(tap.Tap, tap.First, record.NewSubject(planted))
		case localapi.EventSettled:
			if e.Subject.Reveal() != planted || e.ID == "" {
				t.Errorf("settled = %+v with id %q, want the PPID and an id", e, e.ID)
			}
			cancel()
		default:
			t.Errorf("unexpected %s", e.Type)
		}
	}
	if want := []localapi.EventType{localapi.EventStatus, localapi.EventVerdict, localapi.EventSettled}; !reflect.DeepEqual(types, want) {
		t.Errorf("events = %v, want %v", types, want)
	}
	if !errors.Is(last, context.Canceled) {
		t.Errorf("the last error = %v, want context.Canceled", last)
	}
}

func TestClientErrors(t *testing.T) {
	for _, target := range []string{"", "unix:", "localhost:7440", "https://localhost:7440", "http://", "http://a/b", "http://u:p@a", "http://a?b=1"} {
		if _, err := localapi.NewClient(target); !errors.Is(err, localapi.ErrTarget) {
			t.Errorf("NewClient(%q) = %v, want ErrTarget", target, err)
		}
	}
	if _, err := client(t, "unix:"+socketPath(t)).Status(t.Context()); !errors.Is(err, localapi.ErrUnreachable) || !strings.Contains(err.Error(), "kazashi run") {
		t.Errorf("Status with nobody there = %v, want ErrUnreachable and what to look at", err)
	}
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) }))
	defer other.Close()
	if _, err := client(t, other.URL).Status(t.Context()); !errors.Is(err, localapi.ErrNotABox) {
		t.Errorf("Status of another program = %v, want ErrNotABox", err)
	}
	box := scene.New()
	s := serveTCP(t, box, "127.0.0.1:0")
	var last error
	for _, err := range client(t, s.url).Events(t.Context()) {
		last = err
		s.stop()
	}
	if !errors.Is(last, localapi.ErrUnreachable) {
		t.Errorf("Events of a box that stopped ended with %v, want ErrUnreachable", last)
	}
}

func client(t *testing.T, target string) *localapi.Client {
	t.Helper()
	c, err := localapi.NewClient(target)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}
