package bench

import (
	"context"
	"fmt"

	"kazashi.example/central/lab/world"
	"kazashi.example/reader/mynumber"
	"kazashi.example/reader/vcard"
	"kazashi.example/reader/vcard/fault"
	"kazashi.example/reader/vcard/link"
)

// shortSuffix marks the figures of a reader that passes short lengths only, once it is learnt.
const shortSuffix = "_short"

// benchReader is the reader's name in this process.
const benchReader = "bench"

// message is what cards sign here. Nobody relies on it, so it need not be fresh.
var message = []byte("practice: signed for a bench, proves nothing")

// procedure is one whole visit of a card, from its connection on.
type procedure struct {
	name string
	// again: the procedure went before on another connection, so that the municipality's card-verifiable certificate is known.
	again bool
	do    func(context.Context, *mynumber.Card, world.Person) error
}

// counted are the procedures of which commands and octets are counted, the names as in the figures.
var counted = []procedure{
	{"certificate", false, certificateOnly},
	{"tap_card", false, tapCard},
	{"tap_card_cvc_cached", true, tapCard},
	{"tap_card_bound", false, tapBound},
	{"pin", false, withPIN},
	{"enrol", false, enrol},
	{"enrol_cvc_cached", true, enrol},
}

func certificateOnly(ctx context.Context, c *mynumber.Card, _ world.Person) error {
	_, err := c.ReadAuthCert(ctx)
	return err
}

func tapCard(ctx context.Context, c *mynumber.Card, p world.Person) error {
	if _, err := c.ReadAuthCert(ctx); err != nil {
		return err
	}
	birth, err := mynumber.ParseBirthDate(p.Birth.Compact())
	if err != nil {
		return err
	}
	_, err = c.ProveFace(ctx, mynumber.FaceRequest{Birth: birth, Form: mynumber.FormEra, Message: message})
	return err
}

func tapBound(ctx context.Context, c *mynumber.Card, _ world.Person) error {
	if _, err := c.ReadAuthCert(ctx); err != nil {
		return err
	}
	_, err := c.SignFace(ctx, message)
	return err
}

func withPIN(ctx context.Context, c *mynumber.Card, p world.Person) error {
	if _, err := c.ReadAuthCert(ctx); err != nil {
		return err
	}
	pin, err := mynumber.NewPIN(p.AuthPIN)
	if err != nil {
		return err
	}
	_, err = c.SignAuth(ctx, pin, message)
	return err
}

func enrol(ctx context.Context, c *mynumber.Card, p world.Person) error {
	pin, err := mynumber.NewPIN(p.AuthPIN)
	if err != nil {
		return err
	}
	input, err := mynumber.NewPIN(p.InputPIN)
	if err != nil {
		return err
	}
	e, err := c.Enrol(ctx, mynumber.EnrolRequest{
		PIN: pin, InputPIN: input, Attributes: true, AuthMessage: message, FaceMessage: message,
	})
	if err == nil {
		err = e.FaceErr
	}
	return err
}

// tally is the most that any card wanted.
type tally struct{ apdus, octets int }

func (t tally) most(o tally) tally { return tally{max(t.apdus, o.apdus), max(t.octets, o.octets)} }

// countAll runs every procedure on every card, with extended lengths and without.
func (r *readerRun) countAll(ctx context.Context) (map[string]tally, error) {
	counts := map[string]tally{}
	for _, p := range r.counting() {
		for _, c := range counted {
			for _, short := range []bool{false, true} {
				t, err := r.countOne(ctx, p, c, short)
				if err != nil {
					return nil, fmt.Errorf("%s: %w", c.name, err)
				}
				name := c.name
				if short {
					name += shortSuffix
				}
				counts[name] = counts[name].most(t)
			}
		}
	}
	return counts, nil
}

// countOne counts one procedure on one card, after what has to go before on connections of its own.
func (r *readerRun) countOne(ctx context.Context, p world.Person, c procedure, short bool) (tally, error) {
	memory := mynumber.NewMemory()
	visit := func(do func(context.Context, *mynumber.Card, world.Person) error) (tally, error) {
		card, err := openCard(p.Profile, short)
		if err != nil {
			return tally{}, err
		}
		line := link.Join(card, link.Model{})
		err = do(ctx, mynumber.New(line, mynumber.Options{Reader: benchReader, Memory: memory, Authorities: r.believed}), p)
		t := line.Traffic()
		return tally{t.APDUs, t.BytesUp + t.BytesDown}, err
	}
	if short {
		if _, err := visit(certificateOnly); err != nil {
			return tally{}, err
		}
	}
	if c.again {
		if _, err := visit(c.do); err != nil {
			return tally{}, err
		}
	}
	return visit(c.do)
}

// openCard makes a card of a profile in this process. Short: as if its reader passed short lengths only.
func openCard(profile string, short bool) (link.Card, error) {
	p, err := vcard.LoadProfile(profile)
	if err != nil {
		return nil, err
	}
	card, err := vcard.New(p, &vcard.MemoryStore{})
	if err != nil {
		return nil, err
	}
	var faults []fault.Fault
	if short {
		faults = append(faults, fault.Fault{Kind: fault.RefuseExtended})
	}
	return fault.Wrap(card, faults...)
}

// printCounts prints what was counted, in a fixed order.
func (r *readerRun) printCounts(counts map[string]tally) {
	for _, c := range counted {
		for _, suffix := range []string{"", shortSuffix} {
			t := counts[c.name+suffix]
			r.figure("apdus_"+c.name+suffix, "%d", t.apdus, "apdus")
			r.figure("bytes_"+c.name+suffix, "%d", t.octets, "bytes")
		}
	}
}
