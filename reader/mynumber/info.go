package mynumber

import (
	"context"
	"errors"
	"fmt"

	"kazashi.example/reader/apdu"
	"kazashi.example/reader/internal/files"
)

// Token is what kind of card or phone it says it is.
type Token string

// Tokens, by the label in EF 0006 (jpki/myna _go/libmyna/api.go; treastrain/TRETJapanNFCReader; soltia48/myna-card src/ap/jpki.rs). An
// old Basic Resident card and a card from before the label was changed cannot be told apart for sure: the sources disagree.
const (
	TokenCard    Token = "card"    // My Number Card
	TokenOld     Token = "old"     // 住基カード, the Basic Resident card
	TokenAndroid Token = "android" // a phone's secure element
	TokenIPhone  Token = "iphone"
	TokenNext    Token = "next"    // the practice form of the next card
	TokenUnknown Token = "unknown" // some other label
)

var tokens = map[string]Token{
	"JPKIAPICCTOKEN2": TokenCard, "JPKIAPICCTOKEN": TokenOld, "JPKIAPGPSETOKEN": TokenAndroid, "JPKIAPIOSTOKEN": TokenIPhone,
	"KAZASHIPRACTICENEXT": TokenNext,
}

// Info is what a card says of itself without any PIN. Nothing of it names the holder or the card.
type Info struct {
	Applications []Application
	Token        Token
	// Listed says that the card told which certificates it holds; only then Auth and Sign say anything.
	Listed, Auth, Sign bool
}

// Info asks which applications a card has, what kind it says it is and which certificates it says it holds: five commands. Errors:
// ErrNotMyNumber, ErrRefused, ErrTorn, ErrNonsense, or the error of ctx.
func (c *Card) Info(ctx context.Context) (Info, error) {
	if c.layout == nil {
		if err := c.identify(ctx); err != nil {
			return Info{}, err
		}
	}
	if err := c.enter(ctx, c.layout.auth); err != nil {
		return Info{}, err
	}
	i := Info{Applications: []Application{c.layout.auth}}
	var err error
	if i.Token, err = c.readToken(ctx); err != nil {
		return Info{}, err
	}
	if c.layout.lists {
		a, err := c.readAvailable(ctx)
		if err != nil {
			return Info{}, err
		}
		i.Listed, i.Auth, i.Sign = true, a.Auth, a.Sign
	}
	for _, app := range []Application{c.layout.input, c.layout.face} {
		if app == c.layout.auth {
			continue
		}
		switch err := c.enter(ctx, app); {
		case err == nil:
			i.Applications = append(i.Applications, app)
		case !errors.Is(err, absent[app]):
			return Info{}, err
		}
	}
	return i, nil
}

const (
	labelLen     = 32 // octets of EF 0006 that are the label; the serial number that follows is not read
	availableLen = 3  // EF 0008
)

func (c *Card) readToken(ctx context.Context) (Token, error) {
	b, err := c.readPart(ctx, efToken, labelLen)
	if err != nil {
		return "", fmt.Errorf("reading the token's label: %w", err)
	}
	label, err := files.ParseToken(b)
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrNonsense, err)
	}
	if t, ok := tokens[label]; ok {
		return t, nil
	}
	return TokenUnknown, nil
}

func (c *Card) readAvailable(ctx context.Context) (files.Available, error) {
	b, err := c.readPart(ctx, efAvailable, availableLen)
	if err != nil {
		return files.Available{}, fmt.Errorf("reading which certificates there are: %w", err)
	}
	a, err := files.ParseAvailable(b)
	if err != nil {
		return files.Available{}, fmt.Errorf("%w: %w", ErrNonsense, err)
	}
	return a, nil
}

// readPart reads the first n octets of a file, 256 at most.
func (c *Card) readPart(ctx context.Context, ef EF, n int) ([]byte, error) {
	rounds := maxRounds
	f := file{ef: ef, locked: ErrRefused, missing: ErrNonsense}
	b, err := c.read(ctx, f, apdu.Command{INS: apdu.InsReadBinary, P1: 0x80 | byte(ef), Ne: n}, &rounds)
	if err != nil {
		return nil, err
	}
	if len(b) != n {
		return nil, fmt.Errorf("%w: %d of %d octets", ErrNonsense, len(b), n)
	}
	return b, nil
}
