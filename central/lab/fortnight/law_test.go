package fortnight_test

import (
	"slices"
	"time"

	"kazashi.example/localapi"
	"kazashi.example/sync/record"
)

// What the site's rules are, in hours, once more and apart from the rules: this is what was promised to people.
const (
	listCounts = 72 * time.Hour  // a list this old still counts fully
	listServes = 240 * time.Hour // and one this old for the time being
	stays      = 6 * time.Hour   // who comes to the shelter again within this is told of
	oneMeal    = 4 * time.Hour   // within which there is one meal
	shift      = 12 * time.Hour  // a sign-in counts
)

// visit is one laying of a card, with what the box said of the time.
type visit struct {
	service record.ServiceID
	who     *somebody
	pin     bool
	said    time.Time // by the box's clock
	knows   record.Confidence
}

// house is what is true at the site, kept by the test on its own.
type house struct {
	locked   bool
	signedIn time.Time // true time
	central  map[string]bool
	here     map[string]bool         // enrolled since the line was cut
	used     map[string][]time.Time  // by service and name, as they came
	present  map[string]record.TapID // by service and name: the first use since the last leaving
	revoked  map[string]bool         // by the box's list
	late     map[string]bool         // by central alone
	numbers  map[string]string       // the library's, by name
	counts   map[string]int          // of each sentence
}

func newHouse() *house {
	return &house{
		central: map[string]bool{}, here: map[string]bool{}, used: map[string][]time.Time{}, present: map[string]record.TapID{},
		revoked: map[string]bool{}, late: map[string]bool{}, numbers: map[string]string{}, counts: map[string]int{},
	}
}

// sentence is said of a visit where it holds and none before it does.
type sentence struct {
	words   string
	holds   func(h *house, v visit) bool
	verdict record.Verdict
	reason  record.Reason
}

func (v visit) age() time.Duration { return v.said.Sub(start) }
func (v visit) bound() bool        { return v.service == library && !v.pin }
func (v visit) counted() bool      { return v.service == shelter || v.service == meals }
func (v visit) key() string        { return string(v.service) + "/" + v.who.name }

// within says that the person used the service that shortly before, by the box's own times. The latest counts that is not further ahead.
func (h *house) within(v visit, d time.Duration) bool {
	for _, at := range slices.Backward(h.used[v.key()]) {
		if apart := v.said.Sub(at); apart >= -d {
			return !h.locked && apart <= d
		}
	}
	return false
}

var sentences = []sentence{
	{"the kiosk's approval ran out, and its rule with it", func(_ *house, v visit) bool {
		return v.service == kiosk && v.said.After(start.Add(approvedFor))
	}, record.VerdictRefused, record.ReasonNoRule},
	{"until then it took national cards, and these are for practice", func(_ *house, v visit) bool {
		return v.service == kiosk
	}, record.VerdictRefused, record.ReasonHierarchy},
	{"nobody is at the clerk's desk", func(h *house, v visit) bool {
		return v.service == clerk && !truth().Before(h.signedIn.Add(shift))
	}, record.VerdictRefused, record.ReasonNobodySignedIn},
	{"without the PIN nobody is recognised under lock", func(h *house, v visit) bool {
		return v.bound() && h.locked
	}, record.VerdictRefused, record.ReasonRosterLocked},
	{"without the PIN nobody is who never enrolled", func(h *house, v visit) bool {
		return v.bound() && !h.central[v.who.name] && !h.here[v.who.name]
	}, record.VerdictRefused, record.ReasonNotEnrolled},
	{"the list speaks against the card, however old it is", func(h *house, v visit) bool {
		return h.revoked[v.who.name]
	}, record.VerdictRefused, record.ReasonRevoked},
	{"one meal within four hours, by a clock of which central said what four hours are", func(h *house, v visit) bool {
		return v.service == meals && h.within(v, oneMeal) && v.knows == record.ConfidenceChecked
	}, record.VerdictRefused, record.ReasonUsedAlready},
	{"after ten days without a list library and clerk refuse", func(_ *house, v visit) bool {
		return v.age() > listServes && (v.service == library || v.service == clerk)
	}, record.VerdictRefused, record.ReasonListTooOld},
	{"and shelter and door write down", func(_ *house, v visit) bool {
		return v.age() > listServes
	}, record.VerdictRecorded, record.ReasonListTooOld},
	{"after three days everybody is served until central has looked", func(_ *house, v visit) bool {
		return v.age() > listCounts
	}, record.VerdictProvisional, record.ReasonListOld},
	{"and by a clock that knows nothing at once", func(_ *house, v visit) bool {
		return v.knows == record.ConfidenceNone
	}, record.VerdictProvisional, record.ReasonClockPoor},
	{"an enrolment that central has not seen serves until it has", func(h *house, v visit) bool {
		return v.bound() && !h.central[v.who.name]
	}, record.VerdictProvisional, record.ReasonEnrolmentPending},
	{"under lock nobody can say who was here before", func(h *house, v visit) bool {
		return h.locked && v.counted()
	}, record.VerdictProvisional, record.ReasonRosterLocked},
	{"everything is in order", func(*house, visit) bool { return true }, record.VerdictAccepted, record.ReasonInOrder},
}

// again is said of whoever was served, instead of another reason.
const again = "who was here before is served and told of"

// expects is what must be said of a visit.
func (h *house) expects(v visit) localapi.Outcome {
	for _, s := range sentences {
		if !s.holds(h, v) {
			continue
		}
		o := localapi.Outcome{Verdict: s.verdict, Reason: s.reason}
		tells := v.service == shelter && h.within(v, stays) || v.service == meals && h.within(v, oneMeal)
		if tells && s.verdict != record.VerdictRefused {
			h.counts[again]++
			o.Reason = record.ReasonAgain
		}
		h.counts[s.words]++
		return o
	}
	return localapi.Outcome{}
}

// remember keeps what a served visit leaves in the house.
func (h *house) remember(v visit, tap record.TapID, o localapi.Outcome) {
	if o.Verdict == record.VerdictRefused || !v.counted() || h.locked {
		return
	}
	h.used[v.key()] = append(h.used[v.key()], v.said)
	if _, ok := h.present[v.key()]; !ok {
		h.present[v.key()] = tap
	}
}

// settles is central's last word: it knows who was revoked, and the list of the day. Nobody was asked for more than the certificate whom the
// box refused, so that only the clerk's people are cleared in the end.
func (h *house) settles(v visit, first localapi.Outcome) record.Verdict {
	cleared := first.Verdict != record.VerdictRefused || first.Reason == record.ReasonListTooOld && v.service == clerk
	if !cleared || h.late[v.who.name] || h.revoked[v.who.name] {
		return record.VerdictRefused
	}
	return record.VerdictAccepted
}
