package server

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"kazashi.example/localapi"
	"kazashi.example/sync/record"
)

// Desk is what the handler asks of the site's book. Errors are those of package localapi (ErrLocked, ErrCode …); another is a
// fault of the box.
type Desk interface {
	// Staff lists who may sign in, in the order of their ids.
	Staff(ctx context.Context) ([]localapi.Staff, error)
	// SetStaff adds somebody, or replaces name and code of who is there. ErrTaken if another has the code.
	SetStaff(ctx context.Context, s localapi.NewStaff) error
	// RemoveStaff lets somebody sign in no more. ErrUnknown.
	RemoveStaff(ctx context.Context, id string) error
	// SignedIn is who is signed in at this desk; false if nobody.
	SignedIn() (localapi.Staff, bool)
	// SignIn takes the place of whoever was signed in. ErrCode, or a localapi.WaitError after too many wrong codes.
	SignIn(ctx context.Context, code localapi.Secret) (localapi.Staff, error)
	// SignOut is no error if nobody is signed in.
	SignOut(ctx context.Context) error
	// Present lists who is here, the latest first.
	Present(ctx context.Context) ([]localapi.Presence, error)
	// Leave notes that the person of a tap has left. ErrUnknown.
	Leave(ctx context.Context, tap record.TapID) error
	// Work lists corrected verdicts, the latest first; those that somebody has looked at only if all is set.
	Work(ctx context.Context, all bool) ([]localapi.WorkItem, error)
	// Tick notes that whoever is signed in has looked at a correction. ErrNobody, ErrNoStaff, ErrUnknown.
	Tick(ctx context.Context, tap record.TapID) error
	// Unlink takes a number back without the card, in the name of whoever is signed in. ErrNobody, ErrUnknown.
	Unlink(ctx context.Context, u localapi.Unlink) error
	// Import takes a file of links whole or not at all. What is wrong with the file is in the report and no error.
	Import(ctx context.Context, r io.Reader, how localapi.Import) (localapi.ImportReport, error)
}

// desk routes what staff ask of the site's book.
func (h *Handler) desk(d Desk) {
	h.route("/v1/staff", nil, answering(h, "listing staff", func(ctx context.Context, _ *http.Request) (localapi.StaffList, error) {
		all, err := d.Staff(ctx)
		return localapi.StaffList{Staff: append([]localapi.Staff{}, all...)}, err
	}))
	// Who may sign in is not for whoever sits at the browser to say.
	h.own("PUT /v1/staff", bodied(func(ctx context.Context, s localapi.NewStaff) (any, error) {
		defer s.Code.Wipe()
		return struct{}{}, d.SetStaff(ctx, s)
	}), nil)
	h.own("DELETE /v1/staff/{id}", func(r *http.Request) (any, error) { return struct{}{}, d.RemoveStaff(r.Context(), r.PathValue("id")) }, nil)
	h.route("/v1/desk", nil, answering(h, "asking who is at the desk", func(context.Context, *http.Request) (localapi.Desk, error) {
		return deskOf(d), nil
	}))
	h.act("PUT /v1/desk", bodied(func(ctx context.Context, s localapi.SignIn) (any, error) {
		defer s.Code.Wipe()
		who, err := d.SignIn(ctx, s.Code)
		return localapi.Desk{Staff: &who}, err
	}))
	h.act("DELETE /v1/desk", func(r *http.Request) (any, error) { return localapi.Desk{}, d.SignOut(r.Context()) })
	h.route("/v1/present", nil, answering(h, "listing who is present", func(ctx context.Context, _ *http.Request) (localapi.PresenceList, error) {
		all, err := d.Present(ctx)
		return localapi.PresenceList{Present: append([]localapi.Presence{}, all...)}, err
	}))
	h.act("DELETE /v1/present/{tap}", ofTap(d.Leave))
	h.route("/v1/corrections", []string{"all"}, answering(h, "listing corrections", func(ctx context.Context, r *http.Request) (localapi.WorkList, error) {
		all, err := d.Work(ctx, r.URL.Query().Get("all") == "1")
		return localapi.WorkList{Work: append([]localapi.WorkItem{}, all...)}, err
	}))
	h.act("PUT /v1/corrections/{tap}", ofTap(d.Tick))
	h.act("DELETE /v1/links", bodied(func(ctx context.Context, u localapi.Unlink) (any, error) { return struct{}{}, d.Unlink(ctx, u) }))
	h.mux.HandleFunc("POST /v1/links", func(w http.ResponseWriter, r *http.Request) { h.importLinks(w, r, d) })
}

