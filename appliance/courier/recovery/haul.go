package recovery

import (
	"context"
	"errors"

	"kazashi.example/appliance/journal/mine"
	"kazashi.example/sync/courier"
	"kazashi.example/sync/epoch"
	"kazashi.example/sync/record"
	"kazashi.example/sync/wire"
)

// openRuns is how many runs are built at a time: rows lie in the order of writing but for pages that were moved.
const openRuns = 32

// haul gathers what is whole into runs, and writes them. Each record goes once, from whichever journal has it first.
type haul struct {
	stick    *courier.Stick
	report   *Report
	progress func(uint64)
	w        *courier.Writer
	last     uint64 // number of the last parcel
	headers  map[record.EpochID]epoch.Signed
	seen     map[record.EpochID]runs
	written  map[string]map[epoch.Hash]bool // on the stick from before, whole: by header, chain values of records
	told     map[string]bool                // corrections
	open     []*building                    // least lately used first
	read     uint64
}

// building is a run that grows.
type building struct {
	epoch record.EpochID
	size  int
	courier.Run
}

// begin takes the headers of a journal, and with the first ones learns whose it is and what of it is on the stick.
func (h *haul) begin(ctx context.Context, epochs []mine.Epoch) error {
	h.headers = map[record.EpochID]epoch.Signed{}
	for _, e := range epochs {
		id := e.Signed.Header.Box
		if h.report.Box.IsZero() {
			h.report.Box = id
		}
		if id == h.report.Box { // a header of another box is no row of this one
			h.headers[e.Signed.Header.Epoch] = e.Signed
		}
	}
	if h.report.Box.IsZero() {
		return nil
	}
	if h.w == nil {
		if err := h.prepare(ctx); err != nil {
			return err
		}
	}
	for _, e := range epochs {
		c := string(e.Correction)
		if h.told[c] || !h.corrects(e.Correction) {
			continue
		}
		h.told[c] = true
		if err := h.w.Correction(e.Correction); err != nil {
			return err
		}
		h.report.Corrections++
	}
	return nil
}

// corrects reports whether a message is a correction for this box's records, as far as one can know without its key.
func (h *haul) corrects(message []byte) bool {
	c, err := wire.PeekCorrection(message)
	return err == nil && len(message) <= wire.MaxCorrection && c.Box == h.report.Box
}

// prepare looks at what an earlier recovery left on the stick: whole parcels count, others are written anew. Nobody signed them: neither their
// names nor their manifests are believed, only what hashes to the very chain values that stand in the journal.
func (h *haul) prepare(ctx context.Context) error {
	names, err := h.stick.Parcels(courier.Recovered, h.report.Box)
	if err != nil {
		return err
	}
	h.written = map[string]map[epoch.Hash]bool{}
	taken := map[uint64]bool{}
	for _, n := range names {
		taken[n.N] = true
		err := h.there(ctx, n)
		if errors.Is(err, courier.ErrGone) || ctx.Err() != nil {
			return err
		}
	}
	h.w, err = h.stick.Writer(courier.Config{Kind: courier.Recovered, Box: h.report.Box, Next: func() (uint64, error) {
		for h.last = after(h.last); taken[h.last]; h.last++ {
		}
		return h.last, nil
	}})
	return err
}

// there notes what a parcel carries, if all of it can be read.
func (h *haul) there(ctx context.Context, n courier.Name) (err error) {
	p, err := h.stick.Open(n)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	found := map[string][]epoch.Hash{}
	for part, err := range p.Parts() {
		if err = errors.Join(err, ctx.Err()); err != nil {
			return err
		}
		if part.Type != courier.TypeRun {
			continue
		}
		header, chain, err := chainOf(part)
		if err != nil {
			return err
		}
		found[header] = append(found[header], chain...)
	}
	for header, chain := range found {
		if h.written[header] == nil {
			h.written[header] = map[epoch.Hash]bool{}
		}
		for _, c := range chain {
			h.written[header][c] = true
		}
	}
	return nil
}

// chainOf is the chain value of each record of a run, as they hash.
func chainOf(part courier.Part) (header string, chain []epoch.Hash, err error) {
	r, err := part.Run()
	if err != nil {
		return "", nil, err
	}
	envelopes, err := r.Envelopes()
	at := r.Previous
	for _, b := range envelopes {
		at = at.Next(b)
		chain = append(chain, at)
	}
	return string(r.Header), chain, err
}

// record takes one record.
func (h *haul) record(r mine.Record) error {
	if h.read++; h.progress != nil && h.read%1024 == 0 {
		h.progress(h.read)
	}
	head, ok := h.headers[r.Epoch]
	if !ok || h.seen[r.Epoch].has(r.Seq) {
		return nil
	}
	h.seen[r.Epoch] = h.seen[r.Epoch].with(r.Seq, r.Seq)
	if h.written[string(head.Message)][r.Chain] {
		h.report.Known++
		return nil
	}
	for i, b := range h.open {
		if b.epoch == r.Epoch && b.First+record.Seq(len(b.Sealed)) == r.Seq && b.After == r.Previous {
			return h.grow(i, r)
		}
	}
	if len(h.open) == openRuns {
		if err := h.flush(0); err != nil {
			return err
		}
	}
	h.open = append(h.open, &building{epoch: r.Epoch, Run: courier.Run{
		Header: head.Message, First: r.Seq, Previous: r.Previous, After: r.Previous,
	}})
	return h.grow(len(h.open)-1, r)
}

// grow adds a record to a run, which is then the last that goes for want of room.
func (h *haul) grow(i int, r mine.Record) error {
	b := h.open[i]
	b.Sealed, b.After, b.size = append(b.Sealed, r.Sealed), r.Chain, b.size+len(r.Sealed)
	copy(h.open[i:], h.open[i+1:])
	h.open[len(h.open)-1] = b
	if b.size >= courier.MaxRunOctets-epoch.MaxEnvelope || len(b.Sealed) == courier.MaxRecords {
		return h.flush(len(h.open) - 1)
	}
	return nil
}

// flush writes a run.
func (h *haul) flush(i int) error {
	b := h.open[i]
	h.open = append(h.open[:i], h.open[i+1:]...)
	return h.w.Run(b.Run)
}

func (h *haul) flushAll() error {
	for len(h.open) > 0 {
		if err := h.flush(0); err != nil {
			return err
		}
	}
	return nil
}

// bare writes the headers of epochs of which records are lost and none is whole, so that central knows whose they were.
func (h *haul) bare(found []mine.Found) error {
	for _, f := range found {
		head, ok := h.headers[f.Epoch]
		if !ok || f.Damaged == 0 || len(h.seen[f.Epoch]) > 0 {
			continue
		}
		if err := h.w.Run(courier.Run{Header: head.Message, First: 1, Previous: head.Root, After: head.Root}); err != nil {
			return err
		}
	}
	return nil
}

// end makes the last parcel whole.
func (h *haul) end() error {
	if h.w == nil {
		return nil
	}
	err := h.w.Close()
	h.report.Parcels, h.report.Records = h.w.Names(), h.w.Records()
	return err
}

func (h *haul) abort() {
	if h.w != nil {
		h.w.Abort()
		h.report.Parcels, h.report.Records = h.w.Names(), h.w.Records()
	}
}
