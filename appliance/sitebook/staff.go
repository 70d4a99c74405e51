package sitebook

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/subtle"
	"fmt"
	"slices"
	"time"

	"golang.org/x/crypto/argon2"

	"kazashi.example/localapi"
	"kazashi.example/sync/record"
)

// SessionLasts is how long a sign-in counts: one working day with some overtime. A restart or a lock ends it earlier.
const SessionLasts = 12 * time.Hour

// Codes are hashed by Argon2id (RFC 9106) with one salt a site, so that a code alone tells whose it is; the second set of parameters
// that OWASP's Password Storage Cheat Sheet recommends. Hash and salt are sealed besides.
const (
	saltLen    = 16
	tagLen     = 32
	argonTime  = 2
	argonKiB   = 19 << 10
	argonLanes = 1
)

// Wrong codes: the first few may be slips; after them each doubles the waiting.
const (
	freeTries = 3
	firstWait = 2 * time.Second
	longest   = 15 * time.Minute
)

// session is who is signed in; the zero value is nobody.
type session struct {
	staff localapi.Staff
	until time.Time // by this process' own clock, which nobody sets
}

// tries counts wrong codes since the last right one, over restarts.
type tries struct {
	count int
	from  time.Time // when the waiting began, by this process' own clock
}

// start begins the waiting.
func (t *tries) start() { t.from = time.Now() }

// left is how long is still to be waited.
func (t *tries) left() time.Duration {
	if t.count < freeTries {
		return 0
	}
	wait := longest
	if n := t.count - freeTries; n < 16 {
		wait = min(longest, firstWait<<n)
	}
	return max(0, wait-time.Since(t.from))
}

// member is one of staff as the book holds them.
type member struct {
	entry *entry
	localapi.Staff
	tag []byte
}

// members lists who may sign in, in the order of their ids, and the salt; no salt before the first is added.
func (b *Book) members(ctx context.Context) (list []member, salt []byte, err error) {
	r, err := b.ring()
	if err != nil {
		return nil, nil, err
	}
	err = b.ofKinds(ctx, r, func(e *entry) error {
		if e.kind == kindSalt {
			salt = e.row.Secret
			return nil
		}
		list = append(list, member{e, localapi.Staff{ID: string(e.row.Staff), Name: e.row.Name}, e.row.Secret})
		return nil
	}, kindStaff, kindSalt)
	slices.SortFunc(list, func(x, y member) int { return cmp.Compare(x.ID, y.ID) })
	return list, salt, err
}

// Staff lists who may sign in, in the order of their ids; Since is set for who is signed in. localapi.ErrLocked.
func (b *Book) Staff(ctx context.Context) ([]localapi.Staff, error) {
	members, _, err := b.members(ctx)
	if err != nil {
		return nil, err
	}
	here, _ := b.SignedIn()
	list := make([]localapi.Staff, 0, len(members))
	for _, m := range members {
		if m.ID == here.ID {
			m.Since = here.Since
		}
		list = append(list, m.Staff)
	}
	return list, nil
}

// SetStaff adds somebody, or gives who is there another name and code. What s holds stays the caller's to wipe. Errors: localapi.ErrDeskForm;
// ErrTaken if somebody else has the code; ErrLocked.
func (b *Book) SetStaff(ctx context.Context, s localapi.NewStaff) error {
	b.staff.Lock()
	defer b.staff.Unlock()
	if err := s.Check(); err != nil {
		return err
	}
	members, salt, err := b.members(ctx)
	if err != nil {
		return err
	}
	var entries []*entry
	now := b.o.Now().UnixMilli()
	if salt == nil {
		salt = make([]byte, saltLen)
		_, _ = rand.Read(salt) // crypto/rand.Read never fails (Go 1.24)
		entries = append(entries, &entry{kind: kindSalt, at: now, row: row{Secret: salt}})
	}
	tag := hashed(s.Code, salt)
	var gone []*entry
	for _, m := range members {
		switch {
		case m.ID == s.ID:
			gone = append(gone, m.entry)
		case subtle.ConstantTimeCompare(m.tag, tag) == 1:
			return fmt.Errorf("setting a code: %w", localapi.ErrTaken)
		}
	}
	entries = append(entries, &entry{kind: kindStaff, at: now, row: row{Staff: record.StaffID(s.ID), Name: s.Name, Secret: tag}})
	return b.replace(ctx, "setting a code", gone, entries)
}

func hashed(code localapi.Secret, salt []byte) []byte {
	return argon2.IDKey(code.Octets(), salt, argonTime, argonKiB, argonLanes, tagLen)
}

