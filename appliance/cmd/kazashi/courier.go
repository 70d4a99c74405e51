package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"kazashi.example/appliance/box"
	"kazashi.example/firmware/command"
	"kazashi.example/localapi"
)

const courierEvery = 150 * time.Millisecond // between looks at how far the box has come

// Errors of sticks.
var (
	errWhichStick  = errors.New("name the stick's folder: none or several are mounted where courier.sticks says")
	errNoFolder    = errors.New("not a folder; name the one in which the stick is mounted")
	errNotAll      = errors.New("some files were not taken; the rest was")
	errDamaged     = errors.New("all is written; damaged files from before were left on the stick: take them to central, too")
	errGoesOn      = errors.New("the box goes on with the stick; `kazashi courier status` says how far it has come")
	errOtherJob    = errors.New("somebody else began another use of a stick in between; `kazashi courier status` tells of it")
	errCourierWait = errors.New("asking how far it has come")
)

func newCourier(s *settings) *cobra.Command {
	c := &cobra.Command{
		Use:   "courier",
		Short: "Carry records to central on a USB stick, and results back",
		Long: `courier is the way without a line. "export" writes onto a stick what central does not have yet; somebody carries the stick to
central, where "kazashi-central courier import" takes it and "kazashi-central courier export" writes the answer: acknowledgements, final
verdicts, revocation sets, rules, rosters and trust bundles. "import" takes that in.

Everything on the stick is sealed or signed, and names nobody to whoever finds it. A stick may be pulled at any moment, lost, or used twice;
several boxes may share one; sticks may come back in any order, and records that also go by the line are counted once. The records stay on
the box until central has signed that they are safe.

The running box does the work, so it needs to reach the folder; the stick is any folder on any file system, FAT as well.`,
		Example: `  kazashi courier export /media/usb        write what central lacks
  kazashi courier import /media/usb        take in what central wrote
  kazashi courier status                   which sticks are there, what was done last
  kazashi courier status /media/usb        what is on one`,
	}
	c.AddCommand(newCourierMove(s, localapi.CourierExport), newCourierMove(s, localapi.CourierImport), newCourierStatus(s))
	return c
}

// courierTexts are what the two ways say of themselves.
var courierTexts = map[localapi.CourierWhat]struct{ short, long string }{
	localapi.CourierExport: {"Write onto a stick what central does not have yet", `export writes records that central is not known to have, as files of at most
32 MiB, each whole by itself, and last what central must know to answer: what this box has. What lies on the stick already is not written
again, so that an export that was interrupted goes on. A damaged file stays, and is named, while records in it may be nowhere else; the exit
status is 1 then. With no new records the state alone is written; that is enough to have verdicts, lists and rules brought back.

Without FOLDER it is the only stick that is mounted where courier.sticks says. When the command has ended the stick may be pulled.`},
	localapi.CourierImport: {"Take in from a stick what central wrote for this box", `import applies, in the order in which central wrote them, the files on the stick that
are for this box, by the same checks as if all of it had come by the line. What is no news changes nothing. A file that is damaged, half
copied, another box's or not signed by this box's central is named and keeps nothing else out; the exit status is 1 then. Files of this box
whose records are all safe at central are taken off the stick, and so is a file that brought keys of the site, once they are taken in.

A box that asked to join by this stick ("kazashi join --courier") and finds its answer here takes its place by it: run the same command while
the daemon does not run. Without FOLDER it is the only stick that is mounted where courier.sticks says.`},
}

