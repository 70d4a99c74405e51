package fortnight_test

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"kazashi.example/appliance/vault"
	"kazashi.example/central/intake/simbox"
	"kazashi.example/localapi"
	"kazashi.example/sync/record"
)

const (
	alone   = time.Hour // after the start the line is cut
	days    = 14 * 24 * time.Hour
	powerAt = 61 * time.Hour // after the start: on the third day

	takenOnline = 5 // records: central has them before the line is cut
)

// Codes and numbers of made-up people, which must be in no file.
const (
	operator  = "operators code 1 of the school"
	deskCode  = "481516234"
	deskName  = "練習 司書子"
	numberOne = "TOSHO-0451-7781"
	numberTwo = "TOSHO-0451-9032"
)

// stage is how the box knows the time from some moment on.
type stage struct {
	from  time.Duration // after the start
	words string
	ahead time.Duration // what the box says, of the truth
	blind bool          // the box says less than the truth, and nobody knows by how much
	knows record.Confidence
}

var stages = []stage{
	{0, "central checked the clock", 0, false, record.ConfidenceChecked},
	{26 * time.Hour, "somebody sets it back a day: the time goes on without it", 0, false, record.ConfidenceFloor},
	{32 * time.Hour, "and right again", 0, false, record.ConfidenceChecked},
	{49 * time.Hour, "it jumps ahead three hours: nobody knows whether they passed", 0, false, record.ConfidenceNone},
	{52 * time.Hour, "and is set right", 0, false, record.ConfidenceChecked},
	{powerAt, "a power cut and a dead battery: 1970", 0, true, record.ConfidenceNone},
	{68 * time.Hour, "staff set it by hand", 0, false, record.ConfidenceFloor},
	{168 * time.Hour, "and a day ahead, by mistake", 24 * time.Hour, false, record.ConfidenceFloor},
	{171 * time.Hour, "and back: what was said is not taken back", 24 * time.Hour, false, record.ConfidenceFloor},
}

// deed is something that people do at a time.
type deed struct {
	at time.Duration // after the start
	do func(*fortnight)
}

// said is one verdict that the counter heard.
type said struct {
	visit

	tap   localapi.Tap
	enrol *localapi.Enrolled
}

// fortnight is the Show.
type fortnight struct {
	*box

	t      *testing.T
	town   *town
	office *office
	house  *house
	random *rand.Rand
	ledger map[record.TapID]said
	told   []record.TapID // in order
	last   time.Time      // what the box said the time was, in this boot
	deeds  []deed
	people map[string]*somebody
	folk   []*somebody // the crowd
}

// The Show of issue 5: fourteen days off-line with 20,000 taps, lists and rules that grow too old, clocks that are set, and a power cut on
// the third day (P1, P2, P3, P6, P8).
func TestFourteenDaysAlone(t *testing.T) {
	w := newTown(t)
	began := time.Now()
	synctest.Test(t, func(t *testing.T) {
		f := &fortnight{
			t: t, town: w, office: newOffice(t, w), house: newHouse(), random: rand.New(rand.NewPCG(14, 20_000)), //nolint:gosec // made-up days
			ledger: map[record.TapID]said{}, people: map[string]*somebody{},
		}
		f.prepare()
		f.online()
		f.plan()
		for n := range taps {
			f.until(alone + time.Duration(n+1)*(days/taps))
			f.somebodyComes()
		}
		f.until(alone + days)
		f.kept("before the line comes back")
		f.reunite()
		f.end()
		f.box = open(t, f.office, f.machine, f.dir)
		f.eachOnce("in the end", 0)
		f.report()
	})
	t.Logf("real time: %.1f s", time.Since(began).Seconds())
}

