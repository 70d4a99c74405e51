package catalog_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"unicode"

	"kazashi.example/localapi"
	"kazashi.example/localapi/catalog"
	"kazashi.example/sync/record"
)

// nobody is a word that no enumeration has; its sentence is the one that every known word must not have.
var nobody = catalog.Failure("nobody")

func TestEveryVerdictAndReasonHasItsSentence(t *testing.T) {
	verdicts, reasons := 0, 0
	for i := range 256 {
		if v := record.Verdict(i); v.Valid() {
			verdicts++
			checkSentence(t, "verdict "+v.String(), catalog.Verdict(v))
		}
		if r := record.Reason(i); r.Valid() {
			reasons++
			checkSentence(t, "reason "+r.String(), catalog.Reason(r))
		}
	}
	book := catalog.All()
	if len(book.Verdicts) != verdicts || len(book.Reasons) != reasons {
		t.Errorf("the book has %d verdicts and %d reasons, want %d and %d", len(book.Verdicts), len(book.Reasons), verdicts, reasons)
	}
}

// Whoever is refused because of the box, its rule or its desk is not told that the card is at fault; everybody else is.
func TestARefusalBlamesTheCardOnlyWhereItIsAtFault(t *testing.T) {
	card, refusals := catalog.Verdict(record.VerdictRefused), catalog.All().Refusals
	for i := range 256 {
		r := record.Reason(i)
		got, ofBox := catalog.Refusal(r), i >= 60 && i < 80
		if (got == card) == ofBox || got.Name != card.Name {
			t.Errorf("Refusal(%d) = %+v, want the card's: %t", i, got, !ofBox)
		}
		if ofBox {
			checkSentence(t, "refusal for "+r.String(), got)
		}
		if said, ok := refusals[r.String()]; r.Valid() && (ok != ofBox || ok && said != got) {
			t.Errorf("the page says %+v to whoever is refused for %s, want %+v", said, r, got)
		}
	}
}

func TestEveryReadFailureHasItsSentence(t *testing.T) {
	codes := declared(t, "../failure.go", "ReadFailure")
	if got := texts(localapi.ReadFailures()); !reflect.DeepEqual(got, codes) {
		t.Errorf("ReadFailures() = %q, want all that failure.go declares: %q", got, codes)
	}
	for _, c := range codes {
		checkSentence(t, "read failure "+c, catalog.Failure(localapi.ReadFailure(c)))
	}
	if got := len(catalog.All().Failures); got != len(codes) {
		t.Errorf("the book has %d read failures, want %d", got, len(codes))
	}
}

func TestEveryLineTroubleHasItsSentence(t *testing.T) {
	codes := declared(t, "../trouble.go", "LineTrouble")
	if got := texts(localapi.LineTroubles()); !reflect.DeepEqual(got, codes) {
		t.Errorf("LineTroubles() = %q, want all that trouble.go declares: %q", got, codes)
	}
	for _, c := range codes {
		checkSentence(t, "line trouble "+c, catalog.Trouble(localapi.LineTrouble(c)))
	}
	if got := len(catalog.All().Troubles); got != len(codes) {
		t.Errorf("the book has %d line troubles, want %d", got, len(codes))
	}
}

func TestEveryErrorCodeHasItsMessage(t *testing.T) {
	codes := declared(t, "../apierror.go", "ErrorCode")
	if got := texts(localapi.ErrorCodes()); !reflect.DeepEqual(got, codes) {
		t.Errorf("ErrorCodes() = %q, want all that apierror.go declares: %q", got, codes)
	}
	for _, c := range codes {
		checkText(t, "error "+c, catalog.Error(localapi.ErrorCode(c)))
	}
}

func TestEveryLabelIsInBothLanguages(t *testing.T) {
	for name, text := range catalog.All().Labels {
		if text.JA == "" || text.EN == "" {
			t.Errorf("label %s = %+v, want both languages", name, text)
		}
		for _, hole := range []string{"{n}", "{t}", "{m}"} {
			if strings.Contains(text.JA, hole) != strings.Contains(text.EN, hole) {
				t.Errorf("label %s = %+v, want %s in both languages or in none", name, text, hole)
			}
		}
	}
}

// The labels stand in three maps, of which the last would silently win.
func TestNoLabelStandsTwice(t *testing.T) {
	seen := map[string]string{}
	for _, file := range []string{"labels.go", "desklabels.go", "courierlabels.go"} {
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			pair, ok := n.(*ast.KeyValueExpr)
			if !ok {
				return true
			}
			name := pair.Key.(*ast.BasicLit).Value
			if seen[name] != "" {
				t.Errorf("label %s stands in %s and in %s", name, seen[name], file)
			}
			seen[name] = file
			return false
		})
	}
	if len(seen) != len(catalog.All().Labels) {
		t.Errorf("%d labels in the source, %d in the book", len(seen), len(catalog.All().Labels))
	}
}

