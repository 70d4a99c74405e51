package drill

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"kazashi.example/appliance/config"
	"kazashi.example/appliance/vault"
)

// Where the kernel and systemd say, or keep, what becomes of the memory of a program that crashed (core(5), systemd-coredump(8)).
const (
	corePattern = "/proc/sys/kernel/core_pattern"
	systemdCore = "/var/lib/systemd/coredump"
)

// maxLooked bounds how many names of a folder of the machine are looked at.
const maxLooked = 4096

// machine looks at the places around the data directory that memory could have been written to, and at the configuration.
func (l *looker) machine() {
	l.config()
	if err := vault.Swaps(); err != nil {
		l.found(SwapOpen, Red, nil)
		l.add(Item{Path: "/proc/swaps", Kind: KindSwap, Holds: []Holding{{Class: SwappedMemory, Count: 1}}})
	}
	if l.o.AllowSwap {
		l.found(SwapAllowed, Warn, nil)
	}
	for _, dir := range coreFolders(corePattern) {
		l.cores(dir)
	}
}

// config looks at the configuration: strictly read, it has no room for anything but its keys, and for remarks.
func (l *looker) config() {
	if l.o.Config == "" {
		return
	}
	i := Item{Path: l.o.Config, Kind: KindConfig, Holds: []Holding{{Class: Settings, Count: 1}}}
	b, err := os.ReadFile(l.o.Config)
	i.Octets = int64(len(b))
	if err != nil {
		i.Problems = append(i.Problems, Problem{ID: Unreadable})
	} else if _, err := config.Parse(b); err != nil {
		i.Problems = append(i.Problems, Problem{ID: UnknownContent})
	}
	l.add(i)
}

// coreFolders is where core files lie: the folder of the pattern, if it names one, and systemd's.
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
