package drill_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"kazashi.example/appliance/config"
	"kazashi.example/appliance/drill"
	"kazashi.example/appliance/vault"
	"kazashi.example/sync/rule"
)

func said(r drill.Report, id drill.FindingID, level drill.Level) bool {
	return slices.ContainsFunc(r.Findings, func(f drill.Finding) bool { return f.ID == id && f.Level == level })
}

// P3: memory that may have been written to the disk is said in red, and then nobody is promised that the box names nobody.
func TestP3MemoryOnTheDiskIsRed(t *testing.T) {
	b := plant(t, "", rule.UnlockCode)
	cores := t.TempDir()
	must(t, os.WriteFile(filepath.Join(cores, "core.other.1"), []byte("of another program"), 0o600))
	if r := look(t, b.dir, func(o *drill.Options) { o.Cores = []string{cores, filepath.Join(cores, "none")} }); r.Answer != drill.NamesNobody {
		t.Errorf("with another program's core file: %s, %s", r.Answer, problems(r))
	}
	r := look(t, b.dir, func(o *drill.Options) { o.Swap, o.AllowSwap = vault.ErrSwap, true })
	if r.Answer != drill.NamesPeople || !said(r, drill.SwapOpen, drill.Red) || !said(r, drill.SwapAllowed, drill.Warn) {
		t.Errorf("with swap that is not encrypted: %s, %+v", r.Answer, r.Findings)
	}
	must(t, os.WriteFile(filepath.Join(cores, "core.kazashi.4711"), []byte("memory"), 0o600))
	r = look(t, b.dir, func(o *drill.Options) { o.Cores = []string{cores} })
	if r.Answer != drill.NamesPeople || !said(r, drill.CoreHere, drill.Red) || count(r, drill.CoreFiles) != 1 {
		t.Errorf("with a core file: %s, %+v", r.Answer, r.Findings)
	}
}

// Core files lie where the kernel's pattern says, if it names a folder.
func TestCoreFolders(t *testing.T) {
	pattern := filepath.Join(t.TempDir(), "core_pattern")
	for text, want := range map[string]string{
		"core\n": "", "|/usr/lib/systemd/systemd-coredump %P\n": "", "/var/crash/core.%e.%p\n": "/var/crash",
	} {
		must(t, os.WriteFile(pattern, []byte(text), 0o600))
		got := drill.CoreFoldersOf(pattern)
		if want == "" && len(got) != 1 || want != "" && !slices.Contains(got, want) {
			t.Errorf("CoreFolders(%q) = %q, want %q beside systemd's", text, got, want)
		}
	}
}

// The configuration is looked at strictly, in the data directory or elsewhere.
func TestConfiguration(t *testing.T) {
	b := plant(t, "", rule.UnlockFile)
	for _, dir := range []string{b.dir, t.TempDir()} {
		path := filepath.Join(dir, "kazashi.toml")
		must(t, os.WriteFile(path, config.Example, 0o600))
		r := look(t, b.dir, func(o *drill.Options) { o.Config = path })
		n := 0
		for _, i := range r.Items {
			if i.Kind == drill.KindConfig {
				n++
			}
		}
		if !r.Complete || n != 1 {
			t.Errorf("with %s: complete %v (%s), %d configurations", path, r.Complete, problems(r), n)
		}
		must(t, os.WriteFile(path, append([]byte("people = \"somebody\"\n"), config.Example...), 0o600))
		if r := look(t, b.dir, func(o *drill.Options) { o.Config = path }); r.Complete {
			t.Errorf("with a key too many in %s it is taken for complete", path)
		}
		must(t, os.Remove(path))
	}
}

// FuzzLook puts octets of others under the names of the box's files, one file at a time: whatever they are, a look ends with a report.
func FuzzLook(f *testing.F) {
	b := plant(f, "", rule.UnlockFile)
	names := []string{
		"identity.key", "site-ring.cbor", "code-tries.cbor", "place.cbor", "trust.cbor", "trust.reverted", "rules.cbor", "rules.floor",
		"clock.floor", "orders.cbor", "closing.cbor", "unseen.cbor", "courier.cbor", "join.pending", "rosters/head",
	}
	for i, name := range names {
		if octets, err := os.ReadFile(filepath.Join(b.dir, name)); err == nil {
			f.Add(uint8(i), octets) //nolint:gosec // a few names
		}
	}
	f.Fuzz(func(t *testing.T, which uint8, octets []byte) {
		dir, name := t.TempDir(), names[int(which)%len(names)]
		must(t, os.MkdirAll(filepath.Join(dir, "rosters"), 0o700), os.WriteFile(filepath.Join(dir, name), octets, 0o600))
		r := look(t, dir)
		i := slices.IndexFunc(r.Items, func(i drill.Item) bool { return i.Path == name })
		if i < 0 || len(r.Items[i].Holds) == 0 && len(r.Items[i].Problems) == 0 {
			t.Errorf("%s with %d octets is passed over: %+v", name, len(octets), r.Items)
		}
	})
}
