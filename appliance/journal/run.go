package journal

import (
	"context"
	"fmt"
	"iter"

	"kazashi.example/sync/epoch"
	"kazashi.example/sync/record"
)

// Run is a row of consecutive records of one epoch, as a courier carries it: what each envelope would repeat is said once.
type Run struct {
	Header   []byte // of the epoch, signed, as it travels
	Epoch    record.EpochID
	First    record.Seq
	Previous epoch.Hash // chain value before First
	After    epoch.Hash // chain value after the last
	Sealed   [][]byte   // the sealed parts of the envelopes, from First on
}

// End is how far an epoch goes on this box.
type End struct {
	Epoch record.EpochID
	Last  record.Seq
	Head  epoch.Hash // chain value after Last
	Safe  bool       // all of it
}

// DefaultRunBytes is the size of a run where none is given.
const DefaultRunBytes = 1<<20 - 4096

// Sizes that count against a run's limit: what stands around it, and around each sealed part.
const (
	runFrame   = 160
	rowsAtOnce = 512  // of one reading statement, so that none holds the write-ahead log for long
	rowsOfRun  = 8192 // at most: what one array of a message holds
)

// Runs yields, oldest first, everything that central is not known to have received, as it was when the iteration began. A run takes at most
// limit octets with its header (0 means DefaultRunBytes), but always one record. Records that are acknowledged meanwhile may come all the same; one
// that was deleted ends its run. After an error nothing more comes. It reads in short statements and holds no tap up.
func (j *Journal) Runs(ctx context.Context, limit int) iter.Seq2[Run, error] {
	if limit <= 0 {
		limit = DefaultRunBytes
	}
	return func(yield func(Run, error) bool) {
		for _, w := range j.waits() {
			if !j.runsOf(ctx, w, limit, yield) {
				return
			}
		}
	}
}

// wait is a hole in what central has received.
type wait struct {
	n  int64
	id record.EpochID
	span
}

func (j *Journal) waits() []wait {
	j.mu.RLock()
	defer j.mu.RUnlock()
	var all []wait
	for _, k := range j.book.epochs {
		for h := range k.settled().holes(1, k.last) {
			all = append(all, wait{k.n, k.id, h})
		}
	}
	return all
}

func (j *Journal) runsOf(ctx context.Context, w wait, limit int, yield func(Run, error) bool) bool {
	st := j.store()
	header, err := st.header(ctx, w.n)
	if err != nil {
		return yield(Run{}, j.readFailed(st, fmt.Errorf("reading the header of epoch %s: %w", w.id, err))) && false
	}
	if header == nil {
		return true // forgotten meanwhile
	}
	p := packer{header: header, epoch: w.id, limit: limit, yield: yield}
	for at := w.first; at <= w.last; {
		rows, err := st.stretch(ctx, pack(w.n, at), pack(w.n, w.last))
		if err == nil {
			err = p.take(rows)
		}
		if err != nil {
			return yield(Run{}, j.readFailed(st, fmt.Errorf("reading what waits of epoch %s: %w", w.id, err))) && false
		}
		if p.ended || len(rows) == 0 {
			break
		}
		at = rows[len(rows)-1].seq + 1
	}
	p.flush()
	return !p.ended
}

// packer makes runs of rows.
type packer struct {
	header []byte
	epoch  record.EpochID
	limit  int
	yield  func(Run, error) bool
	ended  bool // the consumer wants no more
	run    Run
	size   int
}

func (p *packer) take(rows []envelopeRow) error {
	for _, r := range rows {
		e, err := epoch.DecodeEnvelope(r.envelope)
		if err != nil || e.Epoch != p.epoch || e.Seq != r.seq || e.Previous.Next(r.envelope) != r.chain {
			return fmt.Errorf("%w: record %s/%d does not link", errDamaged, p.epoch, r.seq)
		}
		size := len(e.Sealed) + frame
		next := p.run.First + record.Seq(len(p.run.Sealed))
		if len(p.run.Sealed) > 0 && (e.Seq != next || e.Previous != p.run.After || p.size+size > p.limit || len(p.run.Sealed) == rowsOfRun) {
			p.flush()
		}
		if p.ended {
			return nil
		}
		if len(p.run.Sealed) == 0 {
			p.run = Run{Header: p.header, Epoch: p.epoch, First: e.Seq, Previous: e.Previous}
			p.size = len(p.header) + runFrame
		}
		p.run.Sealed, p.run.After, p.size = append(p.run.Sealed, e.Sealed), r.chain, p.size+size
	}
	return nil
}

func (p *packer) flush() {
	if len(p.run.Sealed) > 0 && !p.ended {
		p.ended = !p.yield(p.run, nil)
	}
	p.run = Run{}
}

// envelopeRow is a record's row without its clear fields.
type envelopeRow struct {
	seq      record.Seq
	envelope []byte
	chain    epoch.Hash
}

// stretch reads the first rows between two that have their envelope.
func (s *store) stretch(ctx context.Context, first, last int64) ([]envelopeRow, error) {
	rows, err := s.r.QueryContext(ctx, `SELECT id, envelope, chain FROM record WHERE id BETWEEN ? AND ? AND envelope IS NOT NULL
		ORDER BY id LIMIT ?`, first, last, rowsAtOnce)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []envelopeRow
	for rows.Next() {
		var r envelopeRow
		var id int64
		var chain []byte
		if err := rows.Scan(&id, &r.envelope, &chain); err != nil {
			return nil, err
		}
		if r.chain, err = hashOf(chain); err != nil {
			return nil, err
		}
		_, r.seq = unpack(id)
		all = append(all, r)
	}
	return all, rows.Err()
}

// header reads an epoch's header; nil if the epoch is forgotten.
func (s *store) header(ctx context.Context, n int64) (header []byte, err error) {
	rows, err := s.r.QueryContext(ctx, `SELECT header FROM epoch WHERE n = ?`, n)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		if err := rows.Scan(&header); err != nil {
			return nil, err
		}
	}
	return header, rows.Err()
}

// Ends lists, oldest first, how far the epochs go that are not wholly safe, and the newest in any case.
func (j *Journal) Ends(ctx context.Context) ([]End, error) {
	var ends []End
	var ids []int64
	j.mu.RLock()
	st := j.st
	for _, k := range j.book.epochs {
		if k.last > 0 && (k.unsafe() || k == j.book.last()) {
			ends = append(ends, End{Epoch: k.id, Last: k.last, Safe: !k.unsafe()})
			ids = append(ids, pack(k.n, k.last))
		}
	}
	j.mu.RUnlock()
	for i, id := range ids {
		var b []byte
		err := st.r.QueryRowContext(ctx, `SELECT chain FROM record WHERE id = ?`, id).Scan(&b)
		if err == nil {
			ends[i].Head, err = hashOf(b)
		}
		if err != nil {
			return nil, j.readFailed(st, fmt.Errorf("reading the end of epoch %s: %w", ends[i].Epoch, err))
		}
	}
	return ends, nil
}

// Corrections are those of the clock that central is not known to have, oldest first.
func (j *Journal) Corrections(ctx context.Context) ([][]byte, error) {
	st := j.store()
	all, err := st.unsentCorrections(ctx, -1)
	if err != nil {
		return nil, j.readFailed(st, fmt.Errorf("reading corrections of the clock: %w", err))
	}
	return all, nil
}
