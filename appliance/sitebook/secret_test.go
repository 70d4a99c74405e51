package sitebook_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"testing"

	"kazashi.example/appliance/sitebook"
	"kazashi.example/central/lab/proof/leak"
	"kazashi.example/localapi"
	"kazashi.example/sync/sitekey"
)

// P3: without the site's keys nobody is in the files: neither who enrolled, nor a number, nor who works here, nor a code. The same search
// finds the service, which stays readable on purpose.
func TestP3NothingReadableInTheFiles(t *testing.T) {
	const number, code, who, called = "図書券-7719245", "code 88x41z", "member-of-staff", "練習　太郎"
	w := newWorld(t)
	var log bytes.Buffer
	o := w.options()
	o.Log = slog.New(slog.NewTextHandler(&log, nil))
	b, err := sitebook.Open(t.Context(), w.path, o)
	must(t, err)
	e, tap := w.enrols(b, 1, nil)
	p := sitebook.Enrolled(*e)
	must(t, b.SetStaff(t.Context(), localapi.NewStaff{ID: who, Name: called, Code: localapi.NewSecret(code)}))
	_, err = b.SignIn(t.Context(), localapi.NewSecret(code))
	must(t, err)
	w.visit(b, sitebook.Visit{Person: p, Link: number, Service: loan, Staff: who})
	w.visit(b, sitebook.Visit{Person: p, Unlink: number, Service: loan, Staff: who})
	must(t, b.Leave(t.Context(), tap))
	n := crowd(t, 3)
	take(t, b, n, "ppid,number\nP-1,"+number+"\n", localapi.Import{})
	doubtful := w.whole(sitebook.Visit{Person: p, Link: number, Service: loan, Staff: who})
	must(t, b.Write(t.Context(), doubtful))
	b.Doubt(doubtful.Tap)
	w.visit(b, sitebook.Visit{Person: p, Used: true}) // drops it, and says so
	_, current, _ := w.ring.Current()
	var search, service leak.Search
	for _, err := range []error{
		search.Number("serial", e.Serial), search.Digits("birth date", e.Birth.Date), search.Number("card key", e.Key),
		search.Text("number", number), search.Word("code", code), search.Text("staff", who), search.Text("name", called),
		search.Number("serial of a link taken over", n.people["P-1"].Serial), search.Number("site key", current.Reveal()),
		service.Text("service", string(loan)),
	} {
		must(t, err)
	}
	places := map[string][]byte{"log": log.Bytes(), "printed": fmt.Appendf(nil, "%v %+v %#v %x", p, p, p, p)}
	for _, tail := range []string{"", "-wal", "-shm"} {
		places["sitebook.db"+tail], err = os.ReadFile(w.path + tail)
		must(t, err)
	}
	if len(service.In("wal", places["sitebook.db-wal"])) == 0 {
		t.Error("the search does not find the service, which is in the clear")
	}
	if !bytes.Contains(log.Bytes(), []byte("no record")) {
		t.Error("the log does not say what was dropped")
	}
	must(t, b.Close())
	places["sitebook.db, closed"], err = os.ReadFile(w.path)
	must(t, err)
	for place, octets := range places {
		for _, f := range search.In(place, octets) {
			if len(f.Octets) >= leak.Long || f.Word { // shorter ones are in any ciphertext
				t.Errorf("found %s", f)
			}
		}
	}
}

// P3: one page of the files under another key opens nothing.
func TestP3AnotherSitesKeyOpensNothing(t *testing.T) {
	w := newWorld(t)
	b := w.open()
	w.enrols(b, 1, nil)
	other, err := sitekey.NewRing(sitekey.NewKey())
	must(t, err)
	after := w.cut()
	after.ring = other
	b = after.open()
	if _, ok, err := b.Enrolled(t.Context(), city, cert(t, 1)); ok || err != nil {
		t.Errorf("Enrolled = %t, %v, want none", ok, err)
	}
	if here, err := b.Present(t.Context()); len(here) != 0 || err != nil {
		t.Errorf("Present = %d, %v, want nobody", len(here), err)
	}
}
