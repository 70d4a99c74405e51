package localapi_test

import (
	"errors"
	"strings"
	"testing"

	"kazashi.example/localapi"
	"kazashi.example/sync/record"
)

// One number has one form, wherever it comes from.
func TestCanonNumber(t *testing.T) {
	for in, want := range map[string]string{
		"L-0042": "L-0042", "Ｌ－００４２": "L-0042", "　１２３ ": "123", "123\n": "123", "ﾄｼｮ-1": "トショ-1", "図書　12": "図書 12", "①": "1",
		strings.Repeat("９", record.MaxNumber): strings.Repeat("9", record.MaxNumber),
	} {
		if got, err := localapi.CanonNumber(in); got != want || err != nil {
			t.Errorf("CanonNumber(%q) = %q, %v, want %q", in, got, err, want)
		}
		if got, err := localapi.CanonNumber(want); got != want || err != nil {
			t.Errorf("CanonNumber(%q) = %q, %v, want it again", want, got, err)
		}
	}
	for _, in := range []string{"", " 　", "1\n2", `1"2`, `1＼2`, "1＂2", "\xff", "1\u202e2", strings.Repeat("９", record.MaxNumber+1)} {
		if _, err := localapi.CanonNumber(in); !errors.Is(err, record.ErrNumber) {
			t.Errorf("CanonNumber(%q) = %v, want ErrNumber", in, err)
		}
	}
}
