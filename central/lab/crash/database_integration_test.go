//go:build integration

package crash_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"testing"

	_ "modernc.org/sqlite" // a program whose behaviour in crashes is known

	"kazashi.example/central/lab/crash"
)

func init() {
	children["database"] = func(dir string) error { return insert(dir, "DELETE", "FULL") }
	children["log"] = func(dir string) error { return insert(dir, "WAL", "FULL") }
	children["hurried"] = func(dir string) error { return insert(dir, "WAL", "NORMAL") }
	children["shared"] = func(dir string) error { return insertWith(dir, "_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)") }
}

func insert(dir, journal, synchronous string) error {
	return insertWith(dir, "_pragma=locking_mode(EXCLUSIVE)&_pragma=journal_mode("+journal+")&_pragma=synchronous("+synchronous+")")
}

// insertWith adds three rows, each in a transaction of its own, and says each when it is committed.
func insertWith(dir, how string) (err error) {
	ctx := context.Background()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, "db")+"?"+how)
	if err != nil {
		return err
	}
	db.SetMaxOpenConns(1)
	defer func() { err = errors.Join(err, db.Close()) }()
	if _, err := db.ExecContext(ctx, "CREATE TABLE IF NOT EXISTS t (n INTEGER PRIMARY KEY, b BLOB)"); err != nil {
		return err
	}
	for n := 1; n <= 3; n++ {
		if _, err := db.ExecContext(ctx, "INSERT INTO t VALUES (?, randomblob(5000))", n); err != nil {
			return err
		}
		fmt.Println(n)
	}
	return nil
}

// rows is the check: the database is sound and has all rows up to the last that was said, and none but the next.
func rows(s crash.State) (err error) {
	ctx := context.Background()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(s.Dir, "db"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	var sound string
	if err := db.QueryRowContext(ctx, "PRAGMA quick_check(1)").Scan(&sound); err != nil || sound != "ok" {
		return errors.Join(fmt.Errorf("quick_check: %s", sound), err)
	}
	said := 0
	if len(s.Said) > 0 {
		if said, err = strconv.Atoi(s.Said[len(s.Said)-1]); err != nil {
			return err
		}
	}
	var count int
	err = db.QueryRowContext(ctx, "SELECT count(*) FROM t").Scan(&count)
	if said == 0 && err != nil {
		return nil // not even the table yet
	}
	if err != nil || count < said || count > said+1 {
		return errors.Join(fmt.Errorf("%d rows, %d said", count, said), err)
	}
	return nil
}

// SQLite has kept its promises in crashes for long: a state in which it does not would be one that cannot be. And one that it does not
// promise, a commit that was not flushed, must be seen to be lost.
func TestADatabaseIsWhole(t *testing.T) {
	t.Parallel()
	for _, child := range []string{"database", "log", "shared"} {
		interrupted(t, crash.Scenario{Name: child, Child: again(child), Check: rows, Ignore: []string{"*-shm"}})
	}
	r := recorded(t, crash.Scenario{Name: "hurried", Child: again("hurried"), Check: rows})
	all(t, r.Kill(t.Context()))
	if m := r.Power(t.Context()); len(m.Faults) == 0 {
		t.Errorf("%v: want a committed row that is lost", m)
	}
	if _, err := crash.Record(t.Context(), crash.Scenario{Name: "shared", Child: again("shared")}, scratch(t)); !errors.Is(err, crash.ErrTrace) {
		t.Errorf("Record(a log with a shared map) = %v, want ErrTrace", err)
	}
}
