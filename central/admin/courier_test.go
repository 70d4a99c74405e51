package admin_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"kazashi.example/central/admin"
	"kazashi.example/sync/record"
	"kazashi.example/sync/wire"
)

// parcels are what the operator gives of each box: their octets.
var parcels = [][]byte{[]byte("one"), bytes.Repeat([]byte("two\r\n--"), 100_000)}

func (o *operator) TakeParcel(_ context.Context, octets io.Reader, size int64) (admin.Parcel, error) {
	b, err := io.ReadAll(octets)
	o.asked = append(o.asked, fmt.Sprint("parcel ", len(b), size))
	return admin.Parcel{Kind: "up", N: 7, New: 3, Refused: []string{"part 1"}}, errors.Join(o.err, err)
}

func (o *operator) GiveParcels(_ context.Context, box record.BoxID, to admin.ParcelTakers) (g admin.ParcelsGiven, err error) {
	if box.IsZero() {
		return g, &admin.Refused{Err: errors.New("no such box")}
	}
	if err := to.Plan(admin.ParcelPlan{Box: box, Octets: 9}); err != nil {
		return g, err
	}
	for i, b := range parcels {
		if err := to.Parcel(uint64(i+1), bytes.NewReader(b), int64(len(b))); err != nil {
			return g, err
		}
	}
	return admin.ParcelsGiven{Parcels: len(parcels), Verdicts: 5}, o.err
}

func (o *operator) Blob(_ context.Context, id wire.BlobID) (io.ReadCloser, int64, error) {
	if id == (wire.BlobID{}) {
		return nil, 0, &admin.Refused{Err: errors.New("it is gone")}
	}
	return io.NopCloser(strings.NewReader("blob")), 4, o.err
}

func (o *operator) Courier(context.Context) (admin.CourierStatus, error) {
	return admin.CourierStatus{All: 4, Boxes: []admin.CourierWord{{Name: "one", N: 7}}}, o.err
}

func (o *operator) Due(_ context.Context, box record.BoxID) (admin.CourierDue, error) {
	o.asked = append(o.asked, "due "+box.String())
	return admin.CourierDue{Due: 9}, o.err
}

func TestCourierStreams(t *testing.T) {
	o := &operator{}
	c := admin.NewClient(serve(t, o))
	ctx := t.Context()
	got, err := c.TakeParcel(ctx, bytes.NewReader(make([]byte, 5<<20)), 5<<20)
	if err != nil || got.New != 3 || len(got.Refused) != 1 || o.asked[0] != "parcel 5242880 5242880" {
		t.Errorf("TakeParcel = %+v, %v, asked %v", got, err, o.asked)
	}
	if s, err := c.Courier(ctx); err != nil || s.All != 4 || s.Boxes[0].N != 7 {
		t.Errorf("Courier = %+v, %v", s, err)
	}
	box := record.NewBoxID()
	if d, err := c.Due(ctx, box); err != nil || d.Due != 9 || o.asked[len(o.asked)-1] != "due "+box.String() {
		t.Errorf("Due = %+v, %v, asked %v", d, err, o.asked)
	}
	var plan admin.ParcelPlan
	var came [][]byte
	to := admin.ParcelTakers{
		Plan: func(p admin.ParcelPlan) error { plan = p; return nil },
		Parcel: func(_ uint64, octets io.Reader, _ int64) error {
			b, err := io.ReadAll(octets)
			came = append(came, b)
			return err
		},
	}
	given, err := c.GiveParcels(ctx, record.NewBoxID(), to)
	if err != nil || given.Verdicts != 5 || plan.Octets != 9 || len(came) != 2 || !bytes.Equal(came[0], parcels[0]) || !bytes.Equal(came[1], parcels[1]) {
		t.Errorf("GiveParcels = %+v, %v, plan %+v, %d parcels", given, err, plan, len(came))
	}
	r, size, err := c.Blob(ctx, wire.BlobID{1})
	if err != nil || size != 4 {
		t.Fatalf("Blob = %d, %v", size, err)
	}
	defer r.Close()
	if b, err := io.ReadAll(r); err != nil || string(b) != "blob" {
		t.Errorf("Blob = %q, %v", b, err)
	}
}

// What fails in the middle of a stream is told, and is no whole row.
func TestCourierFailures(t *testing.T) {
	o := &operator{}
	c := admin.NewClient(serve(t, o))
	ctx := t.Context()
	var refused *admin.Refused
	if _, err := c.TakeParcel(ctx, http.NoBody, 0); !errors.As(err, &refused) {
		t.Errorf("TakeParcel(nothing) = %v, want a refusal", err)
	}
	if _, err := c.TakeParcel(ctx, strings.NewReader("short"), 100); err == nil {
		t.Error("TakeParcel(shorter than it says) = nil, want an error")
	}
	none := admin.ParcelTakers{
		Plan:   func(admin.ParcelPlan) error { return nil },
		Parcel: func(uint64, io.Reader, int64) error { return nil }, // leaves the octets
	}
	if _, err := c.GiveParcels(ctx, record.BoxID{}, none); !errors.As(err, &refused) || refused.Error() != "no such box" {
		t.Errorf("GiveParcels(nobody) = %v, want a refusal", err)
	}
	if _, err := c.GiveParcels(ctx, record.NewBoxID(), none); err != nil {
		t.Errorf("GiveParcels(unread) = %v", err)
	}
	full := errors.New("the stick is full")
	none.Parcel = func(uint64, io.Reader, int64) error { return full }
	if _, err := c.GiveParcels(ctx, record.NewBoxID(), none); !errors.Is(err, full) {
		t.Errorf("GiveParcels(full) = %v, want %v", err, full)
	}
	if _, _, err := c.Blob(ctx, wire.BlobID{}); !errors.As(err, &refused) {
		t.Errorf("Blob(none) = %v, want a refusal", err)
	}
	o.err = errors.New("the disk broke")
	none.Parcel = func(uint64, io.Reader, int64) error { return nil }
	if _, err := c.GiveParcels(ctx, record.NewBoxID(), none); !errors.As(err, &refused) || strings.Contains(err.Error(), "disk") {
		t.Errorf("GiveParcels(fails at its end) = %v, want a word about the log", err)
	}
}
