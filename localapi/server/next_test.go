package server_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"kazashi.example/localapi"
	"kazashi.example/localapi/internal/scene"
	"kazashi.example/localapi/server"
)

const (
	pinBody    = `{"kind":"pin","pin":"8642"}`
	plantedPIN = "8642"
)

// put sends a body as the counter page does, but for what headers say.
func put(t *testing.T, s serving, method, path, body string, headers ...string) answer {
	t.Helper()
	all := append([]string{"Origin", s.url, "Content-Type", "application/json"}, headers...)
	req, err := http.NewRequestWithContext(t.Context(), method, s.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(all); i += 2 {
		if all[i] == "Host" {
			req.Host = all[i+1]
		}
		req.Header.Set(all[i], all[i+1])
		if all[i+1] == "" {
			req.Header.Del(all[i])
		}
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{resp.StatusCode, resp.Header, string(b)}
}

func TestNextCardIsSetToldAndCancelled(t *testing.T) {
	box := scene.New()
	s := serveTCP(t, box, "127.0.0.1:0")
	const none = `{"next":null}` + "\n"
	state := func(what, want string) {
		t.Helper()
		if got := send(t, http.MethodGet, s.url+"/v1/next-card").body; got != want {
			t.Errorf("%s, GET /v1/next-card = %s, want %s", what, got, want)
		}
	}
	state("at first", none)
	a := put(t, s, http.MethodPut, "/v1/next-card", `{"kind":"enrol","pin":"8642","attributes":true,"same_pin":true}`)
	const set = `{"next":{"kind":"enrol","attributes":true,"until":"2026-11-22T03:01:00Z"}}` + "\n"
	if a.status != http.StatusOK || a.body != set {
		t.Errorf("PUT = %d %s, want 200 %s", a.status, a.body, set)
	}
	if got := box.Asked(); got.PIN.Reveal() != plantedPIN || !got.SamePIN || !got.Attributes {
		t.Errorf("the box was asked for %s, want what was sent", got.Kind)
	}
	state("after PUT", set)
	check(t, "PUT while another waits", put(t, s, http.MethodPut, "/v1/next-card", pinBody), http.StatusConflict, localapi.CodeNextBusy)
	if got := box.Asked().PIN.Reveal(); got != plantedPIN {
		t.Error("refusing the second request has wiped the PIN of the first")
	}
	for range 2 {
		if a := put(t, s, http.MethodDelete, "/v1/next-card", ""); a.status != http.StatusOK || a.body != none {
			t.Errorf("DELETE = %d %s, want 200 %s", a.status, a.body, none)
		}
		state("after DELETE", none)
	}
}

func TestNextCardRefusals(t *testing.T) {
	box := scene.New()
	s := serveTCP(t, box, "127.0.0.1:0")
	_, port, _ := strings.Cut(s.addr, ":")
	padded := func(n int) string { return pinBody + strings.Repeat(" ", n-len(pinBody)) }
	for _, c := range []struct {
		name, method, path, body string
		headers                  []string
		status                   int
		code                     localapi.ErrorCode
	}{
		{"POST", "POST", "/v1/next-card", pinBody, nil, 405, localapi.CodeMethod},
		{"PUT elsewhere", "PUT", "/v1/status", pinBody, nil, 405, localapi.CodeMethod},
		{"DELETE elsewhere", "DELETE", "/v1/taps", "", nil, 405, localapi.CodeMethod},
		{"PUT to the page", "PUT", "/", pinBody, nil, 405, localapi.CodeMethod},
		{"PUT below", "PUT", "/v1/next-card/", pinBody, nil, 404, localapi.CodeNotFound},
		{"PIN in the URL", "PUT", "/v1/next-card?pin=8642", pinBody, nil, 400, localapi.CodeUnknownParameter},
		{"parameter of GET", "GET", "/v1/next-card?a=1", "", nil, 400, localapi.CodeUnknownParameter},
		{"foreign host", "PUT", "/v1/next-card", pinBody, []string{"Host", "attacker.example:" + port}, 421, localapi.CodeWrongHost},
		{"no origin", "PUT", "/v1/next-card", pinBody, []string{"Origin", ""}, 403, localapi.CodeForeignOrigin},
		{"no origin to cancel", "DELETE", "/v1/next-card", "", []string{"Origin", ""}, 403, localapi.CodeForeignOrigin},
		{"foreign origin", "PUT", "/v1/next-card", pinBody, []string{"Origin", "https://attacker.example"}, 403, localapi.CodeForeignOrigin},
		{"other port", "PUT", "/v1/next-card", pinBody, []string{"Origin", "http://127.0.0.1:1"}, 403, localapi.CodeForeignOrigin},
		{"sandboxed frame", "DELETE", "/v1/next-card", "", []string{"Origin", "null"}, 403, localapi.CodeForeignOrigin},
		{"foreign by metadata", "PUT", "/v1/next-card", pinBody, []string{"Sec-Fetch-Site", "cross-site"}, 403, localapi.CodeForeignOrigin},
		{"form", "PUT", "/v1/next-card", "kind=pin", []string{"Content-Type", "application/x-www-form-urlencoded"}, 415, localapi.CodeMediaType},
		{"plain text", "PUT", "/v1/next-card", pinBody, []string{"Content-Type", "text/plain"}, 415, localapi.CodeMediaType},
		{"charset", "PUT", "/v1/next-card", pinBody, []string{"Content-Type", "application/json; charset=utf-8"}, 415, localapi.CodeMediaType},
		{"no type", "PUT", "/v1/next-card", pinBody, []string{"Content-Type", ""}, 415, localapi.CodeMediaType},
		{"1 KiB and one", "PUT", "/v1/next-card", padded(1025), nil, 413, localapi.CodeBodyTooLarge},
		{"much more", "PUT", "/v1/next-card", padded(1 << 20), nil, 413, localapi.CodeBodyTooLarge},
		{"empty", "PUT", "/v1/next-card", "", nil, 400, localapi.CodeBadBody},
		{"no JSON", "PUT", "/v1/next-card", "8642", nil, 400, localapi.CodeBadBody},
		{"unknown field", "PUT", "/v1/next-card", `{"kind":"pin","pin":"8642","x":true}`, nil, 400, localapi.CodeBadBody},
		{"field twice", "PUT", "/v1/next-card", `{"kind":"pin","pin":"8642","pin":"8642"}`, nil, 400, localapi.CodeBadBody},
		{"trailing data", "PUT", "/v1/next-card", pinBody + "{}", nil, 400, localapi.CodeBadBody},
		{"PIN of three", "PUT", "/v1/next-card", `{"kind":"pin","pin":"864"}`, nil, 422, localapi.CodeNextForm},
		{"nothing said of the second PIN", "PUT", "/v1/next-card", `{"kind":"enrol","pin":"8642","attributes":true}`, nil, 422, localapi.CodeNextForm},
		{"no birth date", "PUT", "/v1/next-card", `{"kind":"enrol","pin":"8642"}`, nil, 422, localapi.CodeNextForm},
	} {
		a := put(t, s, c.method, c.path, c.body, c.headers...)
		check(t, c.name, a, c.status, c.code)
		if strings.Contains(a.body, plantedPIN) {
			t.Errorf("%s: the answer holds the PIN: %s", c.name, a.body)
		}
		if !box.Asked().PIN.IsZero() {
			t.Fatalf("%s: the box was asked all the same", c.name)
		}
	}
	check(t, "1 KiB", put(t, s, http.MethodPut, "/v1/next-card", padded(1024)), http.StatusOK, "")
}

// failing is a box that does not wait for a card, and says why.
type failing struct {
	*scene.Box

	why   error
	asked localapi.NextCardRequest
}

func (f *failing) NextCard(_ context.Context, r localapi.NextCardRequest) (localapi.NextCard, error) {
	f.asked = r
	return localapi.NextCard{}, f.why
}

// P3: whatever the box refuses for, the answer is its code, the PIN is wiped, and no log or answer holds it.
func TestNextCardRefusedByTheBox(t *testing.T) {
	for _, c := range []struct {
		why    error
		status int
		code   localapi.ErrorCode
	}{
		{localapi.ErrNextForm, 422, localapi.CodeNextForm},
		{localapi.ErrNextBusy, 409, localapi.CodeNextBusy},
		{localapi.ErrNextReader, 409, localapi.CodeNextReader},
		{localapi.ErrNextUnready, 503, localapi.CodeNextUnready},
		{localapi.ErrNextNotServed, 409, localapi.CodeNextNotServed},
		{errors.New("planted: no such thing"), 500, localapi.CodeBoxFailed},
	} {
		var log bytes.Buffer
		box := &failing{Box: scene.New(), why: c.why}
		handler := server.New(server.Config{Box: box, Log: slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))})
		s := serveHandler(t, handler)
		a := put(t, s, http.MethodPut, "/v1/next-card", pinBody)
		check(t, c.why.Error(), a, c.status, c.code)
		s.stop()
		if strings.Contains(a.body+log.String(), plantedPIN) || strings.Contains(a.body, "planted") {
			t.Errorf("%v: answer %s, log %s, want neither PIN nor fault in the answer", c.why, a.body, log.String())
		}
		if got := box.asked.PIN.Octets(); !bytes.Equal(got, make([]byte, len(plantedPIN))) {
			t.Errorf("%v: the refused PIN is %q afterwards, want zeroes", c.why, got)
		}
		e := &localapi.Error{}
		if json.Unmarshal([]byte(a.body), e) != nil || c.code != localapi.CodeBoxFailed && !errors.Is(e, c.why) {
			t.Errorf("the answer %s is no error that is %v", a.body, c.why)
		}
	}
}

