package sitebook

import (
	"bytes"
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"slices"

	"kazashi.example/localapi"
	"kazashi.example/sync/record"
)

// Names finds people in central's roster for an import.
type Names interface {
	// ByPPID is who has a PPID at a service; false if nobody here does.
	ByPPID(service record.ServiceID, ppid string) (Person, bool, error)
	// ByNumber is whose number it is there, for a number of which the book knows nothing; false if nobody's.
	ByNumber(service record.ServiceID, number string) (Person, bool, error)
	// Number is the person's there, where the book knows nothing of it; empty if none.
	Number(service record.ServiceID, p Person) (string, error)
}

// importBatch is how many links one transaction of an import adds.
const importBatch = 256

// Import takes a file of links over: CSV with the columns ppid, number and perhaps since (YYYY-MM-DD). It is taken whole or not at all;
// what is wrong with it is in the report, by line and without the values. While it goes on taps are taken as ever; nothing of it counts
// before all does, and what a crash leaves of it is removed at the next Open. Errors: localapi.ErrLocked, of Names and of r, or
// what the disk said.
func (b *Book) Import(ctx context.Context, r io.Reader, how localapi.Import, names Names) (localapi.ImportReport, error) {
	if err := record.CheckName(how.Service); err != nil {
		return localapi.ImportReport{}, err
	}
	i := importer{book: b, how: how, names: names, report: localapi.ImportReport{DryRun: how.DryRun, Faults: []localapi.ImportFault{}}}
	var err error
	if i.upTo, i.known, err = b.links(ctx, how.Service); err != nil {
		return localapi.ImportReport{}, err
	}
	if err := i.read(ctx, r); err != nil {
		return localapi.ImportReport{}, fmt.Errorf("reading the file of links: %w", err)
	}
	if how.DryRun || len(i.report.Faults) > 0 || len(i.found) == 0 {
		return i.told(), nil
	}
	if err := i.take(ctx); err != nil {
		return localapi.ImportReport{}, fmt.Errorf("taking links over: %w", err)
	}
	return i.told(), nil
}

// importer is one import under way.
type importer struct {
	book   *Book
	how    localapi.Import
	names  Names
	report localapi.ImportReport
	known  known // what the book knows of the service's numbers
	upTo   int64 // entries up to this one are in known
	found  []found
}

type found struct {
	csvLink

	person Person
}

// told is the report: of a file with a fault nothing was taken.
func (i *importer) told() localapi.ImportReport {
	if len(i.report.Faults) > 0 {
		i.report.Linked, i.report.Present = 0, 0
	}
	return i.report
}

func (i *importer) fault(e *FaultError) {
	if len(i.report.Faults) == localapi.MaxImportFaults {
		i.report.Left++
		return
	}
	i.report.Faults = append(i.report.Faults, e.Fault())
}

// read looks at every line. A fault of one line does not end it, one of the file does.
func (i *importer) read(ctx context.Context, r io.Reader) error {
	lines, err := newCSV(r, i.how.Encoding)
	var bad *FaultError
	if errors.As(err, &bad) {
		i.fault(bad)
		return nil
	}
	if err != nil {
		return err
	}
	seen := twice{people: map[string]bool{}, numbers: map[string]bool{}}
	for {
		l, err := lines.next()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil && !errors.As(err, &bad):
			return err
		case ctx.Err() != nil:
			return ctx.Err()
		}
		i.report.Rows++
		if i.report.Rows > MaxLinks {
			i.fault(&FaultError{0, ErrTooMany})
			return nil
		}
		if err == nil {
			err = i.look(l, seen)
		}
		switch {
		case errors.As(err, &bad):
			i.fault(bad)
		case err != nil:
			return err
		}
	}
}

// twice is what the file said already.
type twice struct{ people, numbers map[string]bool }

// look finds the person of a line. A *FaultError, or an error of Names.
func (i *importer) look(l csvLink, seen twice) error {
	again := seen.people[l.ppid] || seen.numbers[l.number]
	seen.people[l.ppid], seen.numbers[l.number] = true, true
	if again {
		return &FaultError{l.line, ErrTwice}
	}
	p, ok, err := i.names.ByPPID(i.how.Service, l.ppid)
	if err != nil {
		return err
	}
	if !ok {
		return &FaultError{l.line, ErrUnknownPerson}
	}
	number, err := i.numberOf(p)
	if err != nil {
		return err
	}
	owner, owned, err := i.ownerOf(l.number)
	if err != nil {
		return err
	}
	switch {
	case number == l.number && owned && owner.Same(p):
		i.report.Present++
	case number != "" || owned:
		return &FaultError{l.line, ErrTaken}
	default:
		i.report.Linked++
		i.found = append(i.found, found{l, p})
	}
	return nil
}

