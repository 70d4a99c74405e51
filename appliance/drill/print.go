package drill

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// Columns is how wide the printed report is at most.
const Columns = 100

// Widths of the table's columns.
const (
	widthWhat  = 42
	widthCount = 7
	widthSeal  = 14
)

// tokyo is where the boxes stand.
var tokyo = time.FixedZone("JST", 9*60*60)

// Style is how the report is printed.
type Style struct {
	Lang  Lang
	Color bool // red in red, for a terminal
}

// printer writes lines and keeps the first error.
type printer struct {
	w   io.Writer
	s   Style
	err error
}

func (p *printer) line(red bool, format string, a ...any) {
	text := strings.TrimRight(fmt.Sprintf(format, a...), " ")
	if red && p.s.Color {
		text = "\x1b[31m" + text + "\x1b[0m"
	}
	if _, err := fmt.Fprintln(p.w, text); p.err == nil {
		p.err = err
	}
}

func (p *printer) word(id string) string { return words[id].in(p.s.Lang) }

// Print writes the report for people, in lines of at most Columns columns.
func (r Report) Print(w io.Writer, s Style) error {
	p := &printer{w: w, s: s}
	p.head(r)
	p.table(r)
	p.files(r)
	p.notes(r)
	p.line(false, "")
	p.line(false, "%s", p.word("answer"))
	p.wrapped(r.Answer != NamesNobody, "", r.Sentence.in(s.Lang))
	return p.err
}

func (s Sentence) in(l Lang) string { return both{s.Japanese, s.English}.in(l) }

func (p *printer) head(r Report) {
	p.line(false, "%s  %s", p.word("title"), r.Made.In(tokyo).Format("2006-01-02 15:04:05 MST"))
	row := func(red bool, name, text string) { p.wrapped(red, pad(p.word(name), 12), text) }
	site := cmp.Or(string(r.Site), "-")
	if !r.Box.IsZero() {
		row(false, "box", r.Box.String()+", "+p.word("site")+" "+site)
	}
	state := map[bool]string{true: p.word("running"), false: p.word("stopped")}[r.Running]
	if r.Copy {
		state += ", " + p.word("copy")
	}
	row(false, "dir", plain(r.Dir)+", "+state)
	row(r.Keys.Identity == NotSeen, "own", identityTexts[r.Keys.Identity].in(p.s.Lang))
	alone := r.Keys.Lie == LieTPM || r.Keys.Lie == LieFile || r.Keys.Lie == NotSeen
	row(alone, "keys", p.word("under")+": "+lieTexts[r.Keys.Lie].in(p.s.Lang)+"; "+p.word("now")+": "+openTexts[r.Keys.Open].in(p.s.Lang))
	row(r.Keys.Rule == LieTPM || r.Keys.Rule == LieFile, "rule", lieTexts[r.Keys.Rule].in(p.s.Lang))
	p.line(false, "")
}

func (p *printer) table(r Report) {
	p.line(false, "%s", p.cells("  ", p.word("what"), p.word("count"), p.word("seal"), func(s Situation) string { return situationTexts[s].in(p.s.Lang) }))
	var absent []string
	for _, c := range r.Classes {
		if c.Count != nil && *c.Count == 0 {
			if c.Names {
				absent = append(absent, classTexts[c.ID].in(p.s.Lang))
			}
			continue
		}
		count := p.word("some")
		if c.Count != nil {
			count = strconv.FormatInt(*c.Count, 10)
		}
		reach := func(s Situation) string { return reachTexts[c.Reach[s]].in(p.s.Lang) }
		p.line(c.Red, "%s", p.cells(mark(c.Red), classTexts[c.ID].in(p.s.Lang), count, underTexts[c.Under].in(p.s.Lang), reach))
	}
	for _, l := range legend {
		p.wrapped(false, "  ", l.in(p.s.Lang))
	}
	if len(absent) > 0 {
		p.wrapped(false, "  ", p.word("absent")+": "+strings.Join(absent, "; "))
	}
}

// cells is a line of the table.
func (p *printer) cells(mark, what, count, seal string, reach func(Situation) string) string {
	var line strings.Builder
	line.WriteString(mark + pad(what, widthWhat) + left(count, widthCount) + "  " + pad(seal, widthSeal))
	for _, s := range Situations {
		line.WriteString(pad(reach(s), reachWidth(s)))
	}
	return line.String()
}

// reachWidth is how wide the columns of the situations are.
func reachWidth(s Situation) int {
	return map[Situation]int{Off: 7, OffCode: 10, On: 7, OnCode: 9}[s]
}

func mark(red bool) string {
	if red {
		return "! "
	}
	return "  "
}

