package server_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"kazashi.example/localapi"
	"kazashi.example/localapi/internal/scene"
	"kazashi.example/localapi/server"
)

const plantedKeyCode = "hototogisu-55"

// warden notes what it is asked, and refuses what it is told to.
type warden struct {
	err    error
	asked  []string
	codes  []string
	secret []localapi.Secret // as they were handed over, to see them wiped
	closed localapi.CloseSite
}

var _ server.Keeper = (*warden)(nil)

func (w *warden) did(what string, s ...localapi.Secret) error {
	w.asked = append(w.asked, what)
	for _, one := range s {
		w.codes = append(w.codes, one.Reveal())
	}
	w.secret = append(w.secret, s...)
	return w.err
}

func (w *warden) Keys(context.Context) (localapi.Keys, error) {
	return localapi.Keys{State: localapi.KeysLocked, CodeSet: true, Tries: 7, Wait: 600}, nil
}

func (w *warden) Unlock(_ context.Context, code localapi.Secret) error { return w.did("unlock", code) }

func (w *warden) SetCode(_ context.Context, old, code localapi.Secret) error {
	return w.did("code", old, code)
}
func (w *warden) LockKeys(context.Context) error   { return w.did("lock") }
func (w *warden) AskCentral(context.Context) error { return w.did("central") }
func (w *warden) RotateKeys(context.Context) error { return w.did("rotate") }
func (w *warden) RequestKeys(context.Context) (localapi.Exchange, error) {
	return localapi.Exchange{File: []byte("a request")}, w.did("request")
}

func (w *warden) AnswerKeys(_ context.Context, request []byte) (localapi.Exchange, error) {
	return localapi.Exchange{File: append([]byte("to "), request...), Box: "the other"}, w.did("answer")
}

func (w *warden) ReceiveKeys(_ context.Context, answer []byte) error {
	return w.did("receive " + string(answer))
}

func (w *warden) Closing(context.Context) (localapi.Closing, error) {
	return localapi.Closing{Site: "branch-1", Unsafe: 4, Items: []localapi.Erased{{What: "roster", Count: 2}}}, w.err
}

func (w *warden) CloseSite(_ context.Context, r localapi.CloseSite) (localapi.Certificate, error) {
	w.closed = r
	return localapi.Certificate{ID: "one", Text: "erased", Signed: []byte("signed")}, w.did("close")
}

