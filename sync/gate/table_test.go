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
	full   = 72 * time.Hour
	most   = 7 * 24 * time.Hour
	within = 24 * time.Hour
)

var (
	now    = time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC)
	worlds = []certid.Hierarchy{certid.HierarchyProduction}

	// demands are the bases with every evidence that makes a difference to them.
	demands = []rule.Rule{
		{Basis: record.BasisArt384, Evidence: record.EvidenceCard, TooOld: rule.TooOldRefuse},
		{Basis: record.BasisArt384, Evidence: record.EvidenceCardBound, TooOld: rule.TooOldRefuse},
		{Basis: record.BasisArt384, Evidence: record.EvidencePIN, TooOld: rule.TooOldRefuse},
		{Basis: record.BasisPIN, Evidence: record.EvidencePIN, TooOld: rule.TooOldRefuse},
		{Basis: record.BasisDisasterIntake, Evidence: record.EvidenceCertificate, TooOld: rule.TooOldRecord},
		{Basis: record.BasisDisasterIntake, Evidence: record.EvidenceCard, TooOld: rule.TooOldRefuse},
		{Basis: record.BasisDrill, Evidence: record.EvidenceCertificate, TooOld: rule.TooOldRefuse, Practice: true},
		{Basis: record.BasisDrill, Evidence: record.EvidenceCard, TooOld: rule.TooOldRecord, Practice: true},
	}
	// uses by the rule's word for a second one, and by when the last was: both ends of the time belong to it.
	uses = []struct {
		word rule.SecondUse
		last time.Time
	}{
		{rule.SecondUseCounts, time.Time{}},
		{rule.SecondUseCounts, now},
		{rule.SecondUseTell, time.Time{}},
		{rule.SecondUseTell, now.Add(-within)},
		{rule.SecondUseTell, now.Add(-within - time.Second)},
		{rule.SecondUseTell, now.Add(within)},
		{rule.SecondUseTell, now.AddDate(73, 0, 0)}, // while the clock stood at 2099
		{rule.SecondUseRefuse, time.Time{}},
		{rule.SecondUseRefuse, now.Add(-within)},
		{rule.SecondUseRefuse, now.Add(-within - time.Second)},
		{rule.SecondUseRefuse, now.Add(within)},
		{rule.SecondUseRefuse, now.AddDate(73, 0, 0)},
	}
	// dates of a certificate as they stand to now; both ends belong to it (RFC 5280 §4.1.2.5).
	dates = []struct{ from, to time.Time }{
		{now.Add(-time.Hour), now.Add(time.Hour)},
		{now, now},
		{now.Add(time.Second), now.Add(time.Hour)},
		{now.Add(-time.Hour), now.Add(-time.Second)},
	}
	// lists by their age; the last is none.
	lists = []time.Time{
		now, now.Add(-full), now.Add(-full - time.Second), now.Add(-most), now.Add(-most - time.Second), now.Add(2 * time.Minute),
		now.Add(2*time.Minute + time.Millisecond),
		{},
	}
	hindrances = []record.Reason{
		0, record.ReasonNotEnrolled, record.ReasonCardDiffers,
		record.ReasonCardRefuses, record.ReasonCardNotGenuine, record.ReasonPINNotProved,
	}
	said = []record.Reason{
		record.ReasonInOrder, record.ReasonUsedAlready, record.ReasonAgain, record.ReasonNobodySignedIn, record.ReasonEnrolmentPending,
	}
)

// demand completes a rule of the table so that it is one that loads.
func demand(n, use int, signIn bool) rule.Rule {
	r := demands[n]
	r.Service, r.Verifier, r.Supervised, r.Hierarchies = "service", "city.example", true, worlds
	r.ListFull, r.ListProvisional = uint32(full/time.Second), uint32(most/time.Second)
	r.Retention.Book, r.SignIn = 90, signIn
	if r.SecondUse = uses[use].word; r.SecondUse != rule.SecondUseCounts {
		r.SecondWithin = uint32(within / time.Second)
	}
	return r
}

// rules are all those of the table, by demand, use and sign-in.
func rules(t *testing.T) (all [][][2]rule.Rule) {
	t.Helper()
	for d := range demands {
		var of [][2]rule.Rule
		for u := range uses {
			pair := [2]rule.Rule{demand(d, u, false), demand(d, u, true)}
			for _, r := range pair {
				if err := r.Check(); err != nil {
					t.Fatalf("the table asks for a rule that does not load: %v", err)
				}
			}
			of = append(of, pair)
		}
		all = append(all, of)
	}
	return all
}