// prepare makes the box and its people.
func (f *fortnight) prepare() {
	m := &machine{}
	m.boot("first", truth())
	f.box = join(f.t, f.office, m)
	for _, key := range []string{"hanako", "yuki", "kenji", "haru", "taro", "nao", "chika", "tomas"} {
		f.people[key] = f.town.resident(f.t, key)
	}
	for n := range crowdSize {
		p := f.town.stranger(f.t, n)
		f.folk = append(f.folk, p)
		if n < listed+late {
			f.office.revoke(p.serial)
		}
		f.house.revoked[p.name], f.house.late[p.name] = n < listed, n >= listed && n < listed+late
	}
	_, err := f.lists.Load(f.t.Context(), f.town.list(f.t, f.office, start, 1))
	must(f.t, err)
}

// online is the last hour with a line.
func (f *fortnight) online() {
	ctx := f.t.Context()
	stop := f.connect()
	time.Sleep(20 * time.Second)
	must(f.t, f.keys.SetCode(ctx, nil, []byte(operator)))
	must(f.t, f.book.SetStaff(ctx, localapi.NewStaff{ID: "shishoko", Name: deskName, Code: localapi.NewSecret(deskCode)}))
	f.signIn()
	for _, key := range []string{"hanako", "yuki", "kenji", "haru"} {
		f.enrol(key)
	}
	f.comes(door, f.folk[listed]) // central will take that back
	time.Sleep(20 * time.Second)
	f.office.work()
	time.Sleep(20 * time.Second)
	stop()
	must(f.t, f.box.people.Settle(f.t.Context()))
	if n, work := f.rosters.Len(), f.work(); n != 4 || len(work) != 1 || f.waiting() != 0 {
		f.t.Fatalf("on-line: %d on the roster, %d corrections, %d records wait; want 4, 1 and 0", n, len(work), f.waiting())
	}
	for key := range f.house.here {
		f.house.central[key] = true
	}
	clear(f.house.here)
	f.until(alone)
}

// plan says what happens beside taps, and when.
func (f *fortnight) plan() {
	f.deeds = []deed{
		{5 * time.Hour, func(f *fortnight) { f.enrol("taro") }},
		{6 * time.Hour, func(f *fortnight) { f.number("hanako", numberOne) }},
		{10 * time.Hour, func(f *fortnight) { f.number("taro", numberTwo) }},
		{26 * time.Hour, func(f *fortnight) { f.machine.set(-24 * time.Hour) }},
		{30 * time.Hour, func(f *fortnight) { f.enrol("nao") }},
		{31 * time.Hour, func(f *fortnight) { f.number("hanako", "") }},
		{32 * time.Hour, func(f *fortnight) { f.machine.set(0) }},
		{40 * time.Hour, func(f *fortnight) { f.lock() }},
		{41 * time.Hour, func(f *fortnight) { f.unlock() }},
		{49 * time.Hour, func(f *fortnight) { f.machine.set(3 * time.Hour) }},
		{52 * time.Hour, func(f *fortnight) { f.machine.set(0) }},
		{powerAt, func(f *fortnight) { f.powerCut() }},
		{62 * time.Hour, func(f *fortnight) { f.mistype(); f.unlock(); f.signIn(); f.kept("after the power cut") }},
		{66 * time.Hour, func(f *fortnight) { f.enrol("chika") }},
		{68 * time.Hour, func(f *fortnight) { f.machine.set(0) }},
		{168 * time.Hour, func(f *fortnight) { f.machine.set(24 * time.Hour) }},
		{171 * time.Hour, func(f *fortnight) { f.machine.set(0) }},
	}
	for _, at := range []int{8, 35, 50, 64, 69, 70, 75, 210, 220, 230, 270} {
		f.deeds = append(f.deeds, deed{time.Duration(at)*time.Hour + 30*time.Minute, (*fortnight).round})
	}
	for _, locked := range []time.Duration{40*time.Hour + 30*time.Minute, powerAt + 30*time.Minute} {
		f.deeds = append(f.deeds, deed{locked, (*fortnight).round})
	}
	for day := range 14 {
		morning := 20*time.Hour + time.Duration(day)*24*time.Hour
		f.deeds = append(f.deeds,
			deed{morning + 2*time.Hour, func(f *fortnight) { f.goes() }},
			deed{morning + 5*time.Hour, func(f *fortnight) { f.goes() }},
		)
	}
	for _, day := range []int{0, 1, 2, 5, 9, 13} {
		f.deeds = append(f.deeds, deed{time.Duration(20+24*day) * time.Hour, (*fortnight).signIn})
	}
	slices.SortStableFunc(f.deeds, func(a, b deed) int { return int(a.at - b.at) })
}

