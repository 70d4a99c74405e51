package crash

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
)

// call is one system call of a trace: strace -f -y -xx, a line, or two lines put together.
type call struct {
	name  string
	args  []string
	ret   string // empty: it has not returned
	began int    // operations that were done when it began
}

// begun is the first half of a call during which another thread made one.
type begun struct {
	text string
	done int
}

// lines puts lines together to calls. The zero value is ready.
type lines struct {
	begun map[string]begun // by thread
}

// next takes a line, done operations being known. entered: a call began with it; whole: a call returned with it.
func (r *lines) next(l string, done int) (c call, entered, whole bool, err error) {
	thread, rest, _ := strings.Cut(l, " ")
	rest = strings.TrimLeft(rest, " ")
	if strings.HasPrefix(rest, "+++") || strings.HasPrefix(rest, "---") {
		return c, false, false, nil
	}
	b, inside := r.begun[thread]
	if resumed := strings.HasPrefix(rest, "<... "); resumed != inside {
		return c, false, false, fmt.Errorf("%w: line %q", ErrTrace, head(l))
	}
	if inside {
		delete(r.begun, thread)
		_, end, _ := strings.Cut(rest, " resumed>")
		rest = b.text + end
	} else {
		b.done = done
	}
	b.text, _ = strings.CutSuffix(rest, " <unfinished ...>")
	c, err = parse(b.text)
	c.began = b.done
	if _, nerr := number(c.ret); nerr != nil { // it has not returned, or was killed inside: nothing, ?, or what is left in a register
		if r.begun == nil {
			r.begun = map[string]begun{}
		}
		r.begun[thread] = b
		return c, !inside, false, err
	}
	return c, !inside, true, err
}

// parse reads "name(args) = ret", or "name(args" of a call that has not returned.
func parse(s string) (c call, err error) {
	name, rest, ok := strings.Cut(s, "(")
	if !ok {
		return c, fmt.Errorf("%w: call %q", ErrTrace, head(s))
	}
	c.name = name
	args := rest
	if i := strings.LastIndex(rest, ") = "); i >= 0 {
		args, c.ret = rest[:i], rest[i+len(") = "):]
	}
	c.args = split(args)
	return c, nil
}

// split cuts arguments at the commas outside of brackets. Strings are in hexadecimal and hold none.
func split(s string) (args []string) {
	depth, from := 0, 0
	for i := range len(s) {
		switch s[i] {
		case '[', '{', '(':
			depth++
		case ']', '}', ')':
			depth--
		case ',':
			if depth == 0 {
				args = append(args, strings.TrimSpace(s[from:i]))
				from = i + 1
			}
		}
	}
	if last := strings.TrimSpace(s[from:]); last != "" {
		args = append(args, last)
	}
	return args
}

func head(s string) string { return s[:min(len(s), 120)] }

// arg is argument i, or nothing.
func (c call) arg(i int) string {
	if i < len(c.args) {
		return c.args[i]
	}
	return ""
}

// failed reports whether the call returned an error, and so did nothing.
func (c call) failed() bool { return strings.HasPrefix(c.ret, "-1 ") }

// number reads the number with which s begins: 5</path>, 65536, 0644, 0x7f00.
func number(s string) (int64, error) {
	end := strings.IndexAny(s, "< \t")
	if end < 0 {
		end = len(s)
	}
	n, err := strconv.ParseInt(s[:end], 0, 64)
	if err != nil {
		return 0, fmt.Errorf("%w: number %q", ErrTrace, head(s))
	}
	return n, nil
}

// descriptor reads a file descriptor; -1 for AT_FDCWD and what is none.
func descriptor(s string) int {
	n, err := number(s)
	if err != nil || n < 0 || n > 1<<20 {
		return -1
	}
	return int(n)
}

// annotation is the path that strace put behind a descriptor: 5</path>.
func annotation(s string) (string, error) {
	i, j := strings.IndexByte(s, '<'), strings.LastIndexByte(s, '>')
	if i < 0 || j < i {
		return "", fmt.Errorf("%w: descriptor %q", ErrTrace, head(s))
	}
	b, err := unhex(s[i+1 : j])
	return string(b), err
}

// text reads a string argument, whole.
func text(s string) ([]byte, error) {
	in, ok := strings.CutPrefix(s, `"`)
	in, closed := strings.CutSuffix(in, `"`)
	if !ok || !closed {
		return nil, fmt.Errorf("%w: string %q was cut", ErrTrace, head(s))
	}
	return unhex(in)
}

func unhex(s string) ([]byte, error) {
	b := make([]byte, len(s)/4)
	for i := range b {
		if s[4*i] != '\\' || s[4*i+1] != 'x' {
			return nil, fmt.Errorf("%w: string %q", ErrTrace, head(s))
		}
		if _, err := hex.Decode(b[i:i+1], []byte(s[4*i+2:4*i+4])); err != nil {
			return nil, fmt.Errorf("%w: string %q", ErrTrace, head(s))
		}
	}
	if len(s)%4 != 0 {
		return nil, fmt.Errorf("%w: string %q", ErrTrace, head(s))
	}
	return b, nil
}

// vector reads the octets of writev: [{iov_base="…", iov_len=5}, …].
func vector(s string) (all []byte, err error) {
	for _, part := range strings.Split(s, "iov_base=")[1:] {
		value, _, _ := strings.Cut(part, ",")
		b, err := text(value)
		if err != nil {
			return nil, err
		}
		all = append(all, b...)
	}
	return all, nil
}
