package admin_test

import (
	"context"
	"errors"
	"fmt"
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

	"kazashi.example/central/admin"
	"kazashi.example/central/loss"
	"kazashi.example/sync/record"
)

// operator answers what it is told to, and remembers what it was asked.
type operator struct {
	err   error
	asked []string
}

func (o *operator) Status(context.Context) (admin.Status, error) {
	return admin.Status{Release: "v1", Boxes: 2}, o.err
}

func (o *operator) Boxes(context.Context) ([]admin.Box, error) {
	return []admin.Box{{Site: "branch-1", Name: "one", State: "active"}}, o.err
}

func (o *operator) Box(_ context.Context, id record.BoxID) (admin.Detail, error) {
	gaps := []admin.Gap{{Epoch: "e", First: 5, Last: 9}}
	return admin.Detail{Box: admin.Box{ID: id, Name: "one"}, Gaps: gaps}, o.err
}

func (o *operator) Healthy(context.Context) error { return o.err }

func (o *operator) Recent(context.Context) (admin.Status, error) {
	return admin.Status{Release: "v1", Boxes: 3}, o.err
}

func (o *operator) NewCode(_ context.Context, c admin.Code) (admin.NewCode, error) {
	o.asked = append(o.asked, "code "+string(c.Site)+" "+c.Name)
	return admin.NewCode{Code: "KZ1-X"}, o.err
}

func (o *operator) SetState(_ context.Context, id record.BoxID, state string) error {
	o.asked = append(o.asked, "state "+id.String()+" "+state)
	return o.err
}

func (o *operator) Editions(context.Context) ([]admin.Edition, error) {
	return []admin.Edition{{Version: "1-42", InForce: true}}, o.err
}

func (o *operator) SiteRules(_ context.Context, q admin.AskRules) (admin.SiteRules, error) {
	o.asked = append(o.asked, "rules "+string(q.Site)+" "+q.Version)
	return admin.SiteRules{Signed: []byte("signed")}, o.err
}

func (o *operator) Conflicts(context.Context) ([]admin.Conflict, error) {
	return []admin.Conflict{{Kind: "two", Verifier: "kiyose", Person: 17, Other: 42}}, o.err
}

func (o *operator) ImportLinks(_ context.Context, q admin.Import) (admin.Imported, error) {
	o.asked = append(o.asked, fmt.Sprint("links ", q.Service, len(q.Links), q.DryRun, q, q.Links[0]))
	return admin.Imported{Rows: len(q.Links), Faults: []admin.ImportFault{{Line: 2, What: "taken"}}}, o.err
}

func (o *operator) Swap(_ context.Context, q admin.Swap) (admin.NewCode, error) {
	o.asked = append(o.asked, fmt.Sprint("swap ", q.Box, q.Name, q.Hours))
	return admin.NewCode{Code: "KZ1-NEXT"}, o.err
}

func (o *operator) Lost(_ context.Context, q admin.Lose) (admin.Lost, error) {
	o.asked = append(o.asked, fmt.Sprint("lost ", q.Box, q.Do))
	return admin.Lost{Facts: loss.Facts{Box: q.Box}, People: []loss.Concerned{{Service: "library", PPID: "MADEUP"}}}, o.err
}

func (o *operator) Acts(context.Context) ([]admin.Act, error) {
	return []admin.Act{{What: "persons merged", Detail: "person 42 into 17"}}, o.err
}

func (o *operator) Merge(_ context.Context, q admin.Merge) (admin.Mended, error) {
	o.asked = append(o.asked, fmt.Sprint("merge ", q.Person, q.Other, q.Keep))
	return admin.Mended{Kept: 17, Gone: 42, Moved: 1}, o.err
}

func (o *operator) Withdraw(_ context.Context, q admin.Pair) (admin.Mended, error) {
	o.asked = append(o.asked, "withdraw "+q.Old+" "+q.New)
	return admin.Mended{Certificates: 2}, o.err
}

func (o *operator) Backup(_ context.Context, name string) (admin.Backup, error) {
	o.asked = append(o.asked, "backup "+name)
	return admin.Backup{Name: name, File: "/b/" + name + ".json"}, o.err
}

