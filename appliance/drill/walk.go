package drill

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"

	"kazashi.example/appliance/vault"
	"kazashi.example/sync/record"
)

var errNoFolder = errors.New("not a folder")

const fileLock = "kazashi.lock"

// looker collects what a look finds.
type looker struct {
	ctx     context.Context //nolint:containedctx // of this one look
	o       Options
	dir     string
	running bool

	items    []Item
	findings []Finding
	box      record.BoxID
	site     record.SiteID
	identity *vault.Peeked // nil: none, or unknown
	brought  bool          // a stick holds what central sent to this box
	strange  bool          // an identity or a file of site keys could not be understood
	rings    []vault.Lies
	unlock   string // by the rule in force
}

// file is one file being looked at.
type file struct {
	*looker
	path string // absolute
	Item
}

func (f *file) hold(c ClassID, n int64) { f.Holds = append(f.Holds, Holding{Class: c, Count: n}) }

func (f *file) problem(id ProblemID, where string) {
	f.Problems = append(f.Problems, Problem{ID: id, Where: where})
}

// rowOf is how one name is looked at. Names are matched in this order.
type rowOf struct {
	name *regexp.Regexp
	kind Kind
	look func(*file)
}

func row(name string, kind Kind, look func(*file)) rowOf {
	return rowOf{regexp.MustCompile(`^(?:` + name + `)$`), kind, look}
}

// aside is what stands behind a name of what was set aside; before it may stand that it is the file before.
const (
	aside  = `(?:\.set-aside-\d+)?`
	asideT = `(?:\.set-aside-\d{8}T\d{6}(?:\.\d{9})?Z(?:\.\d+)?)?`
	hex32  = `[0-9a-f]{32}`
)

// names are all files that this release writes, below the data directory.
var names = []rowOf{
	row(`identity\.key`, KindIdentity, (*file).lookIdentity),
	row(`site-ring\.(?:cbor|damaged)`, KindRing, (*file).lookRing),
	row(`code-tries\.cbor`, KindTries, (*file).lookTries),
	row(`epochs-began`, KindNote, (*file).lookBegan),
	row(`place\.cbor`+aside, KindPlace, (*file).lookPlace),
	row(`trust\.cbor(?:\.previous)?`+aside, KindTrust, (*file).lookTrust),
	row(`trust\.reverted`+aside, KindVersion, (*file).lookReverted),
	row(`rules\.cbor(?:\.previous)?`+aside, KindRules, (*file).lookRules),
	row(`rules\.floor`+aside, KindVersion, (*file).lookFloor),
	row(`clock\.(?:floor|end|boot)`, KindClock, (*file).lookClock),
	row(`orders\.(?:cbor|damaged)`, KindOrders, (*file).lookOrders),
	row(`closing\.(?:cbor|damaged)`, KindClosing, (*file).lookClosing),
	row(`erasure-`+hex32+`\.cbor`, KindErasure, (*file).lookErasure),
	row(`erasure-`+hex32+`\.(?:json|txt)`, KindErasure, (*file).lookErasureText),
	row(`journal\.db(?:\.new)?`+asideT, KindJournal, (*file).lookJournal),
	row(`journal\.aside`, KindNote, (*file).lookMined),
	row(`sitebook\.db(?:\.new)?`+asideT, KindBook, (*file).lookBook),
	row(`desired\.db`+aside, KindVerdicts, (*file).lookVerdicts),
	row(`(?:journal|sitebook|desired)\.db(?:\.new)?(?:`+asideT+`|`+aside+`)-(?:wal|shm)`, KindBeside, (*file).lookBeside),
	row(`(?:kazashi|journal\.db)\.lock`, KindLock, (*file).lookEmpty),
	row(`unseen\.cbor`, KindUnseen, (*file).lookUnseen),
	row(`courier\.cbor`, KindCourier, (*file).lookCourier),
	row(`join\.pending`, KindPending, (*file).lookPending),
	row(`journal\.reserve`, KindReserve, (*file).lookNoughts),
	row(`lists/(?:inbox/)?[a-z]+-[a-z]+-\d+-\d+\.set`, KindSet, (*file).lookSet),
	row(`lists/(?:inbox/)?[a-z]+-[a-z]+-\d+-\d+\.(?:set|delta)(?:\.part|\.load)?(?:\.new)?`, KindSetPart, (*file).lookSetPart),
	row(`lists/(?:inbox/)?[a-z]+-[a-z]+-\d+-\d+\.(?:manifest|head)(?:\.part|\.load)?`, KindManifest, (*file).lookManifest),
	row(`lists/(?:inbox/)?[a-z]+-[a-z]+-\d+-\d+\.refused`, KindRefused, (*file).lookText),
	row(`rosters/head(?:\.previous|\.part)?`, KindRosterHead, (*file).lookHead),
	row(`rosters/[0-9a-f]{64}\.(?:segment|part)`, KindSegment, (*file).lookSegment),
	row(`rosters/[0-9a-f]{64}\.digests`, KindDigests, (*file).lookDigests),
}