// until lets time pass, with everything that happens in it.
func (f *fortnight) until(at time.Duration) {
	for len(f.deeds) > 0 && f.deeds[0].at <= at {
		d := f.deeds[0]
		f.deeds = f.deeds[1:]
		time.Sleep(time.Until(bubble.Add(d.at)))
		d.do(f)
	}
	time.Sleep(time.Until(bubble.Add(at)))
}

// stage is the one of now.
func (f *fortnight) stage() (s stage) {
	for _, next := range stages {
		if next.from <= truth().Sub(start) {
			s = next
		}
	}
	return s
}

// somebodyComes lays one card of all those that people have.
func (f *fortnight) somebodyComes() {
	residents := []string{"hanako", "yuki", "kenji", "haru", "taro", "nao", "chika", "tomas"}
	resident := f.people[residents[f.random.IntN(len(residents))]]
	switch n := f.random.IntN(1000); {
	case n < 20:
		f.comes(library, resident)
	case n < 25:
		f.hears(visit{service: library, who: resident, pin: true}, f.desks[library].layFor(byPIN(resident), resident))
	case n < 33:
		f.comes(kiosk, resident)
	case n < 88:
		f.comes(shelter, f.folk[f.random.IntN(48)])
	case n < 133:
		f.comes(meals, f.folk[f.random.IntN(48)])
	case n < 150:
		f.comes(clerk, f.folk[f.random.IntN(len(f.folk))])
	default:
		f.comes(door, f.folk[f.random.IntN(len(f.folk))])
	}
}

// round has everybody come with a whole card, and some of the others, twice.
func (f *fortnight) round() {
	for _, who := range f.people {
		f.comes(library, who)
	}
	f.comes(kiosk, f.people["yuki"])
	for n := range 2 {
		f.comes(shelter, f.folk[n])
		f.comes(shelter, f.folk[crowdSize-2])
		f.comes(meals, f.folk[crowdSize-3])
		f.comes(clerk, f.folk[crowdSize-4])
	}
}

func (f *fortnight) comes(s record.ServiceID, who *somebody) localapi.Event {
	e := f.desks[s].lay(who)
	f.hears(visit{service: s, who: who}, e)
	return e
}

// hears compares what was said with what had to be said, and keeps it.
func (f *fortnight) hears(v visit, e localapi.Event) {
	f.t.Helper()
	if e.Type != localapi.EventVerdict {
		f.t.Fatalf("%s at %s after %s: %s %s, want a verdict", v.who.name, v.service, truth().Sub(start), e.Type, e.Failure)
	}
	v.said, v.knows = e.Tap.Time, f.stage().knows
	f.hearsTime(v, e)
	want := f.house.expects(v)
	if e.Tap.First != want {
		f.t.Fatalf("%s at %s (PIN %v) after %s: %s %s, want %s %s", v.who.name, v.service, v.pin, truth().Sub(start),
			e.Tap.First.Verdict, e.Tap.First.Reason, want.Verdict, want.Reason)
	}
	if _, twice := f.ledger[e.Tap.Tap]; twice {
		f.t.Fatalf("tap %s came twice", e.Tap.Tap)
	}
	f.house.remember(v, e.Tap.Tap, want)
	f.ledger[e.Tap.Tap] = said{v, *e.Tap, e.Enrol}
	f.told = append(f.told, e.Tap.Tap)
	if want.Verdict != record.VerdictRefused && v.service == library && !f.house.locked && e.Link == nil &&
		e.Number.Reveal() != f.house.numbers[v.who.name] {
		f.t.Errorf("%s's number after %s is not the one that is linked", v.who.name, truth().Sub(start))
	}
}

