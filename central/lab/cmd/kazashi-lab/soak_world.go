package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"time"

	"kazashi.example/central/admin"
	"kazashi.example/central/daemon"
	"kazashi.example/central/lab/pcscd"
	"kazashi.example/central/lab/soak"
	"kazashi.example/central/lab/stage"
	"kazashi.example/central/lab/tray"
	"kazashi.example/central/lab/tray/cast"
	"kazashi.example/central/lab/tray/hands"
	"kazashi.example/central/lab/tray/ledger"
	"kazashi.example/central/lab/world"
	"kazashi.example/central/lab/world/people"
	"kazashi.example/localapi"
	"kazashi.example/sync/record"
)

// soaking is an ensemble with a tray before each of many readers.
type soaking struct {
	*ensemble

	o       soakOptions
	client  *localapi.Client
	slots   []soak.Slot
	knows   map[string]tray.Knows
	ledgers []string
	books   []*ledger.Ledger // but the first, which the ensemble closes
}

// start brings everything up; the first slot's tray is the ensemble's own.
func (s *soaking) start(ctx context.Context) error {
	if err := s.prepare(ctx); err != nil {
		return err
	}
	var err error
	s.say("making %d people (keys in %s)", s.population(), s.keys)
	s.world, err = world.Open(ctx, s.path("world"), world.Config{Keys: s.keys, OCSP: "http://" + s.at.JPKI + "/ocsp", People: s.population()})
	if err != nil {
		return fmt.Errorf("opening the practice world: %w", err)
	}
	s.say("starting %d readers of one pcscd, practice JPKI, central, box", s.o.slots)
	s.rig, err = pcscd.Start(ctx, pcscd.Config{VCard: s.program("vcard"), Slots: s.o.slots, Dir: s.path("readers")})
	if err != nil {
		return fmt.Errorf("starting the card readers: %w", err)
	}
	for _, start := range []func(context.Context) error{s.startJPKI, s.startCentral, s.startTray, s.startTrays, s.startBox} {
		if err := start(ctx); err != nil {
			return err
		}
	}
	s.client, err = s.socket()
	return err
}

// population is the named people, of whom some cards are not in order, and as many more as are needed.
func (s *soaking) population() int { return people.Named() + s.o.slots*s.o.people }

// startTrays puts a tray before each further slot, and shares the people who are in order among them.
func (s *soaking) startTrays(ctx context.Context) error {
	all, err := cast.Cards(s.world)
	if err != nil {
		return err
	}
	s.knows = map[string]tray.Knows{}
	for n := range s.o.slots {
		slot := soak.Slot{Tray: s.tray.Tray, Reader: s.rig.ReaderName(n)}
		path := s.path("tray", "ledger.jsonl")
		if n > 0 {
			path = s.path("tray", fmt.Sprintf("ledger-%02d.jsonl", n))
			if slot.Tray, err = s.trayAt(path, n, all); err != nil {
				return err
			}
		}
		s.ledgers = append(s.ledgers, path)
		for _, p := range all[people.Named()+n*s.o.people:][:s.o.people] {
			slot.People = append(slot.People, p.Key)
			s.knows[p.Key] = p.Knows
		}
		s.slots = append(s.slots, slot)
	}
	return ctx.Err()
}

func (s *soaking) trayAt(path string, n int, all []tray.Person) (*tray.Tray, error) {
	book, err := ledger.Open(path, time.Now)
	if err != nil {
		return nil, err
	}
	s.books = append(s.books, book)
	return tray.New(tray.Config{
		People: all, Slot: hands.NewSlot(s.path("readers", "control"), n), Line: s.tray.Line, PKI: hands.NewPKI("http://" + s.at.JPKI),
		Ledger: book, Desk: practiceDesk, Service: practiceService, Enrols: true,
	})
}

func (s *soaking) close() error {
	s.client.Close()
	err := s.Close()
	for _, b := range s.books {
		err = errors.Join(err, b.Close())
	}
	return err
}

// run enrols everybody, soaks, and waits until all is settled.
func (s *soaking) run(ctx context.Context) (soak.Result, error) {
	if err := s.awaitReady(ctx); err != nil {
		return soak.Result{}, err
	}
	if err := s.openDesk(ctx); err != nil {
		return soak.Result{}, err
	}
	if err := s.enrolAll(ctx); err != nil {
		return soak.Result{}, err
	}
	r, err := soak.Run(ctx, soak.Config{
		Slots: s.slots, Client: s.client, People: len(s.knows), Taps: s.o.taps, Kills: s.o.kills, CentralKills: s.o.central, Seed: s.o.seed,
		Box: s.killBox, Central: s.killCentral, Say: s.say,
	})
	if err != nil {
		return r, err
	}
	s.say("%d taps heard in %.0f s; waiting until all is settled", r.Heard, r.Took.Seconds())
	return r, s.awaitAllSettled(ctx)
}

func (s *soaking) killBox(ctx context.Context) (err error) {
	s.box, err = s.again(ctx, s.box)
	return err
}

func (s *soaking) killCentral(ctx context.Context) (err error) {
	s.service, err = s.again(ctx, s.service)
	return err
}

