package loss

import (
	_ "embed" // the report's words
	"fmt"
	"io"
	"strings"
	"text/template"
	"time"
)

//go:embed report.md.tmpl
var words string

// tokyo is where times are shown.
var tokyo = time.FixedZone("JST", 9*60*60)

var report = template.Must(template.New("report").Funcs(template.FuncMap{
	"at": at, "plain": plain, "readJA": readJA, "readEN": readEN, "offJA": offJA, "offEN": offEN,
}).Parse(words))

// Report writes the report in Markdown, Japanese first.
func Report(w io.Writer, f Facts) error {
	if err := report.Execute(w, shown{f, !f.Lost.IsZero()}); err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	return nil
}

// shown are facts of which a time that is not known counts as false.
type shown struct {
	Facts

	lost bool
}

// Lost is when the box was taken out of service; nil if it was not.
func (s shown) Lost() *time.Time {
	if !s.lost {
		return nil
	}
	return &s.Facts.Lost
}

// at shows a time; nothing for none.
func at(v any) string {
	t, ok := v.(time.Time)
	if p, is := v.(*time.Time); is && p != nil {
		t, ok = *p, true
	}
	if !ok || t.IsZero() {
		return ""
	}
	return t.In(tokyo).Format("2006-01-02 15:04:05 JST")
}

// plain keeps what others wrote from being Markdown.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || strings.ContainsRune("|`*_<>[]\\#", r) {
			return ' '
		}
		return r
	}, s)
}

func readJA(s shown) string {
	switch s.Unlock {
	case "tpm":
		return "**読めると考えてください**（規則により、この場所の端末はTPMだけで開きます）"
	case "file":
		return "**読めると考えてください**（規則により、この場所の端末はファイルだけで開きます）"
	default:
		return "運用者の暗証コードがなければ読めません（5を参照）。開いたまま持ち去られた場合は読めると考えてください"
	}
}

func readEN(s shown) string {
	switch s.Unlock {
	case "tpm":
		return "**assume so** (by a rule the boxes of this site open with the TPM alone)"
	case "file":
		return "**assume so** (by a rule the boxes of this site open with a file alone)"
	default:
		return "not without the operator's code (see 5); assume so if it was carried off open"
	}
}

func offJA(s shown) string {
	switch s.Unlock {
	case "tpm":
		return "端末ごと手にした人は、電源を入れるだけで名簿と帳簿を読めます。ディスクだけでは読めません"
	case "file":
		return "ディスクを手にした人は、名簿と帳簿を読めます"
	default:
		return "運用者の暗証コードがなければ、誰の情報も読めません。TPMのある端末では試せるのは10回、その後は1日144回まで。ないと仮定すると、試せる回数に限りはなく、" +
			"コードの長さ（12文字以上）だけが守りです"
	}
}

func offEN(s shown) string {
	switch s.Unlock {
	case "tpm":
		return "who has the whole box reads roster and site book by switching it on; the disk alone says nothing"
	case "file":
		return "who has the disk reads roster and site book"
	default:
		return "without the operator's code it names nobody. With a TPM there are ten tries, then 144 a day; without one, which is assumed, there is no limit to tries, " +
			"and the length of the code (12 characters at least) is all that protects"
	}
}
