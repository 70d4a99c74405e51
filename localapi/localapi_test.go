package localapi_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"kazashi.example/localapi"
	"kazashi.example/localapi/internal/scene"
	"kazashi.example/sync/record"
)

var update = flag.Bool("update", false, "write the golden files anew")

const madeUpPPID = "mfzwizltoq2gk3tuojqw4zdpnu3tqojqgezdgnbvgy3tqojqgezq"

// golden compares v, indented, with a file of testdata: these are what other systems were built against.
func golden(t *testing.T, name string, b []byte) {
	t.Helper()
	var got bytes.Buffer
	if err := json.Indent(&got, b, "", "  "); err != nil {
		t.Fatal(err)
	}
	got.WriteByte('\n')
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, got.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Bytes(), want) {
		t.Errorf("%s =\n%s\nwant\n%s", name, got.Bytes(), want)
	}
}

func marshal(t *testing.T, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func offlineStatus(t *testing.T) localapi.Status {
	t.Helper()
	box := scene.New()
	box.Change(func(s *localapi.Status) {
		s.Mode, s.Problem, s.Line = localapi.ModeStopped, localapi.FailureReaderGone, localapi.Line{Since: scene.Noon, Trouble: localapi.LineRevoked}
		s.List, s.Readers, s.Service.Basis = localapi.List{}, []localapi.Reader{}, 0
		s.Clock.Confidence, s.Roster = record.ConfidenceNone, localapi.Roster{}
		s.Waiting = localapi.Waiting{Records: 3, Oldest: scene.Noon, Unsafe: 5}
		s.Unseen, s.Journal = 1, localapi.Journal{
			Disk: localapi.DiskLow, Checked: 2, ToCheck: 5, SetAside: []localapi.Aside{{File: "journal.db.set-aside-1", Reading: true, Records: 7, Damaged: 1}},
		}
	})
	s, err := box.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func settledTap() localapi.Tap {
	tap := scene.Tap(5, record.VerdictProvisional, record.ReasonListOld)
	tap.State, tap.Corrected, tap.Restored = localapi.StateSettled, true, true
	tap.Final = &localapi.Outcome{Verdict: record.VerdictRefused, Reason: record.ReasonRevoked}
	return tap
}

func TestGoldenStatus(t *testing.T) {
	s, err := scene.New().Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "status.json", marshal(t, s))
	golden(t, "status_stopped.json", marshal(t, offlineStatus(t)))
}

func TestGoldenCourier(t *testing.T) {
	half := localapi.Error{Code: localapi.CodeHalf, MessageEN: "half", MessageJA: "半分"}
	golden(t, "courier.json", marshal(t, localapi.Courier{
		Folder: true, Waiting: 134, Unsafe: 150, Sticks: []localapi.Stick{
			{Name: "USB", Path: "/media/usb", Free: 14_000_000_000, Writable: true, Up: 1, Down: 2},
			{Name: "plain", Problem: &localapi.Error{Code: localapi.CodeNotMounted, MessageEN: "not mounted", MessageJA: "未接続"}},
		},
		Job: &localapi.CourierJob{
			What: localapi.CourierImport, Stick: "USB", Done: 2, Total: 3, Began: scene.Noon, Ended: scene.Noon.Add(time.Second), Failed: &half,
			Summary: &localapi.CourierSummary{
				Files: 2, Records: 134, Known: 1, Safe: 100, Verdicts: 134, Work: 2, Updated: localapi.CourierUpdates(), Removed: 1,
				Refused: []localapi.CourierFile{{File: "KAZASHI/down/07/0000000003.kzd", Why: half}},
			},
		},
	}))
	golden(t, "courier_none.json", marshal(t, localapi.Courier{Sticks: []localapi.Stick{}}))
}

func TestGoldenTaps(t *testing.T) {
	golden(t, "taps.json", marshal(t, localapi.Taps{Taps: []localapi.Tap{
		settledTap(), scene.Tap(1, record.VerdictAccepted, record.ReasonInOrder),
	}}))
}

// events has one of each type, with every field that it carries.
func events(t *testing.T) []localapi.Event {
	t.Helper()
	tap, settled, status := scene.Tap(1, record.VerdictAccepted, record.ReasonInOrder), settledTap(), offlineStatus(t)
	return []localapi.Event{
		{Type: localapi.EventCardPresent, Time: scene.Noon, Reader: "Virtual PCD 00 00"},
		{Type: localapi.EventCardRemoved, Time: scene.Noon, Reader: "Virtual PCD 00 00"},
		{Type: localapi.EventReading, Time: scene.Noon, Reader: "Virtual PCD 00 00"},
		{Type: localapi.EventReadFailed, Time: scene.Noon, Reader: "Virtual PCD 00 00", Failure: localapi.FailureTorn},
		{Type: localapi.EventVerdict, Time: scene.Noon, Tap: &tap, Rests: &localapi.Rests{
			Basis: record.BasisDrill, Evidence: record.EvidenceCertificate, Answer: record.AnswerNotRevoked, Rule: 3,
			List: localapi.List{Number: 4711, ThisUpdate: scene.Noon, AgeSeconds: 60}, Confidence: record.ConfidenceChecked,
		}},
		{Type: localapi.EventSettled, Time: scene.Noon, Tap: &settled, Subject: record.NewSubject(madeUpPPID)},
		{Type: localapi.EventStatus, Time: scene.Noon, Status: &status},
	}
}

func TestGoldenEvents(t *testing.T) {
	all := events(t)
	if len(all) != len(localapi.EventTypes()) {
		t.Fatalf("%d events are tested, want one of each of the %d types", len(all), len(localapi.EventTypes()))
	}
	for i, e := range all {
		if e.Type != localapi.EventTypes()[i] {
			t.Errorf("EventTypes()[%d] = %s, want %s", i, localapi.EventTypes()[i], e.Type)
		}
		b, err := localapi.MarshalLive(e)
		if err != nil {
			t.Fatal(err)
		}
		golden(t, "event_"+string(e.Type)+".json", b)
		got, err := localapi.UnmarshalLive(b)
		if err != nil || !reflect.DeepEqual(got, e) {
			t.Errorf("UnmarshalLive(MarshalLive(%+v)) = %+v, %v", e, got, err)
		}
	}
}

// P3: a PPID leaves by MarshalLive of a settled event, and by no other way.
func TestPPIDHasOneWayOut(t *testing.T) {
	for _, e := range events(t) {
		e.Subject = record.NewSubject(madeUpPPID)
		b, err := localapi.MarshalLive(e)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := bytes.Contains(b, []byte(madeUpPPID)), e.Type == localapi.EventSettled; got != want {
			t.Errorf("MarshalLive of %s shows the PPID: %t, want %t", e.Type, got, want)
		}
		if b := marshal(t, e); bytes.Contains(b, []byte(madeUpPPID)) {
			t.Errorf("json.Marshal of %s shows the PPID: %s", e.Type, b)
		}
	}
}

// P3: so does a service's own number, of a verdict.
func TestNumberHasOneWayOut(t *testing.T) {
	for _, e := range events(t) {
		e.Number = record.NewNumber("L-0042")
		b, err := localapi.MarshalLive(e)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := bytes.Contains(b, []byte("L-0042")), e.Type == localapi.EventVerdict; got != want {
			t.Errorf("MarshalLive of %s shows the number: %t, want %t", e.Type, got, want)
		}
		if b := marshal(t, e); bytes.Contains(b, []byte("L-0042")) {
			t.Errorf("json.Marshal of %s shows the number: %s", e.Type, b)
		}
	}
}

// P3: the lists have no field of a type that can hold a PPID.
func TestListsCannotHoldAPPID(t *testing.T) {
	subject := reflect.TypeFor[record.Subject]()
	if !holds(reflect.TypeFor[localapi.Event](), subject) {
		t.Fatal("the search does not find the subject in Event, where it is")
	}
	for _, typ := range []reflect.Type{reflect.TypeFor[localapi.Taps](), reflect.TypeFor[localapi.Status](), reflect.TypeFor[localapi.Courier]()} {
		if holds(typ, subject) {
			t.Errorf("%v can hold a PPID", typ)
		}
	}
}

func holds(in, want reflect.Type) bool {
	switch {
	case in == want:
		return true
	case in.Kind() == reflect.Slice || in.Kind() == reflect.Pointer:
		return holds(in.Elem(), want)
	case in.Kind() == reflect.Struct:
		for field := range in.Fields() {
			if holds(field.Type, want) {
				return true
			}
		}
	}
	return false
}

func TestCorrectedBy(t *testing.T) {
	for _, c := range []struct {
		first, final record.Verdict
		want         bool
	}{
		{record.VerdictProvisional, record.VerdictAccepted, false},
		{record.VerdictAccepted, record.VerdictAccepted, false},
		{record.VerdictAccepted, record.VerdictRefused, true},
		{record.VerdictProvisional, record.VerdictRefused, true},
		{record.VerdictRecorded, record.VerdictRefused, true},
		{record.VerdictRefused, record.VerdictAccepted, true},
		{record.VerdictRefused, record.VerdictRefused, false},
	} {
		first, final := localapi.Outcome{Verdict: c.first}, localapi.Outcome{Verdict: c.final}
		if got := first.CorrectedBy(final); got != c.want {
			t.Errorf("%s.CorrectedBy(%s) = %t, want %t", c.first, c.final, got, c.want)
		}
	}
}

func TestSpokenCode(t *testing.T) {
	for _, c := range []struct{ id, want string }{
		{"00000000000000000000000000000000", "2222"},
		{"0000000000000001ffffffffffffffff", "3222"},
		{"000000000000000effffffffffffffff", "2322"},
		{"ffffffffffffffff0000000000000000", "393W"},
	} {
		id, err := record.ParseID(c.id)
		if err != nil {
			t.Fatal(err)
		}
		if got := localapi.SpokenCode(record.TapID{ID128: id}); got != c.want {
			t.Errorf("SpokenCode(%s) = %s, want %s", c.id, got, c.want)
		}
	}
	for range 1000 {
		if code := localapi.SpokenCode(record.NewTapID()); len(code) != localapi.SpokenLen || strings.ContainsAny(code, "01BILOSZ") {
			t.Fatalf("SpokenCode = %q, want %d characters that are not confusable", code, localapi.SpokenLen)
		}
	}
}

func FuzzUnmarshalLive(f *testing.F) {
	files, err := filepath.Glob("testdata/event_*.json")
	if err != nil || len(files) == 0 {
		f.Fatalf("no seeds: %v", err)
	}
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := localapi.UnmarshalLive(b)
		if err != nil {
			return
		}
		once, err := localapi.MarshalLive(e)
		if err != nil {
			return // a word that a Go value can hold and JSON cannot say again, such as a year of five digits
		}
		again, err := localapi.UnmarshalLive(once)
		if err != nil {
			t.Fatalf("UnmarshalLive(%s) = %v after it was written by MarshalLive", once, err)
		}
		if twice, err := localapi.MarshalLive(again); err != nil || !bytes.Equal(once, twice) {
			t.Fatalf("written twice: %s, then %s, %v", once, twice, err)
		}
	})
}
