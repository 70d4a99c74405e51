package page_test

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"kazashi.example/central/lab/tray"
	"kazashi.example/central/lab/tray/ledger"
	"kazashi.example/central/lab/tray/page"
	"kazashi.example/central/lab/tray/traytest"
)

type site struct {
	*traytest.Bench
	host string
	stop func() error
}

func serve(t *testing.T) *site {
	t.Helper()
	b := traytest.New(t)
	ln, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h, err := page.New(b.Tray, page.Config{
		Addr: ln.Addr().String(), Counter: "http://127.0.0.1:7440/", Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- h.Serve(ctx, ln) }()
	s := &site{Bench: b, host: ln.Addr().String(), stop: func() error { cancel(); return <-done }}
	t.Cleanup(cancel)
	return s
}

// ask sends a request and returns the answer with its body. Redirects are not followed. header holds pairs.
func (s *site) ask(t *testing.T, method, path, body string, header ...string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, "http://"+s.host+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		if header[i] == "Host" {
			req.Host = header[i+1]
		}
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(data)
}

func TestAPI(t *testing.T) {
	s := serve(t)
	for _, c := range []struct {
		path, body string
		status     int
		want       string // part of the answer
	}{
		{"/v1/lay", `{"person":"hanako"}`, 200, `"tap": 1`},
		{"/v1/take", `{}`, 200, `"kind": "take"`},
		{"/v1/take", ``, 409, `"code": "no_card"`},
		{"/v1/lay", `{"person":"nobody"}`, 404, `"code": "person"`},
		{"/v1/lay", `{}`, 400, `"code": "request"`},
		{"/v1/lay", `{"person":"hanako","up":true}`, 400, `"code": "request"`},
		{"/v1/lay", `{"person":"hanako"}{}`, 400, `"code": "request"`},
		{"/v1/lay", `{"person":"hanako","fast":true}`, 400, `"code": "request"`},
		{"/v1/lay", `{"person":"` + strings.Repeat("x", 5000) + `"}`, 400, `"code": "request"`},
		{"/v1/dance", `{}`, 404, `"code": "deed"`},
		{"/v1/line", `{}`, 400, `"code": "request"`},
		{"/v1/line", `{"up":false}`, 200, `"line": "down"`},
		{"/v1/line", `{"up":false}`, 409, `"code": "line"`},
		{"/v1/line", `{"up":true}`, 200, `"line": "up"`},
		{"/v1/revoke", `{"person":"taro"}`, 200, `"reason": "cessationOfOperation"`},
		{"/v1/revoke", `{"person":"taro"}`, 409, `"code": "revoked"`},
		{"/v1/revoke", `{"person":"hanako","reason":"boredom"}`, 400, `"code": "reason"`},
		{"/v1/renew", `{"person":"hanako","card":"same"}`, 200, `"serial": "0b01"`},
		{"/v1/renew", `{"person":"hanako","card":"new"}`, 200, `"kind": "reissue"`},
		{"/v1/renew", `{"person":"hanako"}`, 400, `"code": "request"`},
		{"/v1/renew", `{"person":"hanako","card":"other"}`, 400, `"code": "request"`},
		{"/v1/renew", `{"person":"torn","card":"new"}`, 409, `"code": "not_renewable"`},
		{"/v1/lay", `{"person":"hanako","card":"new"}`, 400, `"code": "request"`},
		{"/v1/publish", `{}`, 200, `"list": 41`},
	} {
		resp, got := s.ask(t, http.MethodPost, c.path, c.body, "Content-Type", "application/json")
		if resp.StatusCode != c.status || !strings.Contains(got, c.want) {
			t.Errorf("POST %s %.60s = %d %s, want %d with %s", c.path, c.body, resp.StatusCode, got, c.status, c.want)
		}
	}
}

func TestRigOutOfOrder(t *testing.T) {
	s := serve(t)
	s.Break("/v1/slots/0/insert", true)
	resp, got := s.ask(t, http.MethodPost, "/v1/lay", `{"person":"hanako"}`, "Content-Type", "application/json")
	if resp.StatusCode != http.StatusBadGateway || !strings.Contains(got, `"code": "rig"`) {
		t.Errorf("lay on a broken rig = %d %s, want 502 rig", resp.StatusCode, got)
	}
	resp, got = s.ask(t, http.MethodPost, "/do/lay?lang=en", "person=hanako", "Content-Type", "application/x-www-form-urlencoded")
	if resp.StatusCode != http.StatusBadGateway || !strings.Contains(got, `role="alert"`) || !strings.Contains(got, "does not answer") {
		t.Errorf("lay on a broken rig by form = %d, want 502 and a page that says so", resp.StatusCode)
	}
}

func TestStateAndLedger(t *testing.T) {
	s := serve(t)
	s.ask(t, http.MethodPost, "/v1/lay", `{"person":"tome"}`, "Content-Type", "application/json")
	var state tray.State
	_, body := s.ask(t, http.MethodGet, "/v1/state", "")
	if err := json.Unmarshal([]byte(body), &state); err != nil || !state.Up || state.Card == nil || state.Card.Person != "tome" || len(state.People) != 4 {
		t.Errorf("state = %s (%v), want tome's card on the reader, the line up and four people", body, err)
	}
	if strings.Contains(body, "0a03") {
		t.Errorf("state = %s, want no serial in it", body)
	}
	var book struct {
		Entries []ledger.Entry `json:"entries"`
	}
	_, body = s.ask(t, http.MethodGet, "/v1/ledger", "")
	if err := json.Unmarshal([]byte(body), &book); err != nil || len(book.Entries) != 2 || book.Entries[1].Serial != "0a03" {
		t.Errorf("ledger = %s (%v), want start and lay with its serial", body, err)
	}
}

// TestOtherSites: a page from elsewhere in the same browser must not move anything, by whatever way.
func TestOtherSites(t *testing.T) {
	s := serve(t)
	const form = "application/x-www-form-urlencoded"
	port := s.host[strings.LastIndex(s.host, ":"):]
	for _, c := range []struct {
		name         string
		method, path string
		header       []string
		status       int
	}{
		{"another site's form", "POST", "/do/line", []string{"Content-Type", form, "Origin", "http://evil.example", "Sec-Fetch-Site", "cross-site"}, 403},
		{"an old browser's form", "POST", "/do/line", []string{"Content-Type", form, "Origin", "http://evil.example"}, 403},
		{"another port", "POST", "/do/line", []string{"Content-Type", form, "Origin", "http://127.0.0.1:1"}, 403},
		{"a sandboxed frame", "POST", "/do/line", []string{"Content-Type", form, "Origin", "null"}, 403},
		{"the same, to the API", "POST", "/v1/line", []string{"Content-Type", "application/json", "Origin", "http://evil.example"}, 403},
		{"JSON in a form's clothes", "POST", "/v1/line", []string{"Content-Type", "text/plain"}, 415},
		{"rebound name, reading", "GET", "/v1/ledger", []string{"Host", "evil.example" + port}, 421},
		{"rebound name, writing", "POST", "/do/line", []string{"Content-Type", form, "Host", "evil.example" + port, "Origin", "http://evil.example" + port}, 421},
		{"no port", "GET", "/", []string{"Host", "127.0.0.1"}, 421},
	} {
		resp, body := s.ask(t, c.method, c.path, "up=false", c.header...)
		if resp.StatusCode != c.status {
			t.Errorf("%s: %s %s = %d %.80s, want %d", c.name, c.method, c.path, resp.StatusCode, body, c.status)
		}
	}
	if !s.Relay.Up() {
		t.Error("the line was cut from another site")
	}
	for _, host := range []string{s.host, "localhost" + port} {
		resp, body := s.ask(t, http.MethodPost, "/do/publish?lang=en", "", "Content-Type", form, "Host", host, "Origin", "http://"+host)
		if resp.StatusCode != http.StatusSeeOther || resp.Header.Get("Location") != "/?lang=en" {
			t.Errorf("own form at %s = %d %.80s, want 303 to the page", host, resp.StatusCode, body)
		}
	}
}

func TestForms(t *testing.T) {
	s := serve(t)
	form := func(deed string, v url.Values) {
		t.Helper()
		resp, body := s.ask(t, http.MethodPost, "/do/"+deed+"?lang=ja", v.Encode(), "Content-Type", "application/x-www-form-urlencoded")
		if resp.StatusCode != http.StatusSeeOther {
			t.Errorf("form %s = %d %.200s, want 303", deed, resp.StatusCode, body)
		}
	}
	form("lay", url.Values{"person": {"hanako"}})
	form("line", url.Values{"up": {"false"}})
	form("revoke", url.Values{"person": {"taro"}})
	form("renew", url.Values{"person": {"hanako"}, "card": {"new"}})
	form("publish", nil)
	form("line", url.Values{"up": {"true"}})
	var got []string
	for _, e := range s.Tray.Entries() {
		got = append(got, string(e.Kind))
	}
	if want := "start lay cut revoke take reissue publish restore"; strings.Join(got, " ") != want {
		t.Errorf("ledger = %v, want %s", got, want)
	}
}

func TestPage(t *testing.T) {
	s := serve(t)
	s.ask(t, http.MethodPost, "/v1/lay", `{"person":"hanako"}`, "Content-Type", "application/json")
	for lang, want := range map[string][]string{
		"ja": {`<html lang="ja">`, "練習　花子", "期限切れ", "回線を切る", "カードを取る", "新しい失効リストを公開", "証明書の期限が過ぎています。", "更新（新しいカード）", "暗証番号 1234"},
		"en": {`<html lang="en">`, "Hanako Renshu", "Expired", "Cut the line", "Take the card away", "Publish a new list", "The certificate has ended."},
	} {
		resp, body := s.ask(t, http.MethodGet, "/?lang="+lang, "")
		for _, w := range want {
			if !strings.Contains(body, w) {
				t.Errorf("page in %s lacks %q", lang, w)
			}
		}
		if resp.Header.Get("Content-Language") != lang {
			t.Errorf("Content-Language = %q, want %q", resp.Header.Get("Content-Language"), lang)
		}
	}
	_, plain := s.ask(t, http.MethodGet, "/", "")
	if !strings.Contains(plain, `<html lang="ja">`) {
		t.Error("page without a choice is not Japanese")
	}
}

var inline = regexp.MustCompile(`(?i)<style|\sstyle=|\son[a-z]+=|<script[^>]*>[^<]|javascript:|//cdn|https?://[^1]`)

// TestStrictPolicy: nothing inline, nothing from elsewhere, and a policy that would refuse it.
func TestStrictPolicy(t *testing.T) {
	s := serve(t)
	resp, body := s.ask(t, http.MethodGet, "/", "")
	csp := resp.Header.Get("Content-Security-Policy")
	if !strings.HasPrefix(csp, "default-src 'none';") || strings.Contains(csp, "unsafe") || strings.Contains(csp, "*") {
		t.Errorf("Content-Security-Policy = %q, want default-src 'none' and nothing unsafe", csp)
	}
	if m := inline.FindString(body); m != "" {
		t.Errorf("the page contains %q", m)
	}
	for _, name := range []string{"tray.css", "tray.js"} {
		file, err := os.ReadFile(filepath.Join("assets", name))
		if err != nil {
			t.Fatal(err)
		}
		resp, got := s.ask(t, http.MethodGet, "/"+name, "")
		if resp.StatusCode != 200 || got != string(file) {
			t.Errorf("GET /%s = %d, %d octets, want 200 and the %d octets of the file", name, resp.StatusCode, len(got), len(file))
		}
		if strings.Contains(got, "http:") || strings.Contains(got, "https:") || strings.Contains(got, "@import") {
			t.Errorf("%s reaches elsewhere", name)
		}
	}
	if resp, _ := s.ask(t, http.MethodGet, "/page.html", ""); resp.StatusCode != http.StatusNotFound {
		t.Errorf("GET /page.html = %d, want 404", resp.StatusCode)
	}
}

func TestEvents(t *testing.T) {
	s := serve(t)
	resp, err := http.Get("http://" + s.host + "/v1/events")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	lines := make(chan string)
	go func() {
		defer close(lines)
		for in := bufio.NewScanner(resp.Body); in.Scan(); {
			if d, ok := strings.CutPrefix(in.Text(), "data: "); ok {
				lines <- d
			}
		}
	}()
	next := func() string {
		select {
		case l := <-lines:
			return l
		case <-time.After(10 * time.Second):
			t.Fatal("no event")
			return ""
		}
	}
	if got := next(); got != "1" {
		t.Errorf("first event = %q, want 1 entry", got)
	}
	s.ask(t, http.MethodPost, "/v1/line", `{"up":false}`, "Content-Type", "application/json")
	if got := next(); got != "2" {
		t.Errorf("event after a deed = %q, want 2 entries", got)
	}
	if err := s.stop(); err != nil { // ends open streams
		t.Errorf("Serve = %v, want nil", err)
	}
	if l, open := <-lines; open {
		t.Errorf("after the end of Serve came %q, want the stream's end", l)
	}
}
