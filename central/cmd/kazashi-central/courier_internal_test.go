package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"kazashi.example/central/admin"
	"kazashi.example/central/config"
	"kazashi.example/central/daemon"
	"kazashi.example/central/intake/simbox"
	"kazashi.example/central/keys"
	"kazashi.example/central/lab/jpki"
	"kazashi.example/central/lab/stage"
	"kazashi.example/central/lab/world"
	"kazashi.example/central/lab/world/worldtest"
	"kazashi.example/sync/certid"
	"kazashi.example/sync/courier"
	"kazashi.example/sync/epoch"
	"kazashi.example/sync/record"
	"kazashi.example/sync/wire"
)

// office is a running central, its command line, and a stick.
type office struct {
	t      *testing.T
	config string
	stick  string
	spool  string
	client *admin.Client
	keys   *keys.Keys
	n      uint64
}

func newOffice(t *testing.T) *office {
	t.Helper()
	w := worldtest.Open(t, world.Config{People: 1})
	authority, err := jpki.NewService(w, jpki.Config{Log: slog.New(slog.DiscardHandler)})
	check(t, err)
	web := httptest.NewServer(authority)
	t.Cleanup(web.Close)
	dir := t.TempDir()
	ports, err := stage.FreePorts(t.Context(), 2)
	check(t, err)
	c := stage.Central{
		DataDir: filepath.Join(dir, "c"), Uplink: ports[0], HTTP: ports[1], JPKI: web.URL, Verifier: "practice-city",
		Services: []string{"practice.library"}, ListEvery: time.Second, BackupEvery: time.Hour,
	}
	for _, a := range w.Anchors() {
		if a.Scope.Purpose == certid.PurposeAuth {
			path := filepath.Join(dir, fmt.Sprintf("auth-%d.cer", a.Generation))
			check(t, os.WriteFile(path, a.Cert, 0o600))
			c.AuthAnchors = append(c.AuthAnchors, path)
		}
	}
	o := &office{t: t, config: filepath.Join(dir, "c.toml"), stick: t.TempDir(), n: 1_790_000_000}
	check(t, stage.WriteConfig(o.config, c.TOML()))
	conf, err := config.Load(o.config)
	check(t, err)
	check(t, keys.Create(conf.KeysDir))
	o.keys, err = keys.Open(conf.KeysDir)
	check(t, err)
	o.spool = filepath.Join(conf.DataDir, "courier")
	o.client = admin.NewClient(filepath.Join(conf.DataDir, daemon.Socket))
	d, err := daemon.Open(t.Context(), conf, "v1", slog.New(slog.DiscardHandler))
	check(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- d.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := errors.Join(<-done, d.Close()); err != nil {
			t.Error(err)
		}
	})
	o.until("central answers", func() bool { _, err := o.client.Status(t.Context()); return err == nil })
	return o
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (o *office) until(what string, ok func() bool) {
	o.t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(20 * time.Second); !ok(); {
		select {
		case <-tick.C:
		case <-deadline:
			o.t.Fatalf("in vain waited that %s", what)
		}
	}
}

// run runs a command line.
func (o *office) run(args ...string) (stdout, stderr string, err error) {
	o.t.Helper()
	var out, bad bytes.Buffer
	root := newRoot()
	root.SetOut(&out)
	root.SetErr(&bad)
	root.SetArgs(append(append([]string{"courier"}, args...), "--config", o.config))
	err = root.ExecuteContext(o.t.Context())
	return out.String(), bad.String(), err
}

// write writes parcels to the stick.
func (o *office) write(c courier.Config, fill func(*courier.Writer)) (file string) {
	o.t.Helper()
	s, err := courier.Make(o.stick)
	check(o.t, err)
	defer s.Close()
	if c.Kind != courier.Joining {
		c.Next = func() (uint64, error) { o.n++; return o.n, nil }
	}
	w, err := s.Writer(c)
	check(o.t, err)
	fill(w)
	check(o.t, w.Close())
	return filepath.Join(o.stick, w.Names()[0].String())
}

// taps writes an epoch of records, and what the box has.
func (o *office) taps(b *simbox.Box, count int) (file string) {
	o.t.Helper()
	e := b.Start(o.t, epoch.CauseStart)
	var all [][]byte
	for i := range count {
		all = append(all, e.Tap(o.t, simbox.Card(0x31, byte(i))).Bytes)
	}
	r, err := courier.Pack(e.Signed.Message, all)
	check(o.t, err)
	end := courier.End{Epoch: e.Signed.Header.Epoch, Last: record.Seq(count), Head: e.Records[count-1].Chain}
	return o.write(courier.Config{Kind: courier.Up, Box: b.ID, Signer: b.Device}, func(w *courier.Writer) {
		check(o.t, w.Run(r))
		check(o.t, w.State(courier.State{Poll: wire.Poll{Locked: true}, Ends: []courier.End{end}}))
	})
}

