package server_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"kazashi.example/localapi"
	"kazashi.example/localapi/catalog"
	"kazashi.example/localapi/internal/scene"
	"kazashi.example/sync/record"
)

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   string
}

// send sends a request with these headers ("Host" sets the Host header) and reads the whole answer.
func send(t *testing.T, method, url string, headers ...string) answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		if headers[i] == "Host" {
			req.Host = headers[i+1]
		}
		req.Header.Set(headers[i], headers[i+1])
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

// check compares an answer with the status wanted; for an error, its body must be the catalog's words for the code.
func check(t *testing.T, what string, a answer, status int, code localapi.ErrorCode) {
	t.Helper()
	if a.status != status {
		t.Errorf("%s = %d %s, want %d", what, a.status, a.body, status)
		return
	}
	if code == "" {
		return
	}
	var e localapi.Error
	if err := json.Unmarshal([]byte(a.body), &e); err != nil {
		t.Errorf("%s answered %q, want an error as JSON", what, a.body)
	}
	want := localapi.Error{Code: code, MessageEN: catalog.Error(code).EN, MessageJA: catalog.Error(code).JA}
	if e != want {
		t.Errorf("%s = %+v, want %+v", what, e, want)
	}
}

func TestHost(t *testing.T) {
	s := serveTCP(t, scene.New(), "127.0.0.1:0")
	_, port, _ := strings.Cut(s.addr, ":")
	for _, c := range []struct {
		host    string
		allowed bool
	}{
		{s.addr, true},
		{"localhost:" + port, true},
		{"LOCALHOST:" + port, true},
		{"[::1]:" + port, true},
		{"127.0.0.2:" + port, true},
		{"counter.example:" + port, true},
		{"Counter.Example:" + port, true},
		{"elsewhere.example:8080", true},
		{"elsewhere.example:" + port, false},
		{"elsewhere.example", false},
		{"localhost", false},
		{"localhost:1", false},
		{"127.0.0.1", false},
		{"counter.example", false},
		{"counter.example:1", false},
		{"attacker.example:" + port, false},
		{"localhost.attacker.example:" + port, false},
		{"127.0.0.1.attacker.example:" + port, false},
		{"192.0.2.1:" + port, false},
		{"0.0.0.0:" + port, false},
		{"[::ffff:192.0.2.1]:" + port, false},
		{"[localhost]:" + port, false},
		{"[127.0.0.1]:" + port, false},
		{"2130706433:" + port, false}, // 127.0.0.1 as one number, which browsers never send
	} {
		for _, path := range []string{"/", "/v1/status", "/metrics", "/healthz", "/assets/counter.js", "/nowhere"} {
			a := send(t, http.MethodGet, s.url+path, "Host", c.host)
			if refused := a.status == http.StatusMisdirectedRequest; refused == c.allowed {
				t.Errorf("GET %s with Host %s = %d, allowed want %t", path, c.host, a.status, c.allowed)
			}
		}
	}
	check(t, "a foreign host", send(t, http.MethodGet, s.url+"/v1/events", "Host", "attacker.example:"+port),
		http.StatusMisdirectedRequest, localapi.CodeWrongHost)
}

func TestOrigin(t *testing.T) {
	s := serveTCP(t, scene.New(), "127.0.0.1:0")
	_, port, _ := strings.Cut(s.addr, ":")
	for _, c := range []struct {
		name, path string
		headers    []string
		allowed    bool
	}{
		{"no browser", "/v1/taps", nil, true},
		{"the page itself", "/v1/taps", []string{"Origin", s.url, "Sec-Fetch-Site", "same-origin"}, true},
		{"typed address", "/v1/taps", []string{"Sec-Fetch-Site", "none"}, true},
		{"foreign stream", "/v1/events", []string{"Origin", "https://attacker.example"}, false},
		{"other port", "/v1/events", []string{"Origin", "http://127.0.0.1:1"}, false},
		{"other loopback name", "/v1/events", []string{"Origin", "http://localhost:" + port}, false},
		{"other scheme", "/v1/taps", []string{"Origin", "https://" + s.addr}, false},
		{"sandboxed frame", "/v1/taps", []string{"Origin", "null"}, false},
		{"foreign image", "/v1/status", []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "no-cors"}, false},
		{"image of the tray's port", "/v1/status", []string{"Sec-Fetch-Site", "same-site", "Sec-Fetch-Mode", "no-cors"}, false},
		{"foreign link to the page", "/", []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"}, true},
		{"foreign link to the list", "/v1/taps", []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"}, false},
		{"foreign frame", "/", []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "iframe"}, false},
		{"word nobody knows", "/v1/taps", []string{"Sec-Fetch-Site", "some-site"}, false},
	} {
		a := send(t, http.MethodGet, s.url+c.path, c.headers...)
		if c.allowed {
			check(t, c.name, a, http.StatusOK, "")
		} else {
			check(t, c.name, a, http.StatusForbidden, localapi.CodeForeignOrigin)
		}
	}
}

