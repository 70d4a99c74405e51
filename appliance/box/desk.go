package box

import (
	"context"
	"io"

	"kazashi.example/appliance/sitebook"
	"kazashi.example/localapi"
	"kazashi.example/localapi/server"
	"kazashi.example/sync/record"
)

// desk is the site book as the local API asks for it.
type desk struct {
	*sitebook.Book

	b *Box
}

var _ server.Desk = desk{}

// SetStaff is the book's; the status tells who is signed in.
func (d desk) SetStaff(ctx context.Context, s localapi.NewStaff) error {
	defer d.b.changed()
	return d.Book.SetStaff(ctx, s)
}

// RemoveStaff is the book's.
func (d desk) RemoveStaff(ctx context.Context, id string) error {
	defer d.b.changed()
	return d.Book.RemoveStaff(ctx, id)
}

// SignIn is the book's.
func (d desk) SignIn(ctx context.Context, code localapi.Secret) (localapi.Staff, error) {
	defer d.b.changed()
	return d.Book.SignIn(ctx, code)
}

// SignOut is the book's.
func (d desk) SignOut(ctx context.Context) error {
	defer d.b.changed()
	return d.Book.SignOut(ctx)
}

// Leave is the book's.
func (d desk) Leave(ctx context.Context, tap record.TapID) error {
	defer d.b.changed()
	return d.Book.Leave(ctx, tap)
}

// Tick is the book's.
func (d desk) Tick(ctx context.Context, tap record.TapID) error {
	defer d.b.changed()
	return d.Book.Tick(ctx, tap)
}

// Unlink leaves a record, as a tap does.
func (d desk) Unlink(ctx context.Context, u localapi.Unlink) error {
	return d.b.counter.Unlink(ctx, u)
}

// Import is the book's, with central's roster.
func (d desk) Import(ctx context.Context, r io.Reader, how localapi.Import) (localapi.ImportReport, error) {
	return d.b.people.Import(ctx, r, how)
}
