package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"strconv"
	"time"

	"kazashi.example/sync/record"
	"kazashi.example/sync/wire"
)

// courierTimeout bounds one stream of a courier: a row of parcels, with the copying of its files between.
const courierTimeout = 4 * time.Hour

// maxTold bounds what is read of one JSON part, in octets.
const maxTold = 8 << 20

// errStream says that a row of parcels came to an early end.
var errStream = errors.New("central stopped in the middle; what came is whole, do it again for the rest")

// Courier says what sticks have brought so far.
func (c *Client) Courier(ctx context.Context) (s CourierStatus, err error) {
	err = c.do(ctx, http.MethodGet, pathCourier, nil, &s)
	return s, err
}

// Due counts the records of a box that came and are being opened.
func (c *Client) Due(ctx context.Context, box record.BoxID) (d CourierDue, err error) {
	err = c.do(ctx, http.MethodPost, pathDue, giveTo{Box: box}, &d)
	return d, err
}

// TakeParcel takes a parcel of size octets.
func (c *Client) TakeParcel(ctx context.Context, octets io.Reader, size int64) (p Parcel, err error) {
	ctx, cancel := context.WithTimeout(ctx, courierTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://central"+pathTake, io.LimitReader(octets, size))
	if err != nil {
		return p, fmt.Errorf("asking central: %w", err)
	}
	req.ContentLength = size
	resp, err := c.sent(req)
	if err != nil {
		return p, err
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(&p); err != nil {
		return p, fmt.Errorf("reading central's answer: %w", err)
	}
	return p, nil
}

// Blob opens a file that parcels name, and says how long it is.
func (c *Client) Blob(ctx context.Context, id wire.BlobID) (io.ReadCloser, int64, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://central"+pathBlobs+"/"+id.String(), http.NoBody)
	if err != nil {
		return nil, 0, fmt.Errorf("asking central: %w", err)
	}
	resp, err := c.sent(req)
	if err != nil {
		return nil, 0, err
	}
	return resp.Body, resp.ContentLength, nil
}

// sent is the answer to a request that was not refused.
func (c *Client) sent(req *http.Request) (*http.Response, error) {
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, c.explain(err)
	}
	if resp.StatusCode == http.StatusOK {
		return resp, nil
	}
	defer resp.Body.Close()
	var f failure
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxTold)).Decode(&f); err != nil || f.Error == "" {
		return nil, fmt.Errorf("asking central: it answered %s", resp.Status)
	}
	return nil, &Refused{errors.New(f.Error)}
}

// GiveParcels makes all parcels that a box is to have now.
func (c *Client) GiveParcels(ctx context.Context, box record.BoxID, to ParcelTakers) (g ParcelsGiven, err error) {
	ctx, cancel := context.WithTimeout(ctx, courierTimeout)
	defer cancel()
	req, err := request(ctx, http.MethodPost, pathGive, giveTo{Box: box})
	if err != nil {
		return g, fmt.Errorf("asking central: %w", err)
	}
	resp, err := c.sent(req)
	if err != nil {
		return g, err
	}
	defer resp.Body.Close()
	_, params, err := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if err != nil {
		return g, fmt.Errorf("reading central's answer: %w", err)
	}
	m := multipart.NewReader(resp.Body, params["boundary"])
	for {
		p, err := m.NextRawPart()
		if err != nil {
			return g, fmt.Errorf("%w: %w", errStream, err)
		}
		done, err := given(p, to, &g)
		if err != nil || done {
			return g, err
		}
	}
}

// given takes one part of a row of parcels, and reports whether it is the last.
func given(p *multipart.Part, to ParcelTakers, g *ParcelsGiven) (done bool, err error) {
	told := json.NewDecoder(io.LimitReader(p, maxTold))
	switch p.Header.Get(headerPart) {
	case partPlan:
		var plan ParcelPlan
		if err := told.Decode(&plan); err != nil {
			return false, fmt.Errorf("%w: %w", errStream, err)
		}
		return false, to.Plan(plan)
	case partParcel:
		n, err := strconv.ParseUint(p.Header.Get(headerNumber), 10, 64)
		if err != nil {
			return false, fmt.Errorf("reading central's answer: %w", err)
		}
		size, err := strconv.ParseInt(p.Header.Get(headerSize), 10, 64)
		if err != nil {
			return false, fmt.Errorf("reading central's answer: %w", err)
		}
		return false, to.Parcel(n, p, size)
	case partGiven:
		if err := told.Decode(g); err != nil {
			return false, fmt.Errorf("%w: %w", errStream, err)
		}
		return true, nil
	case partFailure:
		var f failure
		if err := told.Decode(&f); err != nil {
			return false, fmt.Errorf("%w: %w", errStream, err)
		}
		return false, &Refused{errors.New(f.Error)}
	default:
		return false, nil // of a later release
	}
}