func deskOf(d Desk) localapi.Desk {
	if who, ok := d.SignedIn(); ok {
		return localapi.Desk{Staff: &who}
	}
	return localapi.Desk{}
}

// answering serves what ask returns.
func answering[T any](h *Handler, doing string, ask func(context.Context, *http.Request) (T, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		v, err := ask(r.Context(), r)
		if err != nil {
			h.refused(w, r, doing, err)
			return
		}
		h.answer(w, r, v)
	}
}

// errBody says that a body is not JSON of the shape asked for.
var errBody = errors.New("body is not JSON of the shape asked for")

// errSocketOnly says that a page asks what only the box's own user may.
var errSocketOnly = errors.New("only over the unix socket")

// checked is a body that knows whether it is whole.
type checked interface{ Check() error }

// bodied reads one JSON object of at most maxBody octets, without unknown fields, before it acts.
func bodied[T checked](act func(context.Context, T) (any, error)) func(*http.Request) (any, error) {
	return func(r *http.Request) (any, error) {
		var buffer [maxBody + 1]byte
		defer clear(buffer[:])
		n, err := io.ReadFull(r.Body, buffer[:])
		if err == nil || !errors.Is(err, io.ErrUnexpectedEOF) {
			return nil, errBody
		}
		var v T
		d := json.NewDecoder(bytes.NewReader(buffer[:n]))
		d.DisallowUnknownFields()
		if d.Decode(&v) != nil || d.More() {
			return nil, errBody
		}
		if err := v.Check(); err != nil {
			return nil, err
		}
		return act(r.Context(), v)
	}
}

// ofTap acts on the tap in the path.
func ofTap(act func(context.Context, record.TapID) error) func(*http.Request) (any, error) {
	return func(r *http.Request) (any, error) {
		id, err := record.ParseID(r.PathValue("tap"))
		if err != nil {
			return nil, localapi.ErrUnknown
		}
		return struct{}{}, act(r.Context(), record.TapID{ID128: id})
	}
}

// act serves a method that changes something; GET of the same path is route's.
func (h *Handler) act(pattern string, do func(*http.Request) (any, error)) {
	h.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		if !h.mayWrite(w, r) {
			return
		}
		v, err := do(r)
		if err != nil {
			h.refused(w, r, pattern, err)
			return
		}
		h.answer(w, r, v)
	})
}

// mayWrite refuses a request that could be a foreign page's, or has a query or a body of another type.
func (h *Handler) mayWrite(w http.ResponseWriter, r *http.Request) bool {
	types := r.Header.Values("Content-Type")
	switch {
	case !onlyParams(r, nil):
		refuse(w, http.StatusBadRequest, localapi.CodeUnknownParameter)
	case !writeAllowed(r):
		refuse(w, http.StatusForbidden, localapi.CodeForeignOrigin)
	case r.ContentLength != 0 && (len(types) != 1 || types[0] != "application/json"):
		refuse(w, http.StatusUnsupportedMediaType, localapi.CodeMediaType)
	default:
		return true
	}
	return false
}

