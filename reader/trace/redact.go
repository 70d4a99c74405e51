package trace

import (
	"bytes"

	"kazashi.example/reader/apdu"
)

// application is one that a transcript can place files of; the zero value is none, or one unknown here.
type application uint8

const (
	jpki application = 1 + iota
	inputAssist
	cardFace
	nextAuth // practice assumption: nothing of the next card is public
	nextFace // practice assumption
)

// aids are complete identifiers. A selection by anything else leads to an application unknown here, where all is masked.
var aids = map[application][]byte{
	jpki:        {0xD3, 0x92, 0xF0, 0x00, 0x26, 0x01, 0x00, 0x00, 0x00, 0x01}, // OpenSC src/libopensc/jpki.h
	inputAssist: {0xD3, 0x92, 0x10, 0x00, 0x31, 0x00, 0x01, 0x01, 0x04, 0x08}, // soltia48/myna-card src/ap/text.rs
	cardFace:    {0xD3, 0x92, 0x10, 0x00, 0x31, 0x00, 0x01, 0x01, 0x04, 0x02}, // soltia48/myna-card src/ap/surface.rs
	nextAuth:    {0xF0, 0x4B, 0x41, 0x5A, 0x41, 0x53, 0x48, 0x49, 0x00, 0x01}, // our own, ISO/IEC 7816-4 §8.2.1.2
	nextFace:    {0xF0, 0x4B, 0x41, 0x5A, 0x41, 0x53, 0x48, 0x49, 0x00, 0x02}, // our own, ISO/IEC 7816-4 §8.2.1.2
}

// place is a file or a reference in an application.
type place struct {
	app application
	ef  uint16
}

const whole = 1 << 16 // octets: more than a file has

// nameless are the files that say nothing of anybody, and how many octets of them do so. The serial number behind the label of a token
// info is masked: whether it is one card's or a whole lot's is not public.
var nameless = map[place]int{
	{jpki, 0x0002}:     whole, // authority of the signature certificate
	{jpki, 0x0006}:     32,    // label of the token info
	{jpki, 0x0008}:     whole, // which certificates are there
	{jpki, 0x000B}:     whole, // authority of the authentication certificate
	{nextAuth, 0x0006}: 32,
}

// never are the files and references that hold the Individual Number or what it can be found from (P4): masked in every mode.
var never = map[place]bool{
	{inputAssist, 0x0001}: true, // 個人番号
	{inputAssist, 0x0003}: true, // integrity record
	{inputAssist, 0x0012}: true, // reference blocked on every card seen; what it holds is not public
	{inputAssist, 0x0014}: true, // 照合番号A, which is the Individual Number
	{cardFace, 0x0005}:    true, // picture of the Individual Number
	{cardFace, 0x0013}:    true, // 照合番号A
}

// authCerts are where a card's authentication certificate lies.
var authCerts = map[place]bool{{jpki, 0x000A}: true, {nextAuth, 0x000A}: true}

// redactor decides what of each command and answer is kept. It follows the card's selection, and where it is not sure, it masks.
type redactor struct {
	unmasked bool

	app  application // selected and confirmed by the card
	file uint16      // current; 0 if not known
	last view        // of the answer that a GET RESPONSE would continue
	more bool        // the last answer was 61xx
}

// view is what may be kept of one command and its answer.
type view struct {
	data   bool  // the command's data
	answer int   // octets of the answer, from its beginning
	from   place // the file that a read is about; zero for everything else
	offset int   // of the answer in that file
}

// look says what may be kept of a command, before it is sent.
func (r *redactor) look(cmd apdu.Command) view {
	if cmd.CLA != 0x00 && cmd.CLA != 0x80 {
		return view{} // other channels, secure messaging, and what is for the reader: FF CA gives the card's UID
	}
	switch {
	case cmd.CLA == 0 && cmd.INS == apdu.InsSelect:
		return view{data: r.plainSelect(cmd)}
	case cmd.CLA == 0 && cmd.INS == apdu.InsReadBinary && len(cmd.Data) == 0:
		return r.lookRead(cmd)
	case cmd.CLA == 0 && cmd.INS == apdu.InsResponse && r.more:
		return r.last
	case cmd.CLA == 0 && (cmd.INS == apdu.InsVerify || cmd.INS == apdu.InsChange):
		at := r.reference(cmd.P2)
		return view{data: r.unmasked && at.app != 0 && at.ef != 0 && !never[at]}
	case cmd.CLA == 0x80 && cmd.INS == apdu.InsPerform, cmd.CLA == 0 && cmd.INS == apdu.InsChallenge:
		if r.unmasked && r.app != 0 {
			return view{data: true, answer: whole}
		}
	}
	return view{}
}

