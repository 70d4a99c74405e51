//go:build integration

package pcsc_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"kazashi.example/reader/apdu"
	"kazashi.example/reader/cvc"
	"kazashi.example/reader/jpki"
	"kazashi.example/reader/mynumber"
	"kazashi.example/reader/vcard"
	"kazashi.example/reader/vcard/control"
)

// guarded is a reference with a procedure that verifies it and no other. On a national card value is its VERIFY, counted from 1.
type guarded struct {
	procedure
	ref       mynumber.Reference
	counter   string // of the virtual card
	max, keep int
	value     int
}

// nextGuardeds are those of the next card, where one PIN opens the attributes too.
var nextGuardeds = []guarded{
	{pin, mynumber.RefAuthPIN, "auth/0018", 3, 1, 0},
	{attributes, mynumber.RefAuthPIN, "auth/0018", 3, 1, 0},
	{signCertificate, mynumber.RefPassword, "auth/001B", 5, 1, 0},
	{card, mynumber.RefBirth, "face/0011", 10, 2, 0},
	{changePIN, mynumber.RefAuthPIN, "auth/0018", 3, 1, 0},
}

var guardeds = []guarded{
	{pin, mynumber.RefAuthPIN, "jpki/0018", 3, 1, 4},
	{attributes, mynumber.RefInputPIN, "input/0011", 3, 1, 5},
	{signCertificate, mynumber.RefPassword, "jpki/001B", 5, 1, 4},
	{card, mynumber.RefBirth, "face/0011", 10, 2, 5},
	{changePIN, mynumber.RefAuthPIN, "jpki/0018", 3, 1, 6},
	{changeInput, mynumber.RefInputPIN, "input/0011", 3, 1, 6},
	{changePassword, mynumber.RefPassword, "jpki/001B", 5, 1, 6},
}

// outcome is how a procedure ends, and what it does to the counter of its reference. All other counters stay.
type outcome struct {
	err           error  // nil: done
	left          int    // of the *TriesError
	sw            uint16 // below it; 0: nothing was sent
	before, after int
}

// ends runs a guarded procedure and compares.
func (s spot) ends(g guarded, h holder, o mynumber.Options, want outcome) error {
	before, err := s.tries()
	if err != nil {
		return err
	}
	got := s.run(g.procedure, h, o)
	after, err := s.tries()
	if err != nil {
		return err
	}
	var fault error
	if int(before[g.counter]) != want.before || int(after[g.counter]) != want.after {
		fault = fmt.Errorf("tries %d became %d, want %d and %d", before[g.counter], after[g.counter], want.before, want.after)
	}
	before[g.counter] = after[g.counter]
	if !maps.Equal(before, after) {
		fault = errors.Join(fault, fmt.Errorf("other tries: %v became %v", before, after))
	}
	var te *mynumber.TriesError
	var se *apdu.StatusError
	switch sent := errors.As(got, &se); {
	case want.err == nil && got == nil:
	case want.err == nil, !errors.Is(got, want.err), !errors.As(got, &te):
		fault = errors.Join(fault, fmt.Errorf("ended with %w, want %w", got, want.err))
	case te.Reference != g.ref, te.Left != want.left, sent != (want.sw != 0), sent && uint16(se.SW) != want.sw:
		fault = errors.Join(fault, fmt.Errorf("ended with %w, want %d tries left of the %s and %04X", got, want.left, g.ref, want.sw))
	}
	if fault != nil {
		return fmt.Errorf("%s: %w", g.name, fault)
	}
	return nil
}

// mistaken is a holder who knows nothing right; another n, other values.
func (h holder) mistaken(t *testing.T, n int) holder {
	t.Helper()
	other := func(digits string) string {
		return strings.Map(func(r rune) rune { return '0' + (r-'0'+rune(n))%10 }, digits)
	}
	password, err := mynumber.NewPassword(fmt.Sprintf("MISTAKEN%d", n))
	if err != nil {
		t.Fatal(err)
	}
	h.pin, h.input, h.password = newPIN(t, other(h.AuthPIN)), newPIN(t, other(h.InputPIN)), password
	h.birth.Year -= n
	if h.profile.Kind == vcard.Next {
		h.input = h.pin
	}
	return h
}

// refusal is one card and what it makes of what is done to it.
type refusal struct {
	name   string
	who    string
	change func(*vcard.Profile) // of the card; may be nil
	faults []string
	do     func(context.Context, refused) error
}

