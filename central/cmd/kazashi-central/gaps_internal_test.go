package main

import (
	"strings"
	"testing"

	"kazashi.example/central/admin"
)

func TestP2GapsAreSaidInPlainWords(t *testing.T) {
	for _, c := range []struct {
		name string
		box  admin.Detail
		want string
	}{
		{"none", admin.Detail{}, "nothing is missing of what is known to exist\n"},
		{
			"several",
			admin.Detail{Gaps: []admin.Gap{{Epoch: "e", HeaderMissing: true}, {Epoch: "e", First: 5, Last: 9}, {Epoch: "f", First: 2, Last: 2}}},
			"waiting for the beginning of epoch e, which never came; the box still has it or it is lost\n" +
				"waiting for records 5-9 of epoch e; the box still has them or they are lost\n" +
				"waiting for record 2 of epoch f; the box still has it or it is lost\n",
		},
		{
			"more",
			admin.Detail{Gaps: []admin.Gap{{Epoch: "e", First: 5, Last: 9}}, MoreGaps: true},
			"waiting for records 5-9 of epoch e; the box still has them or they are lost\nthese are the first 1; there may be more\n",
		},
	} {
		var out strings.Builder
		if err := printGaps(&out, c.box); err != nil || out.String() != c.want {
			t.Errorf("%s: printGaps = %q, %v, want %q", c.name, out.String(), err, c.want)
		}
	}
}
