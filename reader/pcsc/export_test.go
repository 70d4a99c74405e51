package pcsc

import (
	"context"
	"time"
)

// WatchImpatiently is Watch that takes the service for hung sooner.
func WatchImpatiently(ctx context.Context, hang time.Duration, handle func(Event)) {
	w := watcher{handle: handle, hang: hang, backoff: backoffMin}
	w.run(ctx)
}
