package world

import (
	"math/big"
	"math/rand/v2"
	"time"

	"kazashi.example/central/lab/world/people"
	"kazashi.example/central/lab/world/pki"
	"kazashi.example/sync/certid"
)

// formerDays is how far back Former goes: no certificate of that age has expired.
const formerDays = 1000

// Former are lines of a purpose's list about certificates that nobody here holds: of people who moved away or died, one for each of the
// last thousand days. Nearly all of a national list is such lines. They are always the same in one world; the responder does not know
// them. Only today's generation has them; generation 0 is all together.
func (w *World) Former(p certid.Purpose, gen int) []pki.Entry {
	if gen != 0 && gen != current(p) {
		return nil
	}
	g, day := generationOf(p, current(p)), dayOf(w.made)
	reasons := []pki.Reason{pki.CessationOfOperation, pki.CessationOfOperation, pki.Superseded, pki.AffiliationChanged}
	out := make([]pki.Entry, 0, formerDays)
	for ago := formerDays; ago > 0; ago-- {
		r := rand.New(rand.NewPCG(uint64(p), uint64(ago)))
		end := day.AddDate(0, 0, -1-r.IntN(ago)).Add(time.Duration(r.IntN(24*3600)) * time.Second)
		out = append(out, pki.Entry{
			Serial: big.NewInt(int64(g.serial(day, day.AddDate(0, 0, -ago), people.Max))), At: end.UTC(), Reason: reasons[r.IntN(len(reasons))],
		})
	}
	return out
}