// hearsTime wants the time to be what the stage says, never to go back, and a list's age never to be less than the truth in silence (P6, P8).
func (f *fortnight) hearsTime(v visit, e localapi.Event) {
	f.t.Helper()
	s, now := f.stage(), truth()
	off := v.said.Sub(now)
	switch {
	case e.Rests.Confidence != s.knows:
		f.t.Fatalf("after %s (%s) confidence %s, want %s", now.Sub(start), s.words, e.Rests.Confidence, s.knows)
	case v.said.Before(f.last):
		f.t.Fatalf("after %s (%s) the time went back by %s", now.Sub(start), s.words, f.last.Sub(v.said))
	case s.blind && (v.said.Before(start) || v.said.After(now)):
		f.t.Fatalf("after %s (%s) the box says %s: before its list, or later than it is", now.Sub(start), s.words, v.said)
	case !s.blind && (off-s.ahead).Abs() > 2*time.Second:
		f.t.Fatalf("after %s (%s) the box is %s ahead, want %s", now.Sub(start), s.words, off, s.ahead)
	}
	f.last = v.said
	if e.Rests.List.ThisUpdate.IsZero() {
		return // nothing was asked of the list
	}
	atLeast := s.knows != record.ConfidenceChecked
	shown := time.Duration(e.Rests.List.AgeSeconds) * time.Second
	if e.Rests.List.AgeAtLeast != atLeast || shown+2*time.Second < now.Sub(start) && !atLeast {
		f.t.Fatalf("after %s (%s) the list's age is %s, at least %v; it is %s", now.Sub(start), s.words, shown, e.Rests.List.AgeAtLeast, now.Sub(start))
	}
}

// enrol has a resident enrol at the library.
func (f *fortnight) enrol(key string) {
	f.t.Helper()
	who := f.people[key]
	e := f.desks[library].layFor(enrolment(who), who)
	f.hears(visit{service: library, who: who, pin: true}, e)
	if e.Enrol == nil || !e.Enrol.Bound {
		f.t.Fatalf("enrolling %s: %+v, want the card bound", key, e.Enrol)
	}
	f.house.here[key] = true
}

// number links the library's number, or takes it back.
func (f *fortnight) number(key, number string) {
	f.t.Helper()
	who := f.people[key]
	q := localapi.NextCardRequest{Kind: localapi.NextLink, Number: localapi.NewSecret(number)}
	if number == "" {
		q = localapi.NextCardRequest{Kind: localapi.NextUnlink}
	}
	e := f.desks[library].layFor(q, who)
	f.hears(visit{service: library, who: who}, e)
	if e.Link == nil || !e.Link.Done {
		f.t.Fatalf("linking %s: %+v, want it done", key, e.Link)
	}
	f.house.numbers[key] = number
}

func (f *fortnight) signIn() {
	f.t.Helper()
	_, err := f.book.SignIn(f.t.Context(), localapi.NewSecret(deskCode))
	must(f.t, err)
	f.house.signedIn = truth()
}

// goes has the person leave who came last.
func (f *fortnight) goes() {
	f.t.Helper()
	here, err := f.book.Present(f.t.Context())
	must(f.t, err)
	must(f.t, f.book.Leave(f.t.Context(), here[0].Tap))
	for key, tap := range f.house.present {
		if tap == here[0].Tap {
			delete(f.house.present, key)
		}
	}
}

