package clock_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"kazashi.example/appliance/clock"
	"kazashi.example/sync/canon"
	"kazashi.example/sync/record"
	"kazashi.example/sync/sign"
)

// shutdown ends the program in order.
func (m *machine) shutdown() {
	m.Helper()
	if err := m.clock.End(); err != nil {
		m.Fatal(err)
	}
}

func (m *machine) file(name string) string { return filepath.Join(m.disk.Dir, name) }

// P8: the time of an orderly end counts if the clock was checked then, and only if this box wrote it.
func TestP8TimeOfTheShutdown(t *testing.T) {
	end, later := truth.AddDate(0, 0, 3), truth.AddDate(0, 6, 0)
	for _, k := range []struct {
		name  string
		spoil func(m *machine)
		want  time.Time
		says  string // the log
	}{
		{"accepted", func(*machine) {}, end, ""},
		{"forged: an octet changed", func(m *machine) {
			b := read(m.T, m.file("clock.end"))
			b[len(b)-70] ^= 1
			write(m.T, m.file("clock.end"), b)
		}, signed, "cannot be used"},
		{"forged: a time that nobody signed", func(m *machine) {
			write(m.T, m.file("clock.end"), []byte("2099-01-01T00:00:00Z\n"))
		}, signed, "cannot be used"},
		{"copied from another box", func(m *machine) {
			other := newMachine(m.T, later).start()
			other.clock.Check(later)
			other.shutdown()
			write(m.T, m.file("clock.end"), read(m.T, other.file("clock.end")))
		}, signed, "cannot be used"},
		{"copied from another box that has the same key", func(m *machine) {
			twin := newMachine(m.T, later)
			twin.disk.Device = m.disk.Device
			twin.start().clock.Check(later)
			twin.shutdown()
			write(m.T, m.file("clock.end"), read(m.T, twin.file("clock.end")))
		}, signed, "not this box's"},
		{"another kind under its name", func(m *machine) {
			write(m.T, m.file("clock.end"), read(m.T, m.file("clock.boot")))
		}, signed, "not this box's"},
		{"older than something signed", func(m *machine) {
			b := read(m.T, m.file("clock.end"))
			m.clock.Learn(end.AddDate(0, 0, 4))
			write(m.T, m.file("clock.end"), b)
		}, end.AddDate(0, 0, 4), ""},
		{"from before the clock was lowered", func(m *machine) {
			if err := m.clock.Lower(m.Context(), m.clock.Nonce(), signed); err != nil {
				m.Fatal(err)
			}
		}, signed, "before the clock was set back"},
		{"the floor is gone, the end is not", func(m *machine) {
			if err := os.Remove(m.file("clock.floor")); err != nil {
				m.Fatal(err)
			}
		}, end, ""},
	} {
		t.Run(k.name, func(t *testing.T) {
			m := newMachine(t, truth).start()
			m.clock.Learn(signed)
			m.clock.Check(truth)
			m.pass(end.Sub(truth))
			m.shutdown()
			k.spoil(m)
			m.reboot(dead)
			m.wants("dead after the shutdown", k.want, record.ConfidenceNone)
			m.wall = k.want.Add(time.Hour)
			m.wants("and set right by hand", k.want.Add(time.Hour), record.ConfidenceFloor)
			if !strings.Contains(m.log.String(), k.says) || k.says == "" && m.log.Len() > 0 {
				t.Errorf("log = %q, want %q", m.log, k.says)
			}
		})
	}
}

// P8: a clock that was not checked at the end leaves no time to start from, and a power cut none at all.
func TestP8AnUntrustedShutdownKeepsNothing(t *testing.T) {
	wrong := signed.AddDate(0, 10, 0)
	m := newMachine(t, wrong).start()
	m.clock.Learn(signed)
	m.wants("ahead, and nobody knows", wrong, record.ConfidenceFloor)
	m.shutdown()
	if _, err := os.Stat(m.file("clock.end")); !os.IsNotExist(err) {
		t.Errorf("Stat(clock.end) = %v, want no file", err)
	}
	m.reboot(dead)
	m.wants("dead after that", signed, record.ConfidenceNone)
	m.clock.Check(far)
	m.shutdown()
	m.reboot(truth)
	m.wants("after a shutdown while central said 2099", truth, record.ConfidenceFloor)
}