// refused is the place of one refusal.
type refused struct {
	spot
	holder
	mynumber.Options
	*testing.T
}

// refusals: each ends with its own code, and moves the counters as it must and not more.
func refusals(t *testing.T, d *desk) {
	type laid struct {
		refusal
		holder
		path string
	}
	var all []laid
	for _, r := range slices.Concat(triesRefusals(), cardRefusals(d, t), blockedRefusals()) {
		h := d.holder(t, r.who)
		if r.change != nil {
			changed := *h.profile
			r.change(&changed)
			h.profile = &changed
		}
		all = append(all, laid{r, h, save(t, h.profile)})
	}
	each(t, d, all, func(l laid, s spot) error {
		if err := s.lay(control.InsertRequest{Profile: l.path, Faults: l.faults}); err != nil {
			return err
		}
		return l.do(t.Context(), refused{s, l.holder, d.options(t, mynumber.NewMemory()), t})
	}, func(l laid) string { return l.name })
}

// triesRefusals are those of values, for every reference.
func triesRefusals() (list []refusal) {
	for _, g := range guardeds {
		list = append(list, refusal{name: "wrong values of the " + g.ref.String() + " by " + g.name, who: "hanako", do: g.spend})
	}
	for _, g := range nextGuardeds {
		list = append(list, refusal{name: "wrong values of the next card's " + g.ref.String() + " by " + g.name, who: "mirai", do: g.spend})
	}
	return append(list,
		refusal{name: "wrong PINs of a phone", who: "sumire", do: guardeds[0].spend}, // which is known by its values until the PIN is right
		refusal{name: "PIN that runs out", who: "hanako", do: runOut},
		refusal{name: "enrolment with a wrong input-assist PIN", who: "hanako", do: wrongInputAtEnrolment},
		refusal{name: "enrolment with 4 tries of the birth key", who: "hanako", faults: []string{"tries=face/0011:4"}, do: fewAtEnrolment},
	)
}

// spend gives wrong values until the tries are those that are kept, each one twice, and then the right one.
func (g guarded) spend(_ context.Context, r refused) error {
	left := g.max
	for n := 1; left > g.keep; n++ {
		bad := r.mistaken(r.T, n)
		wrong := outcome{err: mynumber.ErrWrongPIN, left: left - 1, sw: 0x63C0 | uint16(left-1), before: left, after: left - 1}
		same := outcome{err: mynumber.ErrSameWrong, left: left - 1, before: left - 1, after: left - 1}
		left--
		if left <= g.keep {
			same.err = mynumber.ErrFewTries
		}
		if err := errors.Join(r.ends(g, bad, r.Options, wrong), r.ends(g, bad, r.Options, same)); err != nil {
			return err
		}
	}
	few := outcome{err: mynumber.ErrFewTries, left: left, before: left, after: left}
	if err := r.ends(g, r.holder, r.Options, few); err != nil {
		return err
	}
	if _, err := r.control().ResetCounts(r.Context(), r.slot); err != nil {
		return err
	}
	return r.ends(g, r.holder, r.Options, outcome{before: g.max, after: g.max})
}

// runOut spends the holder's last tries, as who keeps none may: 63C1, 63C0, and then nothing is sent.
func runOut(_ context.Context, r refused) error {
	r.Keep.PIN = -1
	g := guardeds[0]
	for left := g.max - 1; left >= 0; left-- {
		want := outcome{err: mynumber.ErrWrongPIN, left: left, sw: 0x63C0 | uint16(left), before: left + 1, after: left}
		if left == 0 {
			want.err = mynumber.ErrBlocked
		}
		if err := r.ends(g, r.mistaken(r.T, g.max-left), r.Options, want); err != nil {
			return err
		}
	}
	return r.ends(g, r.holder, r.Options, outcome{err: mynumber.ErrBlocked, sw: 0x63C0})
}

func wrongInputAtEnrolment(_ context.Context, r refused) error {
	h := r.holder
	h.input = r.mistaken(r.T, 1).input
	g := guarded{procedure: enrol, ref: mynumber.RefInputPIN, counter: "input/0011"}
	return errors.Join(
		r.ends(g, h, r.Options, outcome{err: mynumber.ErrWrongPIN, left: 2, sw: 0x63C2, before: 3, after: 2}),
		r.ends(g, h, r.Options, outcome{err: mynumber.ErrSameWrong, left: 2, before: 2, after: 2}),
		r.ends(g, r.holder, r.Options, outcome{before: 2, after: 3}),
	)
}