func (o *operator) Sites(context.Context) ([]admin.Site, error) {
	return []admin.Site{{Site: "branch-1", Boxes: 2, Keys: []admin.SiteKey{{Generation: "77", Current: true}}}}, o.err
}

func (o *operator) Retention(context.Context) (admin.Retention, error) {
	return admin.Retention{Records: 3, Services: []admin.Retained{{Service: "library", KeepRecords: 90, Erased: 3}}}, o.err
}

func (o *operator) Erase(context.Context) (admin.Erased, error) {
	o.asked = append(o.asked, "erase")
	return admin.Erased{Records: 3}, o.err
}

func (o *operator) Rotate(_ context.Context, site record.SiteID) (admin.SiteKey, error) {
	o.asked = append(o.asked, "rotate "+string(site))
	return admin.SiteKey{Generation: "78", Current: true}, o.err
}

func (o *operator) Order(_ context.Context, q admin.NewOrder) (admin.Order, error) {
	o.asked = append(o.asked, "order "+q.Kind+" "+q.Box.String())
	return admin.Order{ID: "79", Kind: q.Kind}, o.err
}

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

func ask(t *testing.T, h http.Handler, method, path, body string, header ...string) (int, string) {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body))
	r.Host = "127.0.0.1:7442"
	for i := 0; i < len(header); i += 2 {
		if header[i] == "Host" {
			r.Host = header[i+1]
			continue
		}
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

func TestHandlerRefuses(t *testing.T) {
	const box = "0123456789abcdef0123456789abcdef"
	for _, c := range []struct {
		name, method, path, body string
		status                   int
		says                     string
	}{
		{"unknown field", "POST", "/v1/codes", `{"site":"a","name":"b","floor":"c"}`, 400, `unknown field`},
		{"field of another call", "POST", "/v1/boxes/state", `{"id":"` + box + `","state":"active","site":"a"}`, 400, `unknown field`},
		{"trailing value", "POST", "/v1/codes", `{"site":"a","name":"b"}{}`, 400, "more than one JSON value"},
		{"trailing rubbish", "POST", "/v1/codes", `{"site":"a","name":"b"}]`, 400, "more than one JSON value"},
		{"no body", "POST", "/v1/backups", ``, 400, "EOF"},
		{"another type", "POST", "/v1/backups", `{"name":7}`, 400, "cannot unmarshal"},
		{"malformed id", "POST", "/v1/boxes/state", `{"id":"0123","state":"active"}`, 400, "hex"},
		{"oversize", "POST", "/v1/codes", `{"site":"a","name":"` + strings.Repeat("b", 5000) + `"}`, 413, "too large"},
		{"wrong method", "GET", "/v1/codes", ``, 405, ""},
		{"wrong method on status", "POST", "/v1/status", `{}`, 405, ""},
		{"delete", "DELETE", "/v1/boxes", ``, 405, ""},
		{"a box by no id", "GET", "/v1/boxes/state", ``, 400, "hex"},
		{"writing to a box", "POST", "/v1/boxes/" + box, `{}`, 405, ""},
		{"unknown path", "GET", "/v1/persons", ``, 404, ""},
		{"merging by reading", "GET", "/v1/persons/merge", ``, 405, ""},
		{"a person by no number", "POST", "/v1/persons/merge", `{"person":"hanako","other":2}`, 400, "cannot unmarshal"},
		{"an order by reading", "GET", "/v1/orders", ``, 405, ""},
		{"an order to no box", "POST", "/v1/orders", `{"box":"0123","kind":"wipe"}`, 400, "hex"},
		{"a site's key of one's own", "POST", "/v1/sites/rotate", `{"site":"a","key":"b"}`, 400, "unknown field"},
		{"rules of one's own", "POST", "/v1/rules/site", `{"site":"a","rules":[]}`, 400, "unknown field"},
		{"a swap for no box", "POST", "/v1/boxes/swap", `{"box":"0123"}`, 400, "hex"},
		{"a swap at another site", "POST", "/v1/boxes/swap", `{"site":"a"}`, 400, "unknown field"},
		{"a loss of everything", "POST", "/v1/boxes/lost", `{"all":true}`, 400, "unknown field"},
		{"links by reading", "GET", "/v1/links/import", ``, 405, ""},
		{"links with more", "POST", "/v1/links/import", `{"service":"a","links":[],"force":true}`, 400, "unknown field"},
		{"a pair with more", "POST", "/v1/renewals/withdraw", `{"old":"01","new":"02","all":true}`, 400, "unknown field"},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := &operator{}
			status, body := ask(t, admin.Handler(o, discard()), c.method, c.path, c.body)
			if status != c.status || !strings.Contains(body, c.says) {
				t.Errorf("%s %s = %d %q, want %d with %q", c.method, c.path, status, body, c.status, c.says)
			}
			if len(o.asked) > 0 {
				t.Errorf("the operator was asked %q, want nothing", o.asked)
			}
		})
	}
}

