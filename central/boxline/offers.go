package boxline

import (
	"time"

	"kazashi.example/sync/certid"
	"kazashi.example/sync/record"
	"kazashi.example/sync/rule"
	"kazashi.example/sync/wire"
)

// offerAgain is how long an offer that a box was told is not repeated to it: a set takes its time on a thin line, and the box knows. An
// answer that was lost is made good then.
const offerAgain = time.Minute

// offered is what a box was told to fetch, and what it held then.
type offered struct {
	number   rule.Version
	manifest wire.BlobID
	from     rule.Version
	at       time.Time
}

// offers are the sets that the box lacks: all of them, if it was not told of one just now, or none. A poll that does not wait is that of a
// box that has started or had no line, and may know of nothing: it is told.
func (l *Line) offers(id record.BoxID, p wire.Poll) []wire.SetOffer {
	news := p.Wait == 0
	all, held := l.lackedSets(p)
	now := l.Now()
	for _, o := range all {
		scope := scopeOf(o)
		news = l.untold(id, scope, offered{o.Number, o.Manifest.ID, held[scope], now}) || news
	}
	if !news {
		return nil
	}
	return all
}

// lackedSets are the newest sets of the scopes in which the box has an older one or none, and what it has.
func (l *Line) lackedSets(p wire.Poll) (all []wire.SetOffer, held map[certid.Scope]rule.Version) {
	held = map[certid.Scope]rule.Version{}
	for _, s := range p.Sets {
		held[certid.Scope{Hierarchy: s.Hierarchy, Purpose: s.Purpose}] = s.Number
	}
	for _, o := range l.Desired.Offers(p.Sets) {
		if o.Number.Compare(held[scopeOf(o)]) <= 0 || len(all) == wire.MaxOffers {
			continue
		}
		if len(o.Deltas) > wire.MaxDeltas {
			o.Deltas = nil
		}
		all = append(all, o)
	}
	return all, held
}

func scopeOf(o wire.SetOffer) certid.Scope {
	return certid.Scope{Hierarchy: o.Hierarchy, Purpose: o.Purpose}
}

// untold reports whether a box was not told of an offer lately, and notes that it is.
func (l *Line) untold(id record.BoxID, scope certid.Scope, tell offered) (news bool) {
	l.with(id, func(p *peer) {
		was := p.offered[scope]
		same := was.number == tell.number && was.manifest == tell.manifest && was.from == tell.from
		news = !same || tell.at.Sub(was.at).Abs() >= offerAgain
		if !news {
			return
		}
		if p.offered == nil {
			p.offered = map[certid.Scope]offered{}
		}
		p.offered[scope] = tell
	})
	return news
}
