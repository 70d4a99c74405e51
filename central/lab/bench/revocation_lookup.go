package bench

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"kazashi.example/central/lab/bench/stats"
	"kazashi.example/central/lab/crlgen"
	"kazashi.example/sync/crlset"
)

// How answers are timed: in batches, because one takes less than reading the clock can tell apart. A structure is asked all questions in its
// turn. What the first of them take, while the caches are still full of what was asked before, is told apart: a shorter turn would end
// somewhere on the way, and its median would be neither.
const (
	lookupBatch   = 16
	lookupQueries = 1 << 20 // half of them on the list, in random order
	lookupTurn    = lookupQueries / lookupBatch
	lookupFirst   = 1024 // batches
	sqliteTurn    = 64   // batches
	lookupTurns   = 3    // in a round
)

// lookupOrder is what a child that looks up is told.
type lookupOrder struct {
	Entries    uint64
	Seed       uint64
	ThisUpdate time.Time
	Rounds     int
}

// lookedUp is what it answers: nanoseconds by structure, and octets an entry.
type lookedUp struct {
	P50, P99 map[string][]float64 // of each turn
	First    map[string][]float64 // p50 of the first of each turn
	Chained  map[string][]float64 // p50 where each question waits for the answer before
	Octets   map[string]float64
}

// measureLookup asks each structure in turn, in a process of its own.
func (r *revocationRun) measureLookup(ctx context.Context) error {
	s := r.spec()
	order, err := json.Marshal(lookupOrder{Entries: s.Entries, Seed: s.Seed, ThisUpdate: s.ThisUpdate, Rounds: r.rounds})
	if err != nil {
		return fmt.Errorf("ordering: %w", err)
	}
	var got lookedUp
	if _, err := r.asked(ctx, order, &got, childLookup, r.dir); err != nil {
		return err
	}
	all := series{}
	for name := range got.P50 {
		all[name], all[name+" p99"], all[name+" chained"], all[name+" first"] = got.P50[name], got.P99[name], got.Chained[name], got.First[name]
	}
	all["serials/map chained"] = ratios(got.Chained["serials"], got.Chained["map"])
	all["full/map chained"] = ratios(got.Chained["full"], got.Chained["mapfull"])
	all["serials/map first"] = ratios(got.First["serials"], got.First["map"])
	all["full/map first"] = ratios(got.First["full"], got.First["mapfull"])
	all["serials/map"] = ratios(got.P50["serials"], got.P50["map"])
	all["full/map"] = ratios(got.P50["full"], got.P50["mapfull"])
	if err := r.print(all, []figureOf{
		{"lookup_vs_gomap", "serials/map", "%.2f", "ratio"},
		{"lookup_full_vs_gomap", "full/map", "%.2f", "ratio"},
		{"lookup_first_vs_gomap", "serials/map first", "%.2f", "ratio"},
		{"lookup_full_first_vs_gomap", "full/map first", "%.2f", "ratio"},
		{"lookup_chained_vs_gomap", "serials/map chained", "%.2f", "ratio"},
		{"lookup_full_chained_vs_gomap", "full/map chained", "%.2f", "ratio"},
		{"lookup_first_p50_ns", "serials first", "%.0f", "ns"},
		{"lookup_full_first_p50_ns", "full first", "%.0f", "ns"},
		{"gomap_first_p50_ns", "map first", "%.0f", "ns"},
		{"gomap_full_first_p50_ns", "mapfull first", "%.0f", "ns"},
		{"lookup_chained_p50_ns", "serials chained", "%.0f", "ns"},
		{"gomap_chained_p50_ns", "map chained", "%.0f", "ns"},
		{"lookup_p50_ns", "serials", "%.0f", "ns"},
		{"lookup_p99_ns", "serials p99", "%.0f", "ns"},
		{"lookup_full_p50_ns", "full", "%.0f", "ns"},
		{"lookup_full_p99_ns", "full p99", "%.0f", "ns"},
		{"gomap_p50_ns", "map", "%.0f", "ns"},
		{"gomap_p99_ns", "map p99", "%.0f", "ns"},
		{"gomap_full_p50_ns", "mapfull", "%.0f", "ns"},
		{"gomap_full_p99_ns", "mapfull p99", "%.0f", "ns"},
		{"sorted_u32_p50_ns", "sorted", "%.0f", "ns"},
		{"sorted_u32_p99_ns", "sorted p99", "%.0f", "ns"},
		{"sqlite_p50_ns", "sqlite", "%.0f", "ns"},
		{"sqlite_p99_ns", "sqlite p99", "%.0f", "ns"},
	}); err != nil {
		return err
	}
	r.figure("gomap_bytes_per_entry", "%.1f", got.Octets["map"], "B")
	r.figure("gomap_full_bytes_per_entry", "%.1f", got.Octets["mapfull"], "B")
	r.figure("sqlite_bytes_per_entry", "%.1f", got.Octets["sqlite"], "B")
	r.figure("set_serial_bytes_vs_gomap", "%.4f", got.Octets["serials"]/got.Octets["map"], "ratio")
	r.figure("set_full_bytes_vs_gomap", "%.4f", got.Octets["full"]/got.Octets["mapfull"], "ratio")
	return nil
}

