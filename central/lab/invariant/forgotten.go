package invariant

import "slices"

// own are the epochs that a box wrote itself, in order.
func (b *boxFacts) own() []*written {
	return slices.DeleteFunc(slices.Clone(b.epochs), func(w *written) bool { return w.n < 0 })
}

// waiting wants so many records at least to be there with their octets.
func (c *checker) waiting(b *boxFacts, least int) {
	n := 0
	for _, w := range b.epochs {
		for _, here := range w.here {
			if here {
				n++
			}
		}
	}
	if n < least {
		c.violate(Deleted, b.path, "%d records are there, and %d must wait", n, least)
	}
}

// forgotten wants what a journal no longer names, and named before, to be safe: the numbers before its first rows, and the epochs before its
// oldest one, back to where it began or to a loss. A box that has not heard of central's present epoch goes by an older word.
func (c *checker) forgotten(b *boxFacts) {
	own := b.own()
	if b.central != c.central.epoch || len(own) == 0 {
		return
	}
	for i, w := range own {
		end := w.first
		switch {
		case end > 0:
			end--
		case i+1 < len(own) && own[i+1].head.before == w.head.epoch:
			end = own[i+1].head.last
		default:
			end = c.epochs[w.head.epoch].end
		}
		c.inBackup(b, w.head.epoch, end)
	}
	seen := map[id128]bool{}
	for h := &own[0].head; h != nil && h.lineage == lineageKnown && h.cause != causeSetAside && !seen[h.epoch]; {
		seen[h.epoch] = true
		c.inBackup(b, h.before, h.last)
		h = c.headOf(h.before)
	}
}

// headOf is an epoch's header, nil if none verified anywhere.
func (c *checker) headOf(epoch id128) *head {
	if e := c.epochs[epoch]; e != nil {
		return e.head
	}
	return nil
}

// inBackup wants an epoch to be safe at central, up to a number.
func (c *checker) inBackup(b *boxFacts, epoch id128, end uint64) {
	row, headed := c.central.epochs[epoch]
	headed = headed && row <= c.central.safeEpoch
	for seq := uint64(1); seq <= end; seq++ {
		at := number{epoch, seq}
		safe := func(l link) bool { return l.row <= c.central.safeEnvelope }
		if !headed || !slices.ContainsFunc(c.central.links[at], safe) {
			c.violate(Deleted, b.path, "record %s is forgotten, and is in no backup", at)
		}
	}
}

// takenAlong reports whether a journal that was lost or set aside may have had an epoch: one that does not continue the epoch that began
// after the loss.
func (c *checker) takenAlong(box, epoch id128) bool {
	if c.asides[box] > len(c.breaks[box]) {
		return true // the last one, after which none began yet
	}
	after := 0
	seen := map[id128]bool{}
	for id := epoch; !seen[id]; {
		seen[id] = true
		if c.breaks[box][id] {
			after++
		}
		h := c.headOf(id)
		if h == nil || h.lineage != lineageKnown {
			break
		}
		id = h.before
	}
	return after < len(c.breaks[box])
}
