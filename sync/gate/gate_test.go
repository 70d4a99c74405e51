package gate_test

import (
	"testing"
	"time"

	"kazashi.example/sync/certid"
	"kazashi.example/sync/gate"
	"kazashi.example/sync/record"
	"kazashi.example/sync/rule"
)

const (
	full = 72 * time.Hour
	most = 7 * 24 * time.Hour
)

var (
	now     = time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC)
	worlds  = []certid.Hierarchy{certid.HierarchyProduction}
	demands = []rule.Rule{ // one a basis; the gate takes them as they are, rule.Check has let them in
		{Basis: record.BasisArt384, Evidence: record.EvidenceCard, Supervised: true},
		{Basis: record.BasisPIN, Evidence: record.EvidencePIN},
		{Basis: record.BasisDisasterIntake, Evidence: record.EvidenceCertificate},
		{Basis: record.BasisDrill, Evidence: record.EvidenceCertificate, Practice: true},
	}
)

// dates of a certificate as they stand to now.
var dates = []struct {
	from, to time.Time
}{
	{now.Add(-time.Hour), now.Add(time.Hour)},
	{now, now}, // both ends belong to it (RFC 5280 §4.1.2.5)
	{now.Add(time.Second), now.Add(time.Hour)},
	{now.Add(-time.Hour), now.Add(-time.Second)},
}

// lists by their age; the last is none.
var lists = []time.Time{
	now, now.Add(-full), now.Add(-full - time.Second), now.Add(-most), now.Add(-most - time.Second), now.Add(time.Hour), {},
}

// inputs calls visit with every combination.
func inputs(visit func(gate.Input)) {
	sizes := []int{len(demands), 2, 2, 5, 5, 2, 4, len(dates), 6, len(lists), 3, 2, 4}
	at := make([]int, len(sizes))
	for {
		visit(input(at))
		i := 0
		for ; i < len(at); i++ {
			if at[i]++; at[i] < sizes[i] {
				break
			}
			at[i] = 0
		}
		if i == len(at) {
			return
		}
	}
}

func input(at []int) gate.Input {
	r := demands[at[0]]
	r.ListFull, r.ListProvisional = uint32(full/time.Second), uint32(most/time.Second)
	r.TooOld, r.Hierarchies = rule.TooOld(1+at[1]), worlds
	return gate.Input{
		Rule: r, Ruled: at[2] == 0,
		Shown: gate.Shown{
			Evidence: record.Evidence(at[3]), Chain: gate.Chain(at[4]), ProfileOK: at[5] == 0, Hierarchy: certid.Hierarchy(at[6]),
			NotBefore: dates[at[7]].from, NotAfter: dates[at[7]].to,
			Phone: at[12] == 1, Hindrance: []record.Reason{0, 0, record.ReasonNotEnrolled, record.ReasonCardDiffers}[at[12]],
		},
		Status: gate.Status{Answer: record.Answer(at[8]), ThisTime: lists[at[9]]},
		Clock:  gate.Clock{Now: now, Confidence: record.Confidence(at[10])},
		Final:  at[11] == 1,
	}
}

// sentence is one line of the rules in words: where it holds, and none before it does, this is said.
type sentence struct {
	words   string
	holds   func(facts) bool
	verdict record.Verdict
	reason  record.Reason
}

// facts of an input, named as the sentences name them.
type facts struct {
	gate.Input
	age                                time.Duration
	known, unknown, early, late, taken bool
}

func factsOf(in gate.Input) facts {
	s := in.Shown
	taken := false
	for _, h := range in.Rule.Hierarchies {
		taken = taken || h == s.Hierarchy
	}
	return facts{
		Input: in, age: in.Clock.Now.Sub(in.Status.ThisTime), taken: taken,
		known: s.Chain == gate.ChainVerified, unknown: s.Chain == gate.ChainIssuerUnknown,
		early: in.Clock.Now.Before(s.NotBefore), late: in.Clock.Now.After(s.NotAfter),
	}
}