// RemoveStaff lets somebody sign in no more; who is signed in is signed out. localapi.ErrUnknown, ErrLocked.
func (b *Book) RemoveStaff(ctx context.Context, id string) error {
	b.staff.Lock()
	defer b.staff.Unlock()
	members, _, err := b.members(ctx)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(members, func(m member) bool { return m.ID == id })
	if i < 0 {
		return fmt.Errorf("removing a member of staff: %w", localapi.ErrUnknown)
	}
	if here, ok := b.SignedIn(); ok && here.ID == id {
		if err := b.SignOut(ctx); err != nil {
			return err
		}
	}
	return b.replace(ctx, "removing a member of staff", []*entry{members[i].entry}, nil)
}

// SignedIn is who is at the desk; false if nobody.
func (b *Book) SignedIn() (localapi.Staff, bool) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	if b.desk.staff.ID == "" || time.Now().After(b.desk.until) {
		return localapi.Staff{}, false
	}
	return b.desk.staff, true
}

// SignIn signs in whoever has the code, in place of whoever was. A try is counted on the disk before the code is looked at. Errors:
// localapi.ErrCode, ErrNoStaff, ErrLocked; a localapi.WaitError after too many wrong codes, with which the code was not looked at.
func (b *Book) SignIn(ctx context.Context, code localapi.Secret) (localapi.Staff, error) {
	b.staff.Lock()
	defer b.staff.Unlock()
	members, salt, err := b.members(ctx)
	if err != nil {
		return localapi.Staff{}, err
	}
	if len(members) == 0 {
		return localapi.Staff{}, localapi.ErrNoStaff // there is no code to be guessed
	}
	if err := b.try(ctx); err != nil {
		return localapi.Staff{}, err
	}
	var who *member
	if salt != nil {
		tag := hashed(code, salt)
		for i := range members {
			if subtle.ConstantTimeCompare(members[i].tag, tag) == 1 {
				who = &members[i]
			}
		}
	}
	if who == nil {
		return localapi.Staff{}, localapi.ErrCode
	}
	staff := who.Staff
	staff.Since = b.o.Now()
	err = b.put(ctx, "signing in", b.log(staff.ID, false))
	if err != nil {
		return localapi.Staff{}, err
	}
	if err := b.forgiven(ctx); err != nil {
		return localapi.Staff{}, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.desk = session{staff, time.Now().Add(SessionLasts)}
	return staff, nil
}

// nobody says why nobody is signed in: localapi.ErrNobody, or ErrNoStaff if nobody could be.
func (b *Book) nobody(ctx context.Context) error {
	if members, _, err := b.members(ctx); err != nil || len(members) == 0 {
		return cmp.Or(err, localapi.ErrNoStaff)
	}
	return localapi.ErrNobody
}

// log is an entry of who was at the desk.
func (b *Book) log(id string, out bool) *entry {
	return &entry{kind: kindSession, at: b.o.Now().UnixMilli(), row: row{Staff: record.StaffID(id), Desk: b.o.Desk, Out: out}}
}

// try counts a try, unless it comes too early.
func (b *Book) try(ctx context.Context) error {
	b.write.Lock()
	defer b.write.Unlock()
	if b.closed {
		return ErrClosed
	}
	if wait := b.wrong.left(); wait > 0 {
		return localapi.WaitError{For: wait}
	}
	if _, err := b.st.w.ExecContext(ctx, `UPDATE meta SET wrong = wrong + 1`); err != nil {
		return fmt.Errorf("counting a try: %w", err)
	}
	b.wrong.count++
	b.wrong.start()
	return nil
}

// forgiven forgets the wrong codes.
func (b *Book) forgiven(ctx context.Context) error {
	b.write.Lock()
	defer b.write.Unlock()
	if _, err := b.st.w.ExecContext(ctx, `UPDATE meta SET wrong = 0`); err != nil {
		return fmt.Errorf("counting a try: %w", err)
	}
	b.wrong.count = 0
	return nil
}

// SignOut ends the sign-in, which counts even if it cannot be written down. No error if nobody is signed in.
func (b *Book) SignOut(ctx context.Context) error {
	b.mu.Lock()
	was := b.desk.staff
	b.desk = session{}
	b.mu.Unlock()
	if was.ID == "" {
		return nil
	}
	return b.put(ctx, "signing out", b.log(was.ID, true))
}

// Session is one line of who was at the desk.
type Session struct {
	Staff record.StaffID
	Desk  record.DeskID
	At    time.Time
	Out   bool // signed out; a sign-in without one ended with the next, a lock, or the power
}

// Sessions lists who signed in and out, the oldest first. localapi.ErrLocked.
func (b *Book) Sessions(ctx context.Context) (list []Session, err error) {
	r, err := b.ring()
	if err != nil {
		return nil, err
	}
	err = b.ofKinds(ctx, r, func(e *entry) error {
		list = append(list, Session{e.row.Staff, e.row.Desk, time.UnixMilli(e.at).UTC(), e.row.Out})
		return nil
	}, kindSession)
	return list, err
}
