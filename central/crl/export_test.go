package crl

import (
	"context"

	"kazashi.example/sync/crlset"
)

// Unfit makes the first plan of each set this one, or every plan.
func Unfit(s *Store, every bool, p crlset.Plan) {
	unfit := func(context.Context, *making, news) (crlset.Plan, error) { return p, nil }
	s.plans = []planner{unfit, newPlan}
	if every {
		s.plans = []planner{unfit, unfit}
	}
}