func TestRequests(t *testing.T) {
	box := scene.New()
	for n := range uint64(30) {
		box.Keep(scene.Tap(n, record.VerdictAccepted, record.ReasonInOrder))
	}
	s := serveTCP(t, box, "127.0.0.1:0")
	for _, c := range []struct {
		method, path string
		status       int
		code         localapi.ErrorCode
	}{
		{http.MethodGet, "/v1/status", 200, ""},
		{http.MethodHead, "/v1/status", 200, ""},
		{http.MethodGet, "/v1/taps", 200, ""},
		{http.MethodGet, "/v1/taps?limit=1", 200, ""},
		{http.MethodGet, "/v1/taps?limit=500", 200, ""},
		{http.MethodGet, "/healthz", 200, ""},
		{http.MethodGet, "/metrics", 200, ""},
		{http.MethodGet, "/", 200, ""},
		{http.MethodGet, "/?lang=en", 200, ""},
		{http.MethodGet, "/assets/counter.css", 200, ""},
		{http.MethodPost, "/v1/status", 405, localapi.CodeMethod},
		{http.MethodDelete, "/v1/taps", 405, localapi.CodeMethod},
		{http.MethodOptions, "/v1/events", 405, localapi.CodeMethod},
		{http.MethodPut, "/", 405, localapi.CodeMethod},
		{http.MethodGet, "/v1", 404, localapi.CodeNotFound},
		{http.MethodGet, "/v1/status/", 404, localapi.CodeNotFound},
		{http.MethodGet, "/assets/nothing.js", 404, localapi.CodeNotFound},
		{http.MethodGet, "/assets/..%2fpage.go", 404, localapi.CodeNotFound},
		{http.MethodGet, "/v1/status?a=1", 400, localapi.CodeUnknownParameter},
		{http.MethodGet, "/v1/taps?limit=1&limit=2", 400, localapi.CodeUnknownParameter},
		{http.MethodGet, "/v1/taps?Limit=1", 400, localapi.CodeUnknownParameter},
		{http.MethodGet, "/v1/taps?limit=1;x", 400, localapi.CodeUnknownParameter},
		{http.MethodGet, "/v1/events?since=1", 400, localapi.CodeUnknownParameter},
		{http.MethodGet, "/v1/taps?limit=0", 400, localapi.CodeBadParameter},
		{http.MethodGet, "/v1/taps?limit=501", 400, localapi.CodeBadParameter},
		{http.MethodGet, "/v1/taps?limit=", 400, localapi.CodeBadParameter},
		{http.MethodGet, "/v1/taps?limit=99999999999999999999", 400, localapi.CodeBadParameter},
		{http.MethodGet, "/?lang=fr", 400, localapi.CodeBadParameter},
	} {
		check(t, c.method+" "+c.path, send(t, c.method, s.url+c.path), c.status, c.code)
	}
	for path, want := range map[string]int{"/v1/taps": localapi.DefaultTaps, "/v1/taps?limit=3": 3, "/v1/taps?limit=500": 30} {
		var got localapi.Taps
		if err := json.Unmarshal([]byte(send(t, http.MethodGet, s.url+path).body), &got); err != nil || len(got.Taps) != want {
			t.Errorf("GET %s has %d taps, %v, want %d", path, len(got.Taps), err, want)
		}
	}
	if got := send(t, http.MethodGet, serveTCP(t, scene.New(), "127.0.0.1:0").url+"/v1/taps").body; got != `{"taps":[]}`+"\n" {
		t.Errorf("no taps = %q, want an empty list and not null", got)
	}
}

