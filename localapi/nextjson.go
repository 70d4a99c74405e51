package localapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
)

// errNextBody is what UnmarshalJSON says. It quotes none of the text.
var errNextBody = errors.New("not one JSON object of the fields of a next card, each at most once and spelled as documented")

// UnmarshalJSON reads the body of PUT /v1/next-card: an object without nesting, whose names are spelled exactly, stand once each, and
// whose strings need no escape. What was typed is copied out of b, which the caller wipes; encoding/json makes no other copy.
// The error quotes none of b, and r then holds nothing.
func (r *NextCardRequest) UnmarshalJSON(b []byte) error {
	*r = NextCardRequest{}
	if !json.Valid(b) || !r.decode(b) {
		r.Wipe()
		*r = NextCardRequest{}
		return errNextBody
	}
	return nil
}

// decode walks through valid JSON, so that no look-ahead can run over its end.
func (r *NextCardRequest) decode(b []byte) bool {
	seen := make(map[string]bool)
	b = skipSpace(b)
	if b[0] != '{' {
		return false
	}
	for b = skipSpace(b[1:]); b[0] != '}'; {
		name, rest, ok := scalar(b)
		if !ok || seen[string(name)] {
			return false
		}
		seen[string(name)] = true
		value, rest, ok := scalar(skipSpace(skipSpace(rest)[1:])) // past the colon
		if !ok || !r.set(string(name), value) {
			return false
		}
		if b = skipSpace(rest); b[0] == ',' {
			b = skipSpace(b[1:])
		}
	}
	return true
}

// set takes one member: the name and the value as they stand in the text, quotes included.
func (r *NextCardRequest) set(name string, value []byte) bool {
	switch name {
	case `"kind"`:
		text, ok := quoted(value)
		r.Kind = NextKind(text)
		return ok
	case `"era"`:
		text, ok := quoted(value)
		r.Era = Era(text)
		return ok
	case `"reader"`:
		text, ok := quoted(value)
		r.Reader = string(text)
		return ok
	case `"birth_sure"`:
		return truth(&r.BirthSure, value)
	case `"pin"`:
		return r.PIN.take(value)
	case `"input_pin"`:
		return r.InputPIN.take(value)
	case `"birth"`:
		return r.Birth.take(value)
	case `"number"`:
		return r.Number.take(value)
	case `"same_pin"`:
		return truth(&r.SamePIN, value)
	case `"attributes"`:
		return truth(&r.Attributes, value)
	}
	return false
}

// take copies what stands between quotes.
func (s *Secret) take(value []byte) bool {
	text, ok := quoted(value)
	return ok && s.UnmarshalText(text) == nil
}

func quoted(value []byte) ([]byte, bool) {
	if value[0] != '"' {
		return nil, false
	}
	return value[1 : len(value)-1], true
}

func truth(to *bool, value []byte) bool {
	*to = string(value) == "true"
	return *to || string(value) == "false"
}

// scalar splits b after the string, number or word that it begins with; not ok for an object, an array or a string with escapes.
func scalar(b []byte) (value, rest []byte, ok bool) {
	if b[0] == '{' || b[0] == '[' {
		return nil, nil, false
	}
	if b[0] != '"' {
		n := bytes.IndexAny(b, ",}] \t\r\n")
		return b[:n], b[n:], true
	}
	n := 2 + bytes.IndexByte(b[1:], '"')
	return b[:n], b[n:], bytes.IndexByte(b[:n], '\\') < 0
}

func skipSpace(b []byte) []byte { return bytes.TrimLeft(b, " \t\r\n") }

// body is r as PUT /v1/next-card takes it, with what was typed in the clear: for the connection only, and to be wiped. r was checked,
// so that nothing needs an escape.
func (r NextCardRequest) body() []byte {
	b := make([]byte, 0, 256+maxReader+maxTyped) // more than it can need, so that no copy stays behind
	b = fmt.Appendf(b, `{"kind":%q,"pin":"`, string(r.Kind))
	b = append(append(b, r.PIN.Octets()...), '"')
	for _, f := range []struct {
		name string
		Secret
	}{{"input_pin", r.InputPIN}, {"birth", r.Birth}, {"number", r.Number}} {
		if !f.IsZero() {
			b = fmt.Appendf(b, `,%q:"`, f.name)
			b = append(append(b, f.Octets()...), '"')
		}
	}
	if r.Era != "" {
		b = fmt.Appendf(b, `,"era":%q`, string(r.Era))
	}
	if r.Reader != "" {
		b = fmt.Appendf(b, `,"reader":%q`, r.Reader)
	}
	if r.BirthSure {
		b = append(b, `,"birth_sure":true`...)
	}
	b = strconv.AppendBool(append(b, `,"same_pin":`...), r.SamePIN)
	b = strconv.AppendBool(append(b, `,"attributes":`...), r.Attributes)
	return append(b, '}')
}