// again kills a program and starts it again, as a service manager does: once more where it ends at once. A process that was being made when its
// parent was killed holds the parent's locks for some milliseconds.
func (s *soaking) again(ctx context.Context, p *stage.Process) (*stage.Process, error) {
	s.stage.Kill(p)
	next, err := s.stage.Start(ctx, p.Spec())
	if _, ended := errors.AsType[*stage.ExitError](err); ended {
		s.say("%v; starting it once more", err)
		next, err = s.stage.Start(ctx, p.Spec())
	}
	return next, err
}

// enrolAll enrols everybody with the PIN, one after the other: what the next card is laid for is asked of the box as a whole.
func (s *soaking) enrolAll(ctx context.Context) error {
	began := time.Now()
	ctx, cancel := context.WithCancel(ctx)
	h, join := listen(ctx, s.client)
	defer join()
	defer cancel()
	for n := range s.o.people {
		for _, slot := range s.slots {
			if err := s.enrolOne(ctx, h, slot, slot.People[n]); err != nil {
				return fmt.Errorf("enrolling %s: %w", slot.People[n], err)
			}
		}
	}
	s.say("%d people have enrolled in %.0f s", len(s.knows), time.Since(began).Seconds())
	return nil
}

func (s *soaking) enrolOne(ctx context.Context, h *heard, slot soak.Slot, person string) error {
	k := s.knows[person]
	_, err := s.client.SetNextCard(ctx, localapi.NextCardRequest{
		Kind: localapi.NextEnrol, PIN: localapi.NewSecret(k.PIN), Birth: localapi.NewSecret(k.Birth),
	})
	if err != nil {
		return err
	}
	mark := h.mark()
	if _, err := slot.Tray.LayExpecting(ctx, person, tray.Expected{First: tray.OutcomeServed, Final: tray.OutcomeServed}); err != nil {
		return err
	}
	e, err := h.await(ctx, mark, "its verdict", func(e localapi.Event) bool {
		return e.Reader == slot.Reader && (e.Type == localapi.EventVerdict || e.Type == localapi.EventReadFailed)
	})
	if err != nil {
		return err
	}
	if e.Tap == nil || e.Tap.First.Verdict != record.VerdictAccepted || e.Enrol == nil || !e.Enrol.Bound {
		return fmt.Errorf("%w: %s %+v", errSoak, e.Failure, e.Tap)
	}
	_, err = slot.Tray.Take(ctx)
	return err
}

// awaitAllSettled waits until central has applied everything and the box holds every last word.
func (s *soaking) awaitAllSettled(ctx context.Context) error {
	const within = 5 * time.Minute
	ctx, cancel := context.WithTimeoutCause(ctx, within, errSoak)
	defer cancel()
	central := admin.NewClient(s.path("central", daemon.Socket))
	poll := time.NewTicker(100 * time.Millisecond)
	defer poll.Stop()
	for {
		st, err := central.Status(ctx)
		box, berr := s.client.Status(ctx)
		if err == nil && berr == nil && box.Waiting.Records == 0 && st.Records > 0 && st.Settled == st.Records && st.Waiting+st.Awaiting == 0 {
			return nil
		}
		select {
		case <-poll.C:
		case <-ctx.Done():
			return fmt.Errorf("%w: after %s central has settled %d of %d records, %d wait on the box: %w",
				context.Cause(ctx), within, st.Settled, st.Records, box.Waiting.Records, errors.Join(err, berr))
		}
	}
}

// reckoning is what central's records come to, held against what the counter heard.
type reckoning struct {
	lost    int // heard, and not at central
	unshown int // at central, and neither heard nor shown after a restart
	doubled int // records beyond the first of one tap
}

// missing reads the taps of central's records, without those of enrolments.
func (s *soaking) missing(ctx context.Context, r soak.Result) (_ reckoning, err error) {
	db, err := sql.Open("sqlite", (&url.URL{
		Scheme: "file", OmitHost: true, Path: s.path("central", "central.db"), RawQuery: "_pragma=query_only(1)",
	}).String())
	if err != nil {
		return reckoning{}, err
	}
	defer db.Close()
	rows, err := db.QueryContext(ctx, "SELECT tap FROM records WHERE NOT EXISTS (SELECT 1 FROM enrolments e WHERE e.tap = records.tap)")
	if err != nil {
		return reckoning{}, fmt.Errorf("reading central's records: %w", err)
	}
	defer rows.Close()
	var applied []record.TapID
	for rows.Next() {
		var tap []byte
		if err := rows.Scan(&tap); err != nil {
			return reckoning{}, fmt.Errorf("reading central's records: %w", err)
		}
		var id record.TapID
		copy(id.ID128[:], tap)
		applied = append(applied, id)
	}
	return reckon(applied, r.Taps, r.Shown), rows.Err()
}

// reckon counts each tap once, however often it was applied.
func reckon(applied []record.TapID, heard, shown map[record.TapID]bool) (n reckoning) {
	seen := map[record.TapID]bool{}
	n.lost = len(heard)
	for _, id := range applied {
		switch {
		case seen[id]:
			n.doubled++
		case heard[id]:
			n.lost--
		case !shown[id]:
			n.unshown++
		}
		seen[id] = true
	}
	return n
}
