//go:build integration

package proof_test

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"kazashi.example/appliance/drill"
	"kazashi.example/central/keys"
	"kazashi.example/central/lab/proof/leak"
	"kazashi.example/central/lab/stage"
	"kazashi.example/central/lab/world"
	"kazashi.example/central/lab/world/people"
	"kazashi.example/central/lab/world/worldtest"
	"kazashi.example/central/opener"
	"kazashi.example/central/store"
	"kazashi.example/reader/vcard"
)

// P3: the whole smoke with the programs themselves, pcscd and cards over vpcd: enrolments, linked numbers, an outage with both, a power cut and
// unlocking, renewals and backups. Nothing that names anybody or opens anything is in any file of boxes and central, on the stick between them, in
// their logs, in what their commands print while it goes on, or in the command line and environment of the box, of its commands and of its PC/SC
// workers; but for the name of whoever is signed in, in the status. Short forms are looked at as in TestP3NothingLeaks.
func TestP3ProgramsLeakNothing(t *testing.T) {
	bin := programs(t)
	for again := range 2 {
		found := smokeLeaks(t, bin)
		chance := again == 0
		for _, f := range found {
			chance = chance && len(f.Octets) < leak.Long
		}
		if chance && len(found) > 0 {
			t.Logf("short forms, perhaps by chance: %v", found)
			continue
		}
		for _, f := range found {
			t.Error(f)
		}
		return
	}
}

// programs builds what a smoke runs.
func programs(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	args := []string{"build", "-o", dir + "/"}
	for _, p := range []string{
		"appliance/cmd/kazashi", "central/cmd/kazashi-central", "central/lab/cmd/kazashi-lab", "central/lab/cmd/kazashi-count", "reader/cmd/vcard",
	} {
		args = append(args, "kazashi.example/"+p)
	}
	if out, err := exec.CommandContext(t.Context(), "go", args...).CombinedOutput(); err != nil {
		t.Fatalf("go build = %v: %s", err, out)
	}
	return dir
}

func smokeLeaks(t *testing.T, bin string) (found []leak.Found) {
	t.Helper()
	dir, err := os.MkdirTemp("", "kazashi-leak-") //nolint:usetesting // t.TempDir is too deep for sockets
	must(t, err)
	defer func() { must(t, os.RemoveAll(dir)) }()
	w := watch{bin: bin, dir: dir, seen: map[string][]byte{}}
	w.smoke(t)
	var s leak.Search
	must(t, cast(t, &s, dir), deskSecrets(&s))
	for place, b := range w.places(t) {
		found = append(found, slices.DeleteFunc(in(t, &s, place, b), signedIn)...)
	}
	boxes, err := filepath.Glob(filepath.Join(dir, "box*"))
	must(t, err)
	for _, path := range boxes {
		lost(t, drill.Options{Dir: path, Config: filepath.Join(path, "kazashi.toml"), Copy: true})
	}
	for _, path := range append(boxes, filepath.Join(dir, "central"), filepath.Join(dir, "sticks")) {
		found = append(found, slices.DeleteFunc(under(t, &s, path), onTheList)...)
	}
	for _, name := range []string{"box.log", "central.log"} {
		b, err := os.ReadFile(filepath.Join(dir, "log", name))
		must(t, err)
		found = append(found, in(t, &s, name, b)...)
	}
	return found
}

// signedIn reports whether a finding is what the status is to tell: who is signed in.
func signedIn(f leak.Found) bool {
	return f.Place == "kazashi status --json" && f.Value == "staff's name"
}

// onTheList reports whether a finding is what a revocation list is for: the serial of somebody whose certificate the story has revoked, in
// a file of revocation sets, or in one on a stick.
func onTheList(f leak.Found) bool {
	if !strings.HasPrefix(f.Place, "lists/") && !strings.HasPrefix(f.Place, "crl/") && !strings.Contains(f.Place, "KAZASHI/blobs/") {
		return false
	}
	for _, key := range []string{"taro", "jiro", "haru"} {
		if strings.HasPrefix(f.Value, key+"'s") && strings.Contains(f.Value, "serial") {
			return true
		}
	}
	return false
}

// watch collects what can be seen of the programs while a smoke goes on.
type watch struct {
	bin, dir string

	mu   sync.Mutex // guards seen
	seen map[string][]byte
}