// handled is a box that is reading the card which it waited for: there is nothing left to cancel.
type handled struct{ *scene.Box }

func (handled) CancelNextCard(context.Context) error { return nil }

// P6: DELETE says what is true: a card that is being handled is handled to its end.
func TestCancellingTellsOfACardThatIsHandled(t *testing.T) {
	box := handled{scene.New()}
	s := serveHandler(t, server.New(server.Config{Box: box, Log: discard}))
	set := put(t, s, http.MethodPut, "/v1/next-card", pinBody)
	if a := put(t, s, http.MethodDelete, "/v1/next-card", ""); a.status != http.StatusOK || a.body != set.body {
		t.Errorf("DELETE while a card is handled = %d %s, want 200 %s", a.status, a.body, set.body)
	}
}

// watched is a body that keeps the buffers into which it was read.
type watched struct {
	io.Reader

	into [][]byte
}

func (w *watched) Read(p []byte) (int, error) {
	w.into = append(w.into, p)
	return w.Reader.Read(p)
}

func (w *watched) Close() error { return nil }

// P3: the buffer that a PIN came in is wiped when it was read, whatever becomes of the request.
func TestP3TheBodysBufferIsWiped(t *testing.T) {
	for name, text := range map[string]string{
		"taken": pinBody, "of the wrong form": `{"kind":"pin","pin":"8642","same_pin":true}`, "no JSON": `{"pin":"8642"`,
		"too large": pinBody + strings.Repeat(" ", 1024),
	} {
		body := &watched{Reader: strings.NewReader(text)}
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPut, "http://localhost/v1/next-card", body)
		r.Header.Set("Content-Type", "application/json")
		handler(scene.New()).ServeHTTP(httptest.NewRecorder(), r)
		if len(body.into) == 0 {
			t.Fatalf("%s: the body was not read", name)
		}
		for _, p := range body.into {
			if len(bytes.Trim(p, "\x00")) > 0 {
				t.Errorf("%s: the buffer holds what was sent, want zeroes", name)
			}
		}
	}
}