func ratios(a, b []float64) []float64 {
	out := make([]float64, 0, len(a))
	for i := range a {
		out = append(out, a[i]/b[i])
	}
	return out
}

// fact is what the full map keeps of a serial.
type fact struct {
	Date   uint32 // seconds since 1970, until 2106
	Reason uint8
}

// question is a serial and the right answer.
type question struct {
	serial uint64
	listed bool
	fact   fact
}

// structure is one that can be asked.
type structure struct {
	name   string
	turn   int // batches
	knows  bool
	octets float64
	find   func(serial uint64) (fact, bool)
}

// rivals are all structures over one list, with the questions.
type rivals struct {
	list      *crlgen.List
	dir       string
	questions []question
	all       []structure
	close     []func() error
	fault     error
}

// lookUp is the child.
func lookUp(ctx context.Context, dir string, in io.Reader) (l lookedUp, err error) {
	var o lookupOrder
	if err := json.NewDecoder(in).Decode(&o); err != nil {
		return l, fmt.Errorf("reading an order: %w", err)
	}
	v := &rivals{dir: dir}
	defer func() { err = errors.Join(err, v.end()) }()
	if v.list, err = crlgen.New(crlgen.Spec{Seed: o.Seed, Entries: o.Entries, ThisUpdate: o.ThisUpdate}); err != nil {
		return l, err
	}
	for _, step := range []func(context.Context) error{v.maps, v.sets, v.sqlite} {
		if err := step(ctx); err != nil {
			return l, err
		}
	}
	runtime.GC()
	if err := v.examine(); err != nil {
		return l, err
	}
	return v.race(ctx, o.Rounds*lookupTurns)
}

func (v *rivals) end() error {
	var all []error
	for _, c := range v.close {
		all = append(all, c())
	}
	return errors.Join(all...)
}

// heap is how many octets live objects have.
func heap() float64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc)
}

// maps makes the two maps, told beforehand how much comes, the sorted slice, and the questions.
func (v *rivals) maps(context.Context) error {
	n := int(v.list.Len()) //nolint:gosec // a list of this bench
	before := heap()
	bare := make(map[uint64]struct{}, n)
	for e := range v.list.Entries() {
		bare[e.Key.C] = struct{}{}
	}
	size := (heap() - before) / float64(n)
	v.add("map", false, size, func(s uint64) (fact, bool) { _, ok := bare[s]; return fact{}, ok })
	before = heap()
	full := make(map[uint64]fact, n)
	for e := range v.list.Entries() {
		full[e.Key.C] = factOf(e.Entry)
	}
	size = (heap() - before) / float64(n)
	v.add("mapfull", true, size, func(s uint64) (fact, bool) { f, ok := full[s]; return f, ok })
	sorted := make([]uint32, 0, n)
	for e := range v.list.Entries() {
		sorted = append(sorted, uint32(e.Key.C)) //nolint:gosec // of a universe below 2^32
	}
	v.add("sorted", false, 4, func(s uint64) (fact, bool) {
		_, ok := slices.BinarySearch(sorted, uint32(s)) //nolint:gosec // of a universe below 2^32
		return fact{}, ok
	})
	v.ask(sorted, full)
	return nil
}