// fewAtEnrolment: no face proof, and all else; a tap, which needs one try, is still had.
func fewAtEnrolment(_ context.Context, r refused) error {
	g := guarded{procedure: enrol, ref: mynumber.RefBirth, counter: "face/0011"}
	return errors.Join(
		r.ends(g, r.holder, r.Options, outcome{err: mynumber.ErrFewTries, left: 4, before: 4, after: 4}),
		r.ends(guardeds[3], r.holder, r.Options, outcome{before: 4, after: 10}),
	)
}

// blockedRefusals: whatever word the card has for it, to the query or to the value, it is blocked and nothing more is tried.
func blockedRefusals() (list []refusal) {
	for i, g := range guardeds {
		add := func(sw uint16, at, tries int, fault string) {
			list = append(list, refusal{
				name: fmt.Sprintf("%04X to command %d of %s", sw, at, g.name), who: "hanako", faults: []string{fault},
				do: func(_ context.Context, r refused) error {
					return r.ends(g, r.holder, r.Options, outcome{err: mynumber.ErrBlocked, sw: sw, before: tries, after: tries})
				},
			})
		}
		add(0x63C0, g.value-1, 0, "tries="+g.counter+":0")
		for _, sw := range []uint16{0x63C0, 0x6983, 0x6984} {
			add(sw, g.value, g.max, fmt.Sprintf("sw=%04X@%d-%d", sw, g.value, g.value))
			if i < 4 && sw != 0x63C0 { // a change asks and verifies as the others do
				add(sw, g.value-1, g.max, fmt.Sprintf("sw=%04X@%d-%d", sw, g.value-1, g.value-1))
			}
		}
	}
	return list
}

// ending is a procedure that ends so on a card, and leaves its counters alone.
func ending(p procedure, want ...error) func(context.Context, refused) error {
	return func(_ context.Context, r refused) error {
		if _, err := r.unharmed(p, r.holder, r.Options, want); err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
		return nil
	}
}

func both(list ...func(context.Context, refused) error) func(context.Context, refused) error {
	return func(ctx context.Context, r refused) (err error) {
		for _, do := range list {
			err = errors.Join(err, do(ctx, r))
		}
		return err
	}
}

