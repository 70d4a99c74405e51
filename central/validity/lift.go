package validity

import (
	"context"
	"fmt"
	"time"

	"kazashi.example/reader/jpki"
	"kazashi.example/sync/certid"
	"kazashi.example/sync/content"
	"kazashi.example/sync/record"
)

// Held is a refusal because a certificate was on hold.
type Held struct {
	From, To time.Time // the tap was at some moment of these, both included
	Answered time.Time // thisUpdate of what said so; zero: nobody was asked here
	NotAfter time.Time // the end of the certificate, with which an entry may leave the lists
}

// Lift is what the lists that came since say of a hold. Both may be true, and often neither is.
type Lift struct {
	// Never: the certificate was not on hold at any moment of the tap. A list that was made by the tap came late, and says less than the one
	// that counted until then. Told only where every set that counts could be asked.
	Never bool
	// Lifted: the newest set, whose lists were all made after the tap and after the answer, has no entry of the certificate any more; and its
	// end is not why: it has not ended now, nor by the time of those lists, so that its holder may tap again.
	Lifted bool
}

// Lift looks at a hold again by the lists alone: a responder knows the present, and does not say since when. ErrIssuer, or ErrNobody.
func (a *Authority) Lift(_ context.Context, id certid.CertID, issuer content.Issuer, h Held) (Lift, error) {
	cert := a.issuer(id.Scope, issuer)
	if cert == nil {
		return Lift{}, fmt.Errorf("%w: %s", ErrIssuer, id.Scope)
	}
	past, err := a.Lists.AsOf(id.Scope, id.Serial, h.From, h.To) // of a gap nothing is logged: every look would meet it again
	if err != nil {
		return Lift{}, fmt.Errorf("%w: %w", ErrNobody, err)
	}
	n, since, now := past.Newest, h.To, a.Now()
	if h.Answered.After(since) {
		since = h.Answered
	}
	// With partitions ThisUpdate is that of the oldest list, and the certificate's own may have been made after its end: now counts as well.
	ended := !now.Before(h.NotAfter) || !n.ThisUpdate.Before(h.NotAfter)
	speaks := n.ThisUpdate.After(since) && !ended && !n.NextUpdate.Before(now) && n.Covers(jpki.KeyIDOf(cert))
	return Lift{
		Never:  past.Answer == record.AnswerNotRevoked && past.Whole, // so there is no gap
		Lifted: speaks && !n.Listed,
	}, nil
}
