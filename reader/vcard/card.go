package vcard

import (
	"bytes"
	"fmt"
	"sync"

	"kazashi.example/reader/apdu"
)

// Status words that package apdu does not name.
const (
	swChaining      apdu.StatusWord = 0x6884 // command chaining not supported (ISO/IEC 7816-4 §5.6)
	swMemoryFailure apdu.StatusWord = 0x6581 // ISO/IEC 7816-4 §5.6
	swExactLe       apdu.StatusWord = 0x6C00 // low octet is the Le to ask with, 00 for 256
)

// Card is one virtual card of any [Kind], with power. Make one with [New].
type Card struct {
	mu sync.Mutex // guards everything below and every secret in apps
	// profile, id, store and layout change by Renew alone.
	profile *Profile
	id      string
	store   Store
	layout
	// app is the current DF, nil for the card manager; ef the current EF, nil for none.
	app *application
	ef  *file
	// verified is the security status of app: it ends with a reset or any selection of an application.
	verified map[uint16]bool
}

// New makes the card of a profile. It checks the profile ([ErrProfile]) and takes the card's counters from the store.
func New(p *Profile, store Store) (*Card, error) {
	if err := p.Validate(); err != nil {
		return nil, err
	}
	l, err := layOut(p)
	if err != nil {
		return nil, err
	}
	c := &Card{profile: p, id: stateID(p), store: store, layout: l}
	state, err := store.Load(c.id)
	if err != nil {
		return nil, fmt.Errorf("loading card state: %w", err)
	}
	c.restore(state)
	c.Reset()
	return c, nil
}

// StateSuffix makes the path of a profile file that of its card's state, which lies beside it.
const StateSuffix = ".state"

// Open makes the card of a profile file, with its counters in the file at path + [StateSuffix].
func Open(path string) (*Card, error) {
	p, err := LoadProfile(path)
	if err != nil {
		return nil, err
	}
	return New(p, NewFileStore(path+StateSuffix))
}

// ATR is the answer to reset; a fresh slice.
func (c *Card) ATR() []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	return bytes.Clone(c.atr)
}

// Reset takes the power away and gives it back: selection and security status are gone, counters stay.
func (c *Card) Reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.choose(nil)
}

// Transmit carries one command APDU to the card and returns its response APDU, at most 32,770 octets. Every input has an answer.
func (c *Card) Transmit(cmd []byte) []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := c.execute(cmd)
	return r.Bytes()
}

func (c *Card) execute(raw []byte) apdu.Response {
	cmd, err := apdu.ParseCommand(raw)
	if err != nil {
		return fail(apdu.SWWrongLength)
	}
	if c.answer != nil {
		return c.answer(cmd)
	}
	if sw := checkClass(cmd.CLA); sw != apdu.SWOK {
		return fail(sw)
	}
	if cmd.CLA == 0x80 {
		return c.proprietary(cmd)
	}
	switch cmd.INS {
	case apdu.InsSelect:
		return c.selectFile(cmd)
	case apdu.InsReadBinary:
		return c.readBinary(cmd)
	case apdu.InsReadRecord:
		return c.readRecord(cmd)
	case apdu.InsVerify:
		return c.verify(cmd)
	case insChange:
		return c.change(cmd)
	case apdu.InsChallenge:
		return challenge(cmd, isExtended(raw))
	case insInternalAuthenticate:
		return c.internalAuthenticate(cmd)
	case insGetData:
		return fail(apdu.SWDataNotFound) // no data object is personalised
	}
	return fail(apdu.SWInsUnsupported)
}

// proprietary runs the commands of CLA 80 (myna-card src/card.rs). Those of terminals and phones are known and refused.
func (c *Card) proprietary(cmd apdu.Command) apdu.Response {
	switch cmd.INS {
	case apdu.InsPerform:
		return c.sign(cmd)
	case insSetPublicKey:
		return fail(apdu.SWWrongParameters)
	case insSetSessionKey:
		if c.app == nil {
			return fail(swKeyDelivery)
		}
		return fail(c.app.sessionKey)
	case insLastCommand:
		return fail(apdu.SWWrongLength)
	}
	return fail(apdu.SWInsUnsupported)
}

// Instructions beyond those that package apdu names (myna-card src/card.rs).
const (
	insChange               = 0x24 // CHANGE REFERENCE DATA
	insInternalAuthenticate = 0x88
	insGetData              = 0xCA
	insSetPublicKey         = 0xA2 // SET PUBLIC IC KEY, CLA 80
	insSetSessionKey        = 0xAE // SET SESSION KEY, CLA 80
	insLastCommand          = 0xFC // of the iPhone's token, CLA 80
)

// swKeyDelivery is what an application without a key for session keys answers to SET SESSION KEY (myna-card src/ap/text.rs).
const swKeyDelivery apdu.StatusWord = 0x66F1

// checkClass takes CLA 00 and 80 (ISO/IEC 7816-4 §5.4.1): one logical channel, no chaining, no secure messaging.
func checkClass(cla byte) apdu.StatusWord {
	switch {
	case cla == 0x00 || cla == 0x80:
		return apdu.SWOK
	case cla&0xC0 == 0x40: // further interindustry: channels 4 to 19
		return apdu.SWChannelUnsupported
	case cla&0x60 != 0: // reserved or another industry's
		return apdu.SWClassUnsupported
	case cla&0x03 != 0:
		return apdu.SWChannelUnsupported
	case cla&0x0C != 0:
		return apdu.SWSecureMessaging
	}
	return swChaining
}

// isExtended reports extended lengths, also where short ones would do.
func isExtended(raw []byte) bool { return len(raw) > 5 && raw[4] == 0 }

func fail(sw apdu.StatusWord) apdu.Response { return apdu.Response{SW: sw} }

func succeed(data []byte) apdu.Response { return apdu.Response{Data: data, SW: apdu.SWOK} }
