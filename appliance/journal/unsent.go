package journal

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"

	"kazashi.example/sync/record"
	"kazashi.example/sync/wire"
)

// Limits bound one batch of Unsent. Zero values stand for the defaults.
type Limits struct {
	Envelopes int // at most wire.MaxPushed
	Bytes     int // of headers and envelopes together; one envelope is always given
	Backlog   int // how many of Envelopes are the oldest ones rather than the newest
}

// Defaults of Limits: a batch stays well under wire.MaxPush, and a quarter of it is backlog.
const (
	DefaultEnvelopes = 256
	DefaultBytes     = 1 << 20
	backlogShare     = 4
)

// frame is what CBOR adds to a byte string of these lengths, in octets.
const frame = 4

func (l Limits) withDefaults() Limits {
	if l.Envelopes <= 0 || l.Envelopes > wire.MaxPushed {
		l.Envelopes = DefaultEnvelopes
	}
	if l.Bytes <= 0 || l.Bytes > wire.MaxPush-4*frame {
		l.Bytes = DefaultBytes
	}
	if l.Backlog <= 0 || l.Backlog >= l.Envelopes {
		l.Backlog = l.Envelopes / backlogShare
	}
	return l
}

// Unsent returns the next batch to bring to central, by whatever way: the newest records not yet received there, then a bounded
// share of the oldest, the header of every epoch in the batch that central is not known to have, and corrections of the clock. An empty batch says that
// central has everything. It notes nothing: until an acknowledgement is accepted, the same records come again, so that a caller
// whose push brought nothing forward waits before the next. A record is given only once it is durable.
func (j *Journal) Unsent(ctx context.Context, l Limits) (wire.Push, error) {
	l = l.withDefaults()
	ids, st := j.choose(l)
	var p wire.Push
	headers := map[int64]bool{}
	room := l.Bytes
	for i, id := range ids {
		n, _ := unpack(id)
		envelope, header, err := st.sealed(ctx, id)
		if err != nil {
			return wire.Push{}, j.readFailed(st, fmt.Errorf("reading what is not sent: %w", err))
		}
		size := len(envelope) + frame
		if header != nil && !headers[n] {
			size += len(header) + frame
		}
		if envelope == nil || i > 0 && size > room {
			continue
		}
		room -= size
		if header != nil && !headers[n] {
			headers[n] = true
			if p.Headers, err = st.emptyBefore(ctx, n, p.Headers); err != nil {
				return wire.Push{}, fmt.Errorf("reading what is not sent: %w", err)
			}
			p.Headers = append(p.Headers, header)
		}
		p.Envelopes = append(p.Envelopes, envelope)
	}
	var err error
	if p.Corrections, err = st.unsentCorrections(ctx, correctionsAtOnce); err != nil {
		return wire.Push{}, fmt.Errorf("reading what is not sent: %w", err)
	}
	return p, nil
}

// choose names the rows of a batch, in order of their urgency: newest first, then oldest first.
func (j *Journal) choose(l Limits) ([]int64, *store) {
	j.mu.RLock()
	defer j.mu.RUnlock()
	live, old := make([]int64, 0, l.Envelopes), make([]int64, 0, l.Backlog)
	for _, k := range slices.Backward(j.book.epochs) {
		if len(live) == l.Envelopes {
			break
		}
		live = appendNewest(live, k, l.Envelopes)
	}
	if len(live) < l.Envelopes {
		return live, j.st // everything
	}
	for _, k := range j.book.epochs {
		if len(old) == l.Backlog {
			break
		}
		old = appendOldest(old, k, l.Backlog)
	}
	return merge(live[:l.Envelopes-l.Backlog], old), j.st
}

// merge puts one old row after every few live ones, so that a batch cut short by its size keeps both shares. Where the shares
// meet, the live one has the rows already.
func merge(live, old []int64) []int64 {
	ids := make([]int64, 0, len(live)+len(old))
	stride := max(1, len(live)/max(1, len(old)))
	newest := live[len(live)-1]
	for i, id := range live {
		ids = append(ids, id)
		if len(old) > 0 && old[0] < newest && (i+1)%stride == 0 {
			ids, old = append(ids, old[0]), old[1:]
		}
	}
	for _, id := range old {
		if id < newest {
			ids = append(ids, id)
		}
	}
	return ids
}

func appendNewest(ids []int64, k *kept, limit int) []int64 {
	if k.waiting() == 0 {
		return ids
	}
	for _, h := range slices.Backward(slices.Collect(k.settled().holes(1, k.last))) {
		for s := h.last; s >= h.first && len(ids) < limit; s-- {
			ids = append(ids, pack(k.n, s))
		}
	}
	return ids
}

func appendOldest(ids []int64, k *kept, limit int) []int64 {
	if k.waiting() == 0 {
		return ids
	}
	for h := range k.settled().holes(1, k.last) {
		for s := h.first; s <= h.last && len(ids) < limit; s++ {
			ids = append(ids, pack(k.n, s))
		}
	}
	return ids
}

// sealed reads one envelope, and its epoch's header unless central is known to have it. Both are nil for a row that was
// deleted since it was chosen.
func (s *store) sealed(ctx context.Context, id int64) (envelope, header []byte, err error) {
	rows, err := s.r.QueryContext(ctx, `SELECT r.envelope, CASE WHEN e.known = 0 THEN e.header END
		FROM record r JOIN epoch e ON e.n = r.id >> 40 WHERE r.id = ?`, id)
	if err != nil {
		return nil, nil, err
	}
	defer rows.Close()
	for rows.Next() {
		if err := rows.Scan(&envelope, &header); err != nil {
			return nil, nil, err
		}
	}
	return envelope, header, rows.Err()
}

// emptyBefore adds the header of the epoch before n if that has no record of its own to travel with. This release writes none.
func (s *store) emptyBefore(ctx context.Context, n int64, to [][]byte) ([][]byte, error) {
	var header []byte
	err := s.r.QueryRowContext(ctx, `SELECT header FROM epoch WHERE n = ?1 - 1
		AND NOT EXISTS (SELECT 1 FROM record WHERE id >> 40 = ?1 - 1 AND id BETWEEN (?1 - 1) << 40 AND ?1 << 40)`, n).Scan(&header)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return to, nil
	case err != nil:
		return nil, err
	default:
		return append(to, header), nil
	}
}

// Waiting counts the records that central is not known to have.
func (j *Journal) Waiting(context.Context) (uint64, error) {
	j.mu.RLock()
	defer j.mu.RUnlock()
	var n uint64
	for _, k := range j.book.epochs {
		n += k.waiting()
	}
	return n, nil
}

// oldest is the row of the oldest record that waits; 0 for none.
func (b *book) oldest() int64 {
	for _, k := range b.epochs {
		for h := range k.settled().holes(1, k.last) {
			return pack(k.n, h.first)
		}
	}
	return 0
}

// state says how far central has acknowledged a row.
func (b *book) state(n int64, s record.Seq) State {
	k := b.byN(n)
	switch {
	case k == nil:
		return Safe
	case k.safe.has(s), k.gone.has(s):
		return Safe
	case k.received.has(s):
		return Received
	default:
		return Waiting
	}
}
