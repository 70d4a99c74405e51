package clock_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"kazashi.example/appliance/clock"
	"kazashi.example/sync/record"
)

var (
	built  = time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	signed = built.AddDate(0, 0, 20) // something of central's
	truth  = signed.Add(3 * time.Hour)
	far    = time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC)
	dead   = time.Unix(0, 0).UTC()
)

// machine is a box's hardware, on which time passes by hand; true time passes with it.
type machine struct {
	*testing.T
	clock *clock.Clock
	disk  clock.Disk
	log   *bytes.Buffer

	wall time.Time
	up   time.Duration
	boot string
}

func newMachine(t *testing.T, wall time.Time) *machine {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return &machine{
		T: t, wall: wall, boot: "first", log: &bytes.Buffer{},
		disk: clock.Disk{Dir: t.TempDir(), Box: record.NewBoxID(), Device: crypto.Signer(key)},
	}
}

func (m *machine) read() clock.Reading { return clock.Reading{Wall: m.wall, Up: m.up, Boot: m.boot} }

// start is the program's, on a machine that is running.
func (m *machine) start() *machine {
	m.clock = clock.New(m.Context(), clock.Config{
		Source: m.read, Keep: m.disk, Built: built, Log: slog.New(slog.NewTextHandler(m.log, nil)),
	})
	return m
}

// reboot is a power cut, after which the machine says another time.
func (m *machine) reboot(wall time.Time) *machine {
	m.wall, m.up, m.boot = wall, time.Second, m.boot+"+"
	return m.start()
}

func (m *machine) pass(d time.Duration) { m.wall, m.up = m.wall.Add(d), m.up+d }

func (m *machine) wants(what string, at time.Time, confidence record.Confidence) {
	m.Helper()
	now, got := m.clock.Now()
	if now.Sub(at).Abs() > time.Second || got != confidence {
		m.Errorf("%s: Now() = %v %s, want %v %s", what, now, got, at, confidence)
	}
}

// A dead battery: the box begins at the build, or at the last signed time, trusts nothing, and is right as soon as central is heard.
func TestP8ClockAt1970(t *testing.T) {
	m := newMachine(t, dead).start()
	m.wants("nothing was ever signed", built, record.ConfidenceNone)
	m.clock.Learn(signed)
	m.wants("after news", signed, record.ConfidenceNone)
	m.clock.Learn(built)
	m.wants("after old news", signed, record.ConfidenceNone)
	m.pass(time.Hour)
	m.wants("an hour later", signed.Add(time.Hour), record.ConfidenceNone)
	m.clock.Check(truth)
	m.wants("central was heard", truth, record.ConfidenceChecked)
	m.pass(48 * time.Hour)
	m.wants("two days later, without a line", truth.Add(48*time.Hour), record.ConfidenceChecked)
	m.reboot(dead)
	m.wants("after a power cut: how long it was off is anybody's guess", signed, record.ConfidenceNone)
	m.clock.Check(truth.AddDate(0, 0, 9))
	m.wants("and central was heard", truth.AddDate(0, 0, 9), record.ConfidenceChecked)
}

// A machine that says 2099 is not followed: people are served provisionally from the floor on, and central's word sets it right.
func TestP8ClockAt2099(t *testing.T) {
	m := newMachine(t, far).start()
	m.clock.Learn(signed)
	m.wants("beyond what can have passed", signed, record.ConfidenceNone)
	m.pass(time.Hour)
	m.wants("an hour later", signed.Add(time.Hour), record.ConfidenceNone)
	m.clock.Check(truth)
	m.wants("central was heard", truth, record.ConfidenceChecked)
	m.pass(time.Hour)
	m.wants("and an hour later", truth.Add(time.Hour), record.ConfidenceChecked)
}

// A year in a cupboard with a good battery is believed; a machine that is a little ahead is set back when central is heard.
func TestP8MachineAheadOfTheFloor(t *testing.T) {
	year := signed.AddDate(1, 0, 0)
	m := newMachine(t, year).start()
	m.clock.Learn(signed)
	m.wants("a year later", year, record.ConfidenceFloor)
	m.clock.Check(year.Add(-time.Minute))
	m.wants("central agrees, and nothing moves", year, record.ConfidenceChecked)
	m.clock.Check(year.AddDate(0, 0, -30))
	m.wants("central says that it was a month ahead", year.AddDate(0, 0, -30), record.ConfidenceChecked)
}

