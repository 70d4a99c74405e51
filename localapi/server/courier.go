package server

import (
	"context"
	"net/http"
	"strings"

	"kazashi.example/localapi"
	"kazashi.example/localapi/catalog"
	"kazashi.example/sync/record"
)

// Courier is what the handler asks of the way by USB stick. Errors are those of package localapi (ErrNoStick, ErrCourierBusy …); another is
// a fault of the box. Errors inside an answer need no messages: the handler puts them in.
type Courier interface {
	// Courier lists the sticks as they are now, and says what is done with one. It waits for no stick longer than a few seconds.
	Courier(ctx context.Context) (localapi.Courier, error)
	// BeginCourier begins what Courier's Job then tells of, and returns without waiting for it; ctx ending does not end it.
	// ErrCourierBusy, ErrNoStick, ErrNotMounted, ErrStickName.
	BeginCourier(ctx context.Context, what localapi.CourierWhat, o localapi.CourierOrder) error
}

// Unseen is what the handler asks of verdicts from before a restart.
type Unseen interface {
	// Unseen lists those that perhaps nobody saw, newest first.
	Unseen(ctx context.Context) ([]localapi.Tap, error)
	// Seen notes, durably, that somebody has seen one. ErrUnknown for what is not among them, or no more.
	Seen(ctx context.Context, tap record.TapID) error
}

// courier routes what is asked of sticks. A page names one by its name; only over the unix socket is it told where one lies, or may name a folder.
func (h *Handler) courier(c Courier) {
	show := answering(h, "asking for the sticks", func(ctx context.Context, r *http.Request) (localapi.Courier, error) {
		v, err := c.Courier(ctx)
		if err != nil {
			return v, err
		}
		return worded(v, overTCP(r)), nil
	})
	h.route("/v1/courier", nil, show)
	for _, what := range []localapi.CourierWhat{localapi.CourierExport, localapi.CourierImport} {
		h.mux.HandleFunc("POST /v1/courier/"+string(what), func(w http.ResponseWriter, r *http.Request) {
			if !h.mayWrite(w, r) {
				return
			}
			begin := bodied(func(ctx context.Context, o localapi.CourierOrder) (any, error) {
				if o.Path != "" && overTCP(r) {
					return nil, errSocketOnly
				}
				return nil, c.BeginCourier(ctx, what, o)
			})
			if _, err := begin(r); err != nil {
				h.refused(w, r, "beginning with a stick", err)
				return
			}
			show(w, r)
		})
	}
}

// worded is v with messages for every code, and without paths for a page.
func worded(v localapi.Courier, page bool) localapi.Courier {
	sticks := make([]localapi.Stick, 0, len(v.Sticks))
	for _, s := range v.Sticks {
		if page {
			s.Path = ""
		}
		s.Problem = say(s.Problem)
		sticks = append(sticks, s)
	}
	v.Sticks = sticks
	if v.Job == nil {
		return v
	}
	j := *v.Job
	j.Failed = say(j.Failed)
	if j.Summary != nil {
		s := *j.Summary
		s.Refused = append([]localapi.CourierFile{}, s.Refused...)
		for i := range s.Refused {
			s.Refused[i].Why = *say(&s.Refused[i].Why)
			s.Refused[i].File = strings.ToValidUTF8(s.Refused[i].File, "\uFFFD")
		}
		j.Summary = &s
	}
	v.Job = &j
	return v
}

// say is e with its messages; nil for nil.
func say(e *localapi.Error) *localapi.Error {
	if e == nil {
		return nil
	}
	t := catalog.Error(e.Code)
	said := *e
	said.MessageEN, said.MessageJA = t.EN, t.JA
	return &said
}

// unseen routes what is asked of verdicts from before a restart.
func (h *Handler) unseen(u Unseen) {
	h.route("/v1/unseen", nil, answering(h, "listing unseen verdicts", func(ctx context.Context, _ *http.Request) (localapi.Taps, error) {
		all, err := u.Unseen(ctx)
		return localapi.Taps{Taps: append([]localapi.Tap{}, all...)}, err
	}))
	h.act("PUT /v1/unseen/{tap}", ofTap(u.Seen))
}