func factOf(e crlset.Entry) fact { return fact{uint32(e.Date), uint8(e.Reason)} } //nolint:gosec // dates of this bench

func (v *rivals) add(name string, knows bool, octets float64, find func(uint64) (fact, bool)) {
	v.all = append(v.all, structure{name: name, turn: lookupTurn, knows: knows, octets: octets, find: find})
}

// ask makes the questions.
func (v *rivals) ask(sorted []uint32, full map[uint64]fact) {
	random := rand.New(rand.NewPCG(v.list.Spec().Seed, 99)) //nolint:gosec // a draw that can be repeated
	universe := v.list.Spec().Universe
	for len(v.questions) < lookupQueries {
		s := uint64(sorted[random.IntN(len(sorted))])
		v.questions = append(v.questions, question{s, true, full[s]})
		for {
			s = 1 + random.Uint64N(universe)
			if _, listed := full[s]; !listed {
				break
			}
		}
		v.questions = append(v.questions, question{serial: s})
	}
	random.Shuffle(len(v.questions), func(i, j int) { v.questions[i], v.questions[j] = v.questions[j], v.questions[i] })
}

// sets opens both sets as a box does; every chunk is compared with its digest when it is first touched.
func (v *rivals) sets(context.Context) error {
	digests, err := os.ReadFile(filepath.Join(v.dir, serialsSet+digestsEnd))
	if err != nil {
		return fmt.Errorf("reading digests: %w", err)
	}
	serials, err := crlset.OpenFile(filepath.Join(v.dir, serialsSet), digests)
	if err != nil {
		return err
	}
	v.addSet("serials", false, serials)
	full, err := openPublished(v.dir)
	if err != nil {
		return err
	}
	v.addSet("full", true, full)
	return nil
}

func (v *rivals) addSet(name string, knows bool, set *crlset.Set) {
	v.close = append(v.close, set.Close)
	v.add(name, knows, float64(set.Size())/float64(v.list.Len()), func(serial uint64) (fact, bool) {
		f, ok, err := set.Lookup(crlset.Key{C: serial})
		if err != nil {
			v.fault = err
		}
		return fact{uint32(f.Date), uint8(f.Reason)}, ok //nolint:gosec // dates of this bench
	})
}

// sqlite makes a table whose primary key is the serial, in a file.
func (v *rivals) sqlite(ctx context.Context) error {
	path := filepath.Join(v.dir, "revoked.db")
	db, err := sql.Open("sqlite", "file:"+path)
	if err != nil {
		return fmt.Errorf("opening SQLite: %w", err)
	}
	v.close = append(v.close, db.Close)
	db.SetMaxOpenConns(1)
	if _, err := db.ExecContext(ctx, "CREATE TABLE revoked (serial INTEGER PRIMARY KEY, date INTEGER NOT NULL, reason INTEGER NOT NULL) STRICT"); err != nil {
		return fmt.Errorf("making a table: %w", err)
	}
	if err := v.fill(ctx, db); err != nil {
		return fmt.Errorf("filling a table: %w", err)
	}
	info, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("looking at a table: %w", err)
	}
	query, err := db.PrepareContext(ctx, "SELECT date, reason FROM revoked WHERE serial = ?")
	if err != nil {
		return fmt.Errorf("asking a table: %w", err)
	}
	v.close = append(v.close, query.Close)
	v.add("sqlite", true, float64(info.Size())/float64(v.list.Len()), func(serial uint64) (f fact, ok bool) {
		err := query.QueryRowContext(ctx, int64(serial)).Scan(&f.Date, &f.Reason) //nolint:gosec // of a universe below 2^32
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			v.fault = err
		}
		return f, err == nil
	})
	v.all[len(v.all)-1].turn = sqliteTurn
	slices.Reverse(v.close) // the statement before the database
	return nil
}

