// Package daemon puts the parts of central together and runs them: the uplink for boxes, the opener, the lists, the backups
// and the operator's socket.
//
// Open reads and checks everything and starts nothing; Run blocks until its context ends or a part fails. At the end no new
// request is taken, held polls are answered, and what is under way has a few seconds to finish; what does not is as if it had
// never come, and a box sends it again. What is durable, and when, is said by the parts. The package decides nothing itself.
package daemon

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"kazashi.example/central/backup"
	"kazashi.example/central/boxline"
	"kazashi.example/central/config"
	"kazashi.example/central/courier"
	"kazashi.example/central/intake"
	"kazashi.example/central/keys"
	"kazashi.example/central/opener"
	"kazashi.example/central/person"
	"kazashi.example/central/policy"
	"kazashi.example/central/ppid"
	"kazashi.example/central/registry"
	"kazashi.example/central/renewal"
	"kazashi.example/central/retention"
	"kazashi.example/central/rosters"
	"kazashi.example/central/sitekeys"
	"kazashi.example/central/store"
	"kazashi.example/central/store/notice"
	"kazashi.example/central/store/sqlite"
	"kazashi.example/sync/certid"
	"kazashi.example/sync/record"
	"kazashi.example/sync/trust"
)

// Socket is where the operator reaches a running central, inside the data directory.
const Socket = "central.sock"

// Errors of Open, beside those of the parts.
var (
	// ErrNoKeys says that central has no keys yet.
	ErrNoKeys = errors.New("there are no keys")
	// ErrOtherKeys says that the key directory is not the one that this data directory was made with.
	ErrOtherKeys = errors.New("these keys are another central's: they open nothing in this data directory, and its boxes do not believe them; " +
		"put the right key directory in place")
)

// fileTrust is where package policy keeps the trust bundle in force.
const fileTrust = "trust.cbor"

// Daemon is a central that is ready to run.
type Daemon struct {
	conf     config.Config
	log      *slog.Logger
	release  string
	now      func() time.Time
	started  time.Time
	db       *sqlite.DB
	keys     *keys.Keys
	wanted   wanted
	bells    *notice.Bells
	registry *registry.Registry
	siteKeys *sitekeys.Keys
	line     *boxline.Line
	opener   *opener.Opener
	people   *person.People
	names    *ppid.Deriver
	renewals *renewal.Asker
	keeper   *backup.Keeper
	eraser   *retention.Keeper
	status   *authorities
	metrics  *metrics
	tally    *tally
	courier  *courier.Courier
	look     turn // of looking for gaps
}

// Open reads keys, database, anchors and kept lists. Errors name the file at fault and what to do.
func Open(ctx context.Context, conf config.Config, release string, log *slog.Logger) (_ *Daemon, err error) {
	d := &Daemon{conf: conf, log: log, release: release, now: time.Now, started: time.Now(), bells: &notice.Bells{}, look: newTurn()}
	d.tally = newTally(d.count)
	if d.keys, err = openKeys(conf.KeysDir); err != nil {
		return nil, err
	}
	if d.db, err = sqlite.Open(ctx, conf.DataDir, d.now()); err != nil {
		return nil, err
	}
	if err := d.assemble(ctx); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return d, nil
}

// openKeys tells a central that was never set up from one that lost a key.
func openKeys(dir string) (*keys.Keys, error) {
	k, err := keys.Open(dir)
	if !errors.Is(err, fs.ErrNotExist) {
		return k, err
	}
	files, lerr := os.ReadDir(dir)
	if len(files) == 0 && (lerr == nil || errors.Is(lerr, fs.ErrNotExist)) {
		return nil, fmt.Errorf("%w: %s; run `kazashi-central init` first", ErrNoKeys, dir)
	}
	return nil, fmt.Errorf("%w; put the copy of the key directory %s back (or, if `kazashi-central init` was interrupted and no box "+
		"has joined yet, remove it and run init again)", err, dir)
}