// statuses are those of the codes that the box gives as a reason.
var statuses = map[localapi.ErrorCode]int{
	localapi.CodeNextForm: http.StatusUnprocessableEntity, localapi.CodeNextBusy: http.StatusConflict,
	localapi.CodeNextReader: http.StatusConflict, localapi.CodeNextUnready: http.StatusServiceUnavailable,
	localapi.CodeNextNotServed: http.StatusConflict, localapi.CodeLocked: http.StatusConflict,
	localapi.CodeDeskForm: http.StatusUnprocessableEntity, localapi.CodeCode: http.StatusForbidden,
	localapi.CodeWait: http.StatusTooManyRequests, localapi.CodeNobody: http.StatusConflict,
	localapi.CodeNoStaff: http.StatusConflict,
	localapi.CodeUnknown: http.StatusNotFound, localapi.CodeTaken: http.StatusConflict,
	localapi.CodeFileForm: http.StatusUnprocessableEntity, localapi.CodeRoot: http.StatusForbidden,
	localapi.CodeThreshold: http.StatusForbidden, localapi.CodeSigner: http.StatusForbidden, localapi.CodeSignature: http.StatusForbidden,
	localapi.CodeRollback: http.StatusConflict, localapi.CodeOlder: http.StatusConflict, localapi.CodeExpired: http.StatusConflict,
	localapi.CodeOtherSite: http.StatusConflict, localapi.CodeBasis: http.StatusUnprocessableEntity,
	localapi.CodeApproval: http.StatusConflict, localapi.CodeNoPrevious: http.StatusConflict, localapi.CodeReverted: http.StatusConflict,
	localapi.CodeRootReplaced: http.StatusConflict,
	localapi.CodeKeyCode:      http.StatusForbidden,
	localapi.CodeKeyWait:      http.StatusTooManyRequests,
	localapi.CodeKeyForm:      http.StatusUnprocessableEntity,
	localapi.CodeKeyOld:       http.StatusConflict,
	localapi.CodeKeyRule:      http.StatusConflict,
	localapi.CodeNoKeys:       http.StatusConflict,
	localapi.CodeNoCode:       http.StatusConflict,
	localapi.CodeWiped:        http.StatusConflict,
	localapi.CodeMember:       http.StatusForbidden,
	localapi.CodeAnswer:       http.StatusConflict,
	localapi.CodeSwap:         http.StatusConflict,
	localapi.CodeTPM:          http.StatusServiceUnavailable,
	localapi.CodeUnsafe:       http.StatusConflict,
	localapi.CodeClosing:      http.StatusConflict,

	localapi.CodeCourierForm: http.StatusUnprocessableEntity, localapi.CodeCourierBusy: http.StatusConflict,
	localapi.CodeNoStick: http.StatusNotFound, localapi.CodeNotMounted: http.StatusConflict, localapi.CodeStickName: http.StatusConflict,
	localapi.CodeNotStick: http.StatusConflict, localapi.CodeNothing: http.StatusConflict, localapi.CodeHalf: http.StatusConflict,
	localapi.CodeParcel: http.StatusConflict, localapi.CodeOtherBox: http.StatusConflict, localapi.CodeParcelSigner: http.StatusForbidden,
	localapi.CodeNewerRelease: http.StatusConflict, localapi.CodeCrowded: http.StatusConflict, localapi.CodeStickReadOnly: http.StatusConflict,
	localapi.CodeStickDenied: http.StatusForbidden, localapi.CodeStickFull: http.StatusInsufficientStorage,
	localapi.CodeStickGone: http.StatusConflict, localapi.CodeCourierStopped: http.StatusServiceUnavailable,
}

// refused answers a reason of the box by its code, and anything else as the box's fault.
func (h *Handler) refused(w http.ResponseWriter, r *http.Request, doing string, err error) {
	var wait localapi.WaitError
	switch code, ok := localapi.CodeOf(err); {
	case errors.Is(err, errBody):
		refuse(w, http.StatusBadRequest, localapi.CodeBadBody)
	case errors.Is(err, errSocketOnly):
		refuse(w, http.StatusForbidden, localapi.CodeSocketOnly)
	case errors.As(err, &wait):
		seconds := int(wait.For/time.Second) + 1
		w.Header().Set("Retry-After", strconv.Itoa(seconds))
		refuseWaiting(w, seconds)
	case ok:
		refuse(w, statuses[code], code)
	default:
		h.failed(w, r, doing, err)
	}
}

// importLinks takes a file of links. No browser sends one: over TCP it is refused.
func (h *Handler) importLinks(w http.ResponseWriter, r *http.Request, d Desk) {
	q := r.URL.Query()
	how := localapi.Import{
		Service: record.ServiceID(q.Get("service")), Encoding: localapi.Encoding(q.Get("encoding")), DryRun: q.Get("dry_run") == "1",
	}
	switch types := r.Header.Values("Content-Type"); {
	case !onlyParams(r, []string{"service", "encoding", "dry_run"}):
		refuse(w, http.StatusBadRequest, localapi.CodeUnknownParameter)
		return
	case overTCP(r):
		refuse(w, http.StatusForbidden, localapi.CodeForeignOrigin)
		return
	case len(types) != 1 || types[0] != "text/csv":
		refuse(w, http.StatusUnsupportedMediaType, localapi.CodeMediaType)
		return
	case record.CheckName(how.Service) != nil, how.Encoding != localapi.EncodingUTF8 && how.Encoding != localapi.EncodingShiftJIS:
		refuse(w, http.StatusBadRequest, localapi.CodeBadParameter)
		return
	}
	report, err := d.Import(r.Context(), http.MaxBytesReader(w, r.Body, localapi.MaxImport), how)
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		refuse(w, http.StatusRequestEntityTooLarge, localapi.CodeBodyTooLarge)
	case err != nil:
		h.refused(w, r, "importing links", err)
	default:
		h.log.InfoContext(r.Context(), "links imported", slog.Int("linked", report.Linked), slog.Int("faults", len(report.Faults)+report.Left))
		report.Faults = append([]localapi.ImportFault{}, report.Faults...)
		h.answer(w, r, report)
	}
}
