package main

import "testing"

// The language of a report is that of the environment, by the rules of locale(7): the first that is set counts.
func TestLangOf(t *testing.T) {
	for _, c := range []struct {
		env  map[string]string
		want string
	}{
		{nil, "en"},
		{map[string]string{"LANG": "ja_JP.UTF-8"}, "ja"},
		{map[string]string{"LANG": "ja_JP.UTF-8", "LC_ALL": "C"}, "en"},
		{map[string]string{"LANG": "C", "LC_MESSAGES": "ja"}, "ja"},
		{map[string]string{"LANG": "fr_FR"}, "en"},
	} {
		if got := langOf(func(name string) string { return c.env[name] }); got != c.want {
			t.Errorf("langOf(%v) = %s, want %s", c.env, got, c.want)
		}
	}
}