// cardRefusals are those of cards that are not what they should be, or not the one that was expected.
func cardRefusals(d *desk, t *testing.T) []refusal {
	notGenuine := ending(card, mynumber.ErrNotGenuine)
	return []refusal{
		{name: "no certificate", who: "hanako", faults: []string{"sw=6A82@2-2"}, do: ending(certificate, mynumber.ErrNoCertificate)},
		{name: "no face application", who: "hanako", change: withoutFace, do: both(
			ending(card, mynumber.ErrNoFace), ending(cardBound, mynumber.ErrNoFace), ending(enrol, mynumber.ErrNoFace),
		)},
		{name: "no input-assist application", who: "hanako", change: withoutInput, do: both(
			ending(attributes, mynumber.ErrNoInput), ending(enrol, mynumber.ErrNoInput, mynumber.ErrFormat), ending(enrolBare), ending(card),
		)},
		{name: "card-bound refused", who: "hanako", faults: []string{"sw=6982@4-4"}, do: both(
			ending(cardBound, mynumber.ErrRefused), ending(card), // what the tap goes on with
		)},
		{name: "signature refused after the PIN", who: "hanako", faults: []string{"sw=6985@5-5"}, do: ending(pin, mynumber.ErrRefused)},
		{name: "another birth date on the card", who: "hanako", change: func(p *vcard.Profile) { p.BirthKey = "550413" }, do: anotherBirthDate},
		{name: "another birth date in the request", who: "hanako", do: otherBirthDateAtEnrolment},
		{name: "year of two eras", who: "hanako", do: unclearEra},
		{name: "values that no card takes", who: "hanako", do: noValues},
		{name: "age record changed", who: "hanako", change: func(p *vcard.Profile) { p.FaceAge = flipped(p.FaceAge) }, do: both(
			notGenuine, ending(enrol, mynumber.ErrNotGenuine),
		)},
		{name: "age record of the next card changed", who: "mirai", change: func(p *vcard.Profile) { p.FaceAge = flipped(p.FaceAge) }, do: notGenuine},
		{name: "certificate of the card's issuer changed", who: "hanako", change: func(p *vcard.Profile) { p.FaceCVC = flipped(p.FaceCVC) }, do: notGenuine},
		{name: "attributes changed", who: "hanako", change: func(p *vcard.Profile) { p.InputAttributes = flipped(p.InputAttributes) }, do: both(
			ending(attributes, mynumber.ErrNotGenuine), ending(enrol, mynumber.ErrNotGenuine),
		)},
		{name: "attributes of another", who: "hanako", change: d.swapAttributes(t, "taro"), do: ending(attributes, mynumber.ErrNotGenuine)},
		{name: "signatures changed", who: "hanako", faults: []string{"flip-signature=7"}, do: both(
			notGenuine, ending(pin, mynumber.ErrNotGenuine), ending(enrol, mynumber.ErrNotGenuine), ending(cardBound, jpki.ErrSignature),
		)},
		{name: "nobody vouches", who: "hanako", do: nobodyVouches},
		{name: "relay", who: "chika", faults: []string{"relay=" + d.holder(t, "hanako").Profile}, do: d.relayed(d.holder(t, "hanako"))},
		{name: "always verified", who: "hanako", faults: []string{"status-9000"}, do: both(
			ending(pin, mynumber.ErrNonsense), ending(card, mynumber.ErrNonsense), ending(enrol, mynumber.ErrNonsense),
		)},
		{name: "endless 61xx", who: "hanako", faults: []string{"endless-61"}, do: ending(certificate, mynumber.ErrNonsense)},
		{name: "endless 6Cxx", who: "hanako", faults: []string{"endless-6c"}, do: ending(certificate, mynumber.ErrNonsense)},
		{name: "64 KiB", who: "hanako", faults: []string{"flood"}, do: both(ending(certificate, mynumber.ErrNonsense), ending(enrol, mynumber.ErrNonsense))},
		{name: "length of 2 GiB", who: "hanako", faults: []string{"length-huge"}, do: ending(certificate, mynumber.ErrNonsense)},
		{name: "indefinite length", who: "hanako", faults: []string{"length-indefinite"}, do: ending(certificate, mynumber.ErrNonsense)},
		{name: "not a My Number Card", who: "hanako", faults: []string{"not-a-my-number-card"}, do: allOf(mynumber.ErrNotMyNumber)},
		{name: "nonsense from the start", who: "hanako", faults: []string{"nonsense"}, do: allOf(mynumber.ErrNotMyNumber, mynumber.ErrNonsense, mynumber.ErrTorn)},
		{name: "nonsense then", who: "hanako", faults: []string{"nonsense@2"}, do: allOf(
			mynumber.ErrNotMyNumber, mynumber.ErrNonsense, mynumber.ErrTorn, mynumber.ErrNoCertificate, mynumber.ErrRefused,
		)},
		{name: "extended lengths refused", who: "hanako", faults: []string{"refuse-extended"}, do: both(ending(enrol), ending(signCertificate))},
		{name: "no answer to extended lengths", who: "hanako", faults: []string{"ignore-extended"}, do: both(ending(enrol), ending(signCertificate))},
	}
}

// allOf is every procedure, which each end with one of some errors and cost nothing.
func allOf(want ...error) func(context.Context, refused) error {
	return func(_ context.Context, r refused) error {
		for _, p := range everyProcedure {
			var got error
			judged := procedure{p.name, func(ctx context.Context, c *mynumber.Card, h holder) error {
				got = p.run(ctx, c, h)
				return nil
			}}
			if _, err := r.unharmed(judged, r.holder, r.Options, nil); err != nil {
				return fmt.Errorf("%s: %w", p.name, err)
			}
			if !slices.ContainsFunc(want, func(w error) bool { return errors.Is(got, w) }) {
				return fmt.Errorf("%s ended with %w, want one of %w", p.name, got, errors.Join(want...))
			}
		}
		return nil
	}
}

func withoutFace(p *vcard.Profile) {
	p.FaceAge, p.FaceRecord, p.FaceInfo, p.FaceCVC, p.CardKey, p.BirthKey = nil, nil, nil, nil, nil, ""
}

func withoutInput(p *vcard.Profile) {
	p.InputAttributes, p.InputIntegrity, p.InputCVC, p.InputInfo, p.InputPublic, p.InputKey, p.InputPIN = nil, nil, nil, nil, nil, nil, ""
}

