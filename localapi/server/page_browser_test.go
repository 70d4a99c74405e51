//go:build integration

package server_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"kazashi.example/central/lab/stage/browser"
	"kazashi.example/localapi"
	"kazashi.example/localapi/internal/scene"
	"kazashi.example/localapi/server"
	"kazashi.example/sync/record"
)

const (
	nameText   = `document.getElementById("name").textContent`
	panelKind  = `document.getElementById("result").dataset.kind`
	rowCount   = `document.querySelectorAll("#taps tr").length`
	overflowed = `document.documentElement.scrollWidth > document.documentElement.clientWidth`
	madeUpPPID = "mfzwizltoq2gk3tuojqw4zdpnu3tqojqgezdgnbvgy3tqojqgezq"
)

// history is a morning of taps: one of each kind.
func history() []localapi.Tap {
	accepted := localapi.Outcome{Verdict: record.VerdictAccepted, Reason: record.ReasonInOrder}
	refused := localapi.Outcome{Verdict: record.VerdictRefused, Reason: record.ReasonRevoked}
	settled := scene.Tap(2, record.VerdictAccepted, record.ReasonInOrder)
	settled.State, settled.Final = localapi.StateSettled, &accepted
	corrected := scene.Tap(4, record.VerdictProvisional, record.ReasonListOld)
	corrected.State, corrected.Final, corrected.Corrected = localapi.StateSettled, &refused, true
	received := scene.Tap(3, record.VerdictRefused, record.ReasonExpired)
	received.State = localapi.StateReceived
	return []localapi.Tap{corrected, received, settled, scene.Tap(1, record.VerdictRecorded, record.ReasonRecordOnly)}
}

// screenshot keeps the page as it looks in $KAZASHI_SCREENSHOTS, when that names a directory.
func screenshot(b *browser.Browser, name string) {
	if dir := os.Getenv("KAZASHI_SCREENSHOTS"); dir != "" {
		b.Screenshot(filepath.Join(dir, name+".png"))
	}
}

func TestBrowserShowsTheVerdict(t *testing.T) {
	t.Parallel()
	b := browser.Start(t)
	for _, lang := range []struct{ tag, idle, accepted, torn string }{
		{"ja", "カードを置いてください", "受付できました", "カードが離れました"},
		{"en", "Place a card", "Accepted", "Card moved away"},
	} {
		box := scene.New()
		box.Keep(scene.Tap(1, record.VerdictAccepted, record.ReasonInOrder))
		url := serveTCP(t, box, "127.0.0.1:0").url
		b.Visit(url+"/?lang="+lang.tag, 1280, 900)
		b.Wait(nameText, lang.idle)
		b.Wait(`document.documentElement.lang`, lang.tag)
		b.Wait(`document.getElementById("practice").hidden`, "false")
		b.Wait(rowCount, "1")
		screenshot(b, lang.tag+"-idle")

		box.Publish(localapi.Event{Type: localapi.EventReading})
		b.Wait(panelKind, "reading")
		box.Publish(localapi.Event{Type: localapi.EventReadFailed, Failure: localapi.FailureTorn})
		b.Wait(nameText, lang.torn)
		screenshot(b, lang.tag+"-torn")

		tap := scene.Tap(5, record.VerdictAccepted, record.ReasonInOrder)
		box.Say(tap)
		b.Wait(nameText, lang.accepted)
		b.Wait(panelKind, "accepted")
		box.Settle(tap.Tap, tap.First, record.NewSubject(madeUpPPID))
		b.Wait(`document.querySelector("#foot .ppid")?.textContent`, madeUpPPID)
		b.Wait(`document.querySelectorAll("#taps .ppid").length`, "0") // P3: the queue sees the table
		screenshot(b, lang.tag+"-accepted")
		box.Publish(localapi.Event{Type: localapi.EventReadFailed, Failure: localapi.FailureTorn})
		b.Wait(nameText, lang.torn)
		b.Wait(`document.body.textContent.includes("`+madeUpPPID+`")`, "false") // and nobody the one before
		box.Settle(tap.Tap, tap.First, record.NewSubject(madeUpPPID))
		b.Wait(nameText, lang.torn)
		b.Wait(`document.body.textContent.includes("`+madeUpPPID+`")`, "false")

		b.Visit(url+"/?lang="+lang.tag, 1280, 900) // P3: a new page has no PPID
		b.Wait(rowCount, "2")
		b.Wait(`document.body.textContent.includes("`+madeUpPPID+`")`, "false")
	}
}

