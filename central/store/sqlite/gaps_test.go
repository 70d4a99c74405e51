package sqlite_test

import (
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"kazashi.example/central/intake/simbox"
	"kazashi.example/central/store"
	"kazashi.example/central/store/sqlite"
	"kazashi.example/sync/epoch"
	"kazashi.example/sync/record"
	"kazashi.example/sync/seal"
)

// journal is what a slow model of the gaps is computed from.
type journal struct {
	order   []record.EpochID                        // headers, as they came
	headers map[record.EpochID]epoch.Predecessor    // what each says of the one before
	held    map[record.EpochID]map[record.Seq]int   // envelopes that count
	made    map[record.EpochID]map[record.Seq]uint8 // variants of one number, for different sums
}

// gaps counts every number of every epoch on its fingers.
func (j *journal) gaps() (want []store.Gap) {
	done := map[record.EpochID]bool{}
	add := func(id record.EpochID, headless bool) {
		if done[id] {
			return
		}
		done[id] = true
		if headless {
			want = append(want, store.Gap{Epoch: id, HeaderMissing: true})
		}
		var last record.Seq
		for seq := range j.held[id] {
			last = max(last, seq)
		}
		for _, p := range j.headers {
			if p.Epoch == id {
				last = max(last, p.LastSeq)
			}
		}
		open := false
		for seq := record.Seq(1); seq <= last; seq++ {
			missing := j.held[id][seq] == 0
			switch {
			case missing && open:
				want[len(want)-1].Last = seq
			case missing:
				want = append(want, store.Gap{Epoch: id, First: seq, Last: seq})
			}
			open = missing
		}
	}
	for _, id := range j.order {
		before := j.headers[id].Epoch
		if _, known := j.headers[before]; !known && !before.IsZero() {
			add(before, true)
		}
		add(id, false)
	}
	return want
}

// scene writes a random journal into a database. Epochs of several boxes lie mixed in it; each journal is one box's.
func scene(t *testing.T, tx store.Tx, r *rand.Rand, b *simbox.Box) *journal {
	t.Helper()
	j := &journal{
		headers: map[record.EpochID]epoch.Predecessor{}, held: map[record.EpochID]map[record.Seq]int{},
		made: map[record.EpochID]map[record.Seq]uint8{},
	}
	var ids []record.EpochID
	before := epoch.Predecessor{Lineage: epoch.LineageFirst}
	var headers []store.Epoch
	for range 1 + r.IntN(5) {
		e := b.Open(t, epoch.CauseStart, before)
		id := e.Signed.Header.Epoch
		ids = append(ids, id)
		if r.IntN(4) > 0 {
			headers = append(headers, store.Epoch{ID: id, Box: b.ID, Signed: e.Signed, Received: now})
		}
		before = epoch.Predecessor{Lineage: epoch.LineageKnown, Epoch: id, LastSeq: record.Seq(r.IntN(9)), Head: e.Signed.Root}
		if r.IntN(6) == 0 {
			before = epoch.Predecessor{Lineage: epoch.LineageUnknown}
		}
	}
	r.Shuffle(len(headers), func(a, b int) { headers[a], headers[b] = headers[b], headers[a] })
	for _, e := range headers {
		check(t, tx.AddEpoch(e))
		j.order, j.headers[e.ID] = append(j.order, e.ID), e.Signed.Header.Predecessor
	}
	for range r.IntN(25) {
		j.envelope(t, tx, record.ID{Epoch: ids[r.IntN(len(ids))], Seq: record.Seq(1 + r.IntN(10))}, store.EnvelopeState(1+r.IntN(5)))
	}
	return j
}

