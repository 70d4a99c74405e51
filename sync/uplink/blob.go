package uplink

import (
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"kazashi.example/sync/sign"
	"kazashi.example/sync/wire"
)

// pathBlob is before a blob's name.
const pathBlob = "/uplink/v1/blob/"

// Bounds on what boxes read at once. Thousands of them hear of a new set in the same second; those for whom there is no room
// come again.
const (
	maxStreams     = 256              // of all boxes
	maxStreamsEach = 2                // of one box: a line that died may still hold one
	comeAgain      = 15 * time.Second // what one for whom there is no room is told to wait
)

// blobStatus is the HTTP status of each refusal of a blob; 403 of any other.
var blobStatus = map[string]int{
	wire.CodeBadMessage: http.StatusBadRequest, wire.CodeUnknownBlob: http.StatusNotFound,
	wire.CodeBadRange: http.StatusRequestedRangeNotSatisfiable, wire.CodeUnavailable: http.StatusServiceUnavailable,
}

// blobs serves files by ranges of octets.
type blobs struct {
	service Service
	log     *slog.Logger
	streams *streams
}

// ServeHTTP answers GET with everything from the first octet asked for to the end (RFC 9110 §14.1.2: bytes=N-).
func (b *blobs) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if err := b.serve(w, r); err != nil {
		refuseBlob(w, r, b.log, err)
	}
}

// serve returns an error only as long as nothing has been answered.
func (b *blobs) serve(w http.ResponseWriter, r *http.Request) error {
	// A read deadline that runs out while the answer is written would end the request.
	if err := http.NewResponseController(w).SetReadDeadline(time.Time{}); err != nil {
		return err
	}
	device, id, from, err := asked(r)
	if err != nil {
		return err
	}
	f, err := b.service.Blob(r.Context(), device, id)
	if err != nil {
		return err
	}
	defer f.Close() // it was only read
	leave, ok := b.streams.enter(device.ID())
	if !ok {
		return &Refusal{Code: wire.CodeUnavailable, Message: "as many boxes fetch files as central serves at once", After: comeAgain}
	}
	defer leave()
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return fmt.Errorf("measuring blob %s: %w", id, err)
	}
	if from >= size {
		w.Header().Set("Content-Range", fmt.Sprintf("bytes */%d", size))
		return &Refusal{Code: wire.CodeBadRange, Message: fmt.Sprintf("the file has %d octets", size)}
	}
	if _, err := f.Seek(from, io.SeekStart); err != nil {
		return fmt.Errorf("reading blob %s: %w", id, err)
	}
	b.send(w, r, id, f, from, size)
	return nil
}

// send streams octets from to size. Whatever ends it early ends the connection, and the box goes on from where it is.
func (b *blobs) send(w http.ResponseWriter, r *http.Request, id wire.BlobID, f io.Reader, from, size int64) {
	h := w.Header()
	h.Set("Content-Type", "application/octet-stream")
	h.Set("Accept-Ranges", "bytes")
	h.Set("Content-Length", strconv.FormatInt(size-from, 10))
	status := http.StatusOK
	if r.Header.Get("Range") != "" {
		h.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, size-1, size))
		status = http.StatusPartialContent
	}
	w.WriteHeader(status)
	if _, err := io.CopyN(newPaced(w), f, size-from); err != nil {
		b.log.DebugContext(r.Context(), "a blob was not read to its end", slog.String("blob", id.String()), slog.Any("error", err))
	}
}

// asked reads a request for a blob.
func asked(r *http.Request) (device sign.PublicKey, id wire.BlobID, from int64, err error) {
	if r.Method != http.MethodGet || r.ContentLength != 0 || r.TLS == nil {
		return device, id, 0, &Refusal{Code: wire.CodeBadMessage, Message: "GET without a body, over TLS"}
	}
	if device, err = peerKey(*r.TLS); err != nil {
		return device, id, 0, &Refusal{Code: wire.CodeUnknownBox, Message: err.Error()}
	}
	name := r.PathValue("id")
	if n, err := hex.Decode(id[:], []byte(name[:min(len(name), 2*len(id))])); err != nil || n != len(id) || id.String() != name {
		return device, id, 0, &Refusal{Code: wire.CodeBadMessage, Message: "a blob is named by 64 hexadecimal digits"}
	}
	from, ok := first(r.Header.Get("Range"))
	if !ok {
		return device, id, 0, &Refusal{Code: wire.CodeBadMessage, Message: "a range is bytes=N-"}
	}
	return device, id, from, nil
}

// first is where a range begins; no header means all.
func first(header string) (from int64, ok bool) {
	if header == "" {
		return 0, true
	}
	n, begins := strings.CutPrefix(header, "bytes=")
	n, open := strings.CutSuffix(n, "-")
	from, err := strconv.ParseInt(n, 10, 64)
	return from, begins && open && err == nil && from >= 0 && strconv.FormatInt(from, 10) == n
}

// refuseBlob says why not. Strangers have their connection ended.
func refuseBlob(w http.ResponseWriter, r *http.Request, log *slog.Logger, err error) {
	status := http.StatusForbidden
	if refused, ok := asRefusal(err); ok {
		if s := blobStatus[refused.Code]; s != 0 {
			status = s
		}
		if refused.After > 0 {
			w.Header().Set("Retry-After", strconv.Itoa(int(refused.After/time.Second)))
		}
	}
	if status == http.StatusForbidden || status == http.StatusBadRequest {
		w.Header().Set("Connection", "close")
	}
	fail(r.Context(), log, w, status, err)
}

// streams counts what is being read.
type streams struct {
	mu   sync.Mutex // guards what follows
	all  int
	each map[sign.KeyID]int // no box has 0
}

// enter takes a place; leave gives it back, once.
func (s *streams) enter(device sign.KeyID) (leave func(), ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all >= maxStreams || s.each[device] >= maxStreamsEach {
		return nil, false
	}
	s.all++
	s.each[device]++
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.all--
		if s.each[device]--; s.each[device] == 0 {
			delete(s.each, device)
		}
	}, true
}
