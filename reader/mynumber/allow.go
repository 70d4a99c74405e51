package mynumber

import (
	"bytes"
	"context"
	"fmt"
	"slices"

	"kazashi.example/reader/apdu"
)

// Permission is one thing that may be done to a card: an instruction on a file of an application. SELECT of the application
// itself comes with it. A signature's File is its key, 0000 the application's own.
type Permission struct {
	Application Application
	INS         byte
	File        EF
}

// permissions is the allow-list. What is not here does not reach a card. Never to be added (P4): in 券面事項入力補助AP the file
// 0001 and the references 0012 (blocked on every card seen) and 0014 (照合番号A), in 券面事項確認AP the files 0002 and 0005 and the reference
// 0013 (照合番号A), and the whole of 住基AP.
var permissions = []Permission{
	{JPKI, apdu.InsReadBinary, efSignCert},
	{JPKI, apdu.InsReadBinary, efToken},
	{JPKI, apdu.InsReadBinary, efAvailable},
	{JPKI, apdu.InsReadBinary, efAuthCert},
	{JPKI, apdu.InsSelect, efAuthPIN},
	{JPKI, apdu.InsSelect, efPassword},
	{JPKI, apdu.InsVerify, efAuthPIN},
	{JPKI, apdu.InsVerify, efPassword},
	{JPKI, apdu.InsChange, efAuthPIN},
	{JPKI, apdu.InsChange, efPassword},
	{JPKI, apdu.InsPerform, efAuthKey},

	{InputAssist, apdu.InsReadBinary, efAttributes},
	{InputAssist, apdu.InsReadBinary, efInputCVC},
	{InputAssist, apdu.InsSelect, efInputPIN},
	{InputAssist, apdu.InsVerify, efInputPIN},
	{InputAssist, apdu.InsChange, efInputPIN},

	{CardFace, apdu.InsReadBinary, efAge},
	{CardFace, apdu.InsReadBinary, efFaceCVC},
	{CardFace, apdu.InsVerify, efBirth},
	{CardFace, apdu.InsPerform, efDefaultKey},

	{NextAuth, apdu.InsReadBinary, efSignCert},
	{NextAuth, apdu.InsReadBinary, efToken},
	{NextAuth, apdu.InsReadBinary, efAuthCert},
	{NextAuth, apdu.InsReadBinary, efNextAttributes},
	{NextAuth, apdu.InsReadBinary, efNextCVC},
	{NextAuth, apdu.InsSelect, efAuthPIN},
	{NextAuth, apdu.InsSelect, efPassword},
	{NextAuth, apdu.InsVerify, efAuthPIN},
	{NextAuth, apdu.InsVerify, efPassword},
	{NextAuth, apdu.InsChange, efAuthPIN},
	{NextAuth, apdu.InsChange, efPassword},
	{NextAuth, apdu.InsPerform, efAuthKey},

	{NextFace, apdu.InsReadBinary, efAge},
	{NextFace, apdu.InsReadBinary, efFaceCVC},
	{NextFace, apdu.InsVerify, efBirth},
	{NextFace, apdu.InsPerform, efDefaultKey},
}

// integrityPermissions hold only while this package verifies the integrity of attributes. The national record holds an unsalted digest
// of the Individual Number's file and a signature over it, from both of which a guess can be tested (P4).
var integrityPermissions = []Permission{
	{InputAssist, apdu.InsReadBinary, efIntegrity},
	{NextAuth, apdu.InsReadBinary, efNextIntegrity},
}

// Permissions returns the allow-list that [Guard] and every procedure of this package stand on. The package's own procedures read one file
// more, the record that the integrity of attributes is verified with; nothing of it leaves the package.
func Permissions() []Permission { return slices.Clone(permissions) }

// Guard puts the allow-list and the guard of tries in front of t, for programs that speak to a card by themselves. It keeps the default
// tries ([Keep]) and remembers wrong values for this connection. The result belongs to one connection and one goroutine.
func Guard(t Transmitter) Transmitter { return newGuard(t, Keep{}, NewMemory()) }

// act is what a command would do.
type act struct {
	kind actKind
	app  Application
	file EF // read, selected, or of the key
	at   place
	sfi  bool // file is named by the command itself, not current before
}

type actKind uint8

const (
	actNone   actKind = iota
	actSelect         // an application
	actChoose         // an EF of a reference
	actRead
	actMore
	actQuery
	actVerify
	actChange
	actSign
)

// guard follows what is selected on the card and lets a command pass only if it is on the list there.
type guard struct {
	out    Transmitter
	keep   Keep
	memory *Memory
	card   cardID // what wrong values are remembered for
	known  bool   // card is the certificate's; before that it is this connection's

	app       Application // selected and confirmed by the card
	file      EF          // current: named by the last read with a short identifier, or selected
	more      bool        // the last answer was 61xx
	integrity bool        // the integrity record may be read
	last      exchange
}

// exchange is what the last one means for the next command: a licence to verify or to change one reference.
type exchange struct {
	ref  Reference
	left int  // tries, if it was a query
	good bool // it was a VERIFY that the card answered 9000
}

var _ Transmitter = (*guard)(nil)

func newGuard(t Transmitter, k Keep, m *Memory) *guard {
	return &guard{out: t, keep: k, memory: m, card: m.nameConnection()}
}

