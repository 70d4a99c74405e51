package box_test

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"kazashi.example/appliance/tap"
	"kazashi.example/localapi"
	"kazashi.example/sync/courier"
)

// plugged is a counter with a folder of sticks: USB can be used, the others cannot.
func plugged(t *testing.T, k *counter) *counter {
	t.Helper()
	k.conf.Courier.Sticks = t.TempDir()
	for _, name := range []string{"USB", "plain", "odd\x1bname", ".hidden"} {
		must(t, os.Mkdir(filepath.Join(k.conf.Courier.Sticks, name), 0o700))
	}
	must(t, os.WriteFile(filepath.Join(k.conf.Courier.Sticks, "USB", ".kazashi-stick"), nil, 0o600))
	must(t, os.WriteFile(filepath.Join(k.conf.Courier.Sticks, "file"), nil, 0o600))
	must(t, os.Symlink(k.conf.DataDir, filepath.Join(k.conf.Courier.Sticks, "link")))
	return k
}

func codeOf(e *localapi.Error) localapi.ErrorCode {
	if e == nil {
		return ""
	}
	return e.Code
}

// ended waits until the job is over.
func ended(t *testing.T, events <-chan localapi.Event, c *localapi.Client) localapi.CourierJob {
	t.Helper()
	for {
		v, err := c.Courier(t.Context())
		must(t, err)
		if v.Job != nil && !v.Job.Ended.IsZero() {
			return *v.Job
		}
		next(t, events, localapi.EventStatus, nil) // an end is told with the status
	}
}

// P10: the page is told of sticks by name, and reaches nothing else: no folder beside them, no path, no link.
func TestP10ThePageReachesSticksAlone(t *testing.T) {
	k := plugged(t, joined(t, newCentral(t, nil)))
	b, _ := k.run(t)
	at(t, k, b)
	page, err := localapi.NewClient("http://" + k.conf.Counter.Listen)
	must(t, err)
	defer page.Close()
	v, err := page.Courier(t.Context())
	must(t, err)
	found := map[string]localapi.ErrorCode{}
	for _, s := range v.Sticks {
		found[s.Name] = codeOf(s.Problem)
		if s.Path != "" {
			t.Errorf("the page is told the path of %q", s.Name)
		}
		if s.Problem != nil && (s.Problem.MessageJA == "" || s.Problem.MessageEN == "") {
			t.Errorf("the problem of %q has no message: %+v", s.Name, s.Problem)
		}
	}
	want := map[string]localapi.ErrorCode{"USB": "", "plain": localapi.CodeNotMounted, "odd\uFFFDname": localapi.CodeStickName}
	if len(found) != len(want) || found["USB"] != "" || found["plain"] != want["plain"] || found["odd\uFFFDname"] != localapi.CodeStickName || !v.Folder {
		t.Errorf("sticks = %v, want %v", found, want)
	}
	for stick, want := range map[string]error{
		"plain": localapi.ErrNotMounted, "odd\uFFFDname": localapi.ErrStickName, "odd\x1bname": localapi.ErrNoStick, "link": localapi.ErrNoStick,
		"file": localapi.ErrNoStick, ".hidden": localapi.ErrNoStick, "..": localapi.ErrNoStick, ".": localapi.ErrNoStick, "USB/": localapi.ErrNoStick,
		"USB/../../b": localapi.ErrNoStick, "usb": localapi.ErrNoStick,
	} {
		if _, err := page.BeginCourier(t.Context(), localapi.CourierExport, localapi.CourierOrder{Stick: stick}); !errors.Is(err, want) {
			t.Errorf("BeginCourier(%q) = %v, want %v", stick, err, want)
		}
	}
	_, err = page.BeginCourier(t.Context(), localapi.CourierExport, localapi.CourierOrder{Path: t.TempDir()})
	if e := (*localapi.Error)(nil); !errors.As(err, &e) || e.Code != localapi.CodeSocketOnly {
		t.Errorf("BeginCourier(a path) by a page = %v, want %s", err, localapi.CodeSocketOnly)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+k.conf.Counter.Listen+"/v1/courier/export", bytes.NewReader([]byte(`{"stick":"USB"}`)))
	must(t, err)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Origin", "http://elsewhere.example")
	resp, err := http.DefaultClient.Do(req)
	must(t, err)
	must(t, resp.Body.Close())
	if resp.StatusCode != http.StatusForbidden {
		t.Errorf("a foreign page's export = %d, want %d", resp.StatusCode, http.StatusForbidden)
	}
	if v, err = page.Courier(t.Context()); err != nil || v.Job != nil {
		t.Errorf("job after refusals = %+v, %v, want none", v.Job, err)
	}
}

// P2: what waits is on the stick when the job has ended, whole; and an end of the box in between leaves it to be done again.
func TestP2AnExportPutsWhatWaitsOnTheStick(t *testing.T) {
	k := plugged(t, joined(t, newCentral(t, nil)))
	card, _ := practiceCard(t)
	k.hand.card = func(context.Context) (tap.Connection, error) { return card, nil }
	b, _ := k.run(t)
	events := at(t, k, b)
	k.tapped(t, events)
	c, err := localapi.NewClient("unix:" + k.conf.Socket())
	must(t, err)
	defer c.Close()
	usb := filepath.Join(k.conf.Courier.Sticks, "USB")
	for n, try := range []struct {
		what localapi.CourierWhat
		o    localapi.CourierOrder
		want localapi.ErrorCode
	}{
		{localapi.CourierImport, localapi.CourierOrder{Stick: "USB"}, localapi.CodeNotStick},
		{localapi.CourierExport, localapi.CourierOrder{Stick: "USB"}, ""},
		{localapi.CourierImport, localapi.CourierOrder{Path: usb}, localapi.CodeNothing},
		{localapi.CourierExport, localapi.CourierOrder{Path: filepath.Join(usb, "gone")}, localapi.CodeStickGone},
	} {
		_, err := c.BeginCourier(t.Context(), try.what, try.o)
		must(t, err)
		j := ended(t, events, c)
		if codeOf(j.Failed) != try.want || j.Summary == nil || try.want != "" && j.Failed.MessageJA == "" {
			t.Errorf("job %d = %+v, failed %+v, want %q", n, j, j.Failed, try.want)
		}
		if try.want == "" && (j.Summary.Records != 1 || j.Summary.Files != 1 || j.Stick != "USB") {
			t.Errorf("export = %+v, %+v, want one record in one file", j, j.Summary)
		}
	}
	stick, err := courier.Find(usb)
	must(t, err)
	defer stick.Close()
	s, err := c.Status(t.Context())
	must(t, err)
	names, err := stick.Parcels(courier.Up, s.Box)
	must(t, err)
	if len(names) != 1 {
		t.Fatalf("parcels on the stick = %v, want one", names)
	}
	p, err := stick.Open(names[0])
	must(t, err)
	defer p.Close()
	if len(p.Covers) != 1 || p.Covers[0].First != 1 || p.Covers[0].Last != 1 {
		t.Errorf("the parcel covers %v, want the one record", p.Covers)
	}
	v, err := c.Courier(t.Context())
	if err != nil || v.Waiting != 1 || v.Unsafe != 1 || len(v.Sticks) == 0 || v.Sticks[0].Up != 1 || v.Sticks[0].Path != usb || v.Sticks[0].Free == 0 {
		t.Errorf("Courier() = %+v, %v, want one record that waits still, and one file on USB", v, err)
	}
}
