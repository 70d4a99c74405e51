package drill

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"kazashi.example/appliance/config"
)

// Where the kernel and systemd say, or keep, what becomes of the memory of a program that crashed (core(5), systemd-coredump(8)).
const (
	corePattern = "/proc/sys/kernel/core_pattern"
	systemdCore = "/var/lib/systemd/coredump"
)

// maxLooked bounds how many names of a folder of the machine are looked at.
const maxLooked = 4096

// machine looks at the places around the data directory: the configuration, sticks, and where memory could have been written to.
func (l *looker) machine() {
	l.config()
	l.sticks()
	if l.o.Swap != nil {
		l.found(SwapOpen, Red, nil)
		l.add(Item{Path: "/proc/swaps", Kind: KindSwap, Holds: []Holding{{Class: SwappedMemory, Count: 1}}})
	}
	if l.o.AllowSwap {
		l.found(SwapAllowed, Warn, nil)
	}
	for _, dir := range l.o.Cores {
		l.cores(dir)
	}
	if !l.o.Copy {
		l.left()
	}
}

// left finds copies of databases that a killed drill left behind.
func (l *looker) left() {
	dirs, _ := filepath.Glob(filepath.Join(os.TempDir(), copyPrefix+"*")) // the pattern is right
	for _, dir := range dirs {
		l.add(Item{Path: dir + "/", Kind: KindUnknown, Problems: []Problem{{ID: UnknownFile}}})
	}
}

// config looks at the configuration, unless it lies in the data directory and was looked at there.
func (l *looker) config() {
	path, err := filepath.Abs(l.o.Config)
	if rel, relErr := filepath.Rel(l.dir, path); l.o.Config == "" || err != nil || relErr == nil && filepath.IsLocal(rel) {
		return
	}
	f := &file{looker: l, path: path, Item: Item{Path: path, Kind: KindConfig}}
	if info, err := os.Stat(path); err == nil {
		f.Octets = info.Size()
	}
	f.lookConfig()
	l.add(f.Item)
}

// lookConfig wants the configuration to be one: strictly read, it has no room for anything but its keys, and for remarks.
func (f *file) lookConfig() {
	f.small(func(b []byte) error {
		f.hold(Settings, 1)
		_, err := config.Parse(b)
		return err
	})
}

// isConfig reports whether a file is the configuration itself.
func (f *file) isConfig() bool {
	path, err := filepath.Abs(f.o.Config)
	return f.o.Config != "" && err == nil && path == f.path
}

// CoreFolders is where core files of this machine lie: the folder that the kernel's pattern names, if it does, and systemd's.
func CoreFolders() []string { return coreFolders(corePattern) }

func coreFolders(pattern string) []string {
	dirs := []string{systemdCore}
	b, err := os.ReadFile(pattern)
	if p := strings.TrimSpace(string(b)); err == nil && strings.HasPrefix(p, "/") {
		dirs = append(dirs, filepath.Dir(p))
	}
	return dirs
}

// cores looks for memory of this program in a folder.
func (l *looker) cores(dir string) {
	d, err := os.Open(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	var found []string
	if err == nil {
		found, err = d.Readdirnames(maxLooked)
		_ = d.Close()
	}
	if err != nil && len(found) == 0 {
		if !isEmpty(err) {
			l.add(Item{Path: dir + "/", Kind: KindCore, Problems: []Problem{{ID: Unreadable}}})
		}
		return
	}
	for _, name := range found {
		if strings.Contains(name, "core") && strings.Contains(name, "kazashi") {
			l.found(CoreHere, Red, nil)
			l.add(Item{Path: filepath.Join(dir, name), Kind: KindCore, Holds: []Holding{{Class: CoreFiles, Count: 1}}})
		}
	}
}

func isEmpty(err error) bool { return errors.Is(err, io.EOF) }
