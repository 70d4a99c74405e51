package fault

import (
	"fmt"
	"strconv"
	"strings"
)

// spec says what a kind takes.
type spec struct {
	kind Kind
	// value is what stands after '=' in the help; empty: nothing.
	value string
	// min and max bound N; preset is N where the text leaves it out, -1 if it may not.
	min, max, preset int
	// named: Name counts.
	named bool
	// window: First and Last count.
	window bool
	what   string
}

const (
	// maxCommands and maxOctets are far above any procedure.
	maxCommands = 1 << 20
	maxOctets   = 1 << 30
	// maxAnswer is the longest answer of extended Le without its status word; vpcdAnswer what a frame of vpcd holds of it.
	maxAnswer  = 1 << 16
	vpcdAnswer = 1<<16 - 3
	maxTries   = 15 // what 63Cx can say
)

// kinds is every kind, in the order of the help.
var kinds = []spec{
	{TearBefore, "N", 1, maxCommands, -1, false, false, "the card leaves before command N reaches it"},
	{TearAfter, "N", 1, maxCommands, -1, false, false, "the card does command N and leaves before its answer"},
	{TearOctet, "N", 1, maxOctets, -1, false, false, "octet N of the exchange does not get across"},
	{AnswerShort, "N", 1, maxAnswer, 1, false, true, "answers lack their last N octets of data (default 1)"},
	{AnswerLong, "N", 1, maxAnswer, 1, false, true, "answers have N octets of data too many (default 1)"},
	{LengthShort, "N", 1, maxAnswer, 1, false, true, "a file's first BER length says N too little (default 1)"},
	{LengthLong, "N", 1, maxAnswer, 1, false, true, "a file's first BER length says N too much (default 1)"},
	{LengthHuge, "", 0, 0, 0, false, true, "a file's first BER length says 2147483647"},
	{LengthIndefinite, "", 0, 0, 0, false, true, "a file's first BER length is 80"},
	{Endless61, "N", 0, 255, 16, false, true, "61xx after every answer, with N octets (default 16)"},
	{Endless6C, "", 0, 0, 0, false, true, "6Cxx whatever Le is"},
	{Flood, "N", 1, maxAnswer, vpcdAnswer, false, true, "answers of N octets (default 65533, what vpcd can carry)"},
	{Bomb, "N", 1, maxAnswer, vpcdAnswer, false, true, "answers are N octets of TLVs, one inside the other (default 65533)"},
	{FlipAnswer, "BIT", 0, 8*maxAnswer - 1, 0, false, true, "one bit of every answer with data is changed (default 0, the first)"},
	{FlipSignature, "BIT", 0, 2047, 0, false, true, "one bit of every signature is changed (default 0, the first)"},
	{Relay, "PROFILE", 0, 0, 0, true, false, "the public certificate of another card, without its key, before this card's face application"},
	{Tries, "REFERENCE:N", 0, maxTries, -1, true, false, "N tries left of jpki/0018, face/0011 and so on; 0 is blocked; lasts like a try"},
	{RefuseExtended, "", 0, 0, 0, false, true, "6700 to extended lengths"},
	{IgnoreExtended, "", 0, 0, 0, false, true, "no answer to extended lengths, the card stays"},
	{Status9000, "", 0, 0, 0, false, true, "the status query of a PIN answers 9000"},
	{Blocked6983, "", 0, 0, 0, false, true, "6983 where the card says 6984"},
	{StatusWord, "XXXX", 0x6000, 0x9FFF, -1, false, true, "this status word; the command is not done"},
	{Nonsense, "", 0, 0, 0, false, true, "random-looking octets of random lengths"},
	{Stranger, "", 0, 0, 0, false, false, "another card altogether; needs no profile"},
}

func specOf(k Kind) (spec, bool) {
	for _, s := range kinds {
		if s.kind == k {
			return s, true
		}
	}
	return spec{}, false
}

