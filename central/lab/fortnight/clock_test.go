package fortnight_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"kazashi.example/localapi"
	"kazashi.example/sync/order"
	"kazashi.example/sync/record"
)

var (
	in1970 = time.Unix(0, 0).UTC()
	in2099 = time.Date(2099, 3, 4, 5, 6, 7, 0, time.UTC)
)

// Verdicts that clocks lead to.
var (
	inOrder = localapi.Outcome{Verdict: record.VerdictAccepted, Reason: record.ReasonInOrder}
	poor    = localapi.Outcome{Verdict: record.VerdictProvisional, Reason: record.ReasonClockPoor}
	oldList = localapi.Outcome{Verdict: record.VerdictProvisional, Reason: record.ReasonListOld}
	expired = localapi.Outcome{Verdict: record.VerdictRefused, Reason: record.ReasonExpired}
)

// step is something that happens, and what the next tap of a valid card at the door then says.
type step struct {
	words string
	do    func(*watch)
	want  localapi.Outcome
	said  func() time.Time // about what the box says the time is
	knows record.Confidence
}

// watch is a box whose clock is looked at through its taps. Its list was made at the start.
type watch struct {
	*box

	t      *testing.T
	office *office
	number int // of the newest list
	boots  int
	nonce  [16]byte
}

func at(t time.Time) func() time.Time { return func() time.Time { return t } }

// scenarios are the four clocks of the Show.
var scenarios = []struct {
	name  string
	wall  func() time.Time // of the machine at its start, four days after the list was made
	steps []step
}{
	{"1970", at(in1970), []step{
		{"the list is the latest thing known: it is no younger than nothing", func(*watch) {}, poor, at(start), record.ConfidenceNone},
		{"five hours on", func(*watch) { time.Sleep(5 * time.Hour) }, poor, at(start.Add(5 * time.Hour)), record.ConfidenceNone},
		{"a restart of the program changes nothing", (*watch).restart, poor, at(start.Add(5 * time.Hour)), record.ConfidenceNone},
		{"set by hand: now the list is seen to be old", func(w *watch) { w.machine.set(0) }, oldList, truth, record.ConfidenceFloor},
		{"central is heard", func(w *watch) { w.clock.Check(truth()) }, oldList, truth, record.ConfidenceChecked},
		{"a fresh list", func(w *watch) { w.fresh(0) }, inOrder, truth, record.ConfidenceChecked},
		{"an orderly end, and 1970 again", func(w *watch) { w.reboot(in1970) }, poor, truth, record.ConfidenceNone},
	}},
	{"2099", at(in2099), []step{
		{"nobody's certificate has run out for that", func(*watch) {}, poor, at(start), record.ConfidenceNone},
		{"set right", func(w *watch) { w.machine.set(0) }, oldList, truth, record.ConfidenceFloor},
		{"a fresh list", func(w *watch) { w.fresh(0) }, inOrder, truth, record.ConfidenceFloor},
		{"central is heard, and it jumps to 2099 while running", func(w *watch) {
			w.clock.Check(truth())
			w.machine.set(in2099.Sub(truth()))
		}, poor, truth, record.ConfidenceNone},
		{"central is heard again", func(w *watch) { w.clock.Check(truth()) }, inOrder, truth, record.ConfidenceChecked},
	}},
	{"back by a day while running", truth, []step{
		{"a clock that nobody checked, but possible", func(w *watch) { w.fresh(48 * time.Hour) }, inOrder, truth, record.ConfidenceFloor},
		{"set back: the time goes on", func(w *watch) { w.machine.set(-24 * time.Hour) }, inOrder, truth, record.ConfidenceFloor},
		{"an hour later", func(*watch) { time.Sleep(time.Hour) }, inOrder, truth, record.ConfidenceFloor},
		{"and back to before its list: it is wrong for certain", func(w *watch) { w.machine.set(-60 * time.Hour) }, poor, truth, record.ConfidenceNone},
		{"set right, and checked", func(w *watch) { w.machine.set(0); w.clock.Check(truth()) }, inOrder, truth, record.ConfidenceChecked},
		{"set back: the time goes on, and is vouched for no more", func(w *watch) { w.machine.set(-24 * time.Hour) }, inOrder, truth, record.ConfidenceFloor},
		{"the program restarts", (*watch).restart, inOrder, truth, record.ConfidenceFloor},
		{"three days later the list is old, whatever the machine says", func(*watch) { time.Sleep(72 * time.Hour) }, oldList, truth, record.ConfidenceFloor},
		{"the machine restarts, a day behind what was signed", func(w *watch) {
			w.fresh(0)
			w.reboot(truth().Add(-24 * time.Hour))
		}, poor, truth, record.ConfidenceNone},
	}},
	{"poisoned once by 2099", truth, []step{
		{"before", func(w *watch) { w.fresh(0); w.clock.Check(truth()) }, inOrder, truth, record.ConfidenceChecked},
		{"rules are signed as of 2099: everybody's certificate has run out", (*watch).poison, expired, at(in2099), record.ConfidenceNone},
		{"central says another time than it signed", func(w *watch) { w.clock.Check(truth()) }, expired, at(in2099), record.ConfidenceNone},
		{"a restart helps nothing", func(w *watch) { w.reboot(truth()) }, expired, at(in2099), record.ConfidenceNone},
		{"nor does an order under another nonce", func(w *watch) { w.lower([16]byte{1}) }, expired, at(in2099), record.ConfidenceNone},
		{"central orders it down", func(w *watch) { w.nonce = w.clock.Nonce(); w.lower(w.nonce) }, inOrder, truth, record.ConfidenceFloor},
		{"and is heard", func(w *watch) { w.clock.Check(truth()) }, inOrder, truth, record.ConfidenceChecked},
		{"the order again changes nothing", func(w *watch) { w.lower(w.nonce) }, inOrder, truth, record.ConfidenceChecked},
		{"a restart, with the poison still there", func(w *watch) { w.reboot(truth()) }, inOrder, truth, record.ConfidenceFloor},
	}},
}