// P8, P10: a box that never had a line joins and settles by stick, with the very commands that an operator types.
func TestCourierByHand(t *testing.T) {
	o := newOffice(t)
	code, err := o.client.NewCode(t.Context(), admin.Code{Site: "branch-1", Name: "Counter 1"})
	check(t, err)
	secret, err := wire.ParseJoinCode(code.Code)
	check(t, err)
	b := simbox.New(t, o.keys.Seal.Public())
	q, err := wire.JoinRequest{Box: b.ID, Device: b.Public(t).DER(), Sealing: b.Sealing}.Prove(secret)
	check(t, err)
	o.write(courier.Config{Kind: courier.Joining, Box: b.ID}, func(w *courier.Writer) { check(t, w.JoinRequest(q)) })
	out, bad, err := o.run("import", o.stick)
	if err != nil || bad != "" || !strings.Contains(out, "box "+b.ID.String()+" (Counter 1, branch-1): joined by its request") {
		t.Fatalf("import = %q, %q, %v, want that the box joined", out, bad, err)
	}
	if _, err := os.Stat(filepath.Join(o.stick, "KAZASHI", "join", b.ID.String()+".kza")); err != nil {
		t.Errorf("the answer is not on the stick: %v", err)
	}
	o.taps(b, 3)
	stranger := simbox.New(t, o.keys.Seal.Public())
	o.taps(stranger, 2)
	half := o.taps(b, 4)
	info, err := os.Stat(half)
	check(t, err)
	check(t, os.Truncate(half, info.Size()-1))
	out, bad, err = o.run("import", o.stick)
	if !errors.Is(err, errCourier) || !strings.Contains(bad, "refused: KAZASHI/up/"+b.ID.String()) || !strings.Contains(bad, "copied by halves") {
		t.Errorf("import with a half parcel = %q, %v, want its name and %v", bad, err, errCourier)
	}
	for _, want := range []string{"3 records, 3 new, 0 known", "2 are held for this box, which has not joined here"} {
		if !strings.Contains(out, want) {
			t.Errorf("import = %q, want %q", out, want)
		}
	}
	check(t, os.Remove(half))
	o.pulled(o.taps(b, 5))
	o.exports(b, stranger)
	o.standing(b, stranger)
}

// gone is a stick that is pulled out.
type gone struct{}

func (gone) Read([]byte) (int, error) { return 0, courier.ErrGone }

// pulled pulls the stick in the middle of a parcel: the reason is told, nothing of it is taken, and nothing lies about.
func (o *office) pulled(file string) {
	t := o.t
	t.Helper()
	b, err := os.ReadFile(file)
	check(t, err)
	half := io.MultiReader(bytes.NewReader(b[:len(b)/2]), gone{})
	if _, err := o.client.TakeParcel(t.Context(), half, int64(len(b))); !errors.Is(err, courier.ErrGone) {
		t.Errorf("TakeParcel from a stick that is pulled = %v, want %v", err, courier.ErrGone)
	}
	o.until("nothing of it lies about", func() bool {
		left, err := os.ReadDir(o.spool)
		return err == nil && len(left) == 0
	})
	if got, err := o.client.TakeParcel(t.Context(), bytes.NewReader(b), int64(len(b))); err != nil || got.New != 5 || got.Known != 0 {
		t.Errorf("TakeParcel(again) = %+v, %v, want all five new", got, err)
	}
}

// exports writes answers, again where a file beside them was spoilt, and once more where nothing is to be copied.
func (o *office) exports(b, stranger *simbox.Box) {
	t := o.t
	t.Helper()
	var got struct {
		Boxes []givenBox `json:"boxes"`
	}
	export := func(args ...string) {
		t.Helper()
		out, bad, err := o.run(append([]string{"export", o.stick, "--json"}, args...)...)
		if err != nil || !strings.Contains(bad, stranger.ID.String()+" has not joined here") {
			t.Fatalf("export = %q, %q, %v", out, bad, err)
		}
		got.Boxes = nil
		check(t, json.Unmarshal([]byte(out), &got))
	}
	o.until("a revocation set is there, and the records are judged", func() bool {
		export()
		return got.Boxes[0].Sets > 0 && got.Boxes[0].Verdicts == 8
	})
	if g := got.Boxes[0]; len(got.Boxes) != 1 || !g.Bundle || !g.Rules || !g.Grant || g.Acks != 1 || g.Copied == 0 && len(g.Blobs) == 0 {
		t.Errorf("export = %+v, want trust, rules, keys and acknowledgements for one box", got)
	}
	files := func(dir string) []string {
		all, err := filepath.Glob(filepath.Join(o.stick, "KAZASHI", dir, "*"))
		check(t, err)
		return all
	}
	blobs := files("blobs")
	if down := files("down/" + b.ID.String()); len(down) != 1 || len(blobs) != len(got.Boxes[0].Blobs) {
		t.Errorf("%d parcels and %d files on the stick, want the last one, and those that it names", len(down), len(blobs))
	}
	check(t, os.WriteFile(filepath.Join(o.stick, "KAZASHI", "blobs", strings.Repeat("ab", 32)), []byte("of no parcel"), 0o600))
	spoilt, err := os.ReadFile(blobs[0])
	check(t, err)
	spoilt[len(spoilt)/2] ^= 1
	check(t, os.WriteFile(blobs[0], spoilt, 0o600))
	if export(); got.Boxes[0].Copied != 1 || len(files("blobs")) != len(blobs) {
		t.Errorf("export copied %d files, want the spoilt one alone; and one that no parcel names gone", got.Boxes[0].Copied)
	}
	o.requests(b)
	if _, _, err := o.run("export", t.TempDir()); !errors.Is(err, courier.ErrNotStick) {
		t.Errorf("export to a folder without anything of ours = %v, want %v", err, courier.ErrNotStick)
	}
	if out, _, err := o.run("export", t.TempDir(), "--all"); err != nil || !strings.Contains(out, "1 parcel: 8 verdicts") {
		t.Errorf("export --all = %q, %v, want the one box that joined", out, err)
	}
}

