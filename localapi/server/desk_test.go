package server_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"kazashi.example/localapi"
	"kazashi.example/localapi/internal/scene"
	"kazashi.example/localapi/server"
	"kazashi.example/sync/record"
)

const plantedCode = "himawari-31"

var _ server.Desk = (*scene.Desk)(nil)

// atDesk serves a desk on a socket and on loopback; log has what the handler says.
func atDesk(t *testing.T) (d *scene.Desk, c *localapi.Client, s serving, log *bytes.Buffer) {
	t.Helper()
	d, log = scene.NewDesk(), new(bytes.Buffer)
	socket := filepath.Join(t.TempDir(), "s")
	unix, err := server.ListenUnix(t.Context(), socket)
	if err != nil {
		t.Fatal(err)
	}
	tcp, err := server.ListenTCP(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h := server.New(server.Config{Box: scene.New(), Desk: d, Log: slog.New(slog.NewTextHandler(log, nil))})
	s = serveBoth(t, h, unix, tcp)
	if c, err = localapi.NewClient("unix:" + socket); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return d, c, s, log
}

func serveBoth(t *testing.T, h http.Handler, unix, tcp net.Listener) serving {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := server.Serve(ctx, h, discard, unix, tcp); err != nil {
			t.Errorf("Serve = %v, want nil", err)
		}
	}()
	stop := func() { cancel(); <-done }
	t.Cleanup(stop)
	return serving{addr: tcp.Addr().String(), url: "http://" + tcp.Addr().String(), stop: stop}
}

// A shift at the desk: staff are entered, one signs in, looks at the correction, takes a number back, and signs out.
func TestAShiftAtTheDesk(t *testing.T) {
	d, c, _, log := atDesk(t)
	ctx := t.Context()
	if _, err := c.SignIn(ctx, localapi.NewSecret(plantedCode)); !errors.Is(err, localapi.ErrCode) {
		t.Errorf("SignIn before anybody was entered = %v, want ErrCode", err)
	}
	must(t, c.SetStaff(ctx, localapi.NewStaff{ID: "s-01", Name: "案山子 太郎", Code: localapi.NewSecret(plantedCode)}))
	for _, bad := range []localapi.NewStaff{{ID: "No Name", Name: "x", Code: localapi.NewSecret("123456")}, {ID: "s-1", Code: localapi.NewSecret("123456")}} {
		if err := c.SetStaff(ctx, bad); !errors.Is(err, localapi.ErrDeskForm) {
			t.Errorf("SetStaff(%q, %q) = %v, want ErrDeskForm", bad.ID, bad.Name, err)
		}
	}
	if err := c.SetStaff(ctx, localapi.NewStaff{ID: "s-02", Name: "x", Code: localapi.NewSecret(plantedCode)}); !errors.Is(err, localapi.ErrTaken) {
		t.Errorf("SetStaff with another's code = %v, want ErrTaken", err)
	}
	work, err := c.Work(ctx, false)
	must(t, err)
	if len(work) != 1 {
		t.Fatalf("Work = %d items, want 1", len(work))
	}
	if err := c.Tick(ctx, work[0].Tap); !errors.Is(err, localapi.ErrNobody) {
		t.Errorf("Tick before anybody signed in = %v, want ErrNobody", err)
	}
	who, err := c.SignIn(ctx, localapi.NewSecret(plantedCode))
	if err != nil || who.ID != "s-01" || who.Since.IsZero() {
		t.Fatalf("SignIn = %+v, %v, want s-01 with a time", who, err)
	}
	must(t, c.Tick(ctx, work[0].Tap))
	if left, err := c.Work(ctx, false); err != nil || len(left) != 0 {
		t.Errorf("Work after Tick = %v, %v, want none", left, err)
	}
	if all, err := c.Work(ctx, true); err != nil || len(all) != 1 || all[0].Done == nil || all[0].Done.By != "s-01" {
		t.Errorf("Work(all) = %+v, %v, want it done by s-01", all, err)
	}
	must(t, c.Unlink(ctx, localapi.Unlink{Service: "library-card", Number: "B-1 / 2?&"}))
	if got := d.Unlinked(); len(got) != 1 || got[0].Number != "B-1 / 2?&" {
		t.Errorf("unlinked %v, want the number as it was given", got)
	}
	must(t, c.SignOut(ctx))
	if who, err := c.Desk(ctx); err != nil || who != nil {
		t.Errorf("Desk after SignOut = %v, %v, want nobody", who, err)
	}
	must(t, c.RemoveStaff(ctx, "s-01"))
	if err := c.RemoveStaff(ctx, "s-01"); !errors.Is(err, localapi.ErrUnknown) {
		t.Errorf("RemoveStaff again = %v, want ErrUnknown", err)
	}
	if strings.Contains(log.String(), plantedCode) { // P3
		t.Error("the log says a code")
	}
}

func TestPresenceIsListedAndEnded(t *testing.T) {
	_, c, _, _ := atDesk(t)
	here, err := c.Present(t.Context())
	if err != nil || len(here) != 1 || here[0].Spoken != "7KMR" {
		t.Fatalf("Present = %v, %v, want one", here, err)
	}
	must(t, c.Leave(t.Context(), here[0].Tap))
	if here, err = c.Present(t.Context()); err != nil || len(here) != 0 {
		t.Errorf("Present after Leave = %v, %v, want none", here, err)
	}
	if err := c.Leave(t.Context(), record.NewTapID()); !errors.Is(err, localapi.ErrUnknown) {
		t.Errorf("Leave of nobody = %v, want ErrUnknown", err)
	}
}

