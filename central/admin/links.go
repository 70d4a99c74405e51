package admin

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"

	"kazashi.example/sync/record"
)

// pathLinks takes links over. It is on the socket alone.
const pathLinks = "/v1/links/import"

// maxLinks bounds the body of an import, in octets: some 400,000 links.
const maxLinks = 64 << 20

// Import is a list of links between people and a service's numbers. It prints as REDACTED.
type Import struct {
	Service record.ServiceID `json:"service"`
	DryRun  bool             `json:"dry_run,omitempty"`
	Links   []ImportLink     `json:"links"`
}

// Format prints REDACTED for every verb.
func (Import) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("REDACTED")) }

// ImportLink is one line of it. It prints as REDACTED.
type ImportLink struct {
	Line   int    `json:"line"`
	PPID   string `json:"ppid"`
	Number string `json:"number"`
}

// Format prints REDACTED for every verb.
func (ImportLink) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("REDACTED")) }

// Imported is what became of it.
type Imported struct {
	DryRun  bool          `json:"dry_run,omitempty"`
	Rows    int           `json:"rows"`
	Linked  int           `json:"linked"`
	Present int           `json:"present"` // linked so before
	Faults  []ImportFault `json:"faults"`
	Left    int           `json:"left,omitempty"` // faults that are not told
}

// ImportFault is what is wrong with a line: "number", "duplicate", "unknown_person" or "taken". It never has the values.
type ImportFault struct {
	Line int    `json:"line"`
	What string `json:"what"`
}

// Linker is an operator who takes links over.
type Linker interface {
	// ImportLinks takes a list over, or says what is wrong with it.
	ImportLinks(ctx context.Context, q Import) (Imported, error)
}

func linking(mux *http.ServeMux, o Linker, log *slog.Logger) {
	mux.HandleFunc("POST "+pathLinks, func(w http.ResponseWriter, r *http.Request) {
		in, err := decode[Import](http.MaxBytesReader(w, r.Body, maxLinks))
		if err != nil {
			answer(r.Context(), log, w, nil, &Refused{err})
			return
		}
		out, err := o.ImportLinks(r.Context(), in)
		answer(r.Context(), log, w, out, err)
	})
}

// ImportLinks takes a list over, or says what is wrong with it.
func (c *Client) ImportLinks(ctx context.Context, q Import) (out Imported, err error) {
	err = c.do(ctx, http.MethodPost, pathLinks, q, &out)
	return out, err
}
