package journal

import (
	"context"
	"database/sql"
	"fmt"
	"runtime"
	"strings"

	"kazashi.example/sync/epoch"
	"kazashi.example/sync/record"
)

// maxGroup is how many records share one commit at most: as many as PC/SC has readers.
const maxGroup = 16

// request is a record on its way to the disk.
type request struct {
	plain []byte
	clear Clear
	id    record.ID
	err   error
}

// group are the records of one commit. Who comes first leads it: waits for the database, and commits for all that came meanwhile.
type group struct {
	requests []*request
	done     chan struct{} // closed once all of them have their answer
}

// enter brings a record to the disk with whoever else is waiting, and returns once it has its answer.
func (j *Journal) enter(r *request) {
	g, leads := j.join(r)
	if !leads {
		<-g.done
		return
	}
	j.write.Lock()
	runtime.Gosched() // whoever was answered just now may have the next record ready: it joins rather than making a small group of its own
	j.depart(g)
	j.commit(g.requests)
	close(g.done)
	j.write.Unlock()
}

// join adds a record to the group that is forming, or begins one.
func (j *Journal) join(r *request) (g *group, leads bool) {
	j.forming.Lock()
	defer j.forming.Unlock()
	if g = j.group; g == nil || len(g.requests) == maxGroup {
		g, leads = &group{done: make(chan struct{})}, true
		j.group = g
	}
	g.requests = append(g.requests, r)
	return g, leads
}

// depart ends the forming of a group: whoever comes from now on is of the next.
func (j *Journal) depart(g *group) {
	j.forming.Lock()
	defer j.forming.Unlock()
	if j.group == g {
		j.group = nil
	}
}

// commit brings a group to the disk, all of it or nothing, and gives each its answer.
func (j *Journal) commit(group []*request) {
	err := ErrClosed
	if !j.closed {
		err = j.append(group)
	}
	if err == nil {
		return
	}
	for _, r := range group {
		r.id, r.err = record.ID{}, err
	}
}

// append does not take a context: an insert that was interrupted has an unknown outcome and would cost an epoch. It spends no number
// where there is no room.
func (j *Journal) append(group []*request) error {
	if err := j.room(); err != nil {
		return err
	}
	if err := j.settle(); err != nil {
		return notDurable(err)
	}
	head, err := j.turn(j.o.Now())
	if err != nil {
		j.failed(err)
		return notDurable(err)
	}
	rows := make([]sealedRow, 0, len(group))
	for _, r := range group {
		w, err := j.writer.Seal(r.plain)
		if err != nil {
			j.discard(epoch.CauseAppendFailed)
			return notDurable(fmt.Errorf("sealing record: %w", err))
		}
		r.id = w.ID
		rows = append(rows, sealedRow{w, r.clear})
	}
	st := j.store()
	n := j.current(head)
	if err := st.append(n, opening{head, j.within}, rows); err != nil {
		j.discard(epoch.CauseAppendFailed)
		j.failed(err)
		return notDurable(fmt.Errorf("storing record: %w", err))
	}
	j.mu.Lock()
	j.book.appended(n, rows[len(rows)-1].ID, j.writer.Header().Root)
	j.mu.Unlock()
	if head != nil {
		j.turned(*head)
	}
	j.checkpoint(st, 1)
	return nil
}

func notDurable(err error) error { return fmt.Errorf("%w: %w", ErrNotDurable, err) }

// sealedRow is a sealed record with what stands in clear beside it.
type sealedRow struct {
	epoch.Written
	clear Clear
}

// append commits records of one epoch, and before them the header if the first is the first of its epoch. One statement is one
// transaction.
func (s *store) append(n int64, o opening, rows []sealedRow) error {
	ctx := context.Background() // see Journal.append
	args := make([]any, 0, recordColumns*len(rows))
	for i := range rows {
		w, c := &rows[i].Written, &rows[i].clear
		args = append(args, pack(n, w.ID.Seq), w.Chain[:], w.Bytes, c.Tap.ID128[:], c.Time.UnixMilli(),
			string(c.Desk), string(c.Service), int64(c.Verdict), int64(c.Reason), c.Code)
	}
	if o.head == nil {
		if err := s.prepare(ctx, len(rows)); err != nil {
			return err
		}
		_, err := s.inserts[len(rows)].ExecContext(ctx, args...)
		return err
	}
	return s.transact(ctx, func(tx *sql.Tx) error {
		if err := putEpoch(ctx, tx, n, *o.head, o.stretch); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, insertRecords(len(rows)), args...)
		return err
	})
}

// prepare has the statement ready that inserts so many records.
func (s *store) prepare(ctx context.Context, n int) (err error) {
	if s.inserts[n] == nil {
		s.inserts[n], err = s.w.PrepareContext(ctx, insertRecords(n)) //nolint:sqlclosecheck // close does
	}
	return err
}

func insertRecords(n int) string { return insertRecord + strings.Repeat(", "+recordValues, n-1) }