// Transmit passes an allowed command on. Otherwise nothing was sent: ErrForbidden, or a *TriesError where a value must not be tried.
func (g *guard) Transmit(ctx context.Context, raw []byte) ([]byte, error) {
	cmd, err := apdu.ParseCommand(raw)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrForbidden, err)
	}
	defer clear(cmd.Data) // a copy
	if !plainly(cmd, raw) {
		return nil, fmt.Errorf("%w: %s not in its shortest form", ErrForbidden, cmd.Header())
	}
	licence := g.last
	g.last = exchange{}
	do, ok := g.classify(cmd)
	if !ok || !g.permitted(do) {
		return nil, fmt.Errorf("%w: %s with %s selected", ErrForbidden, cmd.Header(), g.app)
	}
	if err := g.mayTry(do, cmd.Data, licence); err != nil {
		return nil, err
	}
	g.leave(do)
	answer, err := g.out.Transmit(ctx, raw)
	if err != nil {
		return nil, err //nolint:wrapcheck // the guard adds nothing to what the transmitter said
	}
	g.settle(do, answer)
	return answer, nil
}

// plainly reports that raw is the one way in which this package writes cmd: a card might take another for something else. A read may ask in
// extended form for what the short form could say.
func plainly(cmd apdu.Command, raw []byte) bool {
	if cmd.INS == apdu.InsReadBinary && len(cmd.Data) == 0 {
		return true
	}
	canonical, err := cmd.Bytes()
	defer clear(canonical)
	return err == nil && bytes.Equal(canonical, raw)
}

// permitted looks the act up.
func (g *guard) permitted(do act) bool {
	var ins byte
	switch do.kind {
	case actSelect:
		return do.app != 0
	case actMore:
		return g.more
	case actChoose:
		ins = apdu.InsSelect
	case actRead:
		ins = apdu.InsReadBinary
	case actQuery, actVerify:
		ins = apdu.InsVerify
	case actChange:
		ins = apdu.InsChange
	case actSign:
		ins = apdu.InsPerform
	case actNone:
		return false
	}
	p := Permission{do.app, ins, do.file}
	return slices.Contains(permissions, p) || g.integrity && slices.Contains(integrityPermissions, p)
}

// leave forgets what the command may change, before it is known whether it does.
func (g *guard) leave(do act) {
	g.more = false
	switch do.kind {
	case actSelect:
		g.app, g.file = 0, 0
	case actChoose:
		g.file = 0
	case actNone, actRead, actMore, actQuery, actVerify, actChange, actSign:
		if do.sfi {
			g.file = 0 // whether it becomes current is the card's business; a read says so below
		}
	}
}

// settle takes over what the card confirmed.
func (g *guard) settle(do act, answer []byte) {
	sw, ok := statusOf(answer)
	if !ok {
		return
	}
	_, g.more = sw.More()
	switch {
	case do.kind == actSelect && sw == apdu.SWOK:
		g.app = do.app
	case do.kind == actChoose && sw == apdu.SWOK:
		g.file = do.file
	case do.kind == actRead && do.sfi && (sw == apdu.SWOK || sw == apdu.SWEndOfFile || g.more):
		g.file = do.file
	}
	g.settleTry(do, sw)
}

// statusOf is an answer's status word, without a copy of the answer.
func statusOf(answer []byte) (apdu.StatusWord, bool) {
	n := len(answer)
	if n < 2 || n > apdu.MaxResponseLen {
		return 0, false
	}
	sw := apdu.StatusWord(answer[n-2])<<8 | apdu.StatusWord(answer[n-1])
	return sw, sw.Valid()
}

// classify says what cmd would do with what is selected now; false for anything that this package never sends.
func (g *guard) classify(cmd apdu.Command) (act, bool) {
	if cmd.CLA == 0x80 && cmd.INS == apdu.InsPerform {
		return g.signs(cmd)
	}
	if cmd.CLA != 0 {
		return act{}, false // no logical channel, no chaining, no secure messaging
	}
	switch cmd.INS {
	case apdu.InsSelect:
		return g.selects(cmd)
	case apdu.InsReadBinary:
		return g.reads(cmd)
	case apdu.InsResponse:
		return act{kind: actMore}, cmd.P1 == 0 && cmd.P2 == 0 && len(cmd.Data) == 0
	case apdu.InsVerify:
		return g.verifies(cmd)
	case apdu.InsChange:
		return g.changes(cmd)
	}
	return act{}, false
}

// selects takes an application by its complete identifier, and the file of a reference of the one selected.
func (g *guard) selects(cmd apdu.Command) (act, bool) {
	if cmd.P2 != 0x0C || cmd.Ne != 0 {
		return act{}, false
	}
	switch cmd.P1 {
	case 0x02:
		if len(cmd.Data) != 2 {
			return act{}, false
		}
		return act{kind: actChoose, app: g.app, file: EF(cmd.Data[0])<<8 | EF(cmd.Data[1])}, true
	case 0x04:
		for app, aid := range aids {
			if bytes.Equal(cmd.Data, aid) {
				return act{kind: actSelect, app: app}, true
			}
		}
	}
	return act{}, false
}

// reads takes a READ BINARY of a file named by a short identifier in P1 (ISO/IEC 7816-4 §11.3.2), or of the current one.
func (g *guard) reads(cmd apdu.Command) (act, bool) {
	if len(cmd.Data) != 0 || cmd.Ne == 0 {
		return act{}, false
	}
	if cmd.P1&0x80 == 0 {
		return act{kind: actRead, app: g.app, file: g.file}, true
	}
	return act{kind: actRead, app: g.app, file: EF(cmd.P1 & 0x1F), sfi: true}, cmd.P1&0x60 == 0
}

// named resolves P2 of VERIFY, CHANGE and a signature: 80 is the current file, 80|SFI names one (soltia48/myna-card src/card.rs).
func (g *guard) named(p2 byte) (file EF, sfi bool) {
	switch {
	case p2 == 0x80:
		return g.file, false
	case p2&0xE0 == 0x80:
		return EF(p2 & 0x1F), true
	}
	return 0, false
}
