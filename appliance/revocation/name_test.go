package revocation_test

import (
	"strings"
	"testing"

	"kazashi.example/appliance/revocation"
)

func TestNames(t *testing.T) {
	for file, want := range map[string]bool{
		"practice-auth-1-42.set": true, "production-sign-18446744073709551615-0.manifest.part": true, "test-auth-0-0.": true,
		"practice-auth-1-042.set": false, "practice-auth-+1-42.set": false, "practice-auth-1.set": false, "Practice-auth-1-42.set": false,
		"practice-auth-1-42-1.set": false, "practice-auth-1-18446744073709551616.set": false, "": false, "inbox": false, ".new-1": false,
	} {
		if got := revocation.NameOf(file) != ""; got != want {
			t.Errorf("%q is a name: %v, want %v", file, got, want)
		}
	}
}

func FuzzName(f *testing.F) {
	for _, s := range []string{"practice-auth-1-42.set", "test-sign-0-18446744073709551615.head.refused", "a-b-c-d", "practice-auth-1-42"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, file string) {
		// A folder's files have no slash; what is accepted is written again as it was, but for a missing dot.
		if got := revocation.NameOf(file); got != "" && got != file && got != file+"." || strings.ContainsRune(strings.SplitN(got, ".", 2)[0], '/') {
			t.Fatalf("%q is taken for %q", file, got)
		}
	})
}