func (v *rivals) fill(ctx context.Context, db *sql.DB) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() //nolint:errcheck // after Commit it does nothing
	insert, err := tx.PrepareContext(ctx, "INSERT INTO revoked VALUES (?, ?, ?)")
	if err != nil {
		return err
	}
	defer insert.Close()
	if err := v.insert(ctx, insert); err != nil {
		return err
	}
	return tx.Commit()
}

func (v *rivals) insert(ctx context.Context, row *sql.Stmt) error {
	for e := range v.list.Entries() {
		if _, err := row.ExecContext(ctx, int64(e.Key.C), e.Date, int64(e.Reason)); err != nil { //nolint:gosec // of a universe below 2^32
			return err
		}
	}
	return nil
}

// examine wants the right answer to every question from every structure (SQLite: to the first), so that what is raced is right.
func (v *rivals) examine() error {
	for _, s := range v.all {
		questions := v.questions
		if s.turn != lookupTurn {
			questions = questions[:sqliteTurn*lookupBatch]
		}
		for _, q := range questions {
			if f, ok := s.find(q.serial); ok != q.listed || s.knows && ok && f != q.fact {
				return fmt.Errorf("%w: %s answers wrongly", ErrSame, s.name)
			}
		}
	}
	return v.fault
}

// race asks each structure in turn.
func (v *rivals) race(ctx context.Context, turns int) (l lookedUp, err error) {
	l = lookedUp{Octets: map[string]float64{}}
	for _, times := range []*map[string][]float64{&l.P50, &l.P99, &l.First, &l.Chained} {
		*times = map[string][]float64{}
	}
	for range turns {
		for _, s := range v.all {
			if err := ctx.Err(); err != nil {
				return l, err
			}
			if err := l.add(s, v.time(s), v.timeChained(s)); err != nil {
				return l, err
			}
		}
	}
	return l, v.fault
}

// add keeps a turn's times.
func (l *lookedUp) add(s structure, took, chained []float64) error {
	first, err := stats.Median(took[:min(lookupFirst, len(took))])
	if err != nil {
		return err
	}
	p50, err := stats.Median(took)
	if err != nil {
		return err
	}
	p99, err := stats.Percentile(took, 99)
	if err != nil {
		return err
	}
	waited, err := stats.Median(chained)
	if err != nil {
		return err
	}
	l.P50[s.name], l.P99[s.name] = append(l.P50[s.name], p50), append(l.P99[s.name], p99)
	l.First[s.name], l.Chained[s.name] = append(l.First[s.name], first), append(l.Chained[s.name], waited)
	l.Octets[s.name] = s.octets
	return nil
}

// time asks a structure a turn's questions and says what one took in each batch, in nanoseconds.
func (v *rivals) time(s structure) []float64 {
	took := make([]float64, 0, s.turn)
	for batch := range slices.Chunk(v.questions[:s.turn*lookupBatch], lookupBatch) {
		start := time.Now()
		for i := range batch {
			s.find(batch[i].serial)
		}
		took = append(took, float64(time.Since(start))/lookupBatch)
	}
	return took
}

// nothing is 0, which the compiler does not know.
var nothing uint64

// timeChained is time where the processor cannot begin with a question before it has the answer to the last: a box is asked one
// question at a tap, not sixteen.
func (v *rivals) timeChained(s structure) []float64 {
	took := make([]float64, 0, s.turn)
	var last uint64
	for batch := range slices.Chunk(v.questions[:s.turn*lookupBatch], lookupBatch) {
		start := time.Now()
		for i := range batch {
			f, ok := s.find(batch[i].serial + last&nothing)
			last = uint64(f.Date)
			if ok {
				last++
			}
		}
		took = append(took, float64(time.Since(start))/lookupBatch)
	}
	return took
}