func (i *importer) numberOf(p Person) (string, error) {
	if l, ok := i.known.of(p); ok {
		return l, nil
	}
	return i.names.Number(i.how.Service, p)
}

func (i *importer) ownerOf(number string) (Person, bool, error) {
	if l, ok := i.known.numbers[number]; ok && l.linked {
		return l.person, true, nil
	}
	p, ok, err := i.names.ByNumber(i.how.Service, number)
	if err != nil || !ok {
		return Person{}, false, err
	}
	if _, said := i.known.of(p); said { // another here, or none
		return Person{}, false, nil
	}
	return p, true, nil
}

// known is what the book knows of a service's numbers: the latest word on each, by number and by each name of a person.
type known struct {
	numbers map[string]word
	people  map[string]string // empty: taken back
}

type word struct {
	person Person
	linked bool
}

func (k known) of(p Person) (string, bool) {
	for _, n := range p.names("", "") {
		if number, ok := k.people[fmt.Sprint(n...)]; ok {
			return number, true
		}
	}
	return "", false
}

func (k known) see(e *entry) {
	number, l := linking(e)
	k.numbers[number] = word{*e.row.Person, l == Linked}
	if l != Linked {
		number = ""
	}
	for _, n := range e.row.Person.names("", "") {
		k.people[fmt.Sprint(n...)] = number
	}
}

// links reads all that the book knows of a service's numbers, and up to which entry.
func (b *Book) links(ctx context.Context, service record.ServiceID) (upTo int64, k known, err error) {
	r, err := b.ring()
	if err != nil {
		return 0, k, err
	}
	b.write.Lock()
	upTo = b.last
	b.write.Unlock()
	k = known{numbers: map[string]word{}, people: map[string]string{}}
	err = b.ofKinds(ctx, r, func(e *entry) error {
		if e.service == service {
			k.see(e)
		}
		return nil
	}, kindLink, kindUnlink, kindTaken)
	return upTo, k, err
}

// take adds the links in short transactions, and lets them count with the last. What goes wrong before that takes all of it back.
func (i *importer) take(ctx context.Context) error {
	b, tap := i.book, record.NewTapID()
	b.write.Lock()
	b.hide(tap, importing, b.last+1)
	b.write.Unlock()
	defer b.Confirm(tap)
	_, err := b.st.w.ExecContext(ctx, `INSERT INTO import (tap) VALUES (?)`, tap.ID128[:])
	var refs []refTo
	for n := 0; err == nil && n < len(i.found); n += importBatch {
		err = i.some(ctx, tap, i.found[n:min(n+importBatch, len(i.found))], &refs)
	}
	if err == nil {
		err = i.index(ctx, refs)
	}
	if err == nil {
		err = i.finish(ctx, tap)
	}
	if err == nil && len(i.report.Faults) == 0 {
		return nil
	}
	return errors.Join(err, b.abandon(context.WithoutCancel(ctx), tap))
}

// refTo is a reference and the entry that it finds.
type refTo struct {
	ref   ref
	entry int64
}

// some adds entries that nothing finds yet.
func (i *importer) some(ctx context.Context, tap record.TapID, links []found, refs *[]refTo) error {
	now, last := i.book.o.Now().UnixMilli(), int64(0)
	return i.book.short(ctx, func(ctx context.Context, tx *sql.Tx) error {
		r, err := i.book.sealing()
		if err != nil {
			return err
		}
		add := tx.StmtContext(ctx, i.book.st.addEntry)
		defer add.Close()
		for n := range links {
			l := &links[n]
			e := &entry{kind: kindTaken, tap: tap, at: now, service: i.how.Service, row: row{Person: &l.person, Number: l.number}}
			if !l.since.IsZero() {
				e.row.Since = l.since.Unix()
			}
			if err := r.seal(e); err != nil {
				return err
			}
			if err := e.insert(ctx, add); err != nil {
				return err
			}
			last = e.id
			for _, f := range e.refs {
				*refs = append(*refs, refTo{f, e.id})
			}
		}
		return nil
	}, func() { i.book.last = last })
}