func (d *Daemon) assemble(ctx context.Context) error {
	var centralEpoch uint64
	if err := d.db.View(ctx, func(tx store.Tx) (err error) { centralEpoch, err = tx.CentralEpoch(); return err }); err != nil {
		return err
	}
	if err := CheckKeys(d.conf, d.keys); err != nil {
		return err
	}
	made, err := policy.Make(ctx, d.conf, d.keys, d.db, d.now())
	if err != nil {
		return err
	}
	for _, what := range made.Damaged {
		d.log.ErrorContext(ctx, "what boxes are to believe was damaged here, is set aside and was made anew", slog.String("what", what))
	}
	if made.Differs {
		d.log.WarnContext(ctx, "the configuration wants another trust bundle than the one in force; boxes get the latter until another is published",
			slog.Uint64("number", made.Trust.Number))
	}
	sc, err := StoreConfig(d.conf, made.Anchors, d.keys.Sign, d.now, d.log)
	if err != nil {
		return err
	}
	sc.CentralEpoch = centralEpoch
	if d.status, err = newAuthorities(ctx, d.conf, made, sc); err != nil {
		return err
	}
	d.wanted = wanted{policy: made, sets: d.status.store}
	taking := intake.New(d.db, intake.Limits{}, d.now)
	d.siteKeys = sitekeys.New(sitekeys.Config{Rows: d.keys.Rows, SealKeys: sealKeys{d.keys.Seal}, Sign: d.keys.Sign, Now: d.now})
	if err := d.register(taking); err != nil {
		return err
	}
	if err := d.know(ctx, made); err != nil {
		return err
	}
	if err := d.tell(made); err != nil {
		return err
	}
	d.line = boxline.New(boxline.Config{
		Store: d.db, Registry: d.registry, Intake: taking, Acks: intake.NewAcks(d.db, d.keys.Sign, d.now), Rows: d.keys.Rows,
		Keys: d.siteKeys, Desired: d.wanted, Rosters: d.wanted.people, Bells: d.bells, Sign: d.keys.Sign, Now: d.now, Log: d.log,
	})
	if err := d.carry(taking); err != nil {
		return err
	}
	d.settle(made)
	d.keeper = backup.New(backup.Config{
		Database: d.db, Dir: d.conf.Backup.Dir, Every: time.Duration(*d.conf.Backup.Every), Keep: d.conf.Backup.Keep,
		Safe: d.bells.RingAll, Now: d.now, Log: d.log,
	})
	if err := d.retain(); err != nil {
		return err
	}
	d.metrics = newMetrics(d.release, newSetMetrics(d.status.store, d.now))
	return nil
}

// CheckKeys returns ErrOtherKeys for keys whose root is not that of the bundle which boxes have. A bundle that is damaged or not there says
// nothing, and is made anew.
func CheckKeys(c config.Config, k *keys.Keys) error {
	root, err := k.Fingerprint()
	if err != nil {
		return err
	}
	kept, err := os.ReadFile(filepath.Join(c.DataDir, fileTrust))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading the trust bundle in force: %w", err)
	}
	if _, err := trust.Open(kept, trust.Terms{Root: root}); errors.Is(err, trust.ErrRoot) {
		return fmt.Errorf("%w: %s", ErrOtherKeys, c.KeysDir)
	}
	return nil
}

func (d *Daemon) register(taking *intake.Intake) error {
	shown, err := tlsKeys(d.keys)
	if err != nil {
		return err
	}
	d.registry = registry.New(registry.Config{
		Store: d.db, Sealer: d.keys.Rows, Trust: d.wanted, Adopter: taking, Keys: d.siteKeys, Root: d.wanted.policy.Root, TLS: shown, Now: d.now,
	})
	return nil
}

// ppidEpoch numbers the one PPID key of the key directory.
const ppidEpoch = 1

// know makes what knows people, and what asks for their renewals. Rosters change with the rules: they name people of verifiers that are
// served.
func (d *Daemon) know(ctx context.Context, made *policy.Policy) (err error) {
	if d.names, err = ppid.NewDeriver(d.keys.Handle, d.keys.PPID, ppidEpoch); err != nil {
		return err
	}
	d.people = person.New(d.keys.Rows, d.names)
	var h certid.Hierarchy
	if r := d.conf.Renewals; r.URL != "" {
		if h, err = certid.ParseHierarchy(r.Hierarchy); err != nil {
			return err
		}
	}
	d.renewals = renewal.New(renewal.Config{
		Store: d.db, People: d.people, URL: d.conf.Renewals.URL, Hierarchy: h, Every: time.Duration(*d.conf.Renewals.Every),
		HTTP: d.status.http, Bells: d.bells, Now: d.now, Log: d.log,
	})
	return d.db.Update(ctx, func(tx store.Tx) error { return tx.RaiseRosters(made.Version()) })
}

// dirRosters is the folder of rosters in the data directory.
const dirRosters = "rosters"

// tell makes what tells the boxes of a site who is enrolled there.
func (d *Daemon) tell(made *policy.Policy) (err error) {
	d.wanted.people, err = rosters.Open(rosters.Config{
		Dir: filepath.Join(d.conf.DataDir, dirRosters), Store: d.db, People: d.people, Policy: d.services(made), Keys: d.siteKeys,
		PPID: func(s store.Subject) (record.Subject, error) { return opener.PPID(d.keys.Rows, s) },
		Sign: d.keys.Sign, Bells: d.bells, Now: d.now, Log: d.log,
	})
	return err
}

func (d *Daemon) services(made *policy.Policy) services {
	sectors := make(map[record.ServiceID]string, len(d.conf.Service))
	for _, s := range d.conf.Service {
		sectors[record.ServiceID(s.ID)] = s.Sector
	}
	return services{policy: made, sectors: sectors}
}

func (d *Daemon) settle(made *policy.Policy) {
	d.opener = opener.New(opener.Config{
		Store: d.db, SealKeys: sealKeys{d.keys.Seal}, Rows: d.keys.Rows, Identity: d.names,
		Services: d.services(made), Renewals: d.renewals, Validity: d.status, Holds: d.status, Examiner: made.Anchors, Bells: d.bells,
		Now: d.now, Signed: d.signed, Log: d.log,
	})
}

// Close closes database and store. Run has ended.
func (d *Daemon) Close() error {
	var err error
	if d.status != nil {
		err = d.status.close()
	}
	return errors.Join(err, d.db.Close())
}