// P8: what the machine's time does while the program runs changes only how far the time is trusted.
func TestP8MachineStepsWhileRunning(t *testing.T) {
	for _, k := range []struct {
		name    string
		step    time.Duration
		unheard record.Confidence // before central was heard
		follows bool              // and whether the step is followed then
		heard   record.Confidence // after it was
	}{
		{"not at all", 0, record.ConfidenceFloor, false, record.ConfidenceChecked},
		{"back by a minute", -time.Minute, record.ConfidenceFloor, false, record.ConfidenceChecked},
		{"back by a day", -24 * time.Hour, record.ConfidenceFloor, false, record.ConfidenceFloor},
		{"back to before the floor", -100 * 24 * time.Hour, record.ConfidenceNone, false, record.ConfidenceFloor},
		{"forward by a day", 24 * time.Hour, record.ConfidenceFloor, true, record.ConfidenceNone},
		{"to 2099", far.Sub(truth), record.ConfidenceNone, false, record.ConfidenceNone},
	} {
		t.Run(k.name, func(t *testing.T) {
			m := newMachine(t, truth.AddDate(0, 0, 2)).start()
			m.clock.Learn(signed)
			start := m.wall
			m.wants("before the step", start, record.ConfidenceFloor)
			m.pass(time.Hour)
			m.wall = m.wall.Add(k.step)
			want := start.Add(time.Hour)
			if k.follows {
				want = want.Add(k.step)
			}
			m.wants("unheard", want, k.unheard)

			m = newMachine(t, start).start()
			m.clock.Learn(signed)
			m.clock.Check(start)
			m.pass(time.Hour)
			m.wall = m.wall.Add(k.step)
			m.wants("heard", start.Add(time.Hour), k.heard)
			m.pass(time.Hour)
			m.wants("and an hour later", start.Add(2*time.Hour), k.heard)
			m.clock.Check(start.Add(2 * time.Hour))
			m.wants("and heard again", start.Add(2*time.Hour), record.ConfidenceChecked)
		})
	}
}

// P8: signed once in 2099, the floor stays there, through restarts and central's true time, until central orders it down under the nonce.
func TestP8PoisonedOnceBy2099(t *testing.T) {
	m := newMachine(t, truth).start()
	m.clock.Check(truth)
	m.clock.Learn(far)
	m.wants("poisoned", far, record.ConfidenceNone)
	m.clock.Check(truth.Add(time.Minute))
	m.wants("central says another time than it signed", far, record.ConfidenceNone)
	m.reboot(truth.Add(time.Hour))
	m.wants("after a restart", far, record.ConfidenceNone)
	m.clock.Check(truth.Add(time.Hour))
	m.wants("and central was heard", far, record.ConfidenceNone)

	old, to := m.clock.Nonce(), truth.Add(2*time.Hour)
	if err := m.clock.Lower(t.Context(), [16]byte{1}, to); !errors.Is(err, clock.ErrNonce) {
		t.Errorf("Lower under another nonce = %v, want ErrNonce", err)
	}
	m.wants("an order of another time", far, record.ConfidenceNone)
	m.wall = to.Add(time.Minute)
	if err := m.clock.Lower(t.Context(), old, to); err != nil {
		t.Fatal(err)
	}
	m.wants("lowered", to.Add(time.Minute), record.ConfidenceFloor)
	if err := m.clock.Lower(t.Context(), old, dead); !errors.Is(err, clock.ErrNonce) || m.clock.Nonce() == old {
		t.Errorf("Lower again = %v, want ErrNonce and a fresh nonce", err)
	}
	m.clock.Learn(far) // what poisoned it is still about
	m.wants("the poison again", to.Add(time.Minute), record.ConfidenceFloor)
	m.clock.Learn(to.Add(time.Hour))
	m.wants("news", to.Add(time.Hour), record.ConfidenceNone)
	m.clock.Check(to.Add(time.Hour))
	m.wants("central was heard", to.Add(time.Hour), record.ConfidenceChecked)
	m.reboot(to.Add(2 * time.Hour))
	m.clock.Learn(far)
	m.wants("after a restart, with the poison still held", to.Add(2*time.Hour), record.ConfidenceFloor)
}