// requests finds a request to join that is worth nothing, and an answer that is none: the first keeps nothing from a box, the second is made anew.
func (o *office) requests(b *simbox.Box) {
	t := o.t
	t.Helper()
	base := filepath.Join(o.stick, "KAZASHI", "join", b.ID.String())
	check(t, os.WriteFile(base+".kza", []byte("of nobody"), 0o600))
	if out, bad, err := o.run("export", o.stick); err != nil || strings.Contains(bad, "not answered") {
		t.Errorf("export beside a false answer = %q, %q, %v", out, bad, err)
	}
	p, err := courier.Open(base + ".kza")
	if err != nil {
		t.Fatalf("the false answer stays: %v", err)
	}
	check(t, p.Close())
	request, err := os.ReadFile(base + ".kzj")
	check(t, err)
	answer, err := os.ReadFile(base + ".kza")
	check(t, err)
	check(t, errors.Join(os.WriteFile(base+".kzj", []byte("rubbish"), 0o600), os.Remove(base+".kza")))
	out, bad, err := o.run("export", o.stick)
	if err != nil || !strings.Contains(bad, "not answered: KAZASHI/join/") || !strings.Contains(out, "8 verdicts") {
		t.Errorf("export beside a request that is none = %q, %q, %v, want the box's part all the same", out, bad, err)
	}
	check(t, errors.Join(os.WriteFile(base+".kzj", request, 0o600), os.WriteFile(base+".kza", answer, 0o600)))
}

// standing asks what came, and looks at the stick.
func (o *office) standing(b, stranger *simbox.Box) {
	t := o.t
	t.Helper()
	out, _, err := o.run("status")
	if err != nil || !strings.Contains(out, b.ID.String()+"  branch-1") || !strings.Contains(out, "held for box "+stranger.ID.String()) {
		t.Errorf("status = %q, %v", out, err)
	}
	all, err := o.client.Boxes(t.Context())
	if err != nil || all[0].Stick.IsZero() || !all[0].Seen.IsZero() {
		t.Errorf("Boxes = %+v, %v, want that the box came by stick alone", all, err)
	}
	out, _, err = o.run("status", o.stick)
	if err != nil || strings.Count(out, ".kzu") != 3 || strings.Count(out, ".kzd") != 1 || strings.Count(out, ".kzj") != 1 || strings.Count(out, ".kza") != 1 {
		t.Errorf("status DIR = %q, %v, want six parcels", out, err)
	}
	check(t, os.WriteFile(filepath.Join(o.stick, "KAZASHI", "up", b.ID.String(), "1790000099.kzu"), []byte("rubbish"), 0o600))
	if out, _, err := o.run("status", o.stick); !errors.Is(err, errUnreadable) || !strings.Contains(out, "parcel is damaged") {
		t.Errorf("status of a stick with rubbish = %q, %v, want %v", out, err, errUnreadable)
	}
	for i := range courier.MaxEntries {
		check(t, os.WriteFile(filepath.Join(o.stick, "KAZASHI", "up", b.ID.String(), fmt.Sprint(i)), nil, 0o600))
	}
	out, bad, err := o.run("import", o.stick)
	if !errors.Is(err, errCourier) || !strings.Contains(bad, "too many files") || !strings.Contains(out, "2 records, 0 new, 2 known") {
		t.Errorf("import of a crowded folder = %q, %q, %v, want it refused and the other box's taken", out, bad, err)
	}
	if _, _, err := o.run("import", filepath.Join(o.stick, "gone")); err == nil {
		t.Error("import of nothing = nil, want an error")
	}
	if out, bad, err := o.run("import", t.TempDir()); !errors.Is(err, courier.ErrNotStick) {
		t.Errorf("import of another stick = %q, %q, %v, want %v", out, bad, err, courier.ErrNotStick)
	}
}
