//go:build integration

package server_test

import (
	"fmt"
	"testing"
	"time"

	"kazashi.example/central/lab/stage/browser"
	"kazashi.example/localapi"
	"kazashi.example/localapi/internal/scene"
	"kazashi.example/localapi/server"
	"kazashi.example/sync/record"
)

// hostileName is what somebody may call a stick.
const hostileName = `<img src=x onerror=alert(1)> "司書" &amp;`

const (
	courierDid  = `document.getElementById("courier-did").textContent`
	courierRows = `document.querySelectorAll("#courier-sticks > li").length`
	unseenRows  = `document.querySelectorAll("#unseen-list li").length`
)

// newCarrier is a box off line with sticks, whose status can be had to move.
func newCarrier(t *testing.T) (box *scene.Box, way *scene.Courier, url string) {
	t.Helper()
	box, way = scene.New(), scene.NewCourier()
	box.Change(func(s *localapi.Status) {
		s.Mode, s.Line = localapi.ModeOffline, localapi.Line{Since: scene.Noon.Add(-20 * time.Hour)}
		s.Waiting = localapi.Waiting{Records: 134, Oldest: scene.Noon.Add(-20 * time.Hour), Unsafe: 134}
		s.Journal = localapi.Journal{Disk: localapi.DiskOK, Checked: 134, ToCheck: 134}
	})
	h := server.New(server.Config{Box: box, Courier: way, Unseen: box, Log: discard})
	return box, way, serveHandler(t, h).url
}

// moved changes what the courier says and has the page look.
func moved(box *scene.Box, way *scene.Courier, change func(*localapi.Courier)) {
	way.Set(change)
	box.Change(func(*localapi.Status) {})
}

func finish(s localapi.CourierSummary, failed localapi.ErrorCode) func(*localapi.Courier) {
	return func(v *localapi.Courier) {
		v.Job.Ended, v.Job.Summary = v.Job.Began.Add(12*time.Second), &s
		if failed != "" {
			v.Job.Failed = &localapi.Error{Code: failed}
		}
	}
}

func plugIn(v *localapi.Courier) {
	v.Sticks = []localapi.Stick{
		{Name: hostileName, Path: "/media/1", Free: 14_200_000_000, Writable: true, Down: 3},
		{Name: "LOCKED", Path: "/media/2", Free: 900_000_000, Up: 2},
		{Name: "EMPTY", Path: "/media/3", Problem: &localapi.Error{Code: localapi.CodeNotMounted}},
	}
}

// Records go out by a stick and results come in: what is on it, where it goes, that it may be pulled, and what could not be taken.
func TestBrowserCarriesByStick(t *testing.T) {
	t.Parallel()
	b := browser.Start(t)
	for _, lang := range []struct{ tag, out, in, pull, where, look, gone, half string }{
		{"ja", "記録 134 件を書き出す", "センターからの結果を取り込む", "抜いてかまいません", "センターの担当者", "134 件のうち、見直しが必要な受付：2 件", "抜かれたか", "途中までしか"},
		{"en", "Write 134 records", "Take in what central sent", "You may pull the stick out now", "whoever runs central", "Of 134 final verdicts, 2 need a second look", "was pulled", "copied by half"},
	} {
		for _, at := range []size{{"desk", 1280, 1900}, {"phone", 375, 3000}} {
			shot := func(name string) {
				t.Helper()
				b.Wait(overflowed, "false")
				b.Eval(`document.getElementById("courier").scrollIntoView()`)
				screenshot(b, fmt.Sprintf("%s-%s-courier-%s", lang.tag, at.name, name))
			}
			box, way, url := newCarrier(t)
			b.Visit(url+"/?lang="+lang.tag, at.width, at.height)
			b.Wait(hasText("courier-count", "134"), "true")
			press(b, "#courier-open")
			b.Wait(`document.getElementById("courier-none").hidden`, "false")
			shot("none")
			moved(box, way, plugIn)
			b.Wait(courierRows, "3")
			b.Wait(`document.querySelector("#courier-sticks bdi").textContent`, hostileName)
			b.Wait(`document.querySelectorAll("#courier img, #courier button:not(:disabled)").length`, "3") // close, and the first stick's two
			shot("sticks")
			b.Eval(`document.querySelector("#courier-sticks button").focus()`)
			moved(box, way, func(v *localapi.Courier) { v.Sticks[0].Free -= 2_000_000_000 })
			b.Wait(hasText("courier-sticks", "12"), "true")
			b.Wait(`document.activeElement.dataset.what`, "export") // what was about to be pressed still is

			press(b, `#courier-sticks li:first-child [data-what="export"]`)
			b.Wait(focused, "courier-did")
			b.Wait(`document.querySelectorAll("#courier-sticks button:not(:disabled)").length`, "0")
			moved(box, way, func(v *localapi.Courier) { v.Job.Done, v.Job.Total = 60, 134 })
			b.Wait(`document.getElementById("courier-bar").value`, "60")
			shot("writing")
			b.Visit(url+"/?lang="+lang.tag, at.width, at.height) // the job goes on, and the page shows it
			b.Wait(`document.getElementById("courier-bar").value`, "60")
			moved(box, way, finish(localapi.CourierSummary{Files: 1, Records: 134, Known: 1}, ""))
			b.Wait(hasText("courier-did", lang.pull), "true")
			b.Wait(hasText("courier-did", lang.where), "true")
			b.Wait(focused, "BODY") // an end takes nobody's focus
			shot("written")

			press(b, `#courier-sticks li:first-child [data-what="import"]`)
			b.Wait(`document.querySelectorAll("#courier-sticks button:not(:disabled)").length`, "0")
			moved(box, way, finish(localapi.CourierSummary{
				Files: 2, Records: 134, Verdicts: 134, Work: 2, Updated: []localapi.CourierUpdate{localapi.UpdateRules, localapi.UpdateLists}, Removed: 1,
				Refused: []localapi.CourierFile{{File: "KAZASHI/down/…/0000000007.kzd", Why: localapi.Error{Code: localapi.CodeHalf}}},
			}, ""))
			b.Wait(hasText("courier-did", lang.look), "true")
			b.Wait(hasText("courier-did", lang.half), "true")
			shot("taken")

			press(b, `#courier-sticks li:first-child [data-what="export"]`)
			b.Wait(`document.querySelectorAll("#courier-sticks button:not(:disabled)").length`, "0")
			moved(box, way, finish(localapi.CourierSummary{Files: 1, Records: 90}, localapi.CodeStickGone))
			b.Wait(hasText("courier-did", lang.gone), "true")
			b.Wait(`document.getElementById("courier-did").dataset.kind`, "partly")
			b.Wait(hasText("courier-did", lang.where), "false")
			shot("pulled")
			if asked := way.Asked(); len(asked) != 3 || asked[0] != (localapi.CourierOrder{Stick: hostileName}) {
				t.Errorf("asked for %+v, want three jobs on the first stick, by its name", asked)
			}
		}
	}
	for _, fault := range b.Faults() {
		t.Errorf("the browser complains: %s", fault)
	}
}

