package courier

import (
	"cmp"
	"slices"

	"kazashi.example/appliance/journal"
	"kazashi.example/sync/courier"
	"kazashi.example/sync/record"
)

// covered is which records parcels on a stick carry, ascending and without overlap for each epoch.
type covered map[record.EpochID][]courier.Cover

func (c covered) add(all []courier.Cover) {
	for _, n := range all {
		c[n.Epoch] = append(c[n.Epoch], n)
	}
}

// merge puts what was added in order.
func (c covered) merge() {
	for id, all := range c {
		slices.SortFunc(all, func(a, b courier.Cover) int { return cmp.Compare(a.First, b.First) })
		merged := all[:1]
		for _, n := range all[1:] {
			last := &merged[len(merged)-1]
			if n.First <= last.Last+1 {
				last.Last = max(last.Last, n.Last)
				continue
			}
			merged = append(merged, n)
		}
		c[id] = merged
	}
}

// lacking is the stretches from first to last that no parcel carries.
func (c covered) lacking(id record.EpochID, first, last record.Seq) (holes []courier.Cover) {
	for _, n := range c[id] {
		if n.Last < first {
			continue
		}
		if n.First > last {
			break
		}
		if n.First > first {
			holes = append(holes, courier.Cover{Epoch: id, First: first, Last: n.First - 1})
		}
		first = n.Last + 1
	}
	if first <= last {
		holes = append(holes, courier.Cover{Epoch: id, First: first, Last: last})
	}
	return holes
}

// runOf is a run of the journal as a parcel carries it.
func runOf(r journal.Run) courier.Run {
	return courier.Run{Header: r.Header, First: r.First, Previous: r.Previous, Sealed: r.Sealed, After: r.After}
}

// cut is the parts of a run that are lacking. Only a run that is lacking in part is packed anew.
func cut(r courier.Run, holes []courier.Cover) ([]courier.Run, error) {
	if len(holes) == 1 && holes[0].First == r.First && holes[0].Last == r.Last() {
		return []courier.Run{r}, nil
	}
	if len(holes) == 0 {
		return nil, nil
	}
	envelopes, err := r.Envelopes()
	if err != nil {
		return nil, err
	}
	var parts []courier.Run
	for _, h := range holes {
		p, err := courier.Pack(r.Header, envelopes[h.First-r.First:h.Last-r.First+1])
		if err != nil {
			return nil, err
		}
		parts = append(parts, p)
	}
	return parts, nil
}