// index lets the entries be found. The references go in in their order, so that each transaction writes few pages.
func (i *importer) index(ctx context.Context, refs []refTo) error {
	slices.SortFunc(refs, func(x, y refTo) int { return bytes.Compare(x.ref[:], y.ref[:]) })
	for part := range slices.Chunk(refs, 4*importBatch) {
		err := i.book.short(ctx, func(ctx context.Context, tx *sql.Tx) error {
			add := tx.StmtContext(ctx, i.book.st.addRef)
			defer add.Close()
			for _, f := range part {
				if _, err := add.ExecContext(ctx, f.ref[:], f.entry); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// short runs one short transaction, unless ctx has ended: beside the taps, and not cut off in the middle. What follows it is done before the
// next.
func (b *Book) short(ctx context.Context, do func(context.Context, *sql.Tx) error, then ...func()) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	ctx = context.WithoutCancel(ctx)
	b.write.Lock()
	defer b.write.Unlock()
	if b.closed {
		return ErrClosed
	}
	if err := b.st.transact(ctx, func(tx *sql.Tx) error { return do(ctx, tx) }); err != nil {
		return err
	}
	for _, f := range then {
		f()
	}
	b.checkpoint()
	return nil
}

// finish lets the import count, unless a tap linked one of its numbers, or one of its people, meanwhile.
func (i *importer) finish(ctx context.Context, tap record.TapID) error {
	b := i.book
	r, err := b.ring()
	if err != nil {
		return err
	}
	lines := i.lines() // before taps have to wait
	b.write.Lock()
	defer b.write.Unlock()
	if b.closed {
		return ErrClosed
	}
	list, err := all(ctx, b.st.w, selectEntry+`WHERE e.id > ? AND e.service = ? AND e.tap <> ? AND e.kind IN (?, ?, ?)`,
		i.upTo, string(i.how.Service), tap.ID128[:], int64(kindLink), int64(kindUnlink), int64(kindTaken))
	if err != nil {
		return err
	}
	for _, e := range list {
		if !r.opens(e) {
			continue
		}
		if line := lines.of(e.row); line > 0 {
			i.fault(&FaultError{line, ErrTaken})
		}
	}
	if len(i.report.Faults) > 0 {
		return nil
	}
	_, err = b.st.w.ExecContext(context.WithoutCancel(ctx), `DELETE FROM import WHERE tap = ?`, tap.ID128[:])
	return err
}

// lines are where numbers and people stand in the file.
type lines struct{ numbers, people map[string]int }

func (i *importer) lines() lines {
	l := lines{numbers: make(map[string]int, len(i.found)), people: make(map[string]int, 2*len(i.found))}
	for _, f := range i.found {
		l.numbers[f.number] = f.line
		for _, n := range f.person.names("", "") {
			l.people[fmt.Sprint(n...)] = f.line
		}
	}
	return l
}

// of is the line that an entry contradicts; 0 for none.
func (l lines) of(r row) int {
	line := l.numbers[r.Number]
	for _, n := range r.Person.names("", "") {
		line = max(line, l.people[fmt.Sprint(n...)])
	}
	return line
}

// abandon removes an import that was not completed.
func (b *Book) abandon(ctx context.Context, tap record.TapID) error {
	list, err := ids(ctx, b.st.r, `tap = ? AND kind = ?`, tap.ID128[:], int64(kindTaken))
	if err == nil {
		err = b.erase(ctx, list)
	}
	if err != nil {
		return fmt.Errorf("removing an incomplete import: %w", err)
	}
	b.write.Lock()
	defer b.write.Unlock()
	if _, err := b.st.w.ExecContext(ctx, `DELETE FROM import WHERE tap = ?`, tap.ID128[:]); err != nil {
		return fmt.Errorf("removing an incomplete import: %w", err)
	}
	return nil
}

// abandonAll removes what a crash left of imports.
func (b *Book) abandonAll(ctx context.Context) error {
	for {
		var t []byte
		err := b.st.w.QueryRowContext(ctx, `SELECT tap FROM import LIMIT 1`).Scan(&t)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		if err != nil || len(t) != 16 {
			return fmt.Errorf("looking for incomplete imports: %w", cmp.Or(err, errDamaged))
		}
		if err := b.abandon(ctx, record.TapID{ID128: [16]byte(t)}); err != nil {
			return err
		}
	}
}
