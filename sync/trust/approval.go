package trust

import (
	"fmt"
	"slices"
	"time"

	"kazashi.example/sync/record"
)

// MaxReference caps an approval's reference, in octets.
const MaxReference = 256

// Approval is a legal approval, signed with the bundle: this verifier may take the bound key's signature alone (evidence card-bound) for
// a tap under JPKI Act Art. 38-4. Without one such a rule does not load.
type Approval struct {
	Verifier  record.VerifierID `cbor:"1,keyasint"`
	Reference string            `cbor:"2,keyasint"`           // who approved and under which number, for people; at most 256 octets
	Until     int64             `cbor:"3,keyasint,omitempty"` // Unix seconds, the end included; 0: until it is withdrawn
}

// Approves reports whether the verifier has an approval that holds at a time. A zero time is a clock that knows no date: then the end is not
// judged, as with Bundle.Expires.
func (b Bundle) Approves(v record.VerifierID, at time.Time) bool {
	return slices.ContainsFunc(b.Approvals, func(a Approval) bool {
		return a.Verifier == v && (a.Until == 0 || at.IsZero() || at.Unix() <= a.Until)
	})
}

func checkApprovals(as []Approval) error {
	if len(as) > maxKeys {
		return fmt.Errorf("%w: %d approvals", ErrBundle, len(as))
	}
	seen := make(map[record.VerifierID]bool, len(as))
	for _, a := range as {
		if record.CheckName(a.Verifier) != nil || a.Reference == "" || len(a.Reference) > MaxReference || a.Until < 0 || seen[a.Verifier] {
			return fmt.Errorf("%w: approval", ErrBundle)
		}
		seen[a.Verifier] = true
	}
	return nil
}