// guarded serves w over both ways.
func guarded(t *testing.T, w *warden, log *bytes.Buffer) (*localapi.Client, string) {
	t.Helper()
	socket := socketPath(t)
	unix, err := server.ListenUnix(t.Context(), socket)
	if err != nil {
		t.Fatal(err)
	}
	tcp, err := server.ListenTCP(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h := server.New(server.Config{Box: scene.New(), Keeper: w, Log: slog.New(slog.NewTextHandler(log, nil))})
	serveBoth(t, h, unix, tcp)
	return client(t, "unix:"+socket), "http://" + tcp.Addr().String()
}

// P3: codes reach the box and nobody else, and are wiped afterwards; a code with every kind of character comes whole.
func TestP3KeysOverTheSocket(t *testing.T) {
	w, log := &warden{}, new(bytes.Buffer)
	c, _ := guarded(t, w, log)
	odd := "a\"b\\c\t\u2028ほ" + plantedKeyCode
	if k, err := c.Unlock(t.Context(), localapi.NewSecret(odd)); err != nil || k.Tries != 7 {
		t.Errorf("Unlock = %+v, %v", k, err)
	}
	if _, err := c.SetCode(t.Context(), localapi.Secret{}, localapi.NewSecret(plantedKeyCode)); err != nil {
		t.Errorf("SetCode = %v", err)
	}
	for _, do := range []func(context.Context) (localapi.Keys, error){c.LockKeys, c.AskCentral, c.RotateKeys, c.Keys} {
		if k, err := do(t.Context()); err != nil || k.State != localapi.KeysLocked {
			t.Errorf("%+v, %v", k, err)
		}
	}
	if b, err := c.RequestKeys(t.Context()); err != nil || string(b) != "a request" {
		t.Errorf("RequestKeys = %q, %v", b, err)
	}
	if e, err := c.AnswerKeys(t.Context(), []byte("whom")); err != nil || string(e.File) != "to whom" || e.Box != "the other" {
		t.Errorf("AnswerKeys = %+v, %v", e, err)
	}
	if _, err := c.ReceiveKeys(t.Context(), []byte("it")); err != nil {
		t.Errorf("ReceiveKeys = %v", err)
	}
	if p, err := c.Closing(t.Context()); err != nil || p.Unsafe != 4 || len(p.Items) != 1 {
		t.Errorf("Closing = %+v, %v", p, err)
	}
	asked := localapi.CloseSite{Site: "branch-1", By: "s-01", Lose: 4, Everything: true}
	if cert, err := c.CloseSite(t.Context(), asked); err != nil || cert.Text != "erased" || w.closed != asked {
		t.Errorf("CloseSite = %+v, %v, asked %+v", cert, err, w.closed)
	}
	if got, want := strings.Join(w.asked, " "), "unlock code lock central rotate request answer receive it close"; got != want {
		t.Errorf("asked %q, want %q", got, want)
	}
	if len(w.codes) != 3 || w.codes[0] != odd || w.codes[1] != "" || w.codes[2] != plantedKeyCode {
		t.Errorf("%d codes came, or others", len(w.codes))
	}
	for i, s := range w.secret {
		if strings.Trim(s.Reveal(), "\x00") != "" {
			t.Errorf("code %d was not wiped", i)
		}
	}
	if strings.Contains(log.String(), plantedKeyCode) {
		t.Errorf("the log holds a code: %s", log)
	}
}

// Refusals come with what is left, and how long to wait.
func TestKeysAreRefusedByName(t *testing.T) {
	w, log := &warden{}, new(bytes.Buffer)
	c, _ := guarded(t, w, log)
	for _, one := range []struct {
		err, want     error
		left, wait    int
		records       uint64
		status, calls int
	}{
		{&server.TriesError{Reason: localapi.ErrKeyCode, Left: 3, Wait: 90500 * time.Millisecond}, localapi.ErrKeyCode, 3, 91, 0, 403, 1},
		{&server.TriesError{Reason: localapi.ErrKeyWait, Wait: time.Minute}, localapi.ErrKeyWait, 0, 60, 0, 429, 2},
		{&server.UnsafeError{Records: 12}, localapi.ErrUnsafe, 0, 0, 12, 409, 3},
		{localapi.ErrTPM, localapi.ErrTPM, 0, 0, 0, 503, 4},
		{localapi.ErrWiped, localapi.ErrWiped, 0, 0, 0, 409, 5},
	} {
		w.err = one.err
		_, err := c.Unlock(t.Context(), localapi.NewSecret("x"))
		var e *localapi.Error
		if !errors.As(err, &e) || !errors.Is(err, one.want) || e.Left != one.left || e.Wait != one.wait || e.Records != one.records ||
			e.Status != one.status || e.MessageJA == "" || len(w.asked) != one.calls {
			t.Errorf("refused by %v: %+v, %v", one.err, e, err)
		}
	}
	w.err = nil
	if _, err := c.AnswerKeys(t.Context(), make([]byte, localapi.MaxPeer+1)); err == nil {
		t.Error("AnswerKeys(too large) = nil")
	}
}

// P9: a page may open the keys, from its own origin; everything else is the command line's.
func TestP9PagesOnlyUnlock(t *testing.T) {
	w, log := &warden{}, new(bytes.Buffer)
	_, url := guarded(t, w, log)
	ask := func(method, path, origin, body string) (int, string) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), method, url+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/json")
		if origin != "" {
			r.Header.Set("Origin", origin)
		}
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		var b bytes.Buffer
		_, _ = b.ReadFrom(resp.Body)
		return resp.StatusCode, b.String()
	}
	for _, path := range []string{"/v1/keys/code", "/v1/keys/lock", "/v1/keys/central", "/v1/keys/rotate", "/v1/keys/request", "/v1/close"} {
		if status, body := ask("POST", path, url, "{}"); status != 403 || !strings.Contains(body, "socket_only") {
			t.Errorf("POST %s by a page = %d %s, want 403 socket_only", path, status, body)
		}
	}
	for _, path := range []string{"/v1/keys/answer", "/v1/keys/receive"} {
		if status, body := ask("PUT", path, url, "{}"); status != 403 || !strings.Contains(body, "socket_only") {
			t.Errorf("PUT %s by a page = %d %s, want 403 socket_only", path, status, body)
		}
	}
	code := `{"code":"` + plantedKeyCode + `"}`
	for _, origin := range []string{"", "http://elsewhere.example"} {
		if status, _ := ask("POST", "/v1/keys/unlock", origin, code); status != 403 {
			t.Errorf("unlock from origin %q = %d, want 403", origin, status)
		}
	}
	for _, bad := range []string{"", "[]", `{"code":5}`, `{"code":"x","more":1}`, `{"code":"x"}{}`} {
		if status, _ := ask("POST", "/v1/keys/unlock", url, bad); status != 400 {
			t.Errorf("unlock with %q = %d, want 400", bad, status)
		}
	}
	if len(w.asked) != 0 {
		t.Errorf("the box was asked %v", w.asked)
	}
	if status, body := ask("POST", "/v1/keys/unlock", url, code); status != 200 || len(w.codes) != 1 || strings.Contains(body, plantedKeyCode) {
		t.Errorf("unlock by the page = %d %s, %d codes", status, body, len(w.codes))
	}
}