func TestReadOnlyChangesNothing(t *testing.T) {
	metrics := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "kazashi 1\n") })
	h := admin.ReadOnly(&operator{}, metrics, discard())
	for path, want := range map[string]int{
		"/v1/codes": 404, "/v1/backups": 404, "/v1/boxes/state": 405, "/v1/persons/merge": 404, "/v1/renewals/withdraw": 404,
		"/v1/orders": 404, "/v1/sites/rotate": 404, "/v1/boxes/swap": 405, "/v1/boxes/lost": 405,
	} {
		if status, _ := ask(t, h, "POST", path, `{}`); status != want {
			t.Errorf("POST %s = %d, want %d", path, status, want)
		}
	}
	for _, path := range []string{"/v1/conflicts", "/v1/acts", "/v1/sites", "/v1/rules"} {
		if status, _ := ask(t, h, "GET", path, ""); status != http.StatusNotFound {
			t.Errorf("GET %s = %d, want 404: it is for the operator alone", path, status)
		}
	}
	for path, says := range map[string]string{
		"/healthz": "ok\n", "/v1/status": `"boxes":3`, "/v1/boxes": `"branch-1"`,
		"/v1/boxes/0123456789abcdef0123456789abcdef": `"gaps":[{"epoch":"e","first":5,"last":9}]`,
		"/metrics": "kazashi 1",
	} {
		if status, body := ask(t, h, "GET", path, ""); status != http.StatusOK || !strings.Contains(body, says) {
			t.Errorf("GET %s = %d %q, want 200 with %q", path, status, body, says)
		}
	}
}

func TestReadOnlyRefusesPagesOfOtherSites(t *testing.T) {
	h := admin.ReadOnly(&operator{}, http.NotFoundHandler(), discard())
	for _, c := range []struct {
		name   string
		header []string
		status int
	}{
		{"loopback", []string{"Host", "127.0.0.1:7442"}, 200},
		{"another port, as through a tunnel", []string{"Host", "localhost:9000"}, 200},
		{"IPv6", []string{"Host", "[::1]:7442"}, 200},
		{"without port", []string{"Host", "LOCALHOST"}, 200},
		{"rebound name", []string{"Host", "rebound.example:7442"}, 421},
		{"name that begins like loopback", []string{"Host", "127.0.0.1.example"}, 421},
		{"name that begins like localhost", []string{"Host", "localhost.example:7442"}, 421},
		{"another address", []string{"Host", "192.0.2.1:7442"}, 421},
		{"no name", []string{"Host", ""}, 421},
		{"own origin", []string{"Origin", "http://127.0.0.1:7442"}, 200},
		{"another origin", []string{"Origin", "http://evil.example"}, 403},
		{"another port's page", []string{"Origin", "http://127.0.0.1:9000"}, 403},
		{"null origin", []string{"Origin", "null"}, 403},
		{"typed in", []string{"Sec-Fetch-Site", "none"}, 200},
		{"image on another site", []string{"Sec-Fetch-Site", "cross-site"}, 403},
	} {
		t.Run(c.name, func(t *testing.T) {
			if status, body := ask(t, h, "GET", "/v1/boxes", "", c.header...); status != c.status {
				t.Errorf("%v = %d %q, want %d", c.header, status, body, c.status)
			}
		})
	}
}