var sentences = []sentence{
	{"without a rule nothing is asked of a card", func(f facts) bool { return !f.Ruled }, record.VerdictRefused, record.ReasonNoRule},
	{"the chain verifies or its issuer is not known here", func(f facts) bool { return !f.known && !f.unknown }, record.VerdictRefused, record.ReasonChainBroken},
	{"a phone's authority, when it is not known, has its own word", func(f facts) bool { return f.unknown && f.Shown.Phone }, record.VerdictRefused, record.ReasonPhone},
	{"it is an authentication certificate", func(f facts) bool { return !f.Shown.ProfileOK }, record.VerdictRefused, record.ReasonProfile},
	{"a known issuer is of a hierarchy that the service takes", func(f facts) bool { return f.known && !f.taken }, record.VerdictRefused, record.ReasonHierarchy},
	{"it has not run out", func(f facts) bool { return f.late }, record.VerdictRefused, record.ReasonExpired},
	{"it has begun, by a clock that was checked or by central", func(f facts) bool {
		return f.early && (f.Final || f.Clock.Confidence == record.ConfidenceChecked)
	}, record.VerdictRefused, record.ReasonNotYetValid},
	{"a false proof speaks against the card, whatever was asked for", func(f facts) bool {
		return f.Shown.Hindrance == record.ReasonCardDiffers
	}, record.VerdictRefused, record.ReasonCardDiffers},
	{"what kept the card from proving more is said", func(f facts) bool {
		return f.Shown.Evidence < f.Rule.Evidence && f.Shown.Hindrance != 0
	}, record.VerdictRefused, record.ReasonNotEnrolled},
	{"the card proved what the rule asks for", func(f facts) bool { return f.Shown.Evidence < f.Rule.Evidence }, record.VerdictRefused, record.ReasonEvidenceTooWeak},
	{"revoked is bad news at any age", func(f facts) bool { return f.Status.Answer == record.AnswerRevoked }, record.VerdictRefused, record.ReasonRevoked},
	{"so is on hold", func(f facts) bool { return f.Status.Answer == record.AnswerOnHold }, record.VerdictRefused, record.ReasonOnHold},
	{"so is expired", func(f facts) bool { return f.Status.Answer == record.AnswerExpired }, record.VerdictRefused, record.ReasonExpired},
	{"central knows every issuer there is", func(f facts) bool { return f.unknown && f.Final }, record.VerdictRefused, record.ReasonUnknownIssuer},
	{"the box leaves an issuer it does not know to central", func(f facts) bool { return f.unknown }, record.VerdictProvisional, record.ReasonIssuerNotVerified},
	{"central asks again until somebody answers", func(f facts) bool { return f.Final && f.Status.Answer != record.AnswerNotRevoked }, record.VerdictProvisional, record.ReasonStatusUnknown},
	{"as of the tap an answer has no age", func(f facts) bool { return f.Final }, record.VerdictAccepted, record.ReasonInOrder},
	{"nobody here speaks for the certificate", func(f facts) bool { return f.Status.Answer != record.AnswerNotRevoked }, record.VerdictProvisional, record.ReasonListMissing},
	{"beyond the last limit a shelter writes down", func(f facts) bool { return f.age > most && f.Rule.TooOld == rule.TooOldRecord }, record.VerdictRecorded, record.ReasonListTooOld},
	{"and everybody else refuses", func(f facts) bool { return f.age > most }, record.VerdictRefused, record.ReasonListTooOld},
	{"an old list is worth a provisional answer", func(f facts) bool { return f.age > full }, record.VerdictProvisional, record.ReasonListOld},
	{"so is a clock that knows nothing, or is behind the certificate", func(f facts) bool {
		return f.early || f.Clock.Confidence == record.ConfidenceNone
	}, record.VerdictProvisional, record.ReasonClockPoor},
	{"all is in order", func(facts) bool { return true }, record.VerdictAccepted, record.ReasonInOrder},
}

// P6, P7: over every combination the verdict is what the rules in words say, and every sentence is needed.
func TestP6DecidesAsTheRulesInWords(t *testing.T) {
	used := make([]int, len(sentences))
	wrong := 0
	inputs(func(in gate.Input) {
		f := factsOf(in)
		i := 0
		for !sentences[i].holds(f) {
			i++
		}
		used[i]++
		want := gate.Decision{Verdict: sentences[i].verdict, Reason: sentences[i].reason}
		if got := gate.Decide(in); got != want && wrong < 10 {
			wrong++
			t.Errorf("Decide(%+v) = %v %v, want %v %v: %s", in, got.Verdict, got.Reason, want.Verdict, want.Reason, sentences[i].words)
		}
	})
	for i, n := range used {
		if n == 0 {
			t.Errorf("no input reaches %q", sentences[i].words)
		}
	}
}

// P6, P7: nobody is accepted for less than everything, and everybody who shows everything is accepted.
func TestP6AcceptsExactlyWhatIsInOrder(t *testing.T) {
	accepted := 0
	inputs(func(in gate.Input) {
		f := factsOf(in)
		want := f.Ruled && f.known && f.taken && f.Shown.ProfileOK && !f.early && !f.late &&
			f.Shown.Hindrance != record.ReasonCardDiffers && f.Shown.Evidence >= f.Rule.Evidence && f.Status.Answer == record.AnswerNotRevoked &&
			(f.Final || f.age <= full && f.Clock.Confidence != record.ConfidenceNone)
		got := gate.Decide(in)
		if (got.Verdict == record.VerdictAccepted) != want {
			t.Fatalf("Decide(%+v) = %v %v, accepted should be %v", in, got.Verdict, got.Reason, want)
		}
		if !got.Verdict.Valid() || !got.Reason.Valid() || got != gate.Decide(in) {
			t.Fatalf("Decide(%+v) = %v %v: no word, or not the same twice", in, got.Verdict, got.Reason)
		}
		if want {
			accepted++
		}
	})
	if accepted == 0 {
		t.Error("nothing was accepted at all")
	}
}
