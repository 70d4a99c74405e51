// Package people makes up the residents of the practice world: names, addresses, birth dates, numbers and PINs, from a seed.
//
// Nobody here exists. Family names are words such as 練習 (practice) and 見本 (specimen); prefecture and municipalities are invented
// and their codes begin with 48, one above the last real prefecture. Individual Numbers (個人番号) begin with 99990000 and carry
// a valid check digit, so that software under practice accepts them; whether a real one falls into that range is not known
// to us, which is one more reason never to use practice data as if it were real.
//
// The same seed gives the same people whatever the day, the machine or the number asked for. All functions are pure and safe from any
// goroutine. Certificates, keys and files are made by package world.
package people

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"log/slog"
	"math/rand/v2"
)

// Max is the largest number of people that [Make] makes.
const Max = 9999

// Case says what is special about a person's authentication certificate.
type Case string

// Cases, as the ledger writes them.
const (
	InOrder       Case = "in_order"       // valid until the fifth birthday
	Expired       Case = "expired"        // ended, not revoked
	Revoked       Case = "revoked"        // on the list from the beginning
	OnHold        Case = "on_hold"        // suspended from the beginning
	RevokedLater  Case = "revoked_later"  // in order until somebody revokes it: for a card that only the responder knows about
	BrokenChain   Case = "broken_chain"   // names the newest issuer key, signed by another key
	UnknownIssuer Case = "unknown_issuer" // a whole chain of an authority outside the trust bundle
	SignRevoked   Case = "sign_revoked"   // in order, but the signature certificate is void after a move
	NoPIN         Case = "no_pin"         // in order; the holder knows no PIN (顔認証マイナンバーカード) and has no signature certificate
	Child         Case = "child"          // in order; under 15, so no signature certificate
)

// Kind is what carries a person's certificates. It is independent of the case.
type Kind string

// Kinds.
const (
	Card     Kind = ""      // My Number Card of today, RSA-2048
	NextCard Kind = "next"  // practice form of the next card, P-384
	Phone    Kind = "phone" // JPKI application of a telephone, certificates of an authority that nobody's trust bundle names
)

// Sex is the digit of JIS X 0303.
type Sex byte

// The digits that the practice world uses.
const (
	Male   Sex = '1'
	Female Sex = '2'
)

// Municipality is an invented place.
type Municipality struct {
	Code         string // 5 digits, shaped like a JIS X 0401/0402 code
	Prefecture   string // Japanese
	Name         string // Japanese
	PrefectureEn string
	NameEn       string
}

// Person is one made-up resident. It prints as its key alone.
type Person struct {
	Key   string // stable name for programs, such as "hanako"
	Index int    // 0-based place in the world
	Label string // for people who choose a card, Japanese and English
	Case  Case
	Kind  Kind
	// Generation is the key generation of the authority that issued the first certificate (2 or 3; 1 for one long expired, 4 for the
	// next card).
	Generation int

	Family, Given string
	Foreign       bool // a foreign resident: the name is in Latin letters
	Municipality  Municipality
	Address       string
	Birth         Date
	// Gregorian says that the card's birth key has the Gregorian year, as is assumed of some foreign residents' cards.
	Gregorian bool
	Sex       Sex

	IndividualNumber string // 個人番号, 12 digits
	SecurityCode     string // 4 digits of the card face
	AuthPIN          string // 4 digits; on a card of case NoPIN the holder does not know it
	InputPIN         string // 4 digits
	SignPassword     string // 6 to 16 of A-Z and 0-9
}

// FullName is family and given name with the ideographic space that the card writes between them (soltia48/myna-card src/ap/text.rs).
func (p Person) FullName() string { return p.Family + "\u3000" + p.Given }

// HasSign reports whether the person gets a signature certificate (署名用電子証明書); those of the first generation are long gone,
// and the practice telephone has none.
func (p Person) HasSign() bool {
	return p.Case != NoPIN && p.Case != Child && p.Kind != Phone && p.Generation > 1
}

// BirthKey is the six digits that open the card's age record: the year of the era or, for a Gregorian person, of the calendar.
func (p Person) BirthKey() (string, error) {
	if p.Gregorian {
		return p.Birth.Compact()[2:], nil
	}
	return p.Birth.BirthKey()
}

// String is the key, never the name.
func (p Person) String() string { return p.Key }

// GoString is the key, never the name.
func (p Person) GoString() string { return p.Key }

// LogValue logs the key.
func (p Person) LogValue() slog.Value { return slog.StringValue(p.Key) }

var _ slog.LogValuer = Person{}

// Make makes the first n people of a seed; n is held between 1 and [Max].
func Make(seed uint64, n int) []Person {
	n = max(1, min(n, Max))
	out := make([]Person, n)
	for i := range out {
		if i < len(named) {
			out[i] = named[i].person()
		} else {
			out[i] = another(i)
		}
		out[i].Index = i
		fill(&out[i], Rand(seed, "person", out[i].Key))
	}
	return out
}

// Rand is the generator of one thing of a seed: things do not disturb each other when one more is asked for.
func Rand(seed uint64, words ...string) *rand.Rand {
	h := sha256.New()
	_ = binary.Write(h, binary.BigEndian, seed)
	for _, w := range words {
		fmt.Fprintf(h, "%d:%s", len(w), w)
	}
	return rand.New(rand.NewChaCha8([32]byte(h.Sum(nil)))) // made-up people must come out the same from the same seed
}

func another(i int) Person {
	generation := 3
	if i%3 == 1 {
		generation = 2
	}
	key := fmt.Sprintf("p%04d", i+1)
	return Person{Key: key, Label: key + " · 正常 / in order", Case: InOrder, Generation: generation}
}

// fill makes up whatever the case did not fix.
func fill(p *Person, r *rand.Rand) {
	p.Municipality = municipalities[r.IntN(len(municipalities))]
	p.Address = address(p.Municipality, r)
	if p.Sex == 0 {
		p.Sex = pick(r, Male, Female)
	}
	if p.Family == "" {
		p.Family = pick(r, familyNames...)
	}
	if p.Given == "" {
		p.Given = givenName(p.Sex, r)
	}
	if p.Birth.Year == 0 {
		p.Birth = Date{Year: 1935 + r.IntN(70), Month: 1 + r.IntN(12), Day: 1 + r.IntN(28)}
	}
	p.IndividualNumber = individualNumber(p.Index)
	p.SecurityCode = digits(r, 4)
	p.AuthPIN, p.InputPIN = digits(r, 4), digits(r, 4)
	p.SignPassword = "RENSHU" + digits(r, 4)
}

func pick[T any](r *rand.Rand, from ...T) T { return from[r.IntN(len(from))] }

func digits(r *rand.Rand, n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte('0' + r.IntN(10))
	}
	return string(b)
}

// individualNumber is 99990000, three digits of the index and the check digit of the 2014 ordinance no. 85 of the Ministry of Internal
// Affairs, article 5: sum of digit times weight, weights 2 to 7 then 2 to 6 from the right.
func individualNumber(index int) string {
	body := fmt.Sprintf("9999%07d", index)
	sum := 0
	for n := 1; n <= 11; n++ {
		weight := n + 1
		if n > 6 {
			weight = n - 5
		}
		sum += int(body[11-n]-'0') * weight
	}
	check := 0
	if rest := sum % 11; rest > 1 {
		check = 11 - rest
	}
	return fmt.Sprintf("%s%d", body, check)
}
