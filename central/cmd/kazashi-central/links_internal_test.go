package main

import (
	"errors"
	"strings"
	"testing"

	"kazashi.example/central/admin"
)

// P3: a file of links is read line by line, and what is wrong with it is said without its values.
func TestP3AFileOfLinks(t *testing.T) {
	all, err := readLinks(strings.NewReader("\ufeffppid,number,since\nABC,B-1,2026-01-01\n\"DEF\",B-2,\n"))
	if err != nil || len(all) != 2 || all[1] != (admin.ImportLink{Line: 3, PPID: "DEF", Number: "B-2"}) {
		t.Errorf("readLinks = %d links, %v, want two", len(all), err)
	}
	for name, file := range map[string]string{
		"nothing": "", "another header": "number,ppid\nB-1,SECRET\n", "a formula": "ppid,number\nSECRET,=B1\n", "empty": "ppid,number\nSECRET,\n",
		"more columns": "ppid,number\nSECRET,B-1,x\n", "an open quote": "ppid,number\nSECRET,\"B-1\n",
	} {
		if all, err := readLinks(strings.NewReader(file)); !errors.Is(err, errImport) || len(all) != 0 || strings.Contains(err.Error(), "SECRET") {
			t.Errorf("readLinks(%s) = %d links, %v, want a refusal that names a line", name, len(all), err)
		}
	}
}