// A wrong time that central merely says is not signed: it is gone with the next right one.
func TestP8CentralOnceSays2099(t *testing.T) {
	m := newMachine(t, truth).start()
	m.clock.Learn(signed)
	m.clock.Check(far)
	m.wants("central is wrong", far, record.ConfidenceChecked)
	m.clock.Check(truth)
	m.wants("and right again", truth, record.ConfidenceChecked)
	m.clock.Check(far)
	m.reboot(truth)
	m.wants("wrong at the end, and a power cut", truth, record.ConfidenceFloor)
}

// Where the clock was not checked, each stretch of its time is corrected by what central's word tells of it.
func TestCorrectionsOfEachStretch(t *testing.T) {
	m := newMachine(t, dead).start()
	if got := m.clock.Corrections(); got != nil {
		t.Errorf("Corrections before central was heard = %v, want none", got)
	}
	first := m.clock.Stretch()
	m.pass(time.Hour)
	m.clock.Learn(signed)
	second := m.clock.Stretch()
	m.pass(time.Hour)
	m.start() // the program restarts; the machine goes on
	if got := m.clock.Stretch(); got != second || first == second {
		t.Errorf("stretches = %q, %q, after a restart %q; want two, the second going on", first, second, got)
	}
	m.clock.Check(truth)
	third := m.clock.Stretch()
	want := []clock.Correction{
		{first, truth.Sub(built.Add(2 * time.Hour)), truth},
		{second, truth.Sub(signed.Add(time.Hour)), truth},
		{third, 0, truth},
	}
	got := m.clock.Corrections()
	if len(got) != len(want) {
		t.Fatalf("Corrections = %v, want %v", got, want)
	}
	for i := range want {
		if got[i].Stretch != want[i].Stretch || (got[i].Offset-want[i].Offset).Abs() > time.Second || !got[i].Measured.Equal(truth) {
			t.Errorf("correction %d = %v, want %v", i, got[i], want[i])
		}
	}
	m.reboot(dead)
	if got := m.clock.Stretch(); got == first || got == second || got == third {
		t.Errorf("a stretch of another boot has the name %q again", got)
	}
}

// P8: within a boot a restart of the program changes nothing, whatever the machine's own time is.
func TestP8RestartWithinABoot(t *testing.T) {
	for name, wall := range map[string]time.Time{"dead": dead, "right": truth, "2099": far} {
		t.Run(name, func(t *testing.T) {
			m := newMachine(t, wall).start()
			m.clock.Learn(signed)
			m.clock.Check(truth)
			m.pass(30 * time.Minute)
			m.start()
			m.wants("restarted", truth.Add(30*time.Minute), record.ConfidenceChecked)
			m.wall = m.wall.Add(-24 * time.Hour)
			m.start()
			m.wants("set back while it was off", truth.Add(30*time.Minute), record.ConfidenceFloor)
		})
	}
}

// The stretches remembered are bounded, and keep their names.
func TestStretchesAreBounded(t *testing.T) {
	m := newMachine(t, truth).start()
	m.clock.Learn(signed)
	for range 100 {
		m.wall = m.wall.Add(time.Hour)
		m.wants("followed", m.wall, record.ConfidenceFloor)
	}
	name := m.clock.Stretch()
	m.clock.Check(m.wall)
	m.start()
	all := m.clock.Corrections()
	if m.clock.Check(m.wall); len(all) != 0 || len(m.clock.Corrections()) > 64 || m.clock.Stretch() != name || !strings.HasSuffix(name, "/100") {
		t.Errorf("%d stretches, the last %q, then %q; want at most 64, and 100 to stay its number", len(m.clock.Corrections()), name, m.clock.Stretch())
	}
}

func TestFloorIsKeptInStepsOfAnHour(t *testing.T) {
	m := newMachine(t, built).start()
	for n := range 90 {
		m.clock.Learn(built.Add(time.Hour + time.Duration(n)*time.Minute))
	}
	got, err := m.disk.Load(clock.KindFloor)
	if err != nil || !got.Time.Equal(built.Add(2*time.Hour)) {
		t.Errorf("Load = %v, %v, want %v", got.Time, err, built.Add(2*time.Hour))
	}
	m.wants("in memory", built.Add(149*time.Minute), record.ConfidenceNone)
}

