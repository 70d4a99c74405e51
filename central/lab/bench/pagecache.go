package bench

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"unsafe"
)

// fadviseDontNeed is POSIX_FADV_DONTNEED of Linux on amd64 and arm64 (posix_fadvise(2)).
const fadviseDontNeed = 4

// warm reads files, so that they are in the page cache.
func warm(paths ...string) error {
	for _, p := range paths {
		f, err := os.Open(filepath.Clean(p))
		if err != nil {
			return fmt.Errorf("reading ahead: %w", err)
		}
		_, err = io.Copy(io.Discard, f)
		_ = f.Close() // it was read
		if err != nil {
			return fmt.Errorf("reading ahead: %w", err)
		}
	}
	return nil
}

// drop asks the kernel to forget a file's pages.
func drop(path string) error {
	f, err := os.Open(filepath.Clean(path))
	if err != nil {
		return fmt.Errorf("dropping pages: %w", err)
	}
	defer f.Close()
	if err := f.Sync(); err != nil { // dirty pages are not dropped
		return fmt.Errorf("dropping pages: %w", err)
	}
	if _, _, e := syscall.Syscall6(syscall.SYS_FADVISE64, f.Fd(), 0, 0, fadviseDontNeed, 0, 0); e != 0 {
		return fmt.Errorf("dropping pages: %w", e)
	}
	return nil
}

// absent reports whether no page of a file is in the cache (mincore(2)).
func absent(path string) (bool, error) {
	f, err := os.Open(filepath.Clean(path))
	if err != nil {
		return false, fmt.Errorf("looking for pages: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return false, fmt.Errorf("looking for pages: %w", err)
	}
	size := int(info.Size())
	m, err := syscall.Mmap(int(f.Fd()), 0, size, syscall.PROT_READ, syscall.MAP_SHARED) //nolint:gosec // a descriptor fits an int
	if err != nil {
		return false, fmt.Errorf("looking for pages: %w", err)
	}
	defer func() { _ = syscall.Munmap(m) }() // nobody else has it
	page := os.Getpagesize()
	pages := make([]byte, (size+page-1)/page)
	//nolint:gosec // mincore takes two addresses
	_, _, e := syscall.Syscall(syscall.SYS_MINCORE, uintptr(unsafe.Pointer(&m[0])), uintptr(size), uintptr(unsafe.Pointer(&pages[0])))
	if e != 0 {
		return false, fmt.Errorf("looking for pages: %w", e)
	}
	for _, p := range pages {
		if p&1 != 0 {
			return false, nil
		}
	}
	return true, nil
}