func TestLinksAreImportedOverTheSocketOnly(t *testing.T) {
	d, c, s, _ := atDesk(t)
	const file = "ppid,number\nabc,1\n"
	r, err := c.Import(t.Context(), strings.NewReader(file), localapi.Import{Service: "library-card", DryRun: true})
	if err != nil || r.Linked != 1 || !r.DryRun || d.Imported() != file {
		t.Errorf("Import = %+v, %v of %q, want one linked in a dry run of the whole file", r, err, d.Imported())
	}
	r, err = c.Import(t.Context(), strings.NewReader("=1"), localapi.Import{Service: "library-card", Encoding: localapi.EncodingShiftJIS})
	if err != nil || len(r.Faults) != 1 || r.Faults[0].What != "formula" {
		t.Errorf("Import of a formula = %+v, %v, want its fault", r, err)
	}
	a := put(t, s, http.MethodPost, "/v1/links?service=library-card&encoding=utf-8", file, "Content-Type", "text/csv")
	check(t, "import over TCP", a, http.StatusForbidden, localapi.CodeForeignOrigin)
	var e *localapi.Error
	if _, err := c.Import(t.Context(), strings.NewReader(file), localapi.Import{Service: "No Name"}); !errors.As(err, &e) || e.Code != localapi.CodeBadParameter {
		t.Errorf("Import for a service of no name = %v, want bad_parameter", err)
	}
	big := strings.NewReader(strings.Repeat("x", localapi.MaxImport+1))
	if _, err := c.Import(t.Context(), big, localapi.Import{Service: "library-card"}); !errors.As(err, &e) || e.Code != localapi.CodeBodyTooLarge {
		t.Errorf("Import of too much = %v, want body_too_large", err)
	}
}

// Every reason that the box gives reaches the client as itself, with the catalog's words.
func TestReasonsOfTheDeskReachTheClient(t *testing.T) {
	d, c, s, _ := atDesk(t)
	for _, reason := range []error{localapi.ErrLocked, localapi.ErrUnknown, localapi.ErrTaken, localapi.ErrNobody, localapi.ErrCode, localapi.ErrDeskForm} {
		d.Err = reason
		if _, err := c.Present(t.Context()); !errors.Is(err, reason) {
			t.Errorf("Present = %v, want %v", err, reason)
		}
	}
	d.Err = localapi.WaitError{For: 90 * time.Second}
	var e *localapi.Error
	if _, err := c.SignIn(t.Context(), localapi.NewSecret(plantedCode)); !errors.Is(err, localapi.ErrWait) || !errors.As(err, &e) || e.Wait != 91 {
		t.Errorf("SignIn = %v, want ErrWait and 91 seconds", err)
	}
	if a := put(t, s, http.MethodPut, "/v1/desk", `{"code":"himawari-31"}`); a.header.Get("Retry-After") != "91" {
		t.Errorf("Retry-After = %q, want 91", a.header.Get("Retry-After"))
	}
	d.Err = errors.New("of the box's own")
	if _, err := c.Work(t.Context(), true); !errors.As(err, &e) || e.Code != localapi.CodeBoxFailed {
		t.Errorf("Work = %v, want box_failed", err)
	}
}

func TestDeskRefusesRequests(t *testing.T) {
	_, _, s, _ := atDesk(t)
	for _, c := range []struct {
		what, method, path, body string
		headers                  []string
		status                   int
		code                     localapi.ErrorCode
	}{
		{"a page of elsewhere", "PUT", "/v1/desk", `{"code":"123456"}`, []string{"Origin", "http://evil.example"}, 403, localapi.CodeForeignOrigin},
		{"no origin over TCP", "DELETE", "/v1/desk", "", []string{"Origin", ""}, 403, localapi.CodeForeignOrigin},
		{"another type", "PUT", "/v1/desk", `{"code":"123456"}`, []string{"Content-Type", "text/plain"}, 415, localapi.CodeMediaType},
		{"a field too many", "PUT", "/v1/desk", `{"code":"123456","x":1}`, nil, 400, localapi.CodeBadBody},
		{"two objects", "PUT", "/v1/desk", `{"code":"123456"}{}`, nil, 400, localapi.CodeBadBody},
		{"no JSON", "PUT", "/v1/desk", `hello`, nil, 400, localapi.CodeBadBody},
		{"too large", "PUT", "/v1/desk", `{"code":"` + strings.Repeat("x", 2000) + `"}`, nil, 400, localapi.CodeBadBody},
		{"a short code", "PUT", "/v1/desk", `{"code":"12345"}`, nil, 422, localapi.CodeDeskForm},
		{"staff from a page", "PUT", "/v1/staff", `{"id":"s-1","name":"x","code":"123456"}`, nil, 403, localapi.CodeSocketOnly},
		{"no staff from a page", "DELETE", "/v1/staff/s-1", "", nil, 403, localapi.CodeSocketOnly},
		{"no number", "DELETE", "/v1/links", `{"service":"library-card","number":""}`, nil, 422, localapi.CodeDeskForm},
		{"a tap of no form", "PUT", "/v1/corrections/xyz", "", nil, 404, localapi.CodeUnknown},
		{"a query", "DELETE", "/v1/desk?x=1", "", nil, 400, localapi.CodeUnknownParameter},
		{"another method", "PATCH", "/v1/desk", "", nil, 405, localapi.CodeMethod},
	} {
		check(t, c.what, put(t, s, c.method, c.path, c.body, c.headers...), c.status, c.code)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