func (j *journal) envelope(t *testing.T, tx store.Tx, id record.ID, s store.EnvelopeState) {
	t.Helper()
	if j.made[id.Epoch] == nil {
		j.made[id.Epoch], j.held[id.Epoch] = map[record.Seq]uint8{}, map[record.Seq]int{}
	}
	j.made[id.Epoch][id.Seq]++
	check(t, tx.AddEnvelope(store.Envelope{
		ID: id, Sum: epoch.Hash{j.made[id.Epoch][id.Seq]}, Bytes: []byte("sealed"), Received: now, State: s,
	}))
	if s != store.EnvelopeAside {
		j.held[id.Epoch][id.Seq]++
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// P2: whatever is missing between what is known to exist is named, and nothing else.
func TestP2GapsAreThoseOfASlowModel(t *testing.T) {
	db := open(t, t.TempDir())
	defer func() { _ = db.Close() }()
	k, err := seal.GenerateKey()
	check(t, err)
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 0))
	shown, epochs := 0, map[record.EpochID]bool{}
	for range 60 {
		boxes := [2]*simbox.Box{simbox.New(t, k.Public()), simbox.New(t, k.Public())}
		var journals [2]*journal
		check(t, db.Update(t.Context(), func(tx store.Tx) error {
			for i, b := range boxes {
				check(t, tx.AddBox(b.Row(t)))
				journals[i] = scene(t, tx, r, b)
			}
			return nil
		}))
		for i, b := range boxes {
			got, want := missing(t, db, b.ID, 1000), journals[i].gaps()
			if !slices.Equal(got, want) {
				t.Fatalf("seed %d: Gaps = %v, want %v", seed, got, want)
			}
			if n := len(want) / 2; !slices.Equal(missing(t, db, b.ID, n), want[:n]) {
				t.Errorf("seed %d: Gaps(limit %d) are not the first of them", seed, n)
			}
			shown += len(want)
			for _, g := range want {
				epochs[g.Epoch] = true
			}
		}
	}
	check(t, db.View(t.Context(), func(tx store.Tx) error {
		n, err := tx.Counts()
		if n.Gaps != int64(len(epochs)) {
			t.Errorf("seed %d: Counts.Gaps = %d, want %d epochs", seed, n.Gaps, len(epochs))
		}
		return err
	}))
	if shown < 60 {
		t.Errorf("the scenes had %d gaps in all, too few to prove anything", shown)
	}
}

func missing(t *testing.T, db *sqlite.DB, id record.BoxID, limit int) (got []store.Gap) {
	t.Helper()
	check(t, db.View(t.Context(), func(tx store.Tx) (err error) { got, err = tx.Gaps(id, limit); return err }))
	return got
}

// What another box signs about an epoch that is not its own makes no hole in it, and no number is too great to be said.
func TestGapsBelieveNoOtherBox(t *testing.T) {
	db := open(t, t.TempDir())
	defer func() { _ = db.Close() }()
	k, err := seal.GenerateKey()
	check(t, err)
	b, liar, vast := simbox.New(t, k.Public()), simbox.New(t, k.Public()), simbox.New(t, k.Public())
	add := func(tx store.Tx, b *simbox.Box, p epoch.Predecessor) record.EpochID {
		e := b.Open(t, epoch.CauseStart, p)
		check(t, tx.AddEpoch(store.Epoch{ID: e.Signed.Header.Epoch, Box: b.ID, Signed: e.Signed, Received: now}))
		return e.Signed.Header.Epoch
	}
	var one, big record.EpochID
	check(t, db.Update(t.Context(), func(tx store.Tx) error {
		check(t, errors.Join(tx.AddBox(b.Row(t)), tx.AddBox(liar.Row(t)), tx.AddBox(vast.Row(t))))
		one = add(tx, b, epoch.Predecessor{Lineage: epoch.LineageFirst})
		add(tx, liar, epoch.Predecessor{Lineage: epoch.LineageKnown, Epoch: one, LastSeq: 9, Head: epoch.Hash{1}})
		big = add(tx, vast, epoch.Predecessor{Lineage: epoch.LineageFirst})
		far := store.Envelope{ID: record.ID{Epoch: one, Seq: math.MaxInt64}, Bytes: []byte("sealed"), State: store.EnvelopeReady}
		check(t, tx.AddEnvelope(far))
		add(tx, vast, epoch.Predecessor{Lineage: epoch.LineageKnown, Epoch: big, LastSeq: math.MaxUint64, Head: epoch.Hash{1}})
		return nil
	}))
	if got, want := missing(t, db, b.ID, 10), (store.Gap{Epoch: one, First: 1, Last: math.MaxInt64 - 1}); len(got) != 1 || got[0] != want {
		t.Errorf("Gaps = %v, want %v alone: not the end that another box names", got, want)
	}
	if got := missing(t, db, liar.ID, 10); len(got) != 0 {
		t.Errorf("Gaps of the liar = %v, want none: the epoch that it names is here, and not its own", got)
	}
	if got := missing(t, db, vast.ID, 10); len(got) != 1 || got[0].Epoch != big || got[0].First != 1 || got[0].Last < math.MaxInt32 {
		t.Errorf("Gaps = %v, want one from 1 to a vast number", got)
	}
}