// The Show of issue 5: a clock at 1970, at 2099, set back by a day while running, and poisoned once by 2099, as whole taps say it (P6, P8). With
// anything but a checked clock a list's age is the least that it can be, and the verdict says so.
func TestClocksAsTapsSayIt(t *testing.T) {
	town := newTown(t)
	for _, s := range scenarios {
		t.Run(s.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				time.Sleep(96 * time.Hour)
				w := newWatch(t, town, s.wall())
				who := town.stranger(t, crowdSize-1)
				for _, k := range s.steps {
					k.do(w)
					w.wants(k, w.desks[door].lay(who))
				}
			})
		})
	}
}

func newWatch(t *testing.T, town *town, wall time.Time) *watch {
	t.Helper()
	w := &watch{t: t, office: newOffice(t, town), number: 1}
	m := &machine{}
	m.boot("first", wall)
	w.box = join(t, w.office, m)
	must(t, w.desired.ApplyRules(w.office.signed))
	_, err := w.lists.Load(t.Context(), town.list(t, w.office, start, w.number))
	must(t, err)
	return w
}

func (w *watch) wants(k step, e localapi.Event) {
	w.t.Helper()
	if e.Type != localapi.EventVerdict {
		w.t.Fatalf("%s: %s %s, want a verdict", k.words, e.Type, e.Failure)
	}
	off := e.Tap.Time.Sub(k.said())
	if e.Tap.First != k.want || e.Rests.Confidence != k.knows || off.Abs() > time.Minute {
		w.t.Errorf("%s: %s %s at %s (%s), want %s %s at %s (%s)", k.words, e.Tap.First.Verdict, e.Tap.First.Reason, e.Tap.Time, e.Rests.Confidence,
			k.want.Verdict, k.want.Reason, k.said(), k.knows)
	}
	age := time.Duration(e.Rests.List.AgeSeconds) * time.Second
	if e.Rests.List.AgeAtLeast != (k.knows != record.ConfidenceChecked) || (e.Tap.Time.Sub(e.Rests.List.ThisUpdate)-age).Abs() > time.Second {
		w.t.Errorf("%s: the list's age is %s, at least: %v", k.words, age, e.Rests.List.AgeAtLeast)
	}
}

// fresh brings the next list, made some time ago.
func (w *watch) fresh(age time.Duration) {
	w.t.Helper()
	w.number++
	_, err := w.lists.Load(w.t.Context(), newTown(w.t).list(w.t, w.office, truth().Add(-age), w.number))
	must(w.t, err)
}

// poison brings rules that are signed as of 2099.
func (w *watch) poison() {
	w.t.Helper()
	set := rules()
	set.Version.N, set.Issued = set.Version.N+1, in2099.Unix()
	msg, err := set.Sign(w.office.Keys.Sign)
	must(w.t, err, w.desired.ApplyRules(msg))
	w.clock.Learn(w.desired.Issued()) // as the link does with whatever it brought
}

// lower has central order the clock to the true time.
func (w *watch) lower(nonce [16]byte) {
	w.t.Helper()
	o := order.Order{
		Version: 1, Box: w.identity.Box, ID: order.NewID(), Kind: order.KindClock, Nonce: order.Nonce{ID128: nonce},
		Time: truth().UnixMilli(), Issued: truth().UnixMilli(),
	}
	msg, err := o.Sign(w.office.Keys.Sign)
	must(w.t, err)
	_, err = w.orders.Take(w.t.Context(), w.desired.Trust(), [][]byte{msg})
	must(w.t, err)
}

// restart ends the program in order and starts it again in the same boot.
func (w *watch) restart() {
	w.t.Helper()
	w.end()
	w.box = open(w.t, w.office, w.machine, w.dir)
}

// reboot ends the program in order, and starts the machine again with a time of day.
func (w *watch) reboot(wall time.Time) {
	w.t.Helper()
	w.end()
	w.boots++
	w.machine.boot(fmt.Sprint("again ", w.boots), wall)
	w.box = open(w.t, w.office, w.machine, w.dir)
}
