package rule

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"kazashi.example/sync/certid"
	"kazashi.example/sync/record"
)

// ErrRule says that a rule contradicts itself or its legal basis.
var ErrRule = errors.New("rule contradicts its basis")

// Limits of a tap without PIN. The law asks for the check on every tap (JPKI Act Art. 38-4 (1)) and the national list is made daily.
const (
	// Art384ListLimit is the oldest list on which such a tap may be accepted fully: three days cover a long weekend's lost line.
	Art384ListLimit = 72 * time.Hour
	// Art384ProvisionalLimit is the oldest list on which it may be accepted provisionally, to be checked by central as soon as it
	// can: the two weeks that shelters have been without a line, and one more to come back.
	Art384ProvisionalLimit = 21 * 24 * time.Hour
)

// Check returns ErrRule, with the fault, unless the rule may load. Whether a rule with NeedsApproval has one is not looked at.
func (r Rule) Check() error {
	if err := errors.Join(record.CheckName(r.Service), record.CheckName(r.Verifier)); err != nil {
		return fmt.Errorf("%w: %w", ErrRule, err)
	}
	for _, check := range []func() string{r.words, r.cards, r.list, r.art384, r.second, r.attributes, r.retention} {
		if fault := check(); fault != "" {
			return fmt.Errorf("%w: service %s: %s", ErrRule, r.Service, fault)
		}
	}
	return nil
}

func (r Rule) words() string {
	switch {
	case !r.Basis.Valid():
		return "unknown basis"
	case !r.Evidence.Valid() || r.Evidence == record.EvidenceNone:
		return "unknown evidence"
	case r.TooOld != TooOldRefuse && r.TooOld != TooOldRecord:
		return "nothing said about a list that is too old"
	case r.Basis == record.BasisPIN && r.Evidence != record.EvidencePIN:
		return "basis pin asks for evidence pin"
	case r.Practice != (r.Basis == record.BasisDrill):
		return "practice services have basis drill, and only they"
	default:
		return ""
	}
}

func (r Rule) cards() string {
	if len(r.Hierarchies) == 0 {
		return "no card hierarchy is taken"
	}
	for _, h := range r.Hierarchies {
		if !h.Valid() {
			return "unknown hierarchy"
		}
		if h != certid.HierarchyProduction && !r.Practice {
			return "practice and test cards are taken by practice services only"
		}
	}
	return ""
}

func (r Rule) list() string {
	switch {
	case r.ListProvisional < r.ListFull:
		return "a list counts fully for longer than provisionally"
	case r.TooOld == TooOldRecord && r.Basis != record.BasisDisasterIntake && r.Basis != record.BasisDrill:
		return "only a shelter's reception, or practice, may write down without asking the card's state"
	default:
		return ""
	}
}

// art384 holds the law's conditions for a tap without PIN.
func (r Rule) art384() string {
	switch {
	case r.Basis != record.BasisArt384:
		return ""
	case r.Evidence < record.EvidenceCardBound:
		return "art38-4 asks for evidence card at least, or card-bound with a legal approval"
	case !r.Supervised:
		return "art38-4 asks for a supervised place"
	case seconds(r.ListFull) > Art384ListLimit:
		return "art38-4 does not allow a list that old"
	case seconds(r.ListProvisional) > Art384ProvisionalLimit:
		return "art38-4 does not allow a list that old, not even provisionally"
	default:
		return ""
	}
}

func (r Rule) second() string {
	switch {
	case r.SecondUse > SecondUseRefuse:
		return "unknown word about a second use"
	case (r.SecondWithin > 0) != (r.SecondUse != SecondUseCounts):
		return "a second use has a time exactly where it matters"
	case r.Retention.Book > 0 && r.Within() > days(r.Retention.Book):
		return "a use is forgotten before the time is over in which a second one matters"
	default:
		return ""
	}
}

// attributes are lawful on every basis: each knows a visit with the PIN, on which somebody enrols and may consent to them. What a tap
// without PIN can never give, it is not asked for.
func (r Rule) attributes() string {
	switch {
	case !r.Attributes.Valid():
		return "unknown attribute"
	case (r.Attributes != 0) != (r.Consent != nil):
		return "attributes and the text of consent come together"
	case r.Consent == nil:
		return ""
	case blank(r.Consent.JA) || blank(r.Consent.EN):
		return "the text of consent is there in Japanese and English"
	case len(r.Consent.JA) > MaxConsent || len(r.Consent.EN) > MaxConsent:
		return "the text of consent is too long"
	default:
		return ""
	}
}

func (r Rule) retention() string {
	k := r.Retention
	switch {
	case max(k.Record, k.Book, k.Attributes) > MaxDays:
		return "kept for longer than a hundred years"
	case r.Basis == record.BasisDisasterIntake && k.Book == 0:
		return "a shelter says for how long its site book is kept"
	case k.Attributes > 0 && r.Attributes == 0:
		return "attributes are kept, and none are read"
	case k.Record > 0 && k.Attributes > k.Record:
		return "attributes are kept for longer than their record"
	default:
		return ""
	}
}

func blank(s string) bool            { return strings.TrimSpace(s) == "" }
func seconds(n uint32) time.Duration { return time.Duration(n) * time.Second }
func days(n uint32) time.Duration    { return time.Duration(n) * 24 * time.Hour }
