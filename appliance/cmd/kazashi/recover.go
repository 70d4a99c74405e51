package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"kazashi.example/appliance/courier/recovery"
	"kazashi.example/firmware/command"
	"kazashi.example/sync/record"
)

var errNoStickNamed = errors.New("name with --to the folder of the stick")

func newRecover(*settings) *cobra.Command {
	var asJSON bool
	var to string
	c := &cobra.Command{
		Use:   "recover DATA-DIR --to FOLDER",
		Short: "Take the records of a dead box off its disk, onto a stick for central",
		Long: `recover reads the journal of a box that does not start any more from its disk, put into another machine, and writes every
whole record onto a stick. No key and no code of the box is needed: the records are sealed to central and prove themselves, so anybody may
do this and carry the stick. It reads the journal in use and every one that was set aside, page by page, so that a damaged database gives
what is whole in it. The dead box's disk is not written to; mount it read-only.

Bring the stick to central ("kazashi-central courier import"). Records that central has already, be it from the box itself, count once.
The same command again goes on with a recovery that was cut short.

It says of each journal and epoch how many records are whole, were deleted as safe at central, and are damaged. Of the first ones of the oldest
epoch a disk cannot tell whether they were deleted long ago or lost: they are said to be gone, and "kazashi-central audit box" knows. Exit status
1 if any is damaged or a journal could not be read to its end; what was found is on the stick all the same.`,
		Example: `  mount -o ro /dev/sdb2 /mnt
  kazashi recover /mnt/var/lib/kazashi --to /media/usb
  kazashi recover /mnt/var/lib/kazashi --to /media/usb --json | jq .records`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if to == "" {
				return command.WrongUsage(c, errNoStickNamed)
			}
			show := newProgress(c.ErrOrStderr())
			r, err := recovery.Recover(c.Context(), args[0], to, func(records uint64) { show.read(records) })
			show.end()
			if r.Box.IsZero() && err != nil {
				return err
			}
			shown := recoveredOf(r)
			if asJSON {
				err = errors.Join(err, command.PrintJSON(c.OutOrStdout(), shown))
			} else {
				shown.print(c.OutOrStdout())
			}
			return errors.Join(err, shown.fault())
		},
	}
	c.Flags().StringVar(&to, "to", "", "folder of the stick; required")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

// recovered is what recover prints with --json.
type recovered struct {
	Box         record.BoxID       `json:"box"`
	Records     uint64             `json:"records"` // written now
	Known       uint64             `json:"known"`   // whole, and on the stick already
	Files       int                `json:"files"`
	Corrections int                `json:"corrections"` // of the clock
	Journals    []recoveredJournal `json:"journals"`
}

// recoveredJournal is one database of the dead box.
type recoveredJournal struct {
	File   string           `json:"file"`
	Epochs []recoveredEpoch `json:"epochs"`
	Fault  string           `json:"fault,omitempty"` // why it could not be read to its end
}

// recoveredEpoch is what there was of one epoch.
type recoveredEpoch struct {
	Epoch   record.EpochID `json:"epoch,omitzero"`
	Last    record.Seq     `json:"last"`
	Whole   uint64         `json:"whole"`
	Deleted uint64         `json:"deleted"` // by the box, as safe at central
	Gone    uint64         `json:"gone"`    // before the oldest that is left: deleted long ago as safe, or lost; central's audit knows
	Damaged uint64         `json:"damaged"`
	Header  bool           `json:"header"`
}

func recoveredOf(r recovery.Report) recovered {
	shown := recovered{
		Box: r.Box, Records: r.Records, Known: r.Known, Files: len(r.Parcels), Corrections: r.Corrections, Journals: []recoveredJournal{},
	}
	for _, j := range r.Journals {
		one := recoveredJournal{File: j.File, Epochs: []recoveredEpoch{}}
		if j.Err != nil {
			one.Fault = j.Err.Error()
		}
		for _, e := range j.Epochs {
			gone := uint64(e.Last) - min(uint64(e.Last), e.Whole+e.Deleted+e.Damaged)
			one.Epochs = append(one.Epochs, recoveredEpoch{e.Epoch, e.Last, e.Whole, e.Deleted, gone, e.Damaged, e.Header})
		}
		shown.Journals = append(shown.Journals, one)
	}
	return shown
}

func (r recovered) print(w io.Writer) {
	fmt.Fprintf(w, "box        %s\n", r.Box)
	fmt.Fprintf(w, "written    %d records, files: %d\n", r.Records, r.Files)
	if r.Known > 0 {
		fmt.Fprintf(w, "known      %d records were on the stick already\n", r.Known)
	}
	for _, j := range r.Journals {
		fmt.Fprintf(w, "journal    %s\n", command.Plain(j.File))
		for _, e := range j.Epochs {
			name := e.Epoch.String()
			if !e.Header {
				name = "(no header)"
			}
			fmt.Fprintf(w, "  epoch    %s: %d of %d whole, %d deleted as safe, %d damaged", name, e.Whole, e.Last, e.Deleted, e.Damaged)
			if e.Gone > 0 {
				fmt.Fprintf(w, ", the first %d gone", e.Gone)
			}
			fmt.Fprintln(w)
		}
		if j.Fault != "" {
			fmt.Fprintf(w, "  fault    %s\n", command.Plain(j.Fault))
		}
	}
	fmt.Fprintln(w, `next       take the stick to central: "kazashi-central courier import"`)
}

// fault says how much is not on the stick.
func (r recovered) fault() error {
	var damaged uint64
	cut := 0
	for _, j := range r.Journals {
		for _, e := range j.Epochs {
			damaged += e.Damaged
		}
		if j.Fault != "" {
			cut++
		}
	}
	if damaged == 0 && cut == 0 {
		return nil
	}
	return fmt.Errorf("not all could be read: %d records damaged, %d journals not read to their end", damaged, cut)
}