// lock locks the site's keys by hand.
func (f *fortnight) lock() {
	f.t.Helper()
	must(f.t, f.keys.Lock(f.t.Context()))
	f.house.locked, f.house.signedIn = true, time.Time{}
	f.underLock()
}

// underLock wants nobody to be named by anything on the box (P3), and a person who would have to be remembered to keep the PIN.
func (f *fortnight) underLock() {
	f.t.Helper()
	ctx := f.t.Context()
	_, present := f.book.Present(ctx)
	_, staff := f.book.Staff(ctx)
	_, found, number := f.box.people.ByNumber(ctx, library, numberTwo)
	_, armed := f.desks[library].counter.Arm(enrolment(f.people["tomas"]))
	for what, err := range map[string]error{
		"the presence list": present, "the staff": staff, "whom a number belongs to": number, "enrolling": armed,
		"signing in": func() error { _, err := f.book.SignIn(ctx, localapi.NewSecret(deskCode)); return err }(),
	} {
		if !errors.Is(err, localapi.ErrLocked) {
			f.t.Errorf("under lock %s: %v, want ErrLocked", what, err)
		}
	}
	if s := f.keys.State(); found || s.Phase != vault.PhaseLocked || s.Stored != vault.ByCode {
		f.t.Errorf("the keys are %s, stored by %s, want locked by the code", s.Phase, s.Stored)
	}
}

// mistype wants a wrong code to open nothing.
func (f *fortnight) mistype() {
	f.t.Helper()
	if err := f.keys.Unlock(f.t.Context(), []byte("operators code 2 of the school")); !errors.Is(err, vault.ErrCode) {
		f.t.Errorf("Unlock with a wrong code = %v, want ErrCode", err)
	}
	f.underLock()
}

// unlock opens the keys.
func (f *fortnight) unlock() {
	f.t.Helper()
	ctx := f.t.Context()
	must(f.t, f.keys.Unlock(ctx, []byte(operator)))
	f.house.locked = false
}

func (f *fortnight) waiting() uint64 {
	f.t.Helper()
	n, err := f.journal.Waiting(f.t.Context())
	must(f.t, err)
	return n
}

func (f *fortnight) work() []localapi.WorkItem {
	f.t.Helper()
	list, err := f.book.Work(f.t.Context(), true)
	must(f.t, err)
	return list
}

// powerCut copies the files between a tap's entry in the site book and its record, and goes on from the copy.
func (f *fortnight) powerCut() {
	f.t.Helper()
	newcomer := f.folk[crowdSize-1]
	if _, here := f.house.present[string(shelter)+"/"+newcomer.name]; here {
		f.t.Fatal("the newcomer is here already")
	}
	f.cut.at, f.cut.over = make(chan struct{}), make(chan struct{})
	f.desks[shelter].put(newcomer)
	<-f.cut.at
	synctest.Wait() // nothing moves
	copied := filepath.Join(f.t.TempDir(), "copied")
	must(f.t, copyFiles(f.dir, copied))
	close(f.cut.over)
	if e := <-f.desks[shelter].told; e.Type != localapi.EventReadFailed || e.Failure != localapi.FailureJournal {
		f.t.Errorf("a tap whose record is not durable: %s %s, want failed", e.Type, e.Failure)
	}
	f.crash()
	f.silent(copied)
	f.machine.boot("second", time.Unix(0, 0))
	f.box = open(f.t, f.office, f.machine, copied)
	f.house.locked, f.house.signedIn, f.last = true, time.Time{}, time.Time{}
	f.underLock()
	f.eachOnce("after the power cut", len(f.ledger)-takenOnline)
	if work := f.work(); len(work) != 1 {
		f.t.Errorf("after the power cut %d corrections, want 1: a work list names nobody and needs no key", len(work))
	}
}

