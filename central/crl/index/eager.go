package index

import (
	"os"
	"syscall"
)

// eagerOctets is how much is written before the disk is told to begin with it.
const eagerOctets = 4 << 20

// startWriting is SYNC_FILE_RANGE_WRITE of sync_file_range(2).
const startWriting = 2

// eager has the kernel write a file out while it still grows, so that the sync at its end waits for little. It promises nothing: only
// the sync does.
type eager struct {
	file     *os.File
	at, told int64
}

func (e *eager) Write(b []byte) (int, error) {
	n, err := e.file.Write(b)
	if e.at += int64(n); e.at-e.told >= eagerOctets {
		e.tell()
	}
	return n, err
}

// tell may fail, for not every file system can: then the sync has more to do.
func (e *eager) tell() {
	if c, err := e.file.SyscallConn(); err == nil {
		_ = c.Control(func(fd uintptr) { _ = syscall.SyncFileRange(int(fd), e.told, e.at-e.told, startWriting) })
	}
	e.told = e.at
}