// each visits every combination of numbers below sizes.
func each(sizes []int, visit func(at []int)) {
	at := make([]int, len(sizes))
	for {
		visit(at)
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

// inOrder is a card that nothing speaks against.
func inOrder() gate.Shown {
	return gate.Shown{
		Evidence: record.EvidencePIN, Chain: gate.ChainVerified, ProfileOK: true, Hierarchy: certid.HierarchyProduction,
		NotBefore: dates[0].from, NotAfter: dates[0].to,
	}
}

// atTheBox is the whole of what the box weighs of a sound certificate: basis and rule × evidence × roster × revocation × age of the list
// × confidence of the clock × second use × sign-in.
func atTheBox(all [][][2]rule.Rule, visit func(gate.Input)) {
	each([]int{len(demands), len(uses), 3, 5, 5, 3, 6, len(lists), 3}, func(at []int) {
		in := gate.Input{
			Rule: all[at[0]][at[1]][min(at[2], 1)], Ruled: true, Used: uses[at[1]].last, Staffed: at[2] == 2, Shown: inOrder(),
			Enrolment: gate.Enrolment(at[4]), Status: gate.Status{Answer: record.Answer(at[6]), ThisTime: lists[at[7]]},
			Clock: gate.Clock{Now: now, Confidence: record.Confidence(at[8])},
		}
		in.Shown.Evidence, in.Shown.Hindrance = record.Evidence(at[3]), hindrances[at[5]]
		visit(in)
	})
}

// atCentral is the same where central decides, by what the box said.
func atCentral(all [][][2]rule.Rule, visit func(gate.Input)) {
	told := []int{0, 3, 8} // what is said of a second use counts, not what central would say
	each([]int{len(demands), len(told), 2, 5, 5, 3, 6, 2, 3, len(said)}, func(at []int) {
		use := told[at[1]]
		in := gate.Input{
			Rule: all[at[0]][use][at[2]], Ruled: true, Used: uses[use].last, Shown: inOrder(), Final: true, Said: said[at[9]],
			Enrolment: gate.Enrolment(at[4]), Status: gate.Status{Answer: record.Answer(at[6]), ThisTime: lists[(len(lists)-1)*at[7]]},
			Clock: gate.Clock{Now: now, Confidence: record.Confidence(at[8])},
		}
		in.Shown.Evidence, in.Shown.Hindrance = record.Evidence(at[3]), hindrances[at[5]]
		visit(in)
	})
}

// ofTheCard is the whole of what a card shows: issuer × phone × profile × hierarchy × dates × evidence × hindrance, with and without a
// rule, a card and somebody at the desk, on the box and at central.
func ofTheCard(all [][][2]rule.Rule, visit func(gate.Input)) {
	answers := []record.Answer{record.AnswerNotRevoked, record.AnswerRevoked}
	each([]int{4, 2, 2, 4, len(dates), 5, len(hindrances), 2, 2, 2, 2, 2, 2, 3}, func(at []int) {
		visit(gate.Input{
			Rule: all[4*at[7]][0][0], Ruled: at[8] == 0, Cardless: at[9] == 1, Staffed: at[10] == 1, Enrolment: gate.EnrolmentCentral,
			Shown: gate.Shown{
				Evidence: record.Evidence(at[5]), Chain: gate.Chain(at[0]), Phone: at[1] == 1, ProfileOK: at[2] == 0,
				Hierarchy: certid.Hierarchy(at[3]), NotBefore: dates[at[4]].from, NotAfter: dates[at[4]].to, Hindrance: hindrances[at[6]],
			},
			Status: gate.Status{Answer: answers[at[11]], ThisTime: now}, Final: at[12] == 1,
			Clock: gate.Clock{Now: now, Confidence: record.Confidence(at[13])},
		})
	})
}

// P6, P7: over every combination the verdict is what the sentences say, whoever is accepted lacks nothing that the law asks for, and
// every sentence is needed.
func TestP6TheLawInSentences(t *testing.T) {
	reached := make([]int, len(sentences))
	all, combinations, acceptances, wrong := rules(t), 0, 0, 0
	check := func(in gate.Input) {
		f, i := factsOf(in), 0
		for !sentences[i].holds(&f) {
			i++
		}
		reached[i]++
		combinations++
		want := gate.Decision{Verdict: sentences[i].verdict, Reason: sentences[i].reason}
		if f.told() && want.Verdict != refused && !in.Cardless {
			want.Reason = record.ReasonAgain
		}
		got := gate.Decide(in)
		if got != want || (got.Verdict == accepted) != f.lawful() {
			if wrong++; wrong < 10 {
				t.Errorf("Decide(%+v) = %v %v, want %v %v: %s; lawful: %t", in, got.Verdict, got.Reason, want.Verdict, want.Reason,
					sentences[i].words, f.lawful())
			}
		}
		if got.Verdict == accepted {
			acceptances++
		}
	}
	atTheBox(all, check)
	atCentral(all, check)
	ofTheCard(all, check)
	for i, n := range reached {
		if n == 0 {
			t.Errorf("no input reaches %q", sentences[i].words)
		}
	}
	t.Logf("gate: %d combinations, decided by %d sentences of the law; %d accepted, %d wrong",
		combinations, len(sentences), acceptances, wrong)
	if acceptances == 0 {
		t.Error("nothing was accepted at all")
	}
}
