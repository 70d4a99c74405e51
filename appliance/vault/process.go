package vault

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// Errors about the process and its machine.
var (
	// ErrDumpable says that the kernel would write this process's memory to a core file.
	ErrDumpable = errors.New("memory of this process may be dumped")
	// ErrSwap says that the kernel may write memory to an unencrypted disk.
	ErrSwap = errors.New("memory may be written to an unencrypted disk: switch that swap off, encrypt it, or set allow_swap")
)

// Harden keeps this process out of core files and away from debuggers of its own user: no core file (setrlimit(2), RLIMIT_CORE), not
// dumpable (prctl(2), PR_SET_DUMPABLE), and asks the kernel whether that holds. ErrDumpable. It is for the whole process, and for good.
func Harden() error {
	none := syscall.Rlimit{}
	if err := syscall.Setrlimit(syscall.RLIMIT_CORE, &none); err != nil {
		return fmt.Errorf("%w: limiting core files: %w", ErrDumpable, err)
	}
	if _, _, errno := syscall.RawSyscall(syscall.SYS_PRCTL, syscall.PR_SET_DUMPABLE, 0, 0); errno != 0 {
		return fmt.Errorf("%w: %w", ErrDumpable, errno)
	}
	n, _, errno := syscall.RawSyscall(syscall.SYS_PRCTL, syscall.PR_GET_DUMPABLE, 0, 0)
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_CORE, &limit); err != nil || errno != 0 || n != 0 || limit.Cur != 0 {
		return ErrDumpable
	}
	return nil
}

// Swaps returns ErrSwap, naming them, if memory may be written to a disk that is not encrypted. Compressed memory (zram) is no disk, and
// a device that dm-crypt made is encrypted; of a file nobody knows what lies below it, so that it counts as unencrypted.
func Swaps() error { return swaps("/proc/swaps", "/sys/class/block") }

func swaps(list, blocks string) error {
	b, err := os.ReadFile(list)
	if errors.Is(err, os.ErrNotExist) {
		return nil // a kernel without swap
	}
	if err != nil {
		return fmt.Errorf("%w: asking the kernel for its swaps: %w", ErrSwap, err)
	}
	var open []string
	for i, line := range strings.Split(strings.TrimSpace(string(b)), "\n") {
		f := strings.Fields(line)
		if i == 0 || len(f) < 2 { // the heading (proc(5))
			continue
		}
		if f[1] != "partition" || !kept(f[0], blocks) {
			open = append(open, f[0])
		}
	}
	if len(open) > 0 {
		return fmt.Errorf("%w: %s", ErrSwap, strings.Join(open, ", "))
	}
	return nil
}

// kept reports whether a block device keeps what is written to it: in memory, or encrypted.
func kept(device, blocks string) bool {
	if real, err := filepath.EvalSymlinks(device); err == nil {
		device = real
	}
	name := filepath.Base(device)
	if strings.HasPrefix(name, "zram") {
		return true
	}
	uuid, err := os.ReadFile(filepath.Join(blocks, name, "dm", "uuid"))
	return err == nil && strings.HasPrefix(string(uuid), "CRYPT-")
}
