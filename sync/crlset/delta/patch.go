package delta

import (
	"io"

	"kazashi.example/sync/crlset"
)

func patch(w io.Writer, base *crlset.Set, deltas []*Delta) (crlset.Summary, error) {
	return rewrite(w, base.Source(), base.Plan(), deltas)
}
