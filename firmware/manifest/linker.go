package manifest

import (
	"runtime/debug"
	"strings"
)

// linkerValue finds what -X set one of this package's variables to, in the linker flags that Go records with a program
// (it does not under -trimpath, which this project builds without). The last one given holds, as for the linker.
func linkerValue(info *debug.BuildInfo, variable string) (value string) {
	const self = "kazashi.example/firmware/manifest."
	for _, s := range info.Settings {
		if s.Key != "-ldflags" {
			continue
		}
		for _, word := range words(s.Value) {
			word = strings.TrimPrefix(strings.TrimPrefix(word, "-"), "-") // Go's flags take one dash or two
			if v, ok := strings.CutPrefix(strings.TrimPrefix(word, "X="), self+variable+"="); ok {
				value = v
			}
		}
	}
	return value
}

// words splits linker flags at blanks outside quotes, as the go command does; a quote inside a word is a letter.
func words(flags string) (list []string) {
	for flags = strings.TrimLeft(flags, blanks); flags != ""; flags = strings.TrimLeft(flags, blanks) {
		word, rest := flags, ""
		if q := flags[:1]; q == "'" || q == `"` {
			word, rest, _ = strings.Cut(flags[1:], q)
		} else if i := strings.IndexAny(flags, blanks); i >= 0 {
			word, rest = flags[:i], flags[i:]
		}
		list = append(list, word)
		flags = rest
	}
	return list
}

const blanks = " \t\r\n"