func TestBrowserShowsEveryKindAtEveryWidth(t *testing.T) {
	t.Parallel()
	b := browser.Start(t)
	for _, lang := range []string{"ja", "en"} {
		for _, size := range []struct {
			name          string
			width, height int
		}{{"desk", 1280, 1200}, {"tablet", 820, 1180}, {"phone", 375, 1500}, {"narrow", 320, 1500}} {
			box := scene.New()
			box.Keep(history()...)
			url := serveTCP(t, box, "127.0.0.1:0").url
			b.Visit(url+"/?lang="+lang, size.width, size.height)
			b.Wait(rowCount, "4")
			for i, v := range []record.Verdict{record.VerdictProvisional, record.VerdictRefused, record.VerdictRecorded} {
				r := []record.Reason{record.ReasonIssuerNotVerified, record.ReasonRevoked, record.ReasonRecordOnly}[i]
				box.Say(scene.Tap(uint64(6+i), v, r))
				b.Wait(panelKind, v.String())
				b.Wait(overflowed, "false")
				screenshot(b, strings.Join([]string{lang, size.name, v.String()}, "-"))
			}
			b.Wait(`document.querySelectorAll("#correction-list li").length`, "1")
			b.Eval(`document.querySelector("#correction-list button").click()`)
			b.Wait(`document.getElementById("corrections").hidden`, "true")
		}
	}
}

// design.md §5.8: a verdict whose display nobody can be sure of is shown once the box is back.
func TestBrowserComesBackAfterARestart(t *testing.T) {
	t.Parallel()
	b := browser.Start(t)
	box := scene.New()
	first := serveTCP(t, box, "127.0.0.1:0")
	b.Visit(first.url+"/", 1280, 900)
	b.Wait(nameText, "カードを置いてください")
	box.Publish(localapi.Event{Type: localapi.EventReading})
	b.Wait(panelKind, "reading")

	first.stop()
	b.Wait(panelKind, "lost")
	b.Wait(`document.getElementById("lost").hidden`, "false")
	b.Wait(`document.getElementById("brief").textContent`, "")
	screenshot(b, "ja-lost")

	again := scene.New()
	tap := scene.Tap(3, record.VerdictProvisional, record.ReasonListOld)
	tap.Restored = true
	again.Keep(tap)
	again.Change(func(s *localapi.Status) {
		s.Mode, s.Line = localapi.ModeOffline, localapi.Line{Since: scene.Noon.Add(-20 * time.Hour)}
		s.Waiting = localapi.Waiting{Records: 12, Oldest: scene.Noon.Add(-20 * time.Hour)}
		s.List.AgeSeconds = 3 * 86400
		s.Clock.Confidence = record.ConfidenceFloor
	})
	serveTCP(t, again, first.addr)
	b.Wait(panelKind, "provisional")
	b.Wait(`document.getElementById("lost").hidden`, "true")
	b.Wait(`document.querySelector("#foot .note").textContent.includes("再起動")`, "true")
	screenshot(b, "ja-restored")

	again.Change(func(s *localapi.Status) {
		s.Mode, s.Problem, s.Readers = localapi.ModeStopped, localapi.FailureReaderGone, nil
	})
	b.Wait(nameText, "カードリーダーがありません")
	screenshot(b, "ja-stopped")
	again.Change(func(s *localapi.Status) {
		s.Mode, s.Problem, s.Readers = localapi.ModeOnline, "", []localapi.Reader{{Name: "Virtual PCD 00 00"}}
	})
	b.Wait(nameText, "カードを置いてください")
}