// smoke runs the story to its end, and looks all the while.
func (w *watch) smoke(t *testing.T) {
	t.Helper()
	ctx, done := context.WithCancel(t.Context())
	var looking sync.WaitGroup
	looking.Go(func() { w.every(ctx, 100*time.Millisecond, w.processes) })
	looking.Go(func() { w.every(ctx, time.Second, func() { w.commands(ctx) }) })
	c := exec.CommandContext(ctx, filepath.Join(w.bin, "kazashi-lab"), "smoke", "--keep", w.dir, "--keys", worldtest.KeyDir()) //nolint:gosec // built here
	out, err := c.CombinedOutput()
	done()
	looking.Wait()
	if err != nil {
		t.Fatalf("smoke = %v:\n%s", err, out)
	}
}

func (w *watch) every(ctx context.Context, pause time.Duration, look func()) {
	for tick := time.NewTicker(pause); ; {
		select {
		case <-tick.C:
			look()
		case <-ctx.Done():
			tick.Stop()
			return
		}
	}
}

// processes reads command line and environment of every process of the box's program.
func (w *watch) processes() {
	all, err := filepath.Glob("/proc/[0-9]*/exe")
	if err != nil {
		return
	}
	for _, exe := range all {
		if program, err := os.Readlink(exe); err != nil || program != filepath.Join(w.bin, "kazashi") {
			continue // ended meanwhile, or another's
		}
		line, err := os.ReadFile(filepath.Join(filepath.Dir(exe), "cmdline"))
		if err != nil || len(line) == 0 {
			continue
		}
		environ, err := os.ReadFile(filepath.Join(filepath.Dir(exe), "environ"))
		if err == nil {
			w.note("process "+strings.ReplaceAll(string(bytes.TrimRight(line, "\x00")), "\x00", " "), slices.Concat(line, []byte{0}, environ))
		}
	}
}

// commands asks box and central as a technician does.
func (w *watch) commands(ctx context.Context) {
	for _, c := range [][]string{
		{"kazashi", "status"},
		{"kazashi", "status", "--json"},
		{"kazashi", "taps"},
		{"kazashi", "taps", "--json"},
		{"kazashi", "crl", "status"},
		{"kazashi", "crl", "status", "--json"},
		{"kazashi", "keys", "show", "--json"},
		{"kazashi", "work", "list", "--json"},
		{"kazashi", "close"},
		{"kazashi", "drill", "lost-box", "--json"},
		{"kazashi", "drill", "lost-box", "--lang", "ja"},
		{"kazashi-central", "status"},
		{"kazashi-central", "box", "list"},
	} {
		conf := filepath.Join(w.dir, "box", "kazashi.toml")
		if c[0] == "kazashi-central" {
			conf = filepath.Join(w.dir, "central", "central.toml")
		}
		out, _ := exec.CommandContext(ctx, filepath.Join(w.bin, c[0]), append(c[1:], "--config", conf)...).CombinedOutput() //nolint:gosec // built here
		w.note(strings.Join(c, " "), out)                                                                                   // refusals while nothing runs are looked at too
	}
}

func (w *watch) note(place string, b []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seen[place] = append(append(w.seen[place], b...), '\n')
}

// places is everything seen, and wants it to be what was to be seen.
func (w *watch) places(t *testing.T) map[string][]byte {
	t.Helper()
	for what, has := range map[string]func(place string, b []byte) bool{
		"a running box": func(p string, _ []byte) bool { return strings.Contains(p, "kazashi run ") },
		"a PC/SC worker": func(p string, b []byte) bool {
			return strings.HasSuffix(p, "pcsc-worker") && bytes.Contains(b, []byte("KAZASHI_PCSC_WORKER=1"))
		},
		"a list of taps": func(p string, b []byte) bool {
			return p == "kazashi taps --json" && bytes.Contains(b, []byte(`"in_order"`))
		},
		"a status": func(p string, b []byte) bool {
			return p == "kazashi status --json" && bytes.Contains(b, []byte(`"roster"`)) && bytes.Contains(b, []byte(stage.StaffName))
		},
		"a locked box": func(p string, b []byte) bool {
			return p == "kazashi keys show --json" && bytes.Contains(b, []byte(`"locked"`))
		},
		"a correction": func(p string, b []byte) bool {
			return p == "kazashi work list --json" && bytes.Contains(b, []byte(`"spoken"`))
		},
		"a site's book": func(p string, b []byte) bool {
			return p == "kazashi close" && bytes.Contains(b, []byte("roster_people"))
		},
		"a drill of the lost box": func(p string, b []byte) bool {
			return p == "kazashi drill lost-box --json" && bytes.Contains(b, []byte(`"answer": "names_nobody"`))
		},
		"a revocation set": func(p string, b []byte) bool {
			return p == "kazashi crl status --json" && bytes.Contains(b, []byte(`"practice/auth"`))
		},
		"central's own words": func(p string, b []byte) bool {
			return p == "kazashi-central status" && bytes.Contains(b, []byte("enrol"))
		},
	} {
		found := false
		for place, b := range w.seen {
			found = found || has(place, b)
		}
		if !found {
			t.Errorf("%s was not seen: nothing is proved of it", what)
		}
	}
	return w.seen
}

