package drill

import (
	"fmt"
	"strings"
)

// say is the answer in a sentence of each language, with what it rests on.
func (r Report) say() Sentence {
	return Sentence{Japanese: r.sayIn(Japanese), English: r.sayIn(English)}
}

func (r Report) sayIn(l Lang) string {
	switch r.Answer {
	case NamesPeople:
		return r.sayPeople(l)
	case NotKnown:
		return both{
			"分からない。不明なもの、または見られなかったものがあるため、電源の切れたこの端末を盗んだ者が誰のことかを知り得ないとは言えない。",
			"It cannot be said: not everything here is known or could be looked at, so nobody can promise that a thief of this box, " +
				"switched off, does not learn who anybody is.",
		}.in(l)
	default:
		return r.sayNobody(l)
	}
}

// sayPeople names the classes that are open.
func (r Report) sayPeople(l Lang) string {
	var open []string
	for _, c := range r.Classes {
		if at := c.Reach[Off]; c.Names && (at == Yes || at == Maybe) {
			text := classTexts[c.ID].in(l)
			if c.Count != nil {
				text = fmt.Sprintf("%s (%d)", text, *c.Count)
			}
			open = append(open, text)
		}
	}
	return fmt.Sprintf(both{
		"知り得る。電源の切れたこの端末を盗んだ者は、運用コードがなくても、誰のことかを知る: %s。",
		"Yes. A thief of this box, switched off and without the operator's code, learns who people are: %s.",
	}.in(l), strings.Join(open, both{"、", "; "}.in(l)))
}

// sayNobody says what lies in the clear, and how long the rest holds.
func (r Report) sayNobody(l Lang) string {
	under, central := int64(0), int64(0)
	for _, c := range r.Classes {
		switch {
		case c.Count == nil || !c.Names:
		case c.Under == SiteRing:
			under += *c.Count
		case c.Under == ForCentral, c.Under == EpochKey:
			central += *c.Count
		}
	}
	text := fmt.Sprintf(both{
		"知り得ない。電源の切れたこの端末を盗んだ者は、運用コード・他の端末・センターがなければ、誰のことかを知ることができない。" +
			"個人を示す項目は、拠点の鍵で封じたもの %[1]d 件と、センターだけが開ける記録 %[2]d 件である。平文なのは、人を示さないタップの時刻と判定 %[3]d 件などである。",
		"No. A thief of this box, switched off, without the operator's code, another box or central, does not learn from it who anybody is. " +
			"What names people is sealed: %[1]d entries under the site's keys, %[2]d records that only central opens. " +
			"In the clear are times and verdicts of %[3]d taps, with nobody's name.",
	}.in(l), under, central, r.count(TapTimes))
	if r.Keys.Lie == LieCodeFile {
		text += both{
			"ただし TPM がないため、それは運用コードが言い当てられない間に限る。",
			" Without a TPM that holds as long as nobody guesses the operator's code.",
		}.in(l)
	}
	return text
}
