package scene

import (
	"context"
	"io"
	"sync"
	"time"

	"kazashi.example/localapi"
	"kazashi.example/sync/record"
)

// Desk is a server.Desk in memory: two members of staff, one of them present, one correction.
type Desk struct {
	mu       sync.Mutex // guards the rest
	Err      error      // what every call but SignedIn returns, if set
	people   []localapi.NewStaff
	at       *localapi.Staff
	present  []localapi.Presence
	work     []localapi.WorkItem
	imported []byte
	unlinked []localapi.Unlink
}

// NewDesk is a desk at Noon.
func NewDesk() *Desk {
	refused := localapi.Outcome{Verdict: record.VerdictRefused, Reason: record.ReasonRevoked}
	return &Desk{
		present: []localapi.Presence{{Tap: record.TapID{ID128: id(3)}, Spoken: "7KMR", Service: "shelter", Since: Noon.Add(-time.Hour)}},
		work: []localapi.WorkItem{{
			Tap: record.TapID{ID128: id(4)}, Spoken: "4WTX", Time: Noon.Add(-2 * time.Hour), Desk: "counter-1", Service: "library-card",
			First: localapi.Outcome{Verdict: record.VerdictAccepted, Reason: record.ReasonInOrder}, Final: refused,
		}},
	}
}

// Staff lists who was set.
func (d *Desk) Staff(context.Context) (all []localapi.Staff, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, s := range d.people {
		all = append(all, localapi.Staff{ID: s.ID, Name: s.Name})
	}
	return all, d.Err
}

// SetStaff adds somebody; ErrTaken for a code that another has.
func (d *Desk) SetStaff(_ context.Context, s localapi.NewStaff) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, other := range d.people {
		if other.ID != s.ID && other.Code.Reveal() == s.Code.Reveal() {
			return localapi.ErrTaken
		}
	}
	s.Code = localapi.NewSecret(s.Code.Reveal()) // the caller wipes its own
	d.people = append(d.people, s)
	return d.Err
}

// RemoveStaff removes somebody.
func (d *Desk) RemoveStaff(_ context.Context, id string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i, s := range d.people {
		if s.ID == id {
			d.people = append(d.people[:i], d.people[i+1:]...)
			return d.Err
		}
	}
	return localapi.ErrUnknown
}

// SignedIn is who signed in last.
func (d *Desk) SignedIn() (localapi.Staff, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.at == nil {
		return localapi.Staff{}, false
	}
	return *d.at, true
}

// SignIn compares the code with everybody's.
func (d *Desk) SignIn(_ context.Context, code localapi.Secret) (localapi.Staff, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.Err != nil {
		return localapi.Staff{}, d.Err
	}
	for _, s := range d.people {
		if s.Code.Reveal() == code.Reveal() {
			d.at = &localapi.Staff{ID: s.ID, Name: s.Name, Since: Noon}
			return *d.at, nil
		}
	}
	return localapi.Staff{}, localapi.ErrCode
}

// SignOut forgets who signed in.
func (d *Desk) SignOut(context.Context) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.at = nil
	return d.Err
}

// Present lists who is here.
func (d *Desk) Present(context.Context) ([]localapi.Presence, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]localapi.Presence(nil), d.present...), d.Err
}

// Leave lets somebody go.
func (d *Desk) Leave(_ context.Context, tap record.TapID) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i, p := range d.present {
		if p.Tap == tap {
			d.present = append(d.present[:i], d.present[i+1:]...)
			return d.Err
		}
	}
	return localapi.ErrUnknown
}

// Work lists the corrections.
func (d *Desk) Work(_ context.Context, all bool) (items []localapi.WorkItem, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, w := range d.work {
		if all || w.Done == nil {
			items = append(items, w)
		}
	}
	return items, d.Err
}

// Tick needs somebody signed in.
func (d *Desk) Tick(_ context.Context, tap record.TapID) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.at == nil && len(d.people) == 0:
		return localapi.ErrNoStaff
	case d.at == nil:
		return localapi.ErrNobody
	}
	for i := range d.work {
		if d.work[i].Tap == tap {
			d.work[i].Done = &localapi.WorkDone{By: d.at.ID, At: Noon}
			return d.Err
		}
	}
	return localapi.ErrUnknown
}

// Unlink keeps what was asked for; it needs somebody signed in.
func (d *Desk) Unlink(_ context.Context, u localapi.Unlink) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.at == nil {
		return localapi.ErrNobody
	}
	d.unlinked = append(d.unlinked, u)
	return d.Err
}

// Unlinked is what Unlink was asked for.
func (d *Desk) Unlinked() []localapi.Unlink {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]localapi.Unlink(nil), d.unlinked...)
}

// Import reads the file; a line "=" is reported as a formula.
func (d *Desk) Import(_ context.Context, r io.Reader, how localapi.Import) (localapi.ImportReport, error) {
	b, err := io.ReadAll(r)
	if err != nil {
		return localapi.ImportReport{}, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.imported = b
	report := localapi.ImportReport{Rows: 1, Linked: 1, DryRun: how.DryRun}
	if len(b) > 0 && b[0] == '=' {
		report = localapi.ImportReport{Rows: 1, Faults: []localapi.ImportFault{{Line: 1, What: "formula"}}, DryRun: how.DryRun}
	}
	return report, d.Err
}

// Imported is the file that came last.
func (d *Desk) Imported() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return string(d.imported)
}
