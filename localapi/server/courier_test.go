package server_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"kazashi.example/localapi"
	"kazashi.example/localapi/internal/scene"
	"kazashi.example/localapi/server"
	"kazashi.example/sync/record"
)

var (
	_ server.Courier = (*scene.Courier)(nil)
	_ server.Unseen  = (*scene.Box)(nil)
)

// byStick serves the way by stick over both ways.
func byStick(t *testing.T) (box *scene.Box, way *scene.Courier, socket, page *localapi.Client, s serving) {
	t.Helper()
	box, way = scene.New(), scene.NewCourier()
	path := socketPath(t)
	unix, err := server.ListenUnix(t.Context(), path)
	must(t, err)
	tcp, err := server.ListenTCP(t.Context(), "127.0.0.1:0")
	must(t, err)
	s = serveBoth(t, server.New(server.Config{Box: box, Courier: way, Unseen: box, Log: discard}), unix, tcp)
	return box, way, client(t, "unix:"+path), client(t, s.url), s
}

// P10: a page names a stick by its name; where it lies is told, and asked for, over the unix socket alone.
func TestP10PathsOfSticksStayOnTheSocket(t *testing.T) {
	_, way, socket, page, _ := byStick(t)
	way.Set(func(v *localapi.Courier) {
		v.Sticks = []localapi.Stick{{Name: "USB", Path: "/media/usb"}, {Name: "GONE", Path: "/media/gone", Problem: &localapi.Error{Code: localapi.CodeStickGone}}}
	})
	for c, want := range map[*localapi.Client]string{socket: "/media/usb", page: ""} {
		v, err := c.Courier(t.Context())
		must(t, err)
		if v.Sticks[0].Path != want || !v.Folder || v.Waiting != 134 {
			t.Errorf("Courier() = %+v, want the path %q", v, want)
		}
		if p := v.Sticks[1].Problem; p == nil || p.MessageJA == "" || p.MessageEN == "" {
			t.Errorf("problem = %+v, want its words", p)
		}
	}
	_, err := page.BeginCourier(t.Context(), localapi.CourierExport, localapi.CourierOrder{Path: "/media/usb"})
	if e := (*localapi.Error)(nil); !errors.As(err, &e) || e.Code != localapi.CodeSocketOnly || len(way.Asked()) != 0 {
		t.Errorf("a page's path = %v, asked %v, want %s", err, way.Asked(), localapi.CodeSocketOnly)
	}
	if _, err := page.BeginCourier(t.Context(), localapi.CourierImport, localapi.CourierOrder{Stick: "other"}); !errors.Is(err, localapi.ErrNoStick) {
		t.Errorf("a stick that is not there = %v, want ErrNoStick", err)
	}
	v, err := page.BeginCourier(t.Context(), localapi.CourierImport, localapi.CourierOrder{Stick: "USB"})
	if err != nil || v.Job == nil || v.Job.What != localapi.CourierImport || v.Job.Stick != "USB" {
		t.Errorf("BeginCourier() = %+v, %v, want the job", v, err)
	}
	if _, err := socket.BeginCourier(t.Context(), localapi.CourierExport, localapi.CourierOrder{Path: "/media/usb"}); !errors.Is(err, localapi.ErrCourierBusy) {
		t.Errorf("a second job = %v, want ErrCourierBusy", err)
	}
	refused := []localapi.CourierFile{{File: "KAZASHI/down/\xff", Why: localapi.Error{Code: localapi.CodeHalf}}}
	way.Set(func(v *localapi.Courier) {
		v.Job.Ended, v.Job.Summary, v.Job.Failed = scene.Noon, &localapi.CourierSummary{Refused: refused}, &localapi.Error{Code: localapi.CodeStickFull}
	})
	v, err = page.Courier(t.Context())
	must(t, err)
	if j := v.Job; j.Failed.MessageJA == "" || j.Summary.Refused[0].Why.MessageEN == "" || j.Summary.Refused[0].File != "KAZASHI/down/\uFFFD" {
		t.Errorf("job = %+v, %+v, want words for every code", j, j.Summary)
	}
	if refused[0].Why.MessageEN != "" {
		t.Error("the words were put into the box's own answer")
	}
}

