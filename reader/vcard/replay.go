package vcard

import "fmt"

// Replayed makes what anyone can make who once held a reader to a card: its authentication application with the files that are free to
// read and its PIN references, and no key, no other file and no other application. ErrProfile for a card whose certificate is not
// free to read.
func Replayed(p *Profile) (*Card, error) {
	c, err := New(p, &MemoryStore{})
	if err != nil {
		return nil, err
	}
	if len(c.apps) == 0 {
		return nil, fmt.Errorf("%w: a card of this kind has no certificate", ErrProfile)
	}
	const authCert = 0x000A
	auth := c.apps[0]
	public := &application{aid: auth.aid, sessionKey: auth.sessionKey}
	for _, f := range auth.files {
		free := f.kind == transparent && !f.sealed && len(f.openedBy) == 0
		if free || f.kind == secretKind {
			public.files = append(public.files, f)
		}
	}
	if public.file(authCert) == nil {
		return nil, fmt.Errorf("%w: its certificate is not free to read", ErrProfile)
	}
	c.apps = []*application{public}
	return c, nil
}