func TestEveryWordOfTheAPIHasItsLabel(t *testing.T) {
	words := texts(append([]localapi.Mode(nil), localapi.ModeOnline, localapi.ModeOffline, localapi.ModeStopped))
	for _, s := range []localapi.State{localapi.StateWaiting, localapi.StateReceived, localapi.StateSafe, localapi.StateSettled} {
		words = append(words, "state_"+string(s))
	}
	for _, p := range texts([]localapi.PINName{localapi.PINAuth, localapi.PINInputAssist}) {
		words = append(words, "pin_"+p)
	}
	for _, k := range texts([]localapi.NextKind{localapi.NextEnrol, localapi.NextPIN, localapi.NextLink, localapi.NextUnlink}) {
		words = append(words, "next_"+k, "next_"+k+"_say")
	}
	for _, e := range texts(localapi.Eras()) {
		words = append(words, "era_"+e)
	}
	for _, f := range texts(localapi.LinkFaults()) {
		words = append(words, "link_"+f)
	}
	for _, a := range texts(localapi.Attributes()) {
		words = append(words, "attribute_"+a)
	}
	for _, c := range texts(localapi.Capabilities()) {
		words = append(words, "can_"+c)
	}
	for _, s := range texts([]localapi.KeyState{localapi.KeysNone, localapi.KeysLocked, localapi.KeysOpen}) {
		words = append(words, "keys_"+s)
	}
	for _, by := range []string{"code", "tpm", "file", "peer", "central"} { // Keys.By
		words = append(words, "keys_by_"+by)
	}
	for _, u := range texts(localapi.CourierUpdates()) {
		words = append(words, "update_"+u)
	}
	for _, d := range texts([]localapi.DiskState{localapi.DiskOK, localapi.DiskLow, localapi.DiskFull}) {
		words = append(words, "disk_is_"+d)
	}
	for _, w := range texts([]localapi.CourierWhat{localapi.CourierExport, localapi.CourierImport}) {
		words = append(words, "courier_"+w, "courier_"+w+"_on", "courier_"+w+"_done", "courier_"+w+"_failed")
	}
	for i := range 256 {
		if b := record.Basis(i); b.Valid() {
			words = append(words, "basis_"+b.String())
		}
		if e := record.Evidence(i); e.Valid() {
			words = append(words, "evidence_"+e.String())
		}
		if c := record.Confidence(i); c.Valid() {
			words = append(words, "clock_"+c.String())
		}
	}
	for _, w := range words {
		checkText(t, "label "+w, catalog.Label(w))
	}
}

func TestUnknownWordsSendToSomebody(t *testing.T) {
	if got := catalog.Verdict(0); got != nobody || got.Say.JA == "" || got.Say.EN == "" {
		t.Errorf("Verdict(0) = %+v, want the sentence for unknown words, in both languages", got)
	}
	if got := catalog.Error("nobody"); got != nobody.Say {
		t.Errorf("Error(nobody) = %+v, want %+v", got, nobody.Say)
	}
}

func checkSentence(t *testing.T, what string, s catalog.Sentence) {
	t.Helper()
	checkText(t, what+", name", s.Name)
	checkText(t, what+", say", s.Say)
	if s == nobody {
		t.Errorf("%s has no sentence of its own", what)
	}
	if ja, en := []rune(s.Name.JA), s.Name.EN; len(ja) > 20 || len(en) > 30 {
		t.Errorf("%s: name %q / %q is too long to read from two metres", what, s.Name.JA, en)
	}
}

// checkText wants Japanese script in one language and none in the other, so that a swap or a copy is found.
func checkText(t *testing.T, what string, text catalog.Text) {
	t.Helper()
	if !strings.ContainsFunc(text.JA, japanese) {
		t.Errorf("%s: %q is not Japanese", what, text.JA)
	}
	if text.EN == "" || strings.ContainsFunc(text.EN, japanese) {
		t.Errorf("%s: %q is not English", what, text.EN)
	}
}

func japanese(r rune) bool { return unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana) }

func texts[T ~string](in []T) (out []string) {
	for _, s := range in {
		out = append(out, string(s))
	}
	return out
}

// declared returns the values of the string constants of a type, in the order of their declaration.
func declared(t *testing.T, file, typeName string) (out []string) {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(f, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if id, ok := spec.Type.(*ast.Ident); ok && id.Name == typeName && len(spec.Values) == 1 {
			s, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, s)
		}
		return true
	})
	if len(out) == 0 {
		t.Fatalf("%s declares no constant of type %s", file, typeName)
	}
	return out
}