// copyFiles copies a folder's files as they are now, with who may read them.
func copyFiles(from, to string) error {
	return filepath.WalkDir(from, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(from, path)
		if err != nil || e.IsDir() {
			return errors.Join(err, os.MkdirAll(filepath.Join(to, name), 0o700))
		}
		b, err := os.ReadFile(path)
		return errors.Join(err, os.WriteFile(filepath.Join(to, name), b, 0o600))
	})
}

// eachOnce wants the journal, which has checked itself when it was opened, to hold what the counter was told, each tap once, and nothing
// else; and so many records to wait (P2).
func (f *fortnight) eachOnce(when string, waiting int) {
	f.t.Helper()
	rows, err := f.journal.Taps(f.t.Context(), 2*taps)
	must(f.t, err)
	ids, seen := map[record.ID]bool{}, map[record.TapID]bool{}
	for _, r := range rows {
		s, ok := f.ledger[r.Tap]
		if !ok || s.tap.First != (localapi.Outcome{Verdict: r.Verdict, Reason: r.Reason}) || !s.tap.Time.Equal(r.Time) ||
			s.tap.Record != localapi.RecordID(r.ID) {
			f.t.Fatalf("%s: the journal has a tap that nobody was told of as it stands there", when)
		}
		ids[r.ID], seen[r.Tap] = true, true
	}
	if len(rows) != len(f.ledger) || len(ids) != len(rows) || len(seen) != len(rows) || len(f.journal.SetAside()) != 0 {
		f.t.Errorf("%s: %d rows with %d ids and %d taps, %d were told; %v set aside", when, len(rows), len(ids), len(seen), len(f.ledger),
			f.journal.SetAside())
	}
	if f.waiting() != uint64(waiting) { //nolint:gosec // a count
		f.t.Errorf("%s: %d records wait, want %d", when, f.waiting(), waiting)
	}
}

// kept wants everything to be there that staff must see.
func (f *fortnight) kept(when string) {
	f.t.Helper()
	ctx := f.t.Context()
	f.eachOnce(when, len(f.ledger)-takenOnline)
	here, err := f.book.Present(ctx)
	must(f.t, err)
	for _, p := range here {
		s, ok := f.ledger[p.Tap]
		if !ok {
			f.t.Fatalf("%s: somebody is on the presence list by a tap that has no record", when)
		}
		if f.house.present[s.key()] != p.Tap || !p.Since.Equal(s.said) || p.Service != s.service {
			f.t.Errorf("%s: %s is on the presence list, and is not here since then", when, s.who.name)
		}
	}
	staff, err := f.book.Staff(ctx)
	must(f.t, err)
	n, err := f.book.People(ctx)
	must(f.t, err)
	if len(here) != len(f.house.present) || len(staff) != 1 || staff[0].Name != deskName || n != len(f.house.here) || f.rosters.Len() != 4 {
		f.t.Errorf("%s: %d are present, want %d; %d members of staff, want 1; %d enrolled here, want %d; %d on the roster, want 4", when,
			len(here), len(f.house.present), len(staff), n, len(f.house.here), f.rosters.Len())
	}
	owner, ok, err := f.box.people.ByNumber(ctx, library, numberTwo)
	if err != nil || !ok || owner.Enrolled != f.enrolled("taro") {
		f.t.Errorf("%s: the linked number is not taro's: %v %v", when, ok, err)
	}
	if _, ok, err := f.box.people.ByNumber(ctx, library, numberOne); err != nil || ok {
		f.t.Errorf("%s: the number that was taken back is somebody's: %v", when, err)
	}
	if len(f.work()) != 1 {
		f.t.Errorf("%s: %d corrections, want 1", when, len(f.work()))
	}
}

// enrolled is the tap of somebody's enrolment.
func (f *fortnight) enrolled(key string) record.TapID {
	for _, tap := range f.told {
		if s := f.ledger[tap]; s.enrol != nil && s.who.name == key {
			return tap
		}
	}
	return record.TapID{}
}