func TestErrorsOfTheInsideStayInside(t *testing.T) {
	o := &operator{err: errors.New("secret path /srv/x")}
	h := admin.ReadOnly(o, http.NotFoundHandler(), discard())
	for path, want := range map[string]int{"/healthz": 503, "/v1/status": 500, "/v1/boxes": 500} {
		if status, body := ask(t, h, "GET", path, ""); status != want || strings.Contains(body, "secret") {
			t.Errorf("GET %s = %d %q, want %d without the cause", path, status, body, want)
		}
	}
}

// serve listens on a socket as central does.
func serve(t *testing.T, o admin.Watched) (socket string) {
	t.Helper()
	socket = filepath.Join(t.TempDir(), "s")
	l, err := admin.Listen(t.Context(), socket)
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: admin.Handler(o, discard()), ReadHeaderTimeout: time.Second}
	done := make(chan struct{})
	go func() { defer close(done); _ = s.Serve(l) }()
	t.Cleanup(func() { s.Close(); <-done })
	return socket
}

func TestClientAsks(t *testing.T) {
	o := &operator{}
	c := admin.NewClient(serve(t, o))
	ctx := t.Context()
	if s, err := c.Status(ctx); err != nil || s.Boxes != 2 {
		t.Errorf("Status() = %+v, %v, want two boxes", s, err)
	}
	if b, err := c.Boxes(ctx); err != nil || len(b) != 1 || b[0].Name != "one" {
		t.Errorf("Boxes() = %+v, %v, want one", b, err)
	}
	if n, err := c.NewCode(ctx, admin.Code{Site: "branch-1", Name: "one"}); err != nil || n.Code != "KZ1-X" {
		t.Errorf("NewCode() = %+v, %v, want the code", n, err)
	}
	if b, err := c.Backup(ctx, "monday"); err != nil || b.File != "/b/monday.json" {
		t.Errorf("Backup() = %+v, %v, want its file", b, err)
	}
	id := record.NewBoxID()
	if err := c.SetState(ctx, id, "revoked"); err != nil {
		t.Errorf("SetState() = %v, want nil", err)
	}
	if n, err := c.Swap(ctx, admin.Swap{Box: id, Name: "two"}); err != nil || n.Code != "KZ1-NEXT" {
		t.Errorf("Swap() = %+v, %v, want a code", n, err)
	}
	l, err := c.Lost(ctx, admin.Lose{Box: id, Do: true})
	if err != nil || l.Facts.Box != id || len(l.People) != 1 || l.People[0].PPID != "MADEUP" {
		t.Errorf("Lost() = %v, want the facts and one person", err)
	}
	if text := fmt.Sprintf("%v %+v", l, l); strings.Contains(text, "MADEUP") {
		t.Error("P3: a pseudonym is printed")
	}
	if b, err := c.Box(ctx, id); err != nil || b.ID != id || len(b.Gaps) != 1 || b.Gaps[0] != (admin.Gap{Epoch: "e", First: 5, Last: 9}) {
		t.Errorf("Box() = %+v, %v, want it with its gap", b, err)
	}
	if all, err := c.Sites(ctx); err != nil || len(all) != 1 || all[0].Boxes != 2 || !all[0].Keys[0].Current {
		t.Errorf("Sites() = %+v, %v, want one with its key", all, err)
	}
	if r, err := c.Retention(ctx); err != nil || r.Records != 3 || len(r.Services) != 1 || r.Services[0].KeepRecords != 90 {
		t.Errorf("Retention() = %+v, %v, want one service", r, err)
	}
	if e, err := c.Erase(ctx); err != nil || e.Records != 3 {
		t.Errorf("Erase() = %+v, %v, want what it erased", e, err)
	}
	if k, err := c.Rotate(ctx, "branch-1"); err != nil || k.Generation != "78" {
		t.Errorf("Rotate() = %+v, %v, want the new generation", k, err)
	}
	if r, err := c.Order(ctx, admin.NewOrder{Box: id, Kind: "wipe"}); err != nil || r.ID != "79" || r.Kind != "wipe" {
		t.Errorf("Order() = %+v, %v, want the order", r, err)
	}
	if all, err := c.Conflicts(ctx); err != nil || len(all) != 1 || all[0].Person != 17 || all[0].Other != 42 {
		t.Errorf("Conflicts() = %+v, %v, want one", all, err)
	}
	if all, err := c.Acts(ctx); err != nil || len(all) != 1 || all[0].Detail != "person 42 into 17" {
		t.Errorf("Acts() = %+v, %v, want one", all, err)
	}
	if m, err := c.Merge(ctx, admin.Merge{Person: 17, Other: 42, Keep: 17}); err != nil || m.Kept != 17 || m.Moved != 1 {
		t.Errorf("Merge() = %+v, %v, want what it changed", m, err)
	}
	if m, err := c.Withdraw(ctx, admin.Pair{Old: "01", New: "02"}); err != nil || m.Certificates != 2 {
		t.Errorf("Withdraw() = %+v, %v, want what it changed", m, err)
	}
	want := "code branch-1 one;backup monday;state " + id.String() + " revoked;swap " + id.String() + "two0;lost " + id.String() +
		" true;erase;rotate branch-1;order wipe " + id.String() + ";merge 17 42 17;withdraw 01 02"
	if got := strings.Join(o.asked, ";"); got != want {
		t.Errorf("the operator was asked %q, want %q", got, want)
	}
}

