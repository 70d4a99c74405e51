package drill

import (
	"database/sql"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	_ "modernc.org/sqlite" // the database driver
)

// column is what one column holds: the class, and the form in which each value is; null is always allowed and holds nothing.
type column struct {
	class ClassID
	form  func(any) bool
}

// table is every column of one table. class, if it is not nil, says of a row to which class the columns of class "" belong.
type table struct {
	columns map[string]column
	class   func(value func(column string) any) ClassID
	// row says whether the columns of a row fit each other; nil: there is nothing to fit.
	row func(value func(column string) any) bool
}

// schema is every table of a database.
type schema map[string]table

// database looks at a database: every table, every column, every row. What is not in the schema, and every value without its form, is a
// problem; and so is text in the octets of the file themselves.
func (f *file) database(s schema) {
	f.sweep()
	db, done, err := openDatabase(f.path, f.running)
	if err != nil {
		f.problem(Damaged, "")
		return
	}
	defer done()
	if err := f.tables(db, s); err != nil {
		f.problem(Damaged, "")
	}
}

// openDatabase opens a file for reading. A box that runs is read beside, with SQLite's own locks. One that does not is read as it lies; if a
// log lies beside it that was not moved into it, both are copied away, since to read them is to write beside them.
func openDatabase(path string, running bool) (db *sql.DB, done func(), err error) {
	query := "mode=ro"
	done = func() {}
	log, err := os.Stat(path + "-wal")
	switch {
	case running:
	case err != nil || log.Size() == 0:
		query = "immutable=1"
	default:
		if path, done, err = copied(path); err != nil {
			return nil, nil, err
		}
	}
	u := url.URL{Scheme: "file", OmitHost: true, Path: path, RawQuery: query + "&_pragma=query_only(1)&_pragma=trusted_schema(0)&_pragma=busy_timeout(5000)"}
	db, err = sql.Open("sqlite", u.String())
	if err != nil {
		done()
		return nil, nil, err
	}
	db.SetMaxOpenConns(2)
	remove := done
	return db, func() { _ = db.Close(); remove() }, nil
}

// copyPrefix begins the name of the folder of a copy. One that a killed drill left behind is found by the next.
const copyPrefix = "kazashi-drill-"

// copied copies a database and its log into a folder of this user's alone.
func copied(path string) (to string, done func(), err error) {
	dir, err := os.MkdirTemp("", copyPrefix)
	if err != nil {
		return "", nil, fmt.Errorf("making room to read a database: %w", err)
	}
	done = func() { _ = os.RemoveAll(dir) }
	to = filepath.Join(dir, "copy.db")
	for _, tail := range []string{"", "-wal"} {
		if err := copyFile(path+tail, to+tail); err != nil {
			done()
			return "", nil, fmt.Errorf("copying a database to read it: %w", err)
		}
	}
	return to, done, nil
}

func copyFile(from, to string) (err error) {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close() // it was only read
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// tables goes through everything that the database says it has.
func (f *file) tables(db *sql.DB, s schema) error {
	rows, err := db.QueryContext(f.ctx, "SELECT type, name FROM sqlite_schema WHERE type <> 'index' ORDER BY name")
	if err != nil {
		return err
	}
	defer rows.Close()
	var have []string
	for rows.Next() {
		var kind, name string
		if err := rows.Scan(&kind, &name); err != nil {
			return err
		}
		if _, ok := s[name]; kind != "table" || !ok {
			if name != "sqlite_sequence" {
				f.problem(UnknownTable, printable(name))
			}
			continue
		}
		have = append(have, name)
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return err
	}
	for _, name := range have {
		if err := f.table(db, name, s[name]); err != nil {
			return err
		}
	}
	return nil
}

// tally is what was counted of one table.
type tally struct {
	file    *file
	table   table
	name    string
	columns []string
	counts  map[ClassID]map[string]int64 // by class and column
	wrong   map[string]int64             // values without their form, by column
}

// table reads every row.
func (f *file) table(db *sql.DB, name string, t table) error {
	rows, err := db.QueryContext(f.ctx, `SELECT * FROM "`+name+`"`) //nolint:gosec // a name of the schema above
	if err != nil {
		return err
	}
	defer rows.Close()
	n := tally{file: f, table: t, name: name, counts: map[ClassID]map[string]int64{}, wrong: map[string]int64{}}
	if n.columns, err = rows.Columns(); err != nil {
		return err
	}
	for _, c := range n.columns {
		if _, ok := t.columns[c]; !ok {
			f.problem(UnknownColumn, name+"."+printable(c))
		}
	}
	values, into := make([]any, len(n.columns)), make([]any, len(n.columns))
	for i := range values {
		into[i] = &values[i]
	}
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return err
		}
		n.row(values)
	}
	n.told()
	return rows.Err()
}

// row counts one row.
func (n *tally) row(values []any) {
	value := func(column string) any {
		if i := slices.Index(n.columns, column); i >= 0 {
			return values[i]
		}
		return nil
	}
	var own ClassID
	if n.table.class != nil {
		own = n.table.class(value)
	}
	for i, name := range n.columns {
		c, ok := n.table.columns[name]
		if !ok || values[i] == nil {
			continue
		}
		if !c.form(values[i]) || c.class == "" && own == "" {
			n.wrong[name]++
			continue
		}
		if c.class == "" {
			c.class = own
		}
		if n.counts[c.class] == nil {
			n.counts[c.class] = map[string]int64{}
		}
		n.counts[c.class][name]++
	}
	if n.table.row != nil && !n.table.row(value) {
		n.wrong[""]++
	}
}

// told puts what was counted into the item.
func (n *tally) told() {
	for _, c := range slices.Sorted(maps.Keys(n.counts)) {
		h := Holding{Class: c, Table: n.name}
		for _, name := range n.columns {
			if count := n.counts[c][name]; count > 0 {
				h.Columns, h.Count = append(h.Columns, name), max(h.Count, count)
			}
		}
		n.file.Holds = append(n.file.Holds, h)
	}
	for _, c := range slices.Sorted(maps.Keys(n.wrong)) {
		where := strings.TrimSuffix(n.name+"."+c, ".")
		n.file.Problems = append(n.file.Problems, Problem{ID: UnknownContent, Where: where, Count: n.wrong[c]})
	}
}

// printable is a name that a stranger may have chosen: a name can be a value itself.
func printable(s string) string {
	if len(s) <= 40 && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz_0123456789") == "" {
		return s
	}
	return "(?)"
}