func TestEveryAnswerCarriesTheHeaders(t *testing.T) {
	s := serveTCP(t, scene.New(), "127.0.0.1:0")
	for _, a := range []answer{
		send(t, http.MethodGet, s.url+"/"),
		send(t, http.MethodGet, s.url+"/v1/status"),
		send(t, http.MethodGet, s.url+"/assets/counter.js"),
		send(t, http.MethodPost, s.url+"/v1/status"),
		send(t, http.MethodGet, s.url+"/", "Host", "attacker.example"),
	} {
		for name, want := range map[string]string{
			"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cache-Control": "no-store",
			"Cross-Origin-Resource-Policy": "same-origin", "Cross-Origin-Opener-Policy": "same-origin",
		} {
			if got := a.header.Get(name); got != want {
				t.Errorf("%d: %s = %q, want %q", a.status, name, got, want)
			}
		}
		policy := a.header.Get("Content-Security-Policy")
		if !strings.HasPrefix(policy, "default-src 'none';") || strings.Contains(policy, "unsafe") || !strings.Contains(policy, "frame-ancestors 'none'") {
			t.Errorf("%d: Content-Security-Policy = %q, want a strict one", a.status, policy)
		}
		if got := a.header.Get("Access-Control-Allow-Origin"); got != "" {
			t.Errorf("%d: Access-Control-Allow-Origin = %q, want none", a.status, got)
		}
	}
}

// A failing box becomes a fixed code; what failed is not told to whoever asks.
func TestBoxFailureIsNotShown(t *testing.T) {
	box := scene.New()
	s := serveTCP(t, box, "127.0.0.1:0")
	box.Fail(errors.New("planted: /var/lib/kazashi/journal.db is malformed"))
	for _, path := range []string{"/v1/status", "/v1/taps", "/v1/events"} {
		a := send(t, http.MethodGet, s.url+path)
		check(t, path, a, http.StatusInternalServerError, localapi.CodeBoxFailed)
		if strings.Contains(a.body, "planted") {
			t.Errorf("GET %s shows what failed: %s", path, a.body)
		}
	}
	check(t, "/healthz", send(t, http.MethodGet, s.url+"/healthz"), http.StatusOK, "")
}

// P3: after a tap was settled with a PPID, nothing that can be asked for later holds it.
func TestPPIDIsInNoAnswer(t *testing.T) {
	box := scene.New()
	s := serveTCP(t, box, "127.0.0.1:0")
	tap := scene.Tap(1, record.VerdictAccepted, record.ReasonInOrder)
	box.Say(tap)
	live := openStream(t, s.url)
	live.next(t)
	box.Settle(tap.Tap, tap.First, record.NewSubject(planted))
	if got := live.next(t); !strings.Contains(got, planted) {
		t.Fatalf("the live event %q does not hold the PPID, where it belongs", got)
	}
	for _, path := range []string{"/", "/v1/status", "/v1/taps", "/metrics", "/healthz"} {
		if body := send(t, http.MethodGet, s.url+path).body; strings.Contains(body, planted) {
			t.Errorf("GET %s holds the PPID: %s", path, body)
		}
	}
	late := openStream(t, s.url)
	if got := late.next(t); strings.Contains(got, planted) {
		t.Errorf("a later stream begins with the PPID: %s", got)
	}
}

const planted = "plantedppidplantedppidplantedppidplantedppidplantedp"

func FuzzGuard(f *testing.F) {
	f.Add("127.0.0.1:7440", "", "limit=1")
	f.Add("[::1", "null", "limit=1;")
	f.Add("counter.example:80:80", "http://counter.example", "%zz")
	h := handler(scene.New())
	f.Fuzz(func(t *testing.T, host, origin, query string) {
		r, w := fuzzRequest(host, origin, query)
		h.ServeHTTP(w, r)
		ours := []string{"localhost:7440", "counter.example:7440", "elsewhere.example:8080"}
		if w.Code != http.StatusMisdirectedRequest && !loopbackOr(host, ours) {
			t.Errorf("Host %q passes with status %d", host, w.Code)
		}
		if w.Code == http.StatusOK && origin != "" && !strings.EqualFold(origin, "http://"+host) {
			t.Errorf("Origin %q passes for Host %q", origin, host)
		}
	})
}
