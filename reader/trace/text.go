package trace

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"kazashi.example/reader/apdu"
)

// The words of the format.
const (
	firstLine    = "kazashi-card-transcript 1"
	lineMasked   = "mode masked"
	lineUnmasked = "mode unmasked"
	procedureIs  = "procedure "
	unnamed      = "unnamed"
	maxName      = 32
	noData       = "-"
	maskMark     = "*"
	errorWord    = "error"
)

// Bytes is the transcript's text.
func (t *Transcript) Bytes() []byte {
	mode, name := lineMasked, t.Procedure
	if t.Unmasked {
		mode = lineUnmasked
	}
	if !isName(name) {
		name = unnamed
	}
	b := []byte(firstLine + "\n" + mode + "\n" + procedureIs + name + "\n")
	for _, x := range t.Exchanges {
		b = x.appendTo(b)
	}
	return fmt.Appendf(b, "end %d\n", len(t.Exchanges))
}

func (x Exchange) appendTo(b []byte) []byte {
	h := x.Header
	b = fmt.Appendf(b, "%02X%02X%02X%02X ", h.CLA, h.INS, h.P1, h.P2)
	if x.Extended {
		b = append(b, "X "...)
	} else {
		b = append(b, "S "...)
	}
	b = append(x.Data.appendTo(b), ' ')
	if x.Ne == 0 {
		b = append(b, noData...)
	} else {
		b = strconv.AppendInt(b, int64(x.Ne), 10)
	}
	b = append(b, " = "...)
	if x.Failure != 0 {
		return append(b, errorWord+" "+x.Failure.String()+"\n"...)
	}
	return fmt.Appendf(append(x.Answer.appendTo(b), ' '), "%04X\n", uint16(x.SW))
}

func (d Data) appendTo(b []byte) []byte {
	if d.Len == 0 {
		return append(b, noData...)
	}
	b = fmt.Appendf(b, "%d:%X", d.Len, d.Shown)
	if d.Masked() {
		b = append(b, maskMark...)
	}
	return b
}

// Parse reads a transcript's text. It takes exactly what Bytes writes; ErrTranscript with the line's number otherwise.
func Parse(b []byte) (*Transcript, error) {
	if len(b) > MaxLen {
		return nil, fmt.Errorf("%w: longer than %d octets", ErrTranscript, MaxLen)
	}
	if bytes.Count(b, []byte("\n")) > MaxExchanges+firstExchange || !bytes.HasSuffix(b, []byte("\n")) {
		return nil, fmt.Errorf("%w: more than %d commands, or cut off", ErrTranscript, MaxExchanges)
	}
	lines := strings.Split(string(b[:len(b)-1]), "\n")
	if len(lines) < firstExchange || lines[0] != firstLine {
		return nil, fmt.Errorf("%w: first line is not %q", ErrTranscript, firstLine)
	}
	if lines[1] != lineMasked && lines[1] != lineUnmasked {
		return nil, fmt.Errorf("%w: second line is neither %q nor %q", ErrTranscript, lineMasked, lineUnmasked)
	}
	name, ok := strings.CutPrefix(lines[2], procedureIs)
	if !ok || !isName(name) {
		return nil, fmt.Errorf("%w: third line is not %q and a name", ErrTranscript, procedureIs)
	}
	t := &Transcript{Procedure: name, Unmasked: lines[1] == lineUnmasked}
	body, last := lines[firstExchange-1:len(lines)-1], lines[len(lines)-1]
	for i, line := range body {
		x, ok := parseLine(line)
		if !ok {
			return nil, fmt.Errorf("%w: line %d", ErrTranscript, i+firstExchange)
		}
		t.Exchanges = append(t.Exchanges, x)
	}
	if want := "end " + strconv.Itoa(len(body)); last != want {
		return nil, fmt.Errorf("%w: last line is not %q", ErrTranscript, want)
	}
	return t, nil
}

// firstExchange is the number of the line that the first command stands on.
const firstExchange = 4

// isName takes 1 to 32 lower-case letters and hyphens.
func isName(s string) bool {
	return s != "" && len(s) <= maxName && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz-") == ""
}

// parseLine reads HEADER FORM DATA NE = ANSWER SW, or HEADER FORM DATA NE = error WORD.
func parseLine(line string) (x Exchange, ok bool) {
	const fields = 7
	f := strings.SplitN(line, " ", fields+1) // a line of spaces alone must not cost a string for each
	if len(f) != fields || f[4] != "=" || f[1] != "S" && f[1] != "X" {
		return Exchange{}, false
	}
	h, ok := parseHex(f[0])
	if !ok || len(h) != 4 {
		return Exchange{}, false
	}
	x.Header = apdu.Header{CLA: h[0], INS: h[1], P1: h[2], P2: h[3]}
	x.Extended = f[1] == "X"
	if x.Data, ok = parseData(f[2], apdu.MaxExtendedData); !ok {
		return Exchange{}, false
	}
	if f[3] != noData {
		if x.Ne, ok = parseNumber(f[3], apdu.MaxExtendedNe); !ok {
			return Exchange{}, false
		}
	}
	if !x.possible() {
		return Exchange{}, false
	}
	if f[5] == errorWord {
		x.Failure, ok = parseFailure(f[6])
		return x, ok
	}
	if x.Answer, ok = parseData(f[5], apdu.MaxResponseLen-2); !ok {
		return Exchange{}, false
	}
	sw, ok := parseHex(f[6])
	if !ok || len(sw) != 2 {
		return Exchange{}, false
	}
	x.SW = apdu.StatusWord(sw[0])<<8 | apdu.StatusWord(sw[1])
	return x, true
}

// possible reports whether the lengths can be written in the form said.
func (x Exchange) possible() bool {
	if x.Extended {
		return x.Data.Len > 0 || x.Ne > 0
	}
	return x.Data.Len <= apdu.MaxShortData && x.Ne <= apdu.MaxShortNe
}

func parseFailure(word string) (Failure, bool) {
	for f, w := range failureWords {
		if w == word {
			return f, true
		}
	}
	return 0, false
}

func parseData(s string, limit int) (Data, bool) {
	if s == noData {
		return Data{}, true
	}
	number, octets, ok := strings.Cut(s, ":")
	if !ok {
		return Data{}, false
	}
	n, ok := parseNumber(number, limit)
	if !ok {
		return Data{}, false
	}
	octets, masked := strings.CutSuffix(octets, maskMark)
	shown, ok := parseHex(octets)
	if !ok || len(shown) > n || masked != (len(shown) < n) {
		return Data{}, false
	}
	return Data{Len: n, Shown: shown}, true
}

// parseNumber reads 1 to limit, without leading zeros.
func parseNumber(s string, limit int) (int, bool) {
	n, err := strconv.Atoi(s)
	return n, err == nil && n > 0 && n <= limit && strconv.Itoa(n) == s
}

// parseHex reads upper-case hex.
func parseHex(s string) ([]byte, bool) {
	if strings.ToUpper(s) != s {
		return nil, false
	}
	b, err := hex.DecodeString(s)
	return b, err == nil
}
