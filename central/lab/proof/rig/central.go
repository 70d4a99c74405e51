package rig

import (
	"context"
	"encoding/hex"
	"os"
	"path/filepath"
	"time"

	"kazashi.example/central/admin"
	"kazashi.example/central/backup"
	"kazashi.example/central/config"
	"kazashi.example/central/daemon"
	"kazashi.example/central/keys"
	"kazashi.example/central/lab/stage"
	"kazashi.example/central/lab/world"
	"kazashi.example/sync/certid"
	"kazashi.example/sync/record"
)

// Central is one central with its folder and its ports, running or not.
type Central struct {
	r *Rig
	// Dir is the data directory; keys and backups lie in it.
	Dir string
	// HTTP is the loopback address of the operator's read-only side.
	HTTP   string
	uplink string
	toml   []byte
	stop   func() error
}

func newCentral(r *Rig) *Central {
	r.tb.Helper()
	ports, err := stage.FreePorts(r.tb.Context(), 2)
	r.must(err)
	c := &Central{r: r, Dir: filepath.Join(r.dir, "c"), uplink: ports[0], HTTP: ports[1]}
	c.toml = append(stage.Central{
		DataDir: c.Dir, Uplink: c.uplink, HTTP: c.HTTP, AuthAnchors: anchors(r.World, certid.PurposeAuth),
		SignAnchors: anchors(r.World, certid.PurposeSign), JPKI: r.authority.URL, Verifier: "practice-city",
		Services: []string{string(Service)}, Evidence: evidence(r.setup.Evidence), CardCAs: cardAuthorities(r), ListEvery: time.Second,
		RenewalsEvery: time.Second,
	}.TOML(), r.setup.More...)
	r.must(keys.Create(filepath.Join(c.Dir, "keys")))
	r.tb.Cleanup(func() { c.Stop() })
	return c
}

// anchors writes the roots of a purpose as files beside the world.
func anchors(w *world.World, p certid.Purpose) (files []string) {
	for _, a := range w.Authorities() {
		if a.Purpose != p {
			continue
		}
		name := filepath.Join("anchors", p.String()+string(rune('0'+a.Generation))+".cer")
		if err := w.WriteFile(name, a.Cert.Raw); err != nil {
			panic(err) // the test's own folder
		}
		files = append(files, filepath.Join(w.Dir(), name))
	}
	return files
}

// evidence is the configuration's word; none is the lab's default.
func evidence(e record.Evidence) string {
	if e == record.EvidenceNone {
		return ""
	}
	return e.String()
}

// cardAuthorities are the issuer keys of the practice cards' own certificates, as the world keeps them.
func cardAuthorities(r *Rig) (all []stage.CardCA) {
	r.tb.Helper()
	anchors, err := r.World.CardAnchors()
	r.must(err)
	for _, a := range anchors {
		all = append(all, stage.CardCA{ID: hex.EncodeToString(a.KeyID[:]), Key: a.Path})
	}
	return all
}

// Open reads everything that Start would run, and says what is at fault.
func (c *Central) Open() (*daemon.Daemon, error) {
	return c.OpenWith(func(conf string) string { return conf })
}

// OpenWith is Open with another configuration file.
func (c *Central) OpenWith(change func(string) string) (*daemon.Daemon, error) {
	conf, err := config.Parse([]byte(change(string(c.toml))))
	if err != nil {
		return nil, err
	}
	return daemon.Open(c.r.tb.Context(), conf, "v0.0.0-proof", c.r.CentralLog.logger())
}

// Start runs central and returns once it answers.
func (c *Central) Start() {
	c.r.tb.Helper()
	d, err := c.Open()
	c.r.must(err)
	run := start(d.Run)
	c.stop = func() error {
		err := run()
		if cerr := d.Close(); err == nil {
			err = cerr
		}
		return err
	}
	c.r.Eventually(func() string {
		if _, err := c.Operator().Status(context.Background()); err != nil {
			return err.Error()
		}
		return ""
	})
}

// Stop ends central in order. Stopping one that does not run is nothing.
func (c *Central) Stop() {
	c.r.tb.Helper()
	if c.stop == nil {
		return
	}
	if err := c.stop(); err != nil {
		c.r.tb.Errorf("central ended with %v", err)
	}
	c.stop = nil
}

// Operator speaks to the running central over its socket, as `kazashi-central` does.
func (c *Central) Operator() *admin.Client {
	return admin.NewClient(filepath.Join(c.Dir, daemon.Socket))
}

// Status is the operator's view in numbers.
func (c *Central) Status() admin.Status {
	c.r.tb.Helper()
	s, err := c.Operator().Status(c.r.tb.Context())
	c.r.must(err)
	return s
}

// Seen is what `kazashi-central box list` says of a box.
func (c *Central) Seen(id record.BoxID) admin.Box {
	c.r.tb.Helper()
	all, err := c.Operator().Boxes(c.r.tb.Context())
	c.r.must(err)
	for _, b := range all {
		if b.ID == id {
			return b
		}
	}
	c.r.tb.Fatalf("central lists no box %s", id)
	return admin.Box{}
}

// Backup makes a named backup and returns its manifest.
func (c *Central) Backup(name string) (manifest string) {
	c.r.tb.Helper()
	b, err := c.Operator().Backup(c.r.tb.Context(), name)
	c.r.must(err)
	return b.File
}

// Image copies the data directory, running or not, into a new folder of that name.
func (c *Central) Image(name string) (dir string) {
	c.r.tb.Helper()
	dir = filepath.Join(c.r.dir, name)
	c.r.must(CopyDir(c.Dir, dir))
	return dir
}

// Restore puts a backup in the place of the database of a central that does not run.
func (c *Central) Restore(manifest string) backup.Restored {
	c.r.tb.Helper()
	got, err := backup.Restore(c.r.tb.Context(), c.Dir, manifest, time.Now())
	c.r.must(err)
	return got
}

// Lose removes everything but the keys, which an operator keeps elsewhere, of a central that does not run.
func (c *Central) Lose() {
	c.r.tb.Helper()
	entries, err := os.ReadDir(c.Dir)
	c.r.must(err)
	for _, e := range entries {
		if e.Name() != "keys" {
			c.r.must(os.RemoveAll(filepath.Join(c.Dir, e.Name())))
		}
	}
}

// Keys are central's keys.
func (c *Central) Keys() *keys.Keys {
	c.r.tb.Helper()
	k, err := keys.Open(filepath.Join(c.Dir, "keys"))
	c.r.must(err)
	return k
}