// flipped is a file with its last bit changed.
func flipped(file []byte) []byte {
	file = slices.Clone(file)
	file[len(file)-1] ^= 1
	return file
}

func (d *desk) swapAttributes(t *testing.T, who string) func(*vcard.Profile) {
	other := d.holder(t, who).profile
	return func(p *vcard.Profile) { p.InputAttributes = other.InputAttributes }
}

// anotherBirthDate: the card is opened by the key of one day and says another.
func anotherBirthDate(ctx context.Context, r refused) error {
	r.birth = mynumber.BirthDate{Year: 1980, Month: 4, Day: 13}
	return ending(card, mynumber.ErrBirthDate)(ctx, r)
}

func otherBirthDateAtEnrolment(ctx context.Context, r refused) error {
	enrol := procedure{"enrol", func(ctx context.Context, c *mynumber.Card, h holder) error {
		return enrolled(ctx, c, h, mynumber.EnrolRequest{
			PIN: h.pin, InputPIN: h.input, Attributes: true, Birth: h.mistaken(r.T, 1).birth, AuthMessage: fresh, FaceMessage: fresh,
		})
	}}
	return ending(enrol, mynumber.ErrBirthDate)(ctx, r)
}

func unclearEra(_ context.Context, r refused) error {
	r.birth = mynumber.BirthDate{Year: 1989}
	sent, err := r.unharmed(card, r.holder, r.Options, []error{mynumber.ErrEraUnclear})
	if err == nil && sent != commands[certificate.name] {
		err = fmt.Errorf("%d commands, want those of the certificate", sent)
	}
	return err
}

// noValues: nothing is sent.
func noValues(_ context.Context, r refused) error {
	r.pin, r.input, r.password = mynumber.PIN{}, mynumber.PIN{}, mynumber.Password{}
	for _, p := range []procedure{pin, attributes, enrol, enrolBare, signCertificate, changePIN, changeInput, changePassword} {
		if sent, err := r.unharmed(p, r.holder, r.Options, []error{mynumber.ErrFormat}); err != nil || sent != 0 {
			return fmt.Errorf("%s: %d commands, %w", p.name, sent, err)
		}
	}
	return nil
}

// nobodyVouches: the authority of the card is not known here, or is another of the same name, or there is none at all.
func nobodyVouches(_ context.Context, r refused) error {
	key, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		return err
	}
	var same, none []cvc.Authority
	for _, a := range r.desk.issuer {
		a.Key = key.Public()
		same = append(same, a)
		a.ID[len(a.ID)-1] ^= 1
		none = append(none, a)
	}
	for _, list := range [][]cvc.Authority{same, none, nil} {
		o := r.Options
		o.Authorities = nil
		if list != nil {
			if o.Authorities, err = cvc.NewAuthorities(list); err != nil {
				return err
			}
		}
		for _, p := range []procedure{card, attributes, enrol} {
			if _, err := r.unharmed(p, r.holder, o, []error{mynumber.ErrNotGenuine}); err != nil {
				return fmt.Errorf("%s: %w", p.name, err)
			}
		}
	}
	return nil
}

// relayed: a victim's certificate before another's genuine card. The PIN's signature fails; the face's is genuine and not the victim's.
func (d *desk) relayed(victim holder) func(context.Context, refused) error {
	return func(_ context.Context, r refused) error {
		if _, err := r.unharmed(certificate, victim, r.Options, nil); err != nil {
			return fmt.Errorf("the victim's certificate: %w", err)
		}
		if _, err := r.unharmed(pin, victim, r.Options, []error{mynumber.ErrNotGenuine}); err != nil {
			return fmt.Errorf("pin: %w", err)
		}
		if _, err := r.unharmed(cardBound, victim, r.Options, []error{jpki.ErrSignature}); err != nil {
			return fmt.Errorf("the bound key: %w", err)
		}
		face := procedure{"card", func(ctx context.Context, c *mynumber.Card, _ holder) error {
			face, err := c.ProveFace(ctx, mynumber.FaceRequest{Birth: victim.birth, Message: fresh})
			if err == nil && victim.owns(face) == nil {
				err = errors.New("the proof is the victim's")
			}
			return errors.Join(err, r.owns(face))
		}}
		_, err := r.unharmed(face, r.holder, r.Options, nil)
		return err
	}
}