// reunite brings the line back: every record reaches central, is opened and settled, or as many as fit into the time of a test, and the box
// hears of it.
func (f *fortnight) reunite() {
	f.t.Helper()
	stop := f.connect()
	for n := 0; f.waiting() > 0 && n < 600; n++ {
		time.Sleep(time.Second)
	}
	stop()
	if n := f.office.Counts(); f.waiting() != 0 || int(n.Records)+int(n.Ready) != len(f.ledger) || n.Held != 0 {
		f.t.Errorf("%d records wait after a push of %d; central has %+v", f.waiting(), len(f.ledger), n)
	}
	f.office.some(settledAtMost)
	for n := 0; n < 30 && f.office.Counts().Ready > 0 && !f.office.tired(); n++ {
		f.office.work()
		time.Sleep(10 * time.Minute) // what waits for an enrolment is asked for again
	}
	stop = f.connect()
	time.Sleep(time.Minute)
	stop()
	must(f.t, f.box.people.Settle(f.t.Context()))
	f.settled()
}

// settled wants central's last word on a tap to be the right one, and what staff have to look at.
func (f *fortnight) settled() {
	f.t.Helper()
	ctx := f.t.Context()
	rows, err := f.journal.Taps(ctx, 2*taps)
	must(f.t, err)
	settled, corrected := 0, 0
	for _, r := range rows {
		final, ok, err := f.desired.Final(ctx, r.ID)
		if must(f.t, err); !ok {
			continue
		}
		settled++
		s := f.ledger[r.Tap]
		if want := f.house.settles(s.visit, s.tap.First); final.Verdict != want {
			f.t.Fatalf("%s at %s on %s, %s %s: settled as %s %s, want %s", s.who.name, s.service, s.said, s.tap.First.Verdict,
				s.tap.First.Reason, final.Verdict, final.Reason, want)
		}
		if s.tap.First.CorrectedBy(localapi.Outcome{Verdict: final.Verdict, Reason: final.Reason}) {
			corrected++
		}
	}
	n, whole := f.office.Counts(), !f.office.tired()
	if int(n.Records) != settled || whole && settled != len(f.ledger) || settled < min(settledAtMost, len(f.ledger)) || len(f.work()) != corrected {
		f.t.Errorf("%d of %d records are settled at central, %d here, all of them: %v; %d are to be looked at, want %d", n.Records,
			len(f.ledger), settled, whole, len(f.work()), corrected)
	}
	if reports := f.office.Reports(&simbox.Box{ID: f.identity.Box}); len(reports) != 0 {
		f.t.Errorf("central has %d reports of this box, want none: %v", len(reports), reports)
	}
	if f.t.Logf("%d of %d records settled, %d corrected", settled, len(rows), corrected); whole {
		f.confirmed()
	}
}

// confirmed wants nobody to be enrolled at this box alone any more.
func (f *fortnight) confirmed() {
	f.t.Helper()
	here, err := f.book.People(f.t.Context())
	if must(f.t, err); here != 0 || f.rosters.Len() != 7 {
		f.t.Errorf("%d enrolled here only, %d on the roster, want 0 and 7", here, f.rosters.Len())
	}
	for _, key := range []string{"taro", "nao", "chika"} {
		if f.office.PPID(&simbox.Box{ID: f.identity.Box}, f.enrolled(key)) == "" {
			f.t.Errorf("%s has no PPID", key)
		}
	}
}

// report wants every sentence to have been said, and prints how often.
func (f *fortnight) report() {
	f.t.Helper()
	var b strings.Builder
	for _, s := range append(sentences, sentence{words: again}) {
		if f.house.counts[s.words] == 0 {
			f.t.Errorf("%q was never said: the fortnight shows nothing of it", s.words)
		}
		fmt.Fprintf(&b, "\n%6d  %s", f.house.counts[s.words], s.words)
	}
	f.t.Logf("%d taps%s", len(f.ledger), b.String())
}