// check holds a fault's fields to its kind.
func (f Fault) check() error {
	s, ok := specOf(f.Kind)
	switch {
	case !ok:
		return fmt.Errorf("%w: %.40q is none of the kinds", ErrFault, string(f.Kind))
	case f.N < s.min || f.N > s.max:
		return fmt.Errorf("%w: %s takes %d to %d", ErrFault, f.Kind, s.min, s.max)
	case s.named != (f.Name != ""):
		return fmt.Errorf("%w: %s=%s", ErrFault, f.Kind, s.value)
	case f.Kind == Tries && strings.Contains(f.Name, ":"):
		return fmt.Errorf("%w: %s=%s", ErrFault, f.Kind, s.value)
	case !s.window && (f.First != 0 || f.Last != 0):
		return fmt.Errorf("%w: %s takes no @", ErrFault, f.Kind)
	case f.First < 0 || f.First > maxCommands || f.Last < 0 || f.Last > maxCommands || (f.Last != 0 && f.Last < max(1, f.First)):
		return fmt.Errorf("%w: commands %d to %d", ErrFault, f.First, f.Last)
	}
	return nil
}

// Parse reads a fault's text form: the kind, its value after '=' where it takes one, and for most kinds @FIRST or @FIRST-LAST for the
// commands that it strikes, such as "tear-after=3", "endless-61@2", "sw=6F00@4-4", "tries=face/0011:2" or
// "relay=/path/profile.json". ErrFault.
func Parse(text string) (Fault, error) {
	name, value, given := strings.Cut(text, "=")
	if !given {
		name, _, _ = strings.Cut(text, "@")
		value = text[len(name):]
	}
	s, ok := specOf(Kind(name))
	if !ok {
		return Fault{}, fmt.Errorf("%w: %.40q is none of the kinds", ErrFault, name)
	}
	f := Fault{Kind: s.kind, N: s.preset}
	if s.window {
		var window string
		value, window, ok = strings.Cut(value, "@")
		if ok && !f.strikes(window) {
			return Fault{}, fmt.Errorf("%w: @%.20q is not @FIRST or @FIRST-LAST", ErrFault, window)
		}
	}
	if given != (value != "") || !f.take(s, value) {
		return Fault{}, fmt.Errorf("%w: %.60q is not %s=%s", ErrFault, text, s.kind, s.value)
	}
	return f, f.check()
}

// take reads what stands after '='.
func (f *Fault) take(s spec, value string) bool {
	switch {
	case s.kind == Relay:
		f.Name = value
		return value != ""
	case s.kind == Tries:
		name, n, ok := strings.Cut(value, ":")
		f.Name = name
		return ok && name != "" && number(n, 10, &f.N)
	case value == "":
		return s.preset >= 0
	case s.kind == StatusWord:
		return len(value) == 4 && number(value, 16, &f.N)
	}
	return s.value != "" && number(value, 10, &f.N)
}

// strikes reads FIRST or FIRST-LAST.
func (f *Fault) strikes(window string) bool {
	first, last, both := strings.Cut(window, "-")
	ok := number(first, 10, &f.First) && f.First > 0
	if both {
		ok = ok && number(last, 10, &f.Last) && f.Last > 0
	}
	return ok
}

// number reads digits alone, without a sign.
func number(s string, base int, into *int) bool {
	n, err := strconv.ParseUint(s, base, 31)
	*into = int(n)
	return err == nil
}

// String is the text form that Parse reads.
func (f Fault) String() string {
	s, _ := specOf(f.Kind)
	b := string(f.Kind)
	switch {
	case f.Kind == Tries:
		b += fmt.Sprintf("=%s:%d", f.Name, f.N)
	case f.Kind == Relay:
		b += "=" + f.Name
	case f.Kind == StatusWord:
		b += fmt.Sprintf("=%04X", f.N)
	case s.value != "":
		b += fmt.Sprintf("=%d", f.N)
	}
	if f.First != 0 || f.Last != 0 {
		b += fmt.Sprintf("@%d", max(1, f.First))
	}
	if f.Last != 0 {
		b += fmt.Sprintf("-%d", f.Last)
	}
	return b
}
