package control

import (
	"fmt"
	"path/filepath"

	"kazashi.example/reader/vcard/fault"
	"kazashi.example/reader/vcard/vpcd"
)

// absolute resolves the paths of a request where it is made: the profile's, and that of a relay's victim.
func (r InsertRequest) absolute() (InsertRequest, error) {
	if r.Profile != "" {
		abs, err := filepath.Abs(r.Profile)
		if err != nil {
			return r, fmt.Errorf("resolving profile path: %w", err)
		}
		r.Profile = abs
	}
	faults := make([]string, len(r.Faults))
	for i, text := range r.Faults {
		faults[i] = text
		f, err := fault.Parse(text)
		if err != nil || f.Kind != fault.Relay { // what is not understood is the serving end's to refuse
			continue
		}
		if f.Name, err = filepath.Abs(f.Name); err != nil {
			return r, fmt.Errorf("resolving profile path of %s: %w", fault.Relay, err)
		}
		faults[i] = f.String()
	}
	r.Faults = faults
	return r, nil
}

// faults reads all faults of a request; fault.ErrFault.
func (r InsertRequest) faults() ([]fault.Fault, error) {
	var all []fault.Fault
	for _, text := range r.Faults {
		f, err := fault.Parse(text)
		if err != nil {
			return nil, fmt.Errorf("reading fault: %w", err)
		}
		all = append(all, f)
	}
	if r.Fault == nil {
		return all, nil
	}
	f, err := r.Fault.parse()
	if err != nil {
		return nil, fmt.Errorf("reading fault: %w", err)
	}
	return append(all, f), nil
}

// parse is the fault that strikes after so many commands.
func (f Fault) parse() (fault.Fault, error) {
	if f.AfterAPDUs < 0 {
		return fault.Fault{}, fmt.Errorf("%w: after %d commands", fault.ErrFault, f.AfterAPDUs)
	}
	if f.Kind == vpcd.Tear {
		return fault.Fault{Kind: fault.TearBefore, N: f.AfterAPDUs + 1}, nil
	}
	got, err := fault.Parse(string(f.Kind))
	if err == nil && f.AfterAPDUs > 0 && got.Kind != fault.Stranger {
		got.First = f.AfterAPDUs + 1
	}
	return got, err //nolint:wrapcheck // the caller wraps
}