// P8: a dead battery over a power cut. What was learned in the last hour may be lost with it, and nothing older.
func TestP8DeadBatteryOverAPowerCut(t *testing.T) {
	m := newMachine(t, truth).start()
	m.clock.Learn(signed)
	m.clock.Check(truth)
	m.clock.Learn(signed.Add(90 * time.Minute))
	m.clock.Learn(signed.Add(100 * time.Minute))
	m.pass(5 * time.Hour)
	m.reboot(dead)
	m.wants("after the power cut", signed.Add(90*time.Minute), record.ConfidenceNone)
	m.pass(24 * time.Hour)
	m.wants("a day without a line", signed.Add(90*time.Minute+24*time.Hour), record.ConfidenceNone)
	m.start()
	m.wants("and a restart of the program", signed.Add(90*time.Minute+24*time.Hour), record.ConfidenceNone)
}

// What cannot be read is reported and taken for nothing; a file of a later release is.
func TestDamagedStamps(t *testing.T) {
	for _, name := range []string{"clock.floor", "clock.end", "clock.boot"} {
		t.Run(name, func(t *testing.T) {
			m := newMachine(t, truth).start()
			m.clock.Learn(signed)
			m.clock.Check(truth)
			m.shutdown()
			write(t, m.file(name), read(t, m.file(name))[:40])
			m.start()
			if now, _ := m.clock.Now(); now.Before(built) || !strings.Contains(m.log.String(), "cannot be used") {
				t.Errorf("Now = %v with log %q, want the damage reported", now, m.log)
			}
			m.clock.Check(truth)
			m.wants("after central was heard", truth, record.ConfidenceChecked)
		})
	}
}

// The real machine has a boot, and time passes on it.
func TestSystem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := clock.System()
		one := s()
		time.Sleep(36 * time.Hour)
		two := s()
		if two.Wall.Sub(one.Wall) != 36*time.Hour || two.Up-one.Up != 36*time.Hour || one.Boot != two.Boot || one.Boot == "" || one.Up <= 0 {
			t.Errorf("System = %+v, then %+v, want 36 hours apart in one boot", one, two)
		}
	})
}

// FuzzLoad: of what lies on the disk nothing is believed that this box did not sign, and what is believed is written back the same.
func FuzzLoad(f *testing.F) {
	f.Add([]byte{0xa0}, uint8(1))
	for kind, s := range stamps() {
		b, err := canon.Encode(s)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b, uint8(kind))
	}
	device, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		f.Fatal(err)
	}
	disk := clock.Disk{Dir: f.TempDir(), Device: device} // of no box, as the seeds are
	f.Fuzz(func(t *testing.T, payload []byte, kind uint8) {
		name := filepath.Join(disk.Dir, "clock."+clock.Kind(kind).String())
		write(t, name, payload)
		if s, err := disk.Load(clock.Kind(kind)); err == nil {
			t.Fatalf("Load of what nobody signed = %+v", s)
		}
		msg, err := sign.Sign(device, sign.PurposeShutdown, append([]byte{}, payload...))
		if err != nil {
			t.Fatal(err)
		}
		write(t, name, msg)
		s, err := disk.Load(clock.Kind(kind))
		if err != nil {
			return
		}
		if err := disk.Store(s); err != nil {
			t.Fatal(err)
		}
		if back, err := disk.Load(clock.Kind(kind)); err != nil || !reflect.DeepEqual(back, s) {
			t.Fatalf("accepted %x as %+v, which comes back as %+v (%v)", payload, s, back, err)
		}
	})
}

// stamps are made up as they are signed, by kind; the box is nobody's.
func stamps() map[clock.Kind]map[int]any {
	box := make([]byte, 16)
	all := map[clock.Kind]map[int]any{
		clock.KindFloor: {5: signed.UnixMilli()},
		clock.KindEnd:   {5: signed.UnixMilli()},
		clock.KindBoot:  {5: int64(-62135596800000), 6: "first", 7: []int64{built.UnixMilli()}, 9: true},
	}
	for _, k := range slices.Collect(maps.Keys(all)) {
		all[k][1], all[k][2], all[k][3], all[k][4], all[k][10] = 1, box, uint8(k), 0, int64(0)
	}
	return all
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func write(t *testing.T, path string, b []byte) {
	t.Helper()
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}