// The Go client does it over both ways in; programs on the unix socket need no Origin.
func TestClientSetsTheNextCard(t *testing.T) {
	box := scene.New()
	path := socketPath(t)
	l, err := server.ListenUnix(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	serve(t, box, l)
	for _, target := range []string{"unix:" + path, serveTCP(t, box, "127.0.0.1:0").url} {
		c := client(t, target)
		ask := localapi.NextCardRequest{Kind: localapi.NextEnrol, PIN: localapi.NewSecret(plantedPIN), Birth: localapi.NewSecret("19800217")}
		next, err := c.SetNextCard(t.Context(), ask)
		if err != nil || next.Kind != localapi.NextEnrol || !next.Until.Equal(scene.Noon.Add(localapi.NextLasts)) {
			t.Errorf("%s: SetNextCard = %+v, %v, want an enrolment until a minute past noon", target, next, err)
		}
		if got := box.Asked(); got.PIN.Reveal() != plantedPIN || got.Birth.Reveal() != "19800217" {
			t.Errorf("%s: the box got another PIN or birth date than was sent", target)
		}
		if got, err := c.NextCard(t.Context()); err != nil || got == nil || *got != next {
			t.Errorf("%s: NextCard = %v, %v, want %v", target, got, err, next)
		}
		if _, err := c.SetNextCard(t.Context(), ask); !errors.Is(err, localapi.ErrNextBusy) {
			t.Errorf("%s: SetNextCard while another waits = %v, want ErrNextBusy", target, err)
		}
		if err := c.CancelNextCard(t.Context()); err != nil || !box.Asked().PIN.IsZero() {
			t.Errorf("%s: CancelNextCard = %v, want nil and a box that forgot", target, err)
		}
		if got, err := c.NextCard(t.Context()); err != nil || got != nil {
			t.Errorf("%s: NextCard after the end = %v, %v, want none", target, got, err)
		}
		if _, err := c.SetNextCard(t.Context(), localapi.NextCardRequest{Kind: localapi.NextPIN}); !errors.Is(err, localapi.ErrNextForm) {
			t.Errorf("%s: SetNextCard without a PIN = %v, want ErrNextForm", target, err)
		}
	}
}

// P3: a PIN is sent to the address that was asked, never on to where that points.
func TestClientCarriesThePINNowhereElse(t *testing.T) {
	reached := false
	elsewhere := serveHandler(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached = true }))
	s := serveHandler(t, http.RedirectHandler(elsewhere.url, http.StatusTemporaryRedirect))
	ask := localapi.NextCardRequest{Kind: localapi.NextPIN, PIN: localapi.NewSecret(plantedPIN)}
	if _, err := client(t, s.url).SetNextCard(t.Context(), ask); !errors.Is(err, localapi.ErrNotABox) {
		t.Errorf("SetNextCard of something that redirects = %v, want ErrNotABox", err)
	}
	s.stop()
	elsewhere.stop()
	if reached {
		t.Error("the PIN went on to another address")
	}
}
