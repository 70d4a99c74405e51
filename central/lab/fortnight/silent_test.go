package fortnight_test

import (
	"slices"

	"kazashi.example/central/lab/proof/leak"
)

// silent wants nothing in the files under dir to name anybody (P3). A serial has four octets, which turn up by chance: such a form counts
// once two people have it.
func (f *fortnight) silent(dir string) {
	f.t.Helper()
	var s leak.Search
	must(f.t, s.Text("the operator's code", operator), s.Text("a desk code", deskCode), s.Text("a name of staff", deskName),
		s.Text("a number", numberOne), s.Text("another number", numberTwo))
	for key, p := range f.people {
		must(f.t, s.Number(key+"'s serial", p.serial.Bytes()), s.Text(key+"'s name", p.world.FullName()), s.Text(key+"'s address", p.world.Address),
			s.Digits(key+"'s birth", p.world.Birth.Compact()), s.Word(key+"'s PIN", p.world.AuthPIN),
			s.Digits(key+"'s Individual Number", p.world.IndividualNumber))
	}
	for _, p := range f.folk[listed+late : listed+late+6] {
		must(f.t, s.Number(p.name+"'s serial", p.serial.Bytes()))
	}
	for _, known := range []string{"taro's serial", "taro's birth", "another number"} { // or the search was for something that never was
		if !slices.ContainsFunc(s.In("records before they were sealed", f.cut.plain), func(x leak.Found) bool { return x.Value == known }) {
			f.t.Errorf("%s is in no record", known)
		}
	}
	found, files, err := s.Under(dir, func(string) bool { return false })
	must(f.t, err)
	var short []leak.Found
	for _, x := range found {
		if len(x.Octets) < leak.Long {
			short = append(short, x)
			continue
		}
		f.t.Errorf("after the power cut: %s", x)
	}
	if len(short) > 1 || files < 5 {
		f.t.Errorf("after the power cut: short forms %v in %d files", short, files)
	}
}
