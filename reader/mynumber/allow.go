package mynumber

import (
	"bytes"
	"context"
	"fmt"
	"slices"

	"kazashi.example/reader/apdu"
)

// Application is one application of the card that this program may select. The zero value is none.
type Application uint8

// JPKI is the 公的個人認証 application, D392F000260100000001 (OpenSC src/libopensc/card-jpki.c, jpki/myna _go/libmyna).
const JPKI Application = 1

// aids are complete: the card takes a prefix too (JICSAP; soltia48/myna-card src/card.rs), this program never sends one.
var aids = map[Application][]byte{
	JPKI: {0xD3, 0x92, 0xF0, 0x00, 0x26, 0x01, 0x00, 0x00, 0x00, 0x01},
}

func (a Application) aid() []byte { return aids[a] }

// String names the application.
func (a Application) String() string {
	if a == JPKI {
		return "JPKI"
	}
	return "none"
}

// EF is an elementary file's identifier. Every file of the card has one of 0001 to 001E, whose low five bits are its short
// identifier (soltia48/myna-card src/card.rs).
type EF uint16

// efAuthCert holds 利用者証明用電子証明書, free to read on the plastic card (OpenSC src/libopensc/pkcs15-jpki.c).
const efAuthCert EF = 0x000A

// String is the identifier in hex.
func (e EF) String() string { return fmt.Sprintf("%04X", uint16(e)) }

// Permission is one thing that may be done to a card: an instruction on a file of an application. SELECT of the application
// itself comes with it.
type Permission struct {
	Application Application
	INS         byte
	File        EF
}

// permissions is the allow-list. What is not here does not reach a card. Never to be added (P4): in 券面事項入力補助AP the files
// 0001 and 0003 and the key reference 0014 (照合番号A), in 券面事項確認AP the file 0005 and the key reference 0013, and the whole
// of 住基AP.
var permissions = []Permission{
	{JPKI, apdu.InsReadBinary, efAuthCert},
}

// Permissions returns the allow-list that every procedure of this package stands on.
func Permissions() []Permission { return append([]Permission(nil), permissions...) }

// Guard puts the allow-list in front of t, for programs that speak to a card by themselves. The result belongs to one
// connection and one goroutine.
func Guard(t Transmitter) Transmitter { return &guard{out: t} }

// guard follows what is selected on the card and lets a command pass only if it is on the list there.
type guard struct {
	out  Transmitter
	app  Application // selected and confirmed by the card
	file EF          // current: named by the last read with a short identifier
	more bool        // the last answer was 61xx
}

var _ Transmitter = (*guard)(nil)

// Transmit passes an allowed command on; ErrForbidden otherwise, and then nothing was sent.
func (g *guard) Transmit(ctx context.Context, raw []byte) ([]byte, error) {
	cmd, err := apdu.ParseCommand(raw)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrForbidden, err)
	}
	next, ok := g.allow(cmd)
	if !ok {
		return nil, fmt.Errorf("%w: %s with %s selected", ErrForbidden, cmd.Header(), g.app)
	}
	if cmd.INS == apdu.InsSelect {
		g.app, g.file = 0, 0 // until the card confirms
	}
	g.more = false
	answer, err := g.out.Transmit(ctx, raw)
	if err != nil {
		return nil, err //nolint:wrapcheck // the guard adds nothing to what the transmitter said
	}
	g.settle(cmd, next, answer)
	return answer, nil
}

// allow says whether cmd may go out, and what is selected if the card agrees to it.
func (g *guard) allow(cmd apdu.Command) (next guard, ok bool) {
	if cmd.CLA != 0 {
		return guard{}, false // no logical channel, no chaining, no secure messaging, no key operation
	}
	switch cmd.INS {
	case apdu.InsSelect:
		app := selects(cmd)
		return guard{app: app}, app != 0
	case apdu.InsReadBinary:
		file := g.reads(cmd)
		return guard{app: g.app, file: file}, len(cmd.Data) == 0 && cmd.Ne > 0 && permitted(g.app, cmd.INS, file)
	case apdu.InsResponse:
		return guard{app: g.app, file: g.file}, g.more && cmd.P1 == 0 && cmd.P2 == 0 && len(cmd.Data) == 0
	}
	return guard{}, false
}

// settle takes over what the card confirmed.
func (g *guard) settle(cmd apdu.Command, next guard, answer []byte) {
	r, err := apdu.ParseResponse(answer)
	if err != nil {
		return
	}
	_, g.more = r.SW.More()
	if cmd.INS == apdu.InsSelect && r.SW != apdu.SWOK {
		return
	}
	g.app, g.file = next.app, next.file
}

// selects returns the application that a SELECT names by its complete identifier; 0 for anything else.
func selects(cmd apdu.Command) Application {
	if cmd.P1 != 0x04 || cmd.P2 != 0x0C || cmd.Ne != 0 {
		return 0
	}
	for app, aid := range aids {
		if bytes.Equal(cmd.Data, aid) {
			return app
		}
	}
	return 0
}

// reads returns the file that a READ BINARY is about: named by a short identifier in P1 (ISO/IEC 7816-4 §11.3.2), or the
// current one.
func (g *guard) reads(cmd apdu.Command) EF {
	if cmd.P1&0x80 == 0 {
		return g.file
	}
	if cmd.P1&0x60 != 0 {
		return 0
	}
	return EF(cmd.P1 & 0x1F)
}

func permitted(app Application, ins byte, file EF) bool {
	return slices.Contains(permissions, (Permission{app, ins, file}))
}