// cast adds everything about everybody who is on no list, before and after the renewals of the story.
func cast(t *testing.T, s *leak.Search, dir string) error {
	t.Helper()
	w, err := world.Open(t.Context(), filepath.Join(dir, "world"), world.Config{Keys: worldtest.KeyDir()})
	must(t, err)
	all, err := w.People()
	must(t, err)
	renewed, known := 0, map[string]bool{}
	for _, p := range all {
		if p.Kind == people.Phone || p.Case == people.Revoked || p.Case == people.OnHold || p.Case == people.NoPIN {
			continue // of them the list may speak, or there is nothing to type
		}
		profile, err := vcard.LoadProfile(p.Profile)
		must(t, err, personal(s, p, profile), typed(s, p, profile))
		before, err := vcard.LoadProfile(filepath.Join(filepath.Dir(p.Profile), "profile-before-1.json"))
		if err == nil {
			renewed++
			must(t, bound(s, p.Key+"'s card key before", before))
		}
		known[p.Key] = true
	}
	issued, err := w.Certificates()
	must(t, err)
	for _, c := range issued {
		if known[c.Person] && !c.Current {
			must(t, certificate(s, c.Person+"'s "+c.ID.Scope.String()+" certificate before", c))
		}
	}
	if renewed != 2 {
		t.Errorf("%d people have renewed, want 2", renewed)
	}
	serials(t, s, filepath.Join(dir, "tray", "ledger.jsonl"))
	return pseudonymsIn(t, s, filepath.Join(dir, "central"))
}

// serials adds every serial that a card showed, those before a renewal included.
func serials(t *testing.T, s *leak.Search, ledger string) {
	t.Helper()
	b, err := os.ReadFile(ledger)
	must(t, err)
	known := map[string]bool{}
	for line := range bytes.Lines(b) {
		var l struct{ Person, Serial string }
		must(t, json.Unmarshal(line, &l))
		if listed := l.Person == "goro" || l.Person == "mika"; l.Serial == "" || listed || known[l.Serial] {
			continue
		}
		known[l.Serial] = true
		var n []byte
		_, err := fmt.Sscanf(l.Serial, "%x", &n)
		must(t, err, s.Number(l.Person+"'s serial by the ledger", n))
	}
	if len(known) < 12 {
		t.Errorf("%d serials in the ledger, want those of the whole cast", len(known))
	}
}

// pseudonymsIn adds every PPID that central has.
func pseudonymsIn(t *testing.T, s *leak.Search, dir string) error {
	t.Helper()
	k, err := keys.Open(filepath.Join(dir, "keys"))
	must(t, err)
	db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, "central.db")+"?mode=ro")
	must(t, err)
	defer func() { must(t, db.Close()) }()
	rows, err := db.QueryContext(t.Context(), "SELECT person, sector, ppid_sealed FROM subjects")
	must(t, err)
	defer func() { must(t, rows.Close()) }()
	n := 0
	for ; rows.Next(); n++ {
		var sub store.Subject
		must(t, rows.Scan(&sub.Person, &sub.Sector, &sub.PPID))
		p, err := opener.PPID(k.Rows, sub)
		must(t, err, s.Text(fmt.Sprintf("PPID of person %d", sub.Person), p.Reveal()))
	}
	if n < 5 {
		t.Errorf("%d PPIDs at central, want those of the whole cast", n)
	}
	return rows.Err()
}