func newCourierMove(s *settings, what localapi.CourierWhat) *cobra.Command {
	var asJSON bool
	t := courierTexts[what]
	c := &cobra.Command{
		Use:   string(what) + " [FOLDER]",
		Short: t.short,
		Long:  t.long,
		Example: fmt.Sprintf(`  kazashi courier %s /media/usb
  kazashi courier %s /media/usb --json | jq .summary`, what, what),
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if what == localapi.CourierImport && len(args) == 1 {
				if done, err := joinedHere(c, s, args[0]); done || err != nil {
					return err
				}
			}
			return asking(s, func(c *cobra.Command, client *localapi.Client, args []string) error {
				return move(c, client, what, args, asJSON)
			})(c, args)
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

// move has the box do it, and says what it came to.
func move(c *cobra.Command, client *localapi.Client, what localapi.CourierWhat, args []string, asJSON bool) error {
	order, err := orderOf(c.Context(), client, args)
	if err != nil {
		return err
	}
	job, err := carried(c, client, what, order)
	if err != nil {
		return err
	}
	return reported(c.OutOrStdout(), job, asJSON)
}

// joinedHere completes a join that was asked for by stick, if one was. Where the daemon runs the box has a place already, and the stick is the
// daemon's.
func joinedHere(c *cobra.Command, s *settings, stick string) (done bool, err error) {
	conf, err := s.load()
	if err != nil || !box.Asked(conf.DataDir) {
		return false, err
	}
	err = takeAnswer(c, s, stick)
	if errors.Is(err, box.ErrInUse) {
		return false, nil
	}
	if err == nil {
		fmt.Fprintln(c.OutOrStdout(), "start the box, then import the same stick again: what else is on it is for a box that runs")
	}
	return true, err
}

// orderOf names the folder that was given, or the only stick that is there.
func orderOf(ctx context.Context, client *localapi.Client, args []string) (o localapi.CourierOrder, err error) {
	if len(args) == 1 {
		if o.Path, err = filepath.Abs(args[0]); err != nil {
			return o, err
		}
		if i, err := os.Stat(o.Path); err == nil && !i.IsDir() {
			return o, fmt.Errorf("%w: %s", errNoFolder, o.Path)
		}
		return o, nil
	}
	v, err := client.Courier(ctx)
	if err != nil {
		return o, err
	}
	var names []string
	for _, stick := range v.Sticks {
		if stick.Problem == nil {
			names = append(names, stick.Name)
		}
	}
	if len(names) != 1 {
		return o, fmt.Errorf("%w %q", errWhichStick, names)
	}
	return localapi.CourierOrder{Stick: names[0]}, nil
}

// carried begins a job and follows it to its end. Whoever interrupts it leaves the box at work.
func carried(c *cobra.Command, client *localapi.Client, what localapi.CourierWhat, o localapi.CourierOrder) (localapi.CourierJob, error) {
	v, err := client.BeginCourier(c.Context(), what, o)
	if err != nil {
		return localapi.CourierJob{}, err
	}
	show := newProgress(c.ErrOrStderr())
	defer show.end()
	every := time.NewTicker(courierEvery)
	defer every.Stop()
	for began := v.Job.Began; ; {
		switch {
		case v.Job == nil || !v.Job.Began.Equal(began):
			return localapi.CourierJob{}, errOtherJob
		case !v.Job.Ended.IsZero():
			return *v.Job, nil
		}
		show.at(v.Job.Done, v.Job.Total)
		select {
		case <-c.Context().Done():
			return localapi.CourierJob{}, errGoesOn
		case <-every.C:
		}
		if v, err = client.Courier(c.Context()); err != nil {
			if c.Context().Err() != nil {
				return localapi.CourierJob{}, errGoesOn
			}
			return localapi.CourierJob{}, fmt.Errorf("%w: %w", errCourierWait, err)
		}
	}
}

// progress is one line on a terminal; elsewhere nothing.
type progress struct{ w io.Writer }

func newProgress(w io.Writer) progress {
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) { //nolint:gosec // a descriptor
		return progress{w}
	}
	return progress{io.Discard}
}

func (p progress) at(done, total uint64) {
	if total > 0 {
		fmt.Fprintf(p.w, "\r%d of %d ", min(done, total), total)
	}
}

func (p progress) read(records uint64) { fmt.Fprintf(p.w, "\r%d records read ", records) }

func (p progress) end() { fmt.Fprint(p.w, "\r\x1b[K") }

// reported prints what a job came to, and is its error.
func reported(w io.Writer, j localapi.CourierJob, asJSON bool) error {
	if asJSON {
		if err := command.PrintJSON(w, j); err != nil {
			return err
		}
	} else if j.Summary != nil {
		printSummary(w, j.What, *j.Summary)
	}
	switch {
	case j.Failed != nil:
		return fmt.Errorf("%s: %s", j.Failed.Code, j.Failed.MessageEN)
	case j.Summary != nil && len(j.Summary.Refused) > 0 && j.What == localapi.CourierExport:
		return errDamaged
	case j.Summary != nil && len(j.Summary.Refused) > 0:
		return errNotAll
	default:
		return nil
	}
}

func printSummary(w io.Writer, what localapi.CourierWhat, s localapi.CourierSummary) {
	row := func(ok bool, name, format string, a ...any) {
		if ok {
			fmt.Fprintf(w, "%-10s %s\n", name, fmt.Sprintf(format, a...))
		}
	}
	if what == localapi.CourierExport {
		row(s.Records > 0, "written", "%d records, files: %d", s.Records, s.Files)
		row(s.Records == 0 && s.Files > 0, "written", "no new records; what this box has, files: %d", s.Files)
		row(s.Known > 0, "left", "files from before that still serve: %d", s.Known)
		row(s.Removed > 0, "removed", "files from before that serve nobody: %d", s.Removed)
		row(s.Files+s.Known > 0, "content", "sealed: only central can open the records, and they name nobody to anyone else")
		row(s.Files+s.Known > 0, "next", `take the stick to central: "kazashi-central courier import"; the records stay on this box too`)
	} else {
		row(s.Files > 0, "taken in", "files with news: %d", s.Files)
		row(s.Known > 0, "known", "files without news: %d", s.Known)
		row(s.Records > 0, "received", "records that central says it has now: %d", s.Records)
		row(s.Safe > 0, "safe", "records that are safe at central now: %d", s.Safe)
		row(s.Verdicts > 0, "verdicts", "%d final, %d need a second look%s", s.Verdicts, s.Work, map[bool]string{true: `: "kazashi work list"`}[s.Work > 0])
		row(len(s.Updated) > 0, "newer now", "%s", commas(s.Updated))
		row(s.Removed > 0, "removed", "files whose records are safe, or whose keys were taken in: %d", s.Removed)
		row(s.Files == 0 && len(s.Refused) == 0, "nothing", "there was nothing new for this box")
	}
	word := map[bool]string{true: "damaged", false: "refused"}[what == localapi.CourierExport]
	for _, r := range s.Refused {
		row(true, word, "%s: %s  %s", command.Plain(r.File), r.Why.Code, r.Why.MessageEN)
	}
}

func commas[T ~string](words []T) string {
	all := make([]string, len(words))
	for i, one := range words {
		all[i] = string(one)
	}
	return strings.Join(all, ", ")
}
