package main

import (
	"context"
	"log/slog"

	"kazashi.example/appliance/vault"
)

// undumpable keeps this process out of core files and away from debuggers of its own user: PINs and keys pass through its memory. A worker
// of reader/pcsc does the same for itself. Where the kernel refuses, the box serves all the same and says so.
func undumpable(log *slog.Logger) {
	if err := vault.Harden(); err != nil {
		log.WarnContext(context.Background(), "memory of this process may be dumped", slog.Any("error", err))
	}
}
