package admin

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"strconv"
	"time"

	"kazashi.example/sync/courier"
	"kazashi.example/sync/record"
	"kazashi.example/sync/wire"
)

// Paths of the courier. They are on the socket alone.
const (
	pathCourier = "/v1/courier"
	pathDue     = "/v1/courier/due"
	pathTake    = "/v1/courier/take"
	pathGive    = "/v1/courier/give"
	pathBlobs   = "/v1/courier/blobs"
)

// Parts of an answer with parcels are told apart by a header, and parcels by another.
const (
	headerPart   = "Kazashi-Part"
	headerNumber = "Kazashi-Number"
	headerSize   = "Kazashi-Size"

	partPlan    = "plan"
	partParcel  = "parcel"
	partGiven   = "given"
	partFailure = "failure"
)

// stall is how long the other side of a stream may do nothing: a stick may be slow, and files are copied between plan and parcels.
const stall = 15 * time.Minute

// giveTo asks for the parcels of a box, or for what is due of it.
type giveTo struct {
	Box record.BoxID `json:"box"`
}

func carrying(mux *http.ServeMux, o Carrier, log *slog.Logger) {
	mux.Handle("GET "+pathCourier, ask(log, o.Courier))
	mux.Handle("POST "+pathDue, call(log, func(ctx context.Context, in giveTo) (CourierDue, error) { return o.Due(ctx, in.Box) }))
	mux.HandleFunc("POST "+pathTake, func(w http.ResponseWriter, r *http.Request) {
		out, err := take(w, r, o)
		answer(r.Context(), log, w, out, err)
	})
	mux.HandleFunc("POST "+pathGive, func(w http.ResponseWriter, r *http.Request) {
		in, err := decode[giveTo](http.MaxBytesReader(w, r.Body, maxRequest))
		if err != nil {
			answer(r.Context(), log, w, nil, &Refused{err})
			return
		}
		give(w, r, o, in.Box, log)
	})
	mux.HandleFunc("GET "+pathBlobs+"/{id}", func(w http.ResponseWriter, r *http.Request) {
		if err := sendBlob(w, r, o); err != nil {
			answer(r.Context(), log, w, nil, err)
		}
	})
}

// errLength says that a parcel has no length, or one that none can have.
var errLength = fmt.Errorf("a parcel has a length of at most %d octets", courier.MaxParcel)

func take(w http.ResponseWriter, r *http.Request, o Carrier) (Parcel, error) {
	if r.ContentLength <= 0 || r.ContentLength > courier.MaxParcel {
		return Parcel{}, &Refused{errLength}
	}
	c := http.NewResponseController(w)
	if err := c.SetWriteDeadline(time.Time{}); err != nil { // the answer is short, and comes when all is kept
		return Parcel{}, err
	}
	return o.TakeParcel(r.Context(), &patient{r: r.Body, c: c}, r.ContentLength)
}

// patient reads a body for as long as some of it comes.
type patient struct {
	r io.Reader
	c *http.ResponseController
}

// Read waits for octets. A deadline that runs out after the end would end the request.
func (p *patient) Read(b []byte) (int, error) {
	if err := p.c.SetReadDeadline(time.Now().Add(stall)); err != nil {
		return 0, err
	}
	n, err := p.r.Read(b)
	if !errors.Is(err, io.EOF) {
		return n, err
	}
	if err := p.c.SetReadDeadline(time.Time{}); err != nil {
		return n, err
	}
	return n, io.EOF
}

// pacedTo writes for as long as some of it is taken.
type pacedTo struct {
	w io.Writer
	c *http.ResponseController
}

func (p pacedTo) Write(b []byte) (int, error) {
	if err := p.c.SetWriteDeadline(time.Now().Add(stall)); err != nil {
		return 0, err
	}
	n, err := p.w.Write(b)
	if err != nil {
		err = fmt.Errorf("%w: %w", errLeft, err)
	}
	return n, err
}

// errLeft says that nobody takes a stream any more.
var errLeft = errors.New("the operator left")

// give answers with a row of parcels. What fails after the first octet is told as the last part.
func give(w http.ResponseWriter, r *http.Request, o Carrier, box record.BoxID, log *slog.Logger) {
	c := http.NewResponseController(w)
	m := multipart.NewWriter(pacedTo{w, c})
	begun := false
	part := func(what string, n uint64, size int64) (io.Writer, error) {
		if !begun {
			begun = true
			w.Header().Set("Content-Type", "multipart/mixed; boundary="+m.Boundary())
			w.WriteHeader(http.StatusOK)
		}
		return m.CreatePart(textproto.MIMEHeader{
			headerPart: {what}, headerNumber: {strconv.FormatUint(n, 10)}, headerSize: {strconv.FormatInt(size, 10)},
		})
	}
	tell := func(what string, v any) error {
		p, err := part(what, 0, 0)
		if err != nil {
			return err
		}
		if err := json.NewEncoder(p).Encode(v); err != nil {
			return err
		}
		return c.Flush()
	}
	given, err := o.GiveParcels(r.Context(), box, ParcelTakers{
		Plan: func(p ParcelPlan) error { return tell(partPlan, p) },
		Parcel: func(n uint64, octets io.Reader, size int64) error {
			p, err := part(partParcel, n, size)
			if err != nil {
				return err
			}
			if _, err := io.CopyN(p, octets, size); err != nil {
				return err
			}
			return c.Flush()
		},
	})
	switch {
	case err == nil:
		err = tell(partGiven, given)
	case !begun:
		answer(r.Context(), log, w, nil, err)
		return
	case errors.Is(err, errLeft), r.Context().Err() != nil:
		// Nobody is there to be told, and nothing is at fault.
	default:
		log.ErrorContext(r.Context(), "parcels for a box could not be made to their end", slog.String("box", box.String()), slog.Any("error", err))
		err = tell(partFailure, failure{"central could not do it; its log says why"})
	}
	if err := errors.Join(err, m.Close()); err != nil {
		log.DebugContext(r.Context(), "the operator left before the parcels", slog.Any("error", err))
	}
}

// errBlob says that text is no name of a file.
var errBlob = errors.New("a file is named by 64 hexadecimal digits")

// sendBlob returns an error only as long as nothing was sent.
func sendBlob(w http.ResponseWriter, r *http.Request, o Carrier) error {
	var id wire.BlobID
	name := r.PathValue("id")
	if n, err := hex.Decode(id[:], []byte(name)[:min(len(name), 2*len(id))]); err != nil || n != len(id) || len(name) != 2*n {
		return &Refused{errBlob}
	}
	f, size, err := o.Blob(r.Context(), id)
	if err != nil {
		return err
	}
	defer f.Close() // it was only read
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Length", strconv.FormatInt(size, 10))
	_, _ = io.CopyN(pacedTo{w, http.NewResponseController(w)}, f, size) // who reads too few knows from the length
	return nil
}