// Whatever is no order begins nothing; a page of another origin does not either.
func TestOrdersOfSticksInTheWrongForm(t *testing.T) {
	_, way, _, _, s := byStick(t)
	way.Set(func(v *localapi.Courier) { v.Sticks = []localapi.Stick{{Name: "USB"}} })
	const right = `{"stick":"USB"}`
	for _, try := range []struct {
		method, path, origin, body string
		want                       int
		code                       localapi.ErrorCode
	}{
		{http.MethodPost, "/v1/courier/export", "http://elsewhere.example", right, 403, localapi.CodeForeignOrigin},
		{http.MethodPost, "/v1/courier/export", "", right, 403, localapi.CodeForeignOrigin},
		{http.MethodPost, "/v1/courier/export?stick=USB", s.url, right, 400, localapi.CodeUnknownParameter},
		{http.MethodPost, "/v1/courier/wipe", s.url, right, 404, localapi.CodeNotFound},
		{http.MethodPut, "/v1/courier/export", s.url, right, 404, localapi.CodeNotFound},
		{http.MethodPost, "/v1/courier", s.url, right, 405, localapi.CodeMethod},
		{http.MethodPost, "/v1/courier/export", s.url, `{}`, 422, localapi.CodeCourierForm},
		{http.MethodPost, "/v1/courier/export", s.url, `{"stick":"USB","path":"/media"}`, 422, localapi.CodeCourierForm},
		{http.MethodPost, "/v1/courier/export", s.url, `{"path":"media"}`, 422, localapi.CodeCourierForm},
		{http.MethodPost, "/v1/courier/export", s.url, `{"path":"/media"}`, 403, localapi.CodeSocketOnly},
		{http.MethodPost, "/v1/courier/export", s.url, `{"stick":"` + strings.Repeat("x", 256) + `"}`, 422, localapi.CodeCourierForm},
		{http.MethodPost, "/v1/courier/export", s.url, `{"stick":"USB","more":1}`, 400, localapi.CodeBadBody},
		{http.MethodPost, "/v1/courier/export", s.url, `["USB"]`, 400, localapi.CodeBadBody},
		{http.MethodPost, "/v1/courier/export", s.url, ``, 400, localapi.CodeBadBody},
		{http.MethodPut, "/v1/unseen/xyz", s.url, ``, 404, localapi.CodeUnknown},
		{http.MethodPut, "/v1/unseen/" + record.NewTapID().String(), s.url, ``, 404, localapi.CodeUnknown},
		{http.MethodPut, "/v1/unseen/" + record.NewTapID().String(), "http://elsewhere.example", ``, 403, localapi.CodeForeignOrigin},
	} {
		req, err := http.NewRequestWithContext(t.Context(), try.method, s.url+try.path, strings.NewReader(try.body))
		must(t, err)
		if try.origin != "" {
			req.Header.Set("Origin", try.origin)
		}
		if try.body != "" {
			req.Header.Set("Content-Type", "application/json")
		}
		resp, err := http.DefaultClient.Do(req)
		must(t, err)
		b, err := io.ReadAll(resp.Body)
		must(t, errors.Join(err, resp.Body.Close()))
		if resp.StatusCode != try.want || !strings.Contains(string(b), `"`+string(try.code)+`"`) {
			t.Errorf("%s %s %q from %q = %d %s, want %d %s", try.method, try.path, try.body, try.origin, resp.StatusCode, b, try.want, try.code)
		}
	}
	if asked := way.Asked(); len(asked) != 0 {
		t.Errorf("begun: %+v, want nothing", asked)
	}
}

// design.md §5.8: what perhaps nobody saw is listed until somebody says so.
func TestUnseenVerdictsAreAnsweredFor(t *testing.T) {
	box, _, _, page, _ := byStick(t)
	old, other := scene.Tap(1, record.VerdictAccepted, record.ReasonInOrder), scene.Tap(2, record.VerdictRefused, record.ReasonRevoked)
	old.Restored = true
	box.Keep(other, old)
	if all, err := page.Unseen(t.Context()); err != nil || len(all) != 1 || all[0].Tap != old.Tap {
		t.Errorf("Unseen() = %+v, %v, want the one", all, err)
	}
	if err := page.Seen(t.Context(), other.Tap); !errors.Is(err, localapi.ErrUnknown) {
		t.Errorf("Seen(another) = %v, want ErrUnknown", err)
	}
	must(t, page.Seen(t.Context(), old.Tap))
	if all, err := page.Unseen(t.Context()); err != nil || len(all) != 0 {
		t.Errorf("Unseen() = %+v, %v, want none", all, err)
	}
}

// Every code that a box gives as a reason has its HTTP status.
func TestEveryReasonHasItsStatus(t *testing.T) {
	_, way, _, page, _ := byStick(t)
	for _, code := range localapi.ErrorCodes() {
		if _, ok := localapi.CodeOf(&localapi.Error{Code: code}); !ok {
			continue // the handler's own
		}
		way.Refuse(&localapi.Error{Code: code})
		_, err := page.BeginCourier(t.Context(), localapi.CourierExport, localapi.CourierOrder{Stick: "USB"})
		if e := (*localapi.Error)(nil); !errors.As(err, &e) || e.Code != code || e.Status < 400 || e.MessageJA == "" {
			t.Errorf("refused for %s: %v, want that code with a status", code, err)
		}
	}
}

// ordered posts a body over what is no TCP, and says whether a job began.
func ordered(t *testing.T, h http.Handler, body string) (begun bool, status int) {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "http://localhost/v1/courier/export", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return strings.Contains(w.Body.String(), `"job":{`), w.Code
}

// An order that is read is one stick or one folder, and comes to the box as it was sent.
func FuzzCourierOrder(f *testing.F) {
	for _, seed := range []string{`{"stick":"USB"}`, `{"path":"/media/usb"}`, `{"stick":"a","path":"/b"}`, `{"stick":"\u202e"}`, `{}`, `{"stick":"USB"`, `nil`} {
		f.Add(seed)
	}
	way := scene.NewCourier()
	h := server.New(server.Config{Box: scene.New(), Courier: way, Log: discard})
	f.Fuzz(func(t *testing.T, body string) {
		way.Set(func(v *localapi.Courier) { v.Job = nil })
		before := len(way.Asked())
		if begun, status := ordered(t, h, body); begun != (status == http.StatusOK) && status != http.StatusNotFound {
			t.Errorf("%q: begun %t, status %d", body, begun, status)
		}
		for _, o := range way.Asked()[before:] {
			if o.Check() != nil {
				t.Errorf("%q came to the box as %+v", body, o)
			}
		}
	})
}