func TestAClockThatNothingKeepsGoesOn(t *testing.T) {
	m := newMachine(t, truth)
	m.disk.Dir = filepath.Join(m.disk.Dir, "gone")
	m.start()
	m.clock.Learn(signed)
	m.clock.Check(truth)
	m.wants("nothing can be written", truth, record.ConfidenceChecked)
	if !strings.Contains(m.log.String(), "keeping the time failed") {
		t.Errorf("log = %q, want the fault", m.log)
	}
	nonce := m.clock.Nonce()
	if err := m.clock.Lower(t.Context(), nonce, built); !errors.Is(err, os.ErrNotExist) || m.clock.Nonce() != nonce {
		t.Errorf("Lower = %v, want the error of the disk, and the same nonce", err)
	}
	m.wants("an order that could not be kept", truth, record.ConfidenceChecked)
}

// A clock is used from anywhere at once: by taps, by both loops of the link, and by whoever shuts the box down.
func TestTogether(t *testing.T) {
	m := newMachine(t, truth)
	m.clock = clock.New(t.Context(), clock.Config{Keep: m.disk, Built: built})
	start := time.Now()
	var all sync.WaitGroup
	for _, do := range []func(n int){
		func(int) { m.clock.Now() },
		func(n int) { m.clock.Learn(start.Add(time.Duration(n) * time.Second)) },
		func(int) { m.clock.Check(time.Now()) },
		func(int) { m.clock.Corrections(); m.clock.Stretch() },
		func(int) { _ = m.clock.Lower(t.Context(), m.clock.Nonce(), built) },
		func(int) { _ = m.clock.End() },
	} {
		all.Go(func() {
			for n := range 20 {
				do(n)
			}
		})
	}
	all.Wait()
	m.clock.Check(time.Now())
	if now, confidence := m.clock.Now(); time.Since(now).Abs() > clock.Tolerance || confidence != record.ConfidenceChecked {
		t.Errorf("Now = %v %s after all that, want the time, checked", now, confidence)
	}
}

// What is erased by the time goes by one that central has said for an hour, and that went on as time does: one wrong word erases nothing,
// neither at the start nor later, neither decades nor days ahead.
func TestOneWrongWordErasesNothing(t *testing.T) {
	for _, wrong := range []time.Time{far, truth.AddDate(0, 10, 0)} {
		m := newMachine(t, truth).start()
		m.clock.Learn(signed)
		at := truth
		step := func(d time.Duration, said time.Time) {
			m.pass(d)
			at = at.Add(d)
			if said.IsZero() {
				said = at
			}
			m.clock.Check(said)
		}
		sound := func(what string, want time.Time) {
			t.Helper()
			if got, ok := m.clock.Sound(); ok == want.IsZero() || ok && got.Sub(want).Abs() > time.Second {
				t.Errorf("%s: Sound() = %v, %v, want %v", what, got, ok, want)
			}
		}
		step(time.Minute, wrong)
		m.wants("central is wrong", wrong, record.ConfidenceChecked)
		sound("the first word is wrong", time.Time{})
		m.pass(2 * time.Hour)
		at = at.Add(2 * time.Hour)
		sound("and the line is cut", time.Time{})
		step(time.Minute, time.Time{})
		sound("the first right word", time.Time{})
		step(clock.Settled, time.Time{})
		sound("said for an hour", at)
		step(time.Hour, wrong)
		if got, ok := m.clock.Sound(); ok && got.After(at.Add(time.Second)) {
			t.Errorf("wrong once more: Sound() = %v, want nothing after %v", got, at)
		}
		m.shutdown()
		if s, err := m.disk.Load(clock.KindEnd); err != nil || s.Time.After(at.Add(time.Second)) {
			t.Errorf("the end kept is %v, %v, want none after %v", s.Time, err, at)
		}
		step(time.Hour, time.Time{})
		sound("right again", at)
		m.wall = at.AddDate(0, 1, 0)
		sound("the machine's time was set", time.Time{})
	}
}

// P8: a floor from before it was lowered counts for nothing if any other stamp knows of the lowering.
func TestP8AnOldFloorPutBackIsKnown(t *testing.T) {
	m := newMachine(t, truth).start()
	m.clock.Learn(far)
	old := read(t, m.file("clock.floor"))
	if err := m.clock.Lower(t.Context(), m.clock.Nonce(), signed); err != nil {
		t.Fatal(err)
	}
	write(t, m.file("clock.floor"), old)
	m.start()
	m.wants("an old floor put back", truth, record.ConfidenceNone)
	m.clock.Check(truth)
	m.wants("central was heard", truth, record.ConfidenceChecked)
	if !strings.Contains(m.log.String(), "the floor kept is from before") {
		t.Error("nothing is said of the old floor")
	}
}
