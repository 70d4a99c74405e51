package bench

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"kazashi.example/appliance/courier"
	"kazashi.example/appliance/fetch"
	"kazashi.example/appliance/link"
	parcels "kazashi.example/sync/courier"
	"kazashi.example/sync/seal"
	"kazashi.example/sync/sign"
	"kazashi.example/sync/wire"
)

// carriedRecords is how many records are carried at most.
const carriedRecords = 100_000

// measureCourier writes what waits to a folder as a stick would have it, and reads it again as central does.
func (r *journalRun) measureCourier(ctx context.Context) error {
	records := min(r.records, carriedRecords)
	for _, k := range []struct {
		name string
		kind kindOf
	}{{"courier_bytes_per_record", kindCard}, {"courier_bytes_per_record_unsigned", kindUnsigned}, {"courier_bytes_per_record_pin", kindPIN}} {
		name, n := fmt.Sprintf("carried-%d.db", k.kind), records
		if k.kind != kindCard {
			n = min(n, 10*perEpoch)
		}
		if _, err := r.fill(ctx, name, n, k.kind); err != nil {
			return err
		}
		stick := r.path(name + ".stick")
		took, err := r.carry(ctx, name, stick)
		if err != nil {
			return err
		}
		size, read, err := r.receive(stick, n)
		if err != nil {
			return err
		}
		if k.kind == kindCard {
			r.figure("courier_records_s", "%.0f", float64(n)/took.Seconds(), "records/s")
			r.figure("courier_read_records_s", "%.0f", float64(n)/read.Seconds(), "records/s")
		}
		r.figure(k.name, "%.1f", float64(size)/float64(n), "bytes")
	}
	return nil
}

// carry exports a journal to a stick.
func (r *journalRun) carry(ctx context.Context, name, stick string) (took time.Duration, err error) {
	j, err := r.open(ctx, name)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, j.Close()) }()
	c, err := courier.New(courier.Config{
		Dir: r.dir, Box: r.box.id, Device: r.box.device, Sealing: r.box.private, Trust: func() sign.Keys { return sign.One{} }, Now: time.Now,
		Journal: j, Link: noLine{r.box.private}, Log: r.Log,
	})
	if err != nil {
		return 0, err
	}
	if err := os.MkdirAll(stick, 0o700); err != nil {
		return 0, err
	}
	start := time.Now()
	sum, err := c.Export(ctx, stick, func(uint64, uint64) {})
	r.Log.InfoContext(ctx, "exported", slog.Int("files", sum.Files), slog.Uint64("records", sum.Records))
	return time.Since(start), err
}

// receive opens every parcel and makes its envelopes again.
func (r *journalRun) receive(stick string, records int) (size int64, took time.Duration, err error) {
	public, err := sign.PublicKeyOf(r.box.device.Public())
	if err != nil {
		return 0, 0, err
	}
	var all []string
	err = filepath.WalkDir(stick, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			all = append(all, path)
		}
		return err
	})
	if err != nil {
		return 0, 0, err
	}
	got := 0
	start := time.Now()
	for _, path := range all {
		info, err := os.Stat(path)
		if err != nil {
			return 0, 0, err
		}
		size += info.Size()
		n, err := unpacked(path, sign.One{Key: public})
		if err != nil {
			return 0, 0, err
		}
		got += n
	}
	if got != records {
		return 0, 0, fmt.Errorf("%d records of %d came: %w", got, records, ErrSame)
	}
	return size, time.Since(start), nil
}

// unpacked verifies a parcel and counts the envelopes in it, each linked to the one before.
func unpacked(path string, keys sign.Keys) (n int, err error) {
	p, err := parcels.Open(path)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	if _, err := p.Verify(keys); err != nil {
		return 0, err
	}
	for part, err := range p.Parts() {
		if err != nil {
			return 0, err
		}
		if part.Type != parcels.TypeRun {
			continue
		}
		run, err := part.Run()
		if err != nil {
			return 0, err
		}
		envelopes, err := run.Envelopes()
		if err != nil {
			return 0, err
		}
		n += len(envelopes)
	}
	return n, nil
}

// noLine is a box that has never been on-line.
type noLine struct{ seal.PrivateKey }

func (noLine) State(context.Context) (wire.Poll, error) { return wire.Poll{}, nil }

func (noLine) Import(context.Context, wire.Polled, fetch.Remote) (link.News, error) {
	return link.News{}, nil
}

func (noLine) Trusted(context.Context, []byte) (bool, error) { return false, nil }

func (noLine) Told([]wire.OrderDone) error { return nil }
