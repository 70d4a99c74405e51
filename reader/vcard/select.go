package vcard

import (
	"strings"

	"kazashi.example/reader/apdu"
)

const (
	selectMF   = 0x00 // P1 of SELECT, ISO/IEC 7816-4 §11.2.2
	selectEF   = 0x02
	selectName = 0x04

	withFCI    = 0x00 // P2 of SELECT
	withoutFCI = 0x0C

	maxAID = 16
)

func (c *Card) selectFile(cmd apdu.Command) apdu.Response {
	if cmd.P2 != withFCI && cmd.P2 != withoutFCI {
		return fail(apdu.SWWrongParameters)
	}
	switch cmd.P1 {
	case selectName:
		return c.selectByName(cmd)
	case selectEF:
		return c.selectByID(cmd)
	case selectMF:
		return c.selectMaster(cmd)
	}
	return fail(apdu.SWWrongParameters)
}

// selectByName takes a whole AID or the beginning of one, as JICSAP lets a terminal do (myna-card src/card.rs), and never more.
// What the real card tells in its FCI is not public: here it is the name alone, in the template of ISO/IEC 7816-4 §7.4.
func (c *Card) selectByName(cmd apdu.Command) apdu.Response {
	if len(cmd.Data) == 0 || len(cmd.Data) > maxAID {
		return fail(apdu.SWWrongLength)
	}
	if string(cmd.Data) == aidIssuer {
		c.choose(nil)
		return succeed(nil)
	}
	for _, a := range c.apps {
		if strings.HasPrefix(a.aid, string(cmd.Data)) {
			c.choose(a)
			return succeed(fci(cmd, a.aid))
		}
	}
	return fail(apdu.SWNotFound)
}

func fci(cmd apdu.Command, aid string) []byte {
	if cmd.P2 != withFCI || cmd.Ne == 0 {
		return nil
	}
	b := append([]byte{0x6F, byte(len(aid) + 2), 0x84, byte(len(aid))}, aid...)
	return b[:min(len(b), cmd.Ne)]
}

// choose makes a the current application; nil is the card manager. Every selection ends the security status.
func (c *Card) choose(a *application) {
	c.app, c.ef, c.verified = a, nil, map[uint16]bool{}
}

func (c *Card) selectByID(cmd apdu.Command) apdu.Response {
	if len(cmd.Data) != 2 {
		return fail(apdu.SWWrongLength)
	}
	return c.setCurrent(uint16(cmd.Data[0])<<8 | uint16(cmd.Data[1]))
}

// setCurrent makes an EF of the current application current; where there is none, the one before stays current.
func (c *Card) setCurrent(id uint16) apdu.Response {
	if c.app == nil {
		return fail(apdu.SWNotFound)
	}
	f := c.app.file(id)
	if f == nil {
		return fail(apdu.SWNotFound)
	}
	c.ef = f
	return succeed(nil)
}

// selectMaster answers as cards were seen to: 6A86 after a reset, 9000 without any effect later (myna-card src/mf.rs).
func (c *Card) selectMaster(cmd apdu.Command) apdu.Response {
	switch {
	case len(cmd.Data) != 0:
		return fail(apdu.SWNotFound)
	case c.app == nil:
		return fail(apdu.SWWrongParameters)
	}
	return succeed(nil)
}

// reference resolves P2 of VERIFY, CHANGE and COMPUTE DIGITAL SIGNATURE: 80 is the current EF, 80|SFI names one and makes it current.
func (c *Card) reference(p2 byte) (*file, apdu.StatusWord) {
	if p2&0xE0 != 0x80 || p2 == 0x9F {
		return nil, apdu.SWWrongParameters
	}
	return c.byShortID(p2 & 0x1F)
}

// byShortID makes the EF of a short id current; 0 is the current EF.
func (c *Card) byShortID(sfi byte) (*file, apdu.StatusWord) {
	if sfi != 0 {
		if r := c.setCurrent(uint16(sfi)); r.SW != apdu.SWOK {
			return nil, r.SW
		}
	}
	if c.ef == nil {
		return nil, apdu.SWNoCurrentEF
	}
	return c.ef, apdu.SWOK
}

// open reports whether the security status lets f be read or used.
func (c *Card) open(f *file) bool {
	if f.sealed {
		return false
	}
	for _, ref := range f.openedBy {
		if c.verified[ref] {
			return true
		}
	}
	return len(f.openedBy) == 0
}
