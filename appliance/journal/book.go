package journal

import (
	"cmp"
	"slices"

	"kazashi.example/sync/epoch"
	"kazashi.example/sync/record"
	"kazashi.example/sync/rule"
)

// seqBits is the share of a row's number that the sequence number takes: 2^40 records an epoch, 2^23 epochs a journal (at one
// an hour more than 900 years).
const seqBits = 40

const seqMask = 1<<seqBits - 1

// pack makes the number of a record's row: rows stand in the order in which they were written, and one b-tree is enough.
func pack(n int64, s record.Seq) int64 { return n<<seqBits | int64(s&seqMask) }

func unpack(id int64) (n int64, s record.Seq) { return id >> seqBits, record.Seq(id & seqMask) }

// idRange is a run of row numbers, inclusive; the zero value is empty.
type idRange struct{ first, last int64 }

func (r idRange) has(id int64) bool { return r.last != 0 && id >= r.first && id <= r.last }

// birth says how the database came to be, for its first epoch.
type birth struct {
	lineage epoch.Lineage
	cause   epoch.Cause
}

// pastBase is below the numbers of past epochs, which were taken over from elsewhere: they stand before all of this journal's own,
// in the order in which they came.
const pastBase = -1 << 22

// kept is one epoch of the journal and what is known of it.
type kept struct {
	n     int64 // order of opening on this box; below 0 for a past epoch
	id    record.EpochID
	root  epoch.Hash
	last  record.Seq // last durable record; 0 for none
	known uint64     // central epoch under which central is known to have the header; 0 for none

	received, safe spans // what central has acknowledged under the central epoch of the book; safe is part of received
	gone           spans // envelopes deleted here: they were safe, maybe by the word of a central before this one
	missing        spans // of a past epoch: records that never came here
}

// settled are the records that need not, or cannot, be sent.
func (k *kept) settled() spans { return k.received.and(k.gone).and(k.missing) }

// waiting counts the records that are left to send.
func (k *kept) waiting() uint64 { return uint64(k.last) - k.settled().len() }

// atRisk counts the records that would be lost with this disk.
func (k *kept) atRisk() uint64 { return uint64(k.last) - k.safe.and(k.gone).and(k.missing).len() }

func (k *kept) unsafe() bool { return k.atRisk() > 0 }

// void forgets what central said before it was restored. What is deleted here cannot be sent again, and is not known to be safe any more.
func (k *kept) void() { k.received, k.safe, k.known = nil, nil, 0 }

// book is what the journal knows without looking: which epochs there are, how far they go and what central said of them. It is
// read from the database at the start and changed only after a commit returned.
type book struct {
	birth   birth
	version rule.Version // newest acknowledgement
	epochs  []*kept      // ascending
	byID    map[record.EpochID]*kept
}

// last is the newest epoch of this journal's own; nil if there is none.
func (b *book) last() *kept {
	if len(b.epochs) == 0 || b.epochs[len(b.epochs)-1].n < 0 {
		return nil
	}
	return b.epochs[len(b.epochs)-1]
}

// nextPast is the number of the next past epoch.
func (b *book) nextPast() int64 {
	i, _ := b.find(0)
	if i == 0 {
		return pastBase
	}
	return b.epochs[i-1].n + 1
}

func (b *book) find(n int64) (int, bool) {
	return slices.BinarySearchFunc(b.epochs, n, func(k *kept, n int64) int { return cmp.Compare(k.n, n) })
}

func (b *book) lastN() int64 {
	if k := b.last(); k != nil {
		return k.n
	}
	return 0
}

func (b *book) byN(n int64) *kept {
	if i, ok := b.find(n); ok {
		return b.epochs[i]
	}
	return nil
}

// put replaces what is known of an epoch, or adds it.
func (b *book) put(k kept) {
	if was := b.byN(k.n); was != nil {
		*was = k
		return
	}
	b.add(&k)
}

func (b *book) add(k *kept) {
	if b.byID == nil {
		b.byID = make(map[record.EpochID]*kept)
	}
	i, _ := b.find(k.n)
	b.epochs = slices.Insert(b.epochs, i, k)
	b.byID[k.id] = k
}

// appended notes a record, and its epoch if it is the first of it.
func (b *book) appended(n int64, id record.ID, root epoch.Hash) {
	k := b.last()
	if k == nil || k.n != n {
		k = &kept{n: n, id: id.Epoch, root: root}
		b.add(k)
	}
	k.last = id.Seq
}
