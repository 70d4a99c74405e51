package crash

import (
	"bytes"
	"strings"
)

// Replay makes a run from the text of a trace of the folder /data, without running anything.
func Replay(s Scenario, scratch, trace string) (*Run, error) {
	f := newFollower("/data", newFolder(".", 0o700), s.Ignore)
	err := follow(strings.NewReader(trace), f)
	return &Run{scenario: s, scratch: scratch, top: f.top, ops: f.ops, verdicts: map[string]error{}}, err
}

// Quote writes a string as strace -xx does.
func Quote(s string) string {
	var b bytes.Buffer
	for _, c := range []byte(s) {
		const digits = "0123456789abcdef"
		b.Write([]byte{'\\', 'x', digits[c>>4], digits[c&15]})
	}
	return b.String()
}