// folders are those that hold files of ours.
var folders = map[string]bool{".": true, "lists": true, "lists/inbox": true, "rosters": true}

// temporary is what package durable gives a file that is not whole yet.
var temporary = regexp.MustCompile(`^(.*/)?\.new-(.+)-\d+$`)

// walk looks at every file of the data directory.
func (l *looker) walk() error {
	return filepath.WalkDir(l.dir, func(path string, e fs.DirEntry, err error) error {
		if ended := l.ctx.Err(); ended != nil {
			return ended
		}
		rel, relErr := filepath.Rel(l.dir, path)
		if relErr != nil || err != nil && rel == "." {
			return errors.Join(relErr, err)
		}
		l.met(filepath.ToSlash(rel), path, e, err)
		return nil
	})
}

// met looks at what the walk met, or could not read.
func (l *looker) met(rel, path string, e fs.DirEntry, err error) {
	switch {
	case errors.Is(err, fs.ErrNotExist): // gone meanwhile
	case err != nil:
		l.add(Item{Path: rel, Kind: KindUnknown, Problems: []Problem{{ID: Unreadable}}})
	case e.IsDir() && !folders[rel]:
		l.add(Item{Path: rel + "/", Kind: KindUnknown, Problems: []Problem{{ID: UnknownFile}}})
	case !e.IsDir():
		l.one(rel, path, e)
	}
}

// one looks at one file. One that went meanwhile is nothing.
func (l *looker) one(rel, path string, e fs.DirEntry) {
	info, err := e.Info()
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	f := &file{looker: l, path: path, Item: Item{Path: rel, Kind: KindUnknown}}
	switch {
	case err != nil:
		f.problem(Unreadable, "")
	case rel == "kazashi.sock" && info.Mode().Type() == fs.ModeSocket:
		f.Kind = KindSocket
	case !info.Mode().IsRegular():
		f.problem(UnknownFile, "")
	default:
		f.Octets = info.Size()
		f.known(rel)
	}
	if f.gone() {
		return
	}
	l.add(f.Item)
}

// known looks at a regular file as its name says.
func (f *file) known(rel string) {
	if m := temporary.FindStringSubmatch(rel); m != nil {
		rel = m[1] + m[2]
	}
	if f.isConfig() {
		f.Kind = KindConfig
		f.lookConfig()
		return
	}
	for _, r := range names {
		if r.name.MatchString(rel) {
			f.Kind = r.kind
			r.look(f)
			return
		}
	}
	f.problem(UnknownFile, "")
	f.sweep()
}

// gone reports whether a file that could not be read went meanwhile: a box that runs replaces and removes files.
func (f *file) gone() bool {
	if len(f.Problems) == 0 {
		return false
	}
	_, err := os.Lstat(f.path)
	return errors.Is(err, fs.ErrNotExist)
}

func (l *looker) add(i Item) {
	if i.Holds == nil {
		i.Holds = []Holding{}
	}
	if i.Problems == nil {
		i.Problems = []Problem{}
	}
	l.items = append(l.items, i)
}

// octets reads the file whole; false, and a problem, if it cannot be read or is too large for what it is.
func (f *file) octets(limit int64) ([]byte, bool) {
	if f.Octets > limit {
		f.problem(UnknownContent, "")
		return nil, false
	}
	b, err := os.ReadFile(f.path)
	if err != nil {
		f.problem(Unreadable, "")
		return nil, false
	}
	return b, true
}

// held reports whether some process holds a lock on a file, by the kernel's table: asking for the lock itself would keep a box from starting.
func held(path string) bool {
	info, err := os.Stat(path)
	if err != nil {
		return false
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	b, err := os.ReadFile("/proc/locks")
	if err != nil || !ok {
		return false
	}
	inode := fmt.Sprintf(":%d", st.Ino)
	for line := range strings.Lines(string(b)) { // 1: FLOCK  ADVISORY  WRITE 4711 08:01:1234 0 EOF (proc(5))
		w := strings.Fields(line)
		if len(w) >= 6 && w[1] == "FLOCK" && w[3] == "WRITE" && strings.HasSuffix(w[5], inode) {
			return true
		}
	}
	return false
}