// design.md §5.8: what perhaps nobody saw stands on the page over reloads and whatever taps follow, until somebody says that it was seen.
func TestBrowserShowsWhatPerhapsNobodySaw(t *testing.T) {
	t.Parallel()
	b := browser.Start(t)
	for _, lang := range []struct{ tag, title string }{{"ja", "再起動の前の結果"}, {"en", "From before the restart"}} {
		for _, at := range []size{{"desk", 1280, 1700}, {"phone", 375, 3000}} {
			box, _, url := newCarrier(t)
			for i, v := range []record.Verdict{record.VerdictAccepted, record.VerdictProvisional, record.VerdictRefused} {
				tap := scene.Tap(uint64(i), v, []record.Reason{record.ReasonInOrder, record.ReasonListOld, record.ReasonRevoked}[i]) //nolint:gosec // small
				tap.Restored, tap.Time = true, scene.Noon.Add(-12*time.Hour)
				box.Keep(tap)
			}
			box.Change(func(s *localapi.Status) {
				s.Unseen = 3
				s.Journal = localapi.Journal{Disk: localapi.DiskLow, Checked: 40, ToCheck: 134, SetAside: []localapi.Aside{
					{File: "journal.db.set-aside-1", Reading: true, Records: 20},
					{File: "journal.db.set-aside-2", Records: 130, Damaged: 4},
					{File: "journal.db.set-aside-3", Records: 9, Unreadable: 2},
				}}
			})
			for range 2 { // once more after a reload
				b.Visit(url+"/?lang="+lang.tag, at.width, at.height)
				b.Wait(unseenRows, "3")
				b.Wait(panelKind, "idle") // they are hours old, and whoever they are of is gone
			}
			b.Wait(hasText("unseen-title", lang.title), "true")
			b.Wait(`document.querySelectorAll("#storage-list li").length`, "4")
			b.Wait(`document.getElementById("storage-list").textContent.includes("9 ") && document.getElementById("storage-list").textContent.includes("disk")`, "true")
			b.Wait(`document.getElementById("box-journal").hasAttribute("data-warn")`, "true")
			b.Wait(overflowed, "false")
			screenshot(b, fmt.Sprintf("%s-%s-unseen", lang.tag, at.name))
			box.Say(scene.Tap(9, record.VerdictAccepted, record.ReasonInOrder))
			b.Wait(panelKind, "accepted")
			b.Wait(unseenRows, "3")
			press(b, "#unseen-seen")
			b.Wait(`document.getElementById("unseen").hidden`, "true")
			b.Wait(focused, "result")
			b.Wait(`document.getElementById("taps").textContent.includes("↻")`, "false")
			if left, err := box.Unseen(t.Context()); err != nil || len(left) != 0 {
				t.Errorf("unseen = %d, %v, want none", len(left), err)
			}
			box.Change(func(s *localapi.Status) {
				s.Unseen, s.Mode, s.Problem = 0, localapi.ModeStopped, localapi.FailureDiskFull
				s.Journal = localapi.Journal{Disk: localapi.DiskFull, Checked: 134, ToCheck: 134, SetAside: []localapi.Aside{{File: "journal.db.set-aside-1", Records: 130}}}
			})
			b.Wait(panelKind, "failure")
			b.Wait(`document.getElementById("storage").hidden`, "true") // the panel says it
			b.Wait(overflowed, "false")
			screenshot(b, fmt.Sprintf("%s-%s-disk-full", lang.tag, at.name))
			box.Change(func(s *localapi.Status) {
				s.Mode, s.Problem, s.Journal = localapi.ModeOnline, "", localapi.Journal{Disk: localapi.DiskOK}
			})
			b.Wait(panelKind, "idle")
			b.Wait(`document.getElementById("box-journal").hasAttribute("data-warn")`, "false")
		}
	}
	for _, fault := range b.Faults() {
		t.Errorf("the browser complains: %s", fault)
	}
}