// files prints an item each, those with problems first.
func (p *printer) files(r Report) {
	p.line(false, "")
	p.line(false, "%s", p.word("files"))
	items := slices.Clone(r.Items)
	slices.SortStableFunc(items, func(a, b Item) int {
		return cmp.Or(cmp.Compare(min(1, len(b.Problems)), min(1, len(a.Problems))), cmp.Compare(a.Path, b.Path))
	})
	for _, i := range items {
		p.item(i)
	}
}

func (p *printer) item(i Item) {
	red := len(i.Problems) > 0
	p.wrapped(red, mark(red), fmt.Sprintf("%s  %s, %d B", plain(i.Path), kindTexts[i.Kind].in(p.s.Lang), i.Octets))
	counts := map[ClassID]int64{}
	var order []ClassID
	for _, h := range i.Holds {
		if _, ok := counts[h.Class]; !ok {
			order = append(order, h.Class)
		}
		counts[h.Class] += h.Count
	}
	var held []string
	for _, c := range order {
		if counts[c] > 0 {
			held = append(held, fmt.Sprintf("%s (%d)", classTexts[c].in(p.s.Lang), counts[c]))
		}
	}
	if len(held) > 0 {
		p.wrapped(false, "      ", strings.Join(held, "; "))
	}
	for _, q := range i.Problems {
		text := problemTexts[q.ID].in(p.s.Lang)
		if q.Where != "" {
			text += ": " + q.Where
		}
		if q.Count > 0 {
			text += fmt.Sprintf(" (%d)", q.Count)
		}
		p.wrapped(true, "    ! ", text)
	}
}

func (p *printer) notes(r Report) {
	p.line(false, "")
	p.line(false, "%s", p.word("notes"))
	for _, f := range r.Findings {
		text := findingTexts[f.ID].in(p.s.Lang)
		for fact, n := range f.Facts {
			text = strings.ReplaceAll(text, "{"+fact+"}", strconv.FormatInt(n, 10))
		}
		p.wrapped(f.Level == Red, mark(f.Level == Red)+pad(levelTexts[f.Level].in(p.s.Lang), 5), text)
	}
}

// wrapped prints a text behind a lead, further lines under its beginning.
func (p *printer) wrapped(red bool, lead, text string) {
	room := Columns - width(lead)
	for n, line := range wrap(text, room) {
		if n > 0 {
			lead = strings.Repeat(" ", width(lead))
		}
		p.line(red, "%s%s", lead, line)
	}
}

// wrap cuts a text into lines, at blanks, and between wide characters.
func wrap(text string, room int) (lines []string) {
	line, at := "", 0
	for _, word := range pieces(text) {
		w := width(word)
		if at > 0 && at+width(strings.TrimRight(word, " ")) > room {
			lines, line, at = append(lines, strings.TrimRight(line, " ")), "", 0
		}
		for w > room { // a path without a blank
			cut := fit(word, room)
			lines, word = append(lines, word[:cut]), word[cut:]
			w = width(word)
		}
		line, at = line+word, at+w
	}
	return append(lines, strings.TrimRight(line, " "))
}

// fit is how many octets of a text take at most so many columns.
func fit(text string, room int) int {
	at := 0
	for i, r := range text {
		if at += runeWidth(r); at > room {
			return i
		}
	}
	return len(text)
}

// pieces are words with the blanks behind them, and wide characters with the marks that must not begin a line.
func pieces(text string) (all []string) {
	begin := 0
	runes := []rune(text)
	for i := range runes {
		if i == 0 {
			continue
		}
		before, r := runes[i-1], runes[i]
		wide := (runeWidth(before) == 2 || runeWidth(r) == 2) && !strings.ContainsRune("、。)」・", r) && before != '('
		if wide || before == ' ' && r != ' ' {
			all, begin = append(all, string(runes[begin:i])), i
		}
	}
	return append(all, string(runes[begin:]))
}

// width is how many columns a text takes on a terminal.
func width(s string) (n int) {
	for _, r := range s {
		n += runeWidth(r)
	}
	return n
}

// runeWidth is 2 for what East Asian terminals show wide (UAX #11, W and F).
func runeWidth(r rune) int {
	if unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana) || r >= 0x3000 && r <= 0x30ff || r >= 0xff01 && r <= 0xff60 {
		return 2
	}
	return 1
}

// pad fills a text up to a width; what is longer gets one blank.
func pad(s string, to int) string { return s + strings.Repeat(" ", max(1, to-width(s))) }

// left fills up before it.
func left(s string, to int) string { return strings.Repeat(" ", max(0, to-width(s))) + s }

// plain keeps what others named from steering the terminal.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return unicode.ReplacementChar
	}, s)
}
