package main

import (
	"errors"
	"fmt"
	"io"

	"kazashi.example/firmware/command"
	"kazashi.example/sync/courier"
)

// Caps of what is listed by name: of one reason, and of those that have no kind. The rest is counted.
const (
	maxRefusedKind = 100
	maxRefusedOdd  = 1000
)

// refusedFile is something that was not taken, or not done.
type refusedFile struct {
	File string `json:"file"`
	Why  string `json:"why"`
}

// refusals are what was refused, by name as far as somebody can read it.
type refusals struct {
	files []refusedFile
	kinds map[error]int
	more  int // not listed
}

// refusedKinds are the reasons of which a stick may have very many.
var refusedKinds = []error{
	courier.ErrMissing, courier.ErrHalf, courier.ErrDamaged, courier.ErrOtherBox, courier.ErrSigner, courier.ErrNewer, courier.ErrCrowded,
	courier.ErrIrregular,
}

// add keeps and prints a refusal, unless there are many of its kind.
func (r *refusals) add(w io.Writer, file string, why error) {
	var kind error
	most := maxRefusedOdd
	for _, k := range refusedKinds {
		if errors.Is(why, k) {
			kind, most = k, maxRefusedKind
			break
		}
	}
	if r.kinds == nil {
		r.kinds = map[error]int{}
	}
	r.kinds[kind]++
	if r.kinds[kind] > most {
		r.more++
		return
	}
	r.files = append(r.files, refusedFile{file, why.Error()})
	fmt.Fprintf(w, "refused: %s: %v\n", command.Plain(file), why)
}

// listed is never nil.
func (r *refusals) listed() []refusedFile { return append([]refusedFile{}, r.files...) }

// any reports whether anything was refused, and prints how much was not listed.
func (r *refusals) any(w io.Writer) bool {
	if r.more > 0 {
		fmt.Fprintf(w, "refused: %d more, for reasons like these\n", r.more)
	}
	return len(r.files) > 0
}