func TestClientErrors(t *testing.T) {
	o := &operator{err: &admin.Refused{Err: errors.New("no such box")}}
	c := admin.NewClient(serve(t, o))
	var refused *admin.Refused
	if err := c.SetState(t.Context(), record.NewBoxID(), "revoked"); !errors.As(err, &refused) || refused.Error() != "no such box" {
		t.Errorf("SetState() = %v, want the refusal", err)
	}
	o.err = errors.New("secret")
	if _, err := c.Status(t.Context()); err == nil || !strings.Contains(err.Error(), "its log says why") {
		t.Errorf("Status() = %v, want a hint at the log", err)
	}
	none := filepath.Join(t.TempDir(), "none")
	if _, err := admin.NewClient(none).Status(t.Context()); !errors.Is(err, admin.ErrNotRunning) || !strings.Contains(err.Error(), none) {
		t.Errorf("Status() without a central = %v, want ErrNotRunning with the path", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Status(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Status() with a context that ended = %v, want Canceled", err)
	}
}

func TestListen(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "central.sock")
	l, err := admin.Listen(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Lstat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the socket's mode is %v, %v, want 0600", info.Mode().Perm(), err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false) // as a central that was killed
	l.Close()
	again, err := admin.Listen(t.Context(), path)
	if err != nil {
		t.Fatalf("Listen() over a dead central's socket = %v, want nil", err)
	}
	again.Close()
	if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("after Close() the socket is there: %v", err)
	}
	if err := os.WriteFile(path, []byte("kept"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := admin.Listen(t.Context(), path); !errors.Is(err, admin.ErrNotSocket) {
		t.Errorf("Listen() over a file = %v, want ErrNotSocket", err)
	}
	if b, err := os.ReadFile(path); string(b) != "kept" || err != nil {
		t.Errorf("the file holds %q, %v, want it untouched", b, err)
	}
	if _, err := admin.Listen(t.Context(), filepath.Join(dir, strings.Repeat("x", 120))); err == nil || !strings.Contains(err.Error(), "shorter data directory") {
		t.Errorf("Listen() on a long path = %v, want advice", err)
	}
}

func FuzzHandler(f *testing.F) {
	f.Add("/v1/codes", []byte(`{"site":"a","name":"b"}`))
	f.Add("/v1/boxes/state", []byte(`{"id":"0123456789abcdef0123456789abcdef","state":"active"}`))
	f.Add("/v1/backups", []byte(`{"name":"a"}{`))
	f.Fuzz(func(t *testing.T, path string, body []byte) {
		switch path {
		case "/v1/codes", "/v1/boxes/state", "/v1/backups":
		default:
			path = "/v1/codes"
		}
		o := &operator{}
		status, _ := ask(t, admin.Handler(o, discard()), "POST", path, string(body))
		if (status == http.StatusOK) != (len(o.asked) == 1) || status >= 500 {
			t.Errorf("POST %s %q = %d, and the operator was asked %q", path, body, status, o.asked)
		}
	})
}
