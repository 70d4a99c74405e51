package main

import (
	"context"
	"log/slog"
	"syscall"
)

// undumpable keeps this process out of core files and away from debuggers of its own user (prctl(2), PR_SET_DUMPABLE): PINs pass through its
// memory. A worker of reader/pcsc does the same for itself. Where the kernel refuses, the box serves all the same and says so.
func undumpable(log *slog.Logger) {
	if _, _, errno := syscall.RawSyscall(syscall.SYS_PRCTL, syscall.PR_SET_DUMPABLE, 0, 0); errno != 0 {
		log.WarnContext(context.Background(), "memory of this process may be dumped", slog.Any("error", errno))
	}
}