// plainSelect reports a selection by a whole identifier known here, or of a file.
func (*redactor) plainSelect(cmd apdu.Command) bool {
	if cmd.P1 == 0x02 {
		return len(cmd.Data) == 2
	}
	return cmd.P1 == 0x04 && identify(cmd.Data) != 0
}

func identify(aid []byte) application {
	for app, a := range aids {
		if bytes.Equal(a, aid) {
			return app
		}
	}
	return 0
}

func (r *redactor) lookRead(cmd apdu.Command) view {
	v := view{from: place{r.app, r.file}, offset: int(cmd.P1)<<8 | int(cmd.P2)}
	if cmd.P1&0x80 != 0 {
		v.from.ef, v.offset = 0, int(cmd.P2)
		if cmd.P1&0x60 == 0 {
			v.from.ef = uint16(cmd.P1 & 0x1F)
		}
	}
	switch {
	case v.from.app == 0 || v.from.ef == 0:
		return view{}
	case r.unmasked && !never[v.from]:
		v.answer = whole
	case !never[v.from]:
		v.answer = max(0, nameless[v.from]-v.offset)
	}
	return v
}

// reference is what a VERIFY or CHANGE is about: P2=80 names the current file, P2 with a short identifier another.
func (r *redactor) reference(p2 byte) place {
	if p2 == 0x80 {
		return place{r.app, r.file}
	}
	if p2&0xE0 == 0x80 {
		return place{r.app, uint16(p2 & 0x1F)}
	}
	return place{}
}

// settle takes over what the card's answer changed. Without an answer, and after a command that is not followed here, nothing is known
// any more.
func (r *redactor) settle(cmd apdu.Command, v view, answer *apdu.Response) {
	r.more = false
	if answer == nil || !followed(cmd) {
		r.app, r.file = 0, 0
		return
	}
	_, more := answer.SW.More()
	_, again := answer.SW.ExactLe()
	ok := more || answer.SW == apdu.SWOK
	switch cmd.INS {
	case apdu.InsSelect:
		r.selected(cmd, ok)
	case apdu.InsReadBinary:
		if cmd.P1&0x80 != 0 {
			r.file = 0
			if ok || again || answer.SW == apdu.SWEndOfFile {
				r.file = v.from.ef
			}
		}
	case apdu.InsVerify, apdu.InsChange, apdu.InsPerform:
		if cmd.P2 != 0x80 && cmd.P2 != 0x00 {
			r.file = 0 // what P2 named may be current now
		}
	}
	if r.more = more; more {
		r.last = v
		r.last.answer = max(0, v.answer-len(answer.Data))
		r.last.offset += len(answer.Data)
	}
}

// followed reports a command whose effect on the selection is known.
func followed(cmd apdu.Command) bool {
	if cmd.CLA == 0x80 {
		return cmd.INS == apdu.InsPerform
	}
	switch cmd.INS {
	case apdu.InsSelect, apdu.InsReadBinary, apdu.InsResponse, apdu.InsVerify, apdu.InsChange, apdu.InsChallenge:
		return cmd.CLA == 0
	}
	return false
}

func (r *redactor) selected(cmd apdu.Command, ok bool) {
	r.file = 0
	switch {
	case ok && cmd.P1 == 0x02 && len(cmd.Data) == 2:
		r.file = uint16(cmd.Data[0])<<8 | uint16(cmd.Data[1])
	case cmd.P1 == 0x02:
	case ok && cmd.P1 == 0x04:
		r.app = identify(cmd.Data)
	default:
		r.app = 0
	}
}
