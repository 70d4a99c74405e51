package localapi

import (
	"context"
	"net/http"

	"kazashi.example/sync/record"
)

const unseenPath = "/v1/unseen"

// Unseen lists the taps from before a restart whose verdict perhaps nobody saw, newest first. Each stays, over restarts too, until somebody
// says that it was seen. Errors: as Status.
func (c *Client) Unseen(ctx context.Context) ([]Tap, error) {
	var t Taps
	err := c.ask(ctx, http.MethodGet, unseenPath, nil, &t)
	return t.Taps, err
}

// Seen says that somebody has seen the verdict of a tap. Errors: ErrUnknown if it is not among the unseen, or no more; otherwise as Status.
func (c *Client) Seen(ctx context.Context, tap record.TapID) error {
	return c.ask(ctx, http.MethodPut, unseenPath+"/"+tap.String(), nil, &struct{}{})
}
