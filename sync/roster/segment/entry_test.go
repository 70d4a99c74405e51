package segment_test

import (
	"bytes"
	"reflect"
	"testing"

	"kazashi.example/sync/canon"
	"kazashi.example/sync/record"
	"kazashi.example/sync/roster"
	"kazashi.example/sync/roster/segment"
)

// encodings are of entries with everything that an entry can have, and with less.
func encodings(t testing.TB) (all [][]byte) {
	t.Helper()
	full := person(0)
	full.Renewed, full.PINDay = true, 1<<31
	full.Birth.Era = 5
	full.Services = append(full.Services, roster.Service{ID: "z", Number: "館-1", Linked: record.TapID{ID128: record.ID128{1}}})
	long := person(1)
	long.Key, long.Services = make([]byte, roster.MaxKey), nil
	for _, e := range []roster.Entry{full, long, person(23), person(70_000)} {
		b, err := canon.Encode(e)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, b)
	}
	return all
}

// What this release writes, a tap reads the quick way, and finds what package canon finds.
func TestQuickReadsWhatIsWritten(t *testing.T) {
	for i, b := range encodings(t) {
		var want roster.Entry
		if err := canon.Decode(b, &want, len(b)); err != nil {
			t.Fatal(err)
		}
		if got, ok := segment.Quick(b); !ok || !reflect.DeepEqual(got, want) {
			t.Errorf("entry %d: read in the quick way: %v, the same as in the other: %v", i, ok, reflect.DeepEqual(got, want))
		}
	}
}

// The quick way leaves to package canon whatever it does not know.
func TestQuickLeavesTheRest(t *testing.T) {
	for name, b := range map[string][]byte{
		"a key of a later release":     {0xa1, 0x0a, 0x01},
		"keys out of order":            {0xa2, 0x07, 0xf5, 0x01, 0x01},
		"a key twice":                  {0xa2, 0x01, 0x01, 0x01, 0x01},
		"a number in two octets":       {0xa1, 0x01, 0x18, 0x01},
		"a number that is too large":   {0xa1, 0x01, 0x19, 0x01, 0x00},
		"eight octets":                 {0xa1, 0x09, 0x1b, 0, 0, 0, 1, 0, 0, 0, 0},
		"a text that is not UTF-8":     {0xa1, 0x03, 0x61, 0xff},
		"a tap of three octets":        {0xa1, 0x04, 0x43, 1, 2, 3},
		"a string that is cut":         {0xa1, 0x02, 0x44, 1, 2},
		"an octet after the end":       {0xa0, 0x00},
		"neither true nor false":       {0xa1, 0x07, 0xf6},
		"a list":                       {0x80},
		"no octets instead of some":    {0xa1, 0x02, 0xf6},
		"nothing":                      {},
		"more services than there are": {0xa1, 0x08, 0x9a, 0xff, 0xff, 0xff, 0xff},
	} {
		if _, ok := segment.Quick(b); ok {
			t.Errorf("%s: read the quick way", name)
		}
	}
}

// FuzzQuick holds the quick way against package canon: what it takes, canon takes too and finds the same.
func FuzzQuick(f *testing.F) {
	for _, b := range encodings(f) {
		f.Add(b)
	}
	f.Add([]byte{0xa0})
	f.Add([]byte{0xa1, 0x08, 0x81, 0xa1, 0x01, 0x61, 'a'})
	f.Fuzz(func(t *testing.T, b []byte) {
		got, ok := segment.Quick(bytes.Clone(b))
		if !ok {
			return
		}
		var want roster.Entry
		if err := canon.Decode(b, &want, len(b)); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%x: read the quick way, by canon: %v, the same: %v", b, err, reflect.DeepEqual(got, want))
		}
	})
}
