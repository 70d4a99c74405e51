package link

import (
	"slices"
	"time"

	"kazashi.example/sync/record"
	"kazashi.example/sync/wire"
)

// wanted is the taps whose PPID the live page waits for, oldest wish first, at most as many as one poll may ask about.
type wanted []wish

type wish struct {
	tap  record.TapID
	from time.Time
}

// add wishes anew for a tap that is wished for already. The oldest wish gives way to one too many.
func (w *wanted) add(tap record.TapID, now time.Time) {
	w.drop(tap)
	*w = append(*w, wish{tap, now})
	if n := len(*w) - wire.MaxSubjects; n > 0 {
		*w = slices.Delete(*w, 0, n)
	}
}

// drop reports whether the tap was wished for.
func (w *wanted) drop(tap record.TapID) bool {
	before := len(*w)
	*w = slices.DeleteFunc(*w, func(x wish) bool { return x.tap == tap })
	return len(*w) < before
}

// taps lists them, and reports whether any wish is so young that it should be asked for soon.
func (w *wanted) taps(now time.Time) (taps []record.TapID, young bool) {
	for _, x := range *w {
		taps = append(taps, x.tap)
		young = young || now.Sub(x.from) < askBriefly
	}
	return taps, young
}
