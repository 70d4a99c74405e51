package sitebook_test

import (
	"bytes"
	"database/sql"
	"fmt"
	"log/slog"
	"os"
	"testing"
	"time"

	"kazashi.example/appliance/sitebook"
	"kazashi.example/central/lab/proof/leak"
	"kazashi.example/localapi"
	"kazashi.example/sync/record"
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

// P3: whoever has the disk alone cannot tell that one person used two services, nor at which time of the day anybody was there.
func TestP3ReferencesAndTimesTellNoCalendar(t *testing.T) {
	w := newWorld(t)
	b := w.open()
	one, _ := w.enrols(b, 1, nil)
	p := sitebook.Enrolled(*one)
	for _, s := range []record.ServiceID{shelter, "gym", loan} {
		w.later(time.Hour)
		w.visit(b, sitebook.Visit{Person: p, Used: true, Service: s})
		w.visit(b, sitebook.Visit{Person: p, Link: "L-1", Service: s})
	}
	here, err := b.Present(t.Context())
	must(t, err)
	must(t, b.Leave(t.Context(), here[0].Tap))
	must(t, b.Close())
	db, err := sql.Open("sqlite", w.path)
	must(t, err)
	defer db.Close()
	var shared, times int
	must(t, db.QueryRowContext(t.Context(), `SELECT count(*) FROM ref a JOIN ref b ON a.ref = b.ref JOIN entry x ON x.id = a.entry
		JOIN entry y ON y.id = b.entry WHERE x.service < y.service`).Scan(&shared))
	// The day began at 15:00 UTC.
	must(t, db.QueryRowContext(t.Context(), `SELECT count(*) FROM entry WHERE kind IN (2, 3) AND at % 86400000 <> 54000000`).Scan(&times))
	if shared != 0 || times != 0 {
		t.Errorf("%d references are those of two services, %d times of uses are to be read; want none", shared, times)
	}
	if here[0].Since != noon.Add(3*time.Hour) {
		t.Errorf("Present = since %s, want the time itself", here[0].Since)
	}
}
