package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"kazashi.example/central/config"
	"kazashi.example/central/crl"
	"kazashi.example/central/daemon"
	"kazashi.example/central/keys"
	"kazashi.example/central/policy"
	"kazashi.example/central/store"
	"kazashi.example/central/store/sqlite"
	"kazashi.example/firmware/command"
	"kazashi.example/sync/certid"
	"kazashi.example/sync/crlset/manifest"
)

func newCRL(s *settings) *cobra.Command {
	c := &cobra.Command{
		Use:   "crl",
		Short: "Take revocation lists, make sets of them, and look at what is there",
		Long: `crl works on the revocation lists in the data directory. "serve" fetches lists and makes sets by itself;
these commands are for lists that come another way, and for looking closely.

ingest and build change the store, and are refused while "serve" holds it. inspect, verify, delta and
export only read, and override only adds: they work beside it.`,
		Example: `  kazashi-central crl ingest auth.crl && kazashi-central crl build
  kazashi-central crl inspect
  kazashi-central crl export /media/stick`,
	}
	c.AddCommand(newIngest(s), newBuild(s), newDelta(s), newInspect(s), newVerify(s), newOverride(s), newExport(s))
	return c
}

// scoped are the flags of commands about one scope.
type scoped struct {
	settings *settings
	scope    string
	json     bool
}

func (o *scoped) flags(c *cobra.Command) *cobra.Command {
	c.Flags().StringVar(&o.scope, "scope", "", "hierarchy and purpose, for example practice/auth; the authentication CA's if there is one hierarchy alone")
	c.Flags().BoolVar(&o.json, "json", false, "print JSON")
	return c
}

// opened is a store with what it was opened by.
type opened struct {
	*crl.Store

	scope certid.Scope
	conf  config.Config
	keys  *keys.Keys
	with  crl.Config
}

// open opens the store of the data directory. The caller closes it.
func (o *scoped) open(c *cobra.Command, readOnly bool, centralEpoch uint64) (*opened, error) {
	p, err := o.prepare(c)
	if err != nil {
		return nil, err
	}
	p.with.ReadOnly, p.with.CentralEpoch = readOnly, centralEpoch
	p.Store, err = crl.Open(c.Context(), p.with)
	if errors.Is(err, crl.ErrHeld) {
		return nil, errHeld
	}
	return p, err
}

// errHeld is what an operator is told who runs a command beside the daemon that changes what the daemon works with.
var errHeld = errors.New("the daemon holds the store of revocation lists, and takes lists and makes sets by itself; " +
	"stop `kazashi-central serve` first, or let it fetch")

// prepare reads everything that a store is opened with.
func (o *scoped) prepare(c *cobra.Command) (*opened, error) {
	conf, err := o.settings.load()
	if err != nil {
		return nil, err
	}
	scope, err := o.parse(c, conf)
	if err != nil {
		return nil, err
	}
	anchors, err := policy.Anchors(conf)
	if err != nil {
		return nil, err
	}
	k, err := keys.Open(conf.KeysDir)
	if err != nil {
		return nil, fmt.Errorf("%w (`kazashi-central init` makes the keys)", err)
	}
	if err := daemon.CheckKeys(conf, k); err != nil {
		return nil, err
	}
	log := slog.New(slog.NewJSONHandler(c.ErrOrStderr(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	with, err := daemon.StoreConfig(conf, anchors, k.Sign, time.Now, log)
	return &opened{scope: scope, conf: conf, keys: k, with: with}, err
}

// parse reads --scope.
func (o *scoped) parse(c *cobra.Command, conf config.Config) (of certid.Scope, err error) {
	if o.scope == "" && len(conf.JPKI) == 1 {
		of.Purpose = certid.PurposeAuth
		of.Hierarchy, err = certid.ParseHierarchy(conf.JPKI[0].Hierarchy)
		return of, err
	}
	h, p, ok := strings.Cut(o.scope, "/")
	var errs [2]error
	of.Hierarchy, errs[0] = certid.ParseHierarchy(h)
	of.Purpose, errs[1] = certid.ParsePurpose(p)
	if !ok || errors.Join(errs[:]...) != nil {
		return of, command.WrongUsage(c, fmt.Errorf("--scope is a hierarchy and a purpose, for example practice/auth, not %q", o.scope))
	}
	return of, nil
}

// centralEpoch reads it from the database, which must not be in use.
func centralEpoch(ctx context.Context, conf config.Config) (epoch uint64, err error) {
	db, err := sqlite.Open(ctx, conf.DataDir, time.Now())
	if errors.Is(err, store.ErrBusy) {
		return 0, errHeld
	}
	if err != nil {
		return 0, err
	}
	err = db.View(ctx, func(tx store.Tx) (err error) { epoch, err = tx.CentralEpoch(); return err })
	return epoch, errors.Join(err, db.Close())
}

// setSummary is a set as commands print it.
type setSummary struct {
	Scope      string    `json:"scope"`
	Number     string    `json:"number"`
	ThisUpdate time.Time `json:"this_update"`
	NextUpdate time.Time `json:"next_update"`
	Entries    uint64    `json:"entries"`
	Octets     uint64    `json:"octets"`
	Partitions uint32    `json:"partitions"`
	Columns    string    `json:"columns"`
	Issuers    []string  `json:"issuers"` // key ids of which an absence speaks
	Root       string    `json:"root"`
}

func summaryOf(h manifest.Head) setSummary {
	s := setSummary{
		Scope: h.Scope().String(), Number: crl.Number(h.Number), ThisUpdate: h.At(), NextUpdate: time.Unix(h.NextUpdate, 0).UTC(),
		Entries: h.Entries, Octets: h.Size, Partitions: h.Rows, Columns: columnsOf(h.Columns), Root: fmt.Sprintf("%x", h.Root[:]), Issuers: []string{},
	}
	for _, k := range h.Issuers {
		s.Issuers = append(s.Issuers, keyText(k))
	}
	return s
}

// keyText is a key id as logs and commands show it.
func keyText(b []byte) string {
	var id certid.KeyID
	copy(id[:], b)
	return id.String()
}