// A page that is loaded anew in front of the card's owner does not ask for the card again, and a forgotten card is not passed over.
func TestBrowserKnowsTheCardThatLies(t *testing.T) {
	t.Parallel()
	b := browser.Start(t)
	box := scene.New()
	url := serveTCP(t, box, "127.0.0.1:0").url
	const reader = "Virtual PCD 00 00"
	lies := func(card bool) {
		box.Change(func(s *localapi.Status) { s.Readers = []localapi.Reader{{Name: reader, Card: card}} })
	}
	lies(true)
	b.Visit(url+"/", 1280, 900)
	b.Wait(`document.getElementById("say").textContent.includes("置き直してください")`, "true") // it lay there before the page came
	box.Change(func(s *localapi.Status) { s.Clock.Now = scene.Noon.Add(time.Minute + 10*time.Second) })
	box.Keep(scene.Tap(1, record.VerdictAccepted, record.ReasonInOrder))
	b.Visit(url+"/", 1280, 900)
	b.Wait(panelKind, "accepted")

	b.Visit(url+"/", 1280, 900)
	b.Wait(panelKind, "accepted")
	box.Publish(localapi.Event{Type: localapi.EventCardPresent, Reader: reader})
	b.Wait(panelKind, "reading")
	box.Change(func(s *localapi.Status) { s.Problem = localapi.FailureNoPCSC })
	box.Publish(localapi.Event{Type: localapi.EventReadFailed, Reader: reader, Failure: localapi.FailureNoPCSC})
	b.Wait(panelKind, "failure")
	box.Change(func(s *localapi.Status) { s.Problem = "" })
	b.Wait(nameText, "カードが置いたままです")
	screenshot(b, "ja-left")
	lies(false)
	box.Publish(localapi.Event{Type: localapi.EventCardRemoved, Reader: reader})
	b.Wait(nameText, "カードを置いてください")
}

func TestBrowserShowsTheLineWhateverThePanelSays(t *testing.T) {
	t.Parallel()
	b := browser.Start(t)
	box := scene.New()
	b.Visit(serveTCP(t, box, "127.0.0.1:0").url+"/?lang=en", 375, 1500)
	const brief, trouble = `document.getElementById("brief").textContent`, `document.getElementById("trouble")`
	b.Wait(brief, "● On-line")
	b.Wait(`document.getElementById("line").textContent.includes("last answer 11:59:55")`, "true")
	b.Wait(trouble+".hidden", "true")
	box.Change(func(s *localapi.Status) {
		s.Mode, s.Line = localapi.ModeOffline, localapi.Line{Since: scene.Noon, Heard: scene.Noon, Trouble: localapi.LineRevoked}
		s.Waiting = localapi.Waiting{Records: 3, Oldest: scene.Noon}
	})
	b.Wait(brief, "○ Off-line ｜ Records waiting 3")
	b.Wait(trouble+`.textContent.includes("taken this box out of service")`, "true")
	b.Wait(overflowed, "false")
	screenshot(b, "en-revoked-box")
	box.Change(func(s *localapi.Status) {
		s.Mode, s.Line = localapi.ModeOnline, localapi.Line{Up: true, Since: scene.Noon}
	})
	b.Wait(trouble+".hidden", "true")
}

// P6: a list of taps that was asked for before a correction came must not undo it when it arrives after; the page asks again.
func TestBrowserKeepsWhatIsNewerThanAnOldList(t *testing.T) {
	t.Parallel()
	b := browser.Start(t)
	box := scene.New()
	inner := server.New(server.Config{Box: box, Log: discard})
	var slow, late atomic.Bool
	made, settled, again := make(chan struct{}), make(chan struct{}), make(chan struct{})
	s := serveHandler(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/v1/taps" && slow.CompareAndSwap(true, false):
			old := httptest.NewRecorder()
			inner.ServeHTTP(old, r)
			close(made)
			<-settled
			w.Header().Set("Content-Type", old.Header().Get("Content-Type"))
			_, _ = w.Write(old.Body.Bytes())
		case r.URL.Path == "/v1/taps" && late.CompareAndSwap(true, false):
			close(again)
			fallthrough
		default:
			inner.ServeHTTP(w, r)
		}
	}))
	b.Visit(s.url+"/", 1280, 900)
	b.Wait(panelKind, "idle")
	tap := scene.Tap(5, record.VerdictAccepted, record.ReasonInOrder)
	box.Say(tap)
	b.Wait(panelKind, "accepted")
	slow.Store(true)
	box.Change(func(*localapi.Status) {}) // has the page ask for the list
	<-made
	box.Settle(tap.Tap, localapi.Outcome{Verdict: record.VerdictRefused, Reason: record.ReasonRevoked}, record.Subject{})
	const corrections = `document.querySelectorAll("#correction-list li").length`
	b.Wait(corrections, "1")
	late.Store(true)
	close(settled)
	select {
	case <-again:
		b.Wait(corrections, "1")
	case <-time.After(10 * time.Second):
		t.Error("the page took a list that was older than what it knew")
	}
}
