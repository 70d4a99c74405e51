package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"kazashi.example/appliance/desired"
	"kazashi.example/reader/jpki"
	"kazashi.example/reader/mynumber"
	"kazashi.example/reader/token"
)

func newCardInfo() *cobra.Command {
	var f cardFlags
	c := &cobra.Command{
		Use:   "info",
		Short: "Say what kind of card it is, and what is on it",
		Long: `info says whether the card is a My Number Card, a phone or an older card, which applications it has and which
certificates it says it holds. Five commands, no PIN. Of another card, handed out or for transit, it says how long its
identifier is, and not the identifier.`,
		Example: `  kazashi card info
  kazashi card info --json | jq -r .kind`,
		RunE: func(c *cobra.Command, _ []string) error {
			return f.on(c, cardOrToken)
		},
	}
	f.register(c)
	return c
}

// cardOrToken asks a card what it is, and if it is no My Number Card, what identifier it shows.
func cardOrToken(ctx context.Context, card laid) (shown, error) {
	i, err := card.Info(ctx)
	if !errors.Is(err, mynumber.ErrNotMyNumber) {
		return infoOf(i), err
	}
	switch uid, uidErr := token.Read(ctx, card.conn); {
	case uidErr == nil:
		return tokenOf(uid), nil
	case errors.Is(uidErr, token.ErrMyNumber): // token looks for the next card too
		return nil, fmt.Errorf("次期カード(練習用の想定)かもしれません。--next を試してください / it may be the next card, practice assumption: try --next: %w", uidErr)
	case errors.Is(uidErr, token.ErrRandomUID):
		return nil, fmt.Errorf("%w; 識別子が毎回変わります / its identifier is another each time: %w", err, uidErr)
	case errors.Is(uidErr, token.ErrNoUID):
		return nil, fmt.Errorf("%w; 識別子がありません / it shows no identifier: %w", err, uidErr)
	default:
		return nil, uidErr
	}
}

// tokenInfo is what `kazashi card info --json` prints of a card that is no My Number Card: what kind of identifier it shows, never which.
type tokenInfo struct {
	Kind       string `json:"kind"`       // token
	Identifier string `json:"identifier"` // single, double, eight or triple, as package token names lengths
	Octets     int    `json:"identifier_octets"`
}

var identifierWords = map[token.Kind][3]string{
	token.Single: {"single", "UID 4オクテット(同じものがほかにもあり得る。変わることもある)", "UID of 4 octets, perhaps not the only one, and perhaps not lasting"},
	token.Double: {"double", "UID 7オクテット", "UID of 7 octets"},
	token.Eight:  {"eight", "IDm 8オクテット(FeliCaなど)", "IDm of 8 octets, as of FeliCa"},
	token.Triple: {"triple", "UID 10オクテット", "UID of 10 octets"},
}

func tokenOf(u token.UID) tokenInfo {
	return tokenInfo{Kind: "token", Identifier: identifierWords[u.Kind()][0], Octets: len(u.Octets())}
}

func (i tokenInfo) text() []line {
	out := []line{{"種類", "kind", "その他のカード(マイナンバーカードではありません)", "token: not a My Number Card"}}
	for _, words := range identifierWords {
		if words[0] == i.Identifier {
			out = append(out, line{"識別子", "identifier", words[1], words[2]})
		}
	}
	return out
}

// cardInfo is what `kazashi card info --json` prints of a My Number Card.
type cardInfo struct {
	Kind         mynumber.Token `json:"kind"`
	Applications []string       `json:"applications"`
	Auth         string         `json:"auth_certificate"` // present, absent or unknown
	Sign         string         `json:"sign_certificate"`
}

func infoOf(i mynumber.Info) cardInfo {
	out := cardInfo{Kind: i.Token, Auth: presence(i.Listed, i.Auth), Sign: presence(i.Listed, i.Sign)}
	for _, a := range i.Applications {
		out.Applications = append(out.Applications, a.String())
	}
	return out
}

func presence(known, there bool) string {
	switch {
	case !known:
		return "unknown"
	case there:
		return "present"
	default:
		return "absent"
	}
}

var (
	kindWords = map[mynumber.Token][2]string{
		mynumber.TokenCard: {"マイナンバーカード", "My Number Card"}, mynumber.TokenOld: {"住民基本台帳カード", "Basic Resident card"},
		mynumber.TokenAndroid: {"スマートフォン(Android)", "Android phone"}, mynumber.TokenIPhone: {"スマートフォン(iPhone)", "iPhone"},
		mynumber.TokenNext: {"次期カード(練習用の想定)", "next card, practice assumption"}, mynumber.TokenUnknown: {"不明", "unknown"},
	}
	presenceWords = map[string][2]string{"present": {"あり", "present"}, "absent": {"なし", "absent"}, "unknown": {"不明", "unknown"}}
)

func (i cardInfo) text() []line {
	kind, apps := kindWords[i.Kind], strings.Join(i.Applications, ", ")
	auth, sign := presenceWords[i.Auth], presenceWords[i.Sign]
	return []line{
		{"種類", "kind", kind[0], kind[1]},
		{"アプリケーション", "applications", apps, apps},
		{"利用者証明用電子証明書", "authentication certificate", auth[0], auth[1]},
		{"署名用電子証明書", "signature certificate", sign[0], sign[1]},
	}
}

func newCardPINStatus() *cobra.Command {
	var f cardFlags
	c := &cobra.Command{
		Use:   "pin-status",
		Short: "Say how many tries of each PIN are left",
		Long: `pin-status asks the card for the tries left of each PIN and of the birth date key. It sends no value, so no try is
spent. A blocked one can be reset by a city office only.`,
		Example: `  kazashi card pin-status
  kazashi card pin-status --json`,
		RunE: func(c *cobra.Command, _ []string) error {
			return f.on(c, func(ctx context.Context, card laid) (shown, error) {
				s, err := card.PINStatus(ctx)
				return pinsOf(s), err
			})
		},
	}
	f.register(c)
	return c
}

// pinState is one reference in `kazashi card pin-status --json`.
type pinState struct {
	State string `json:"state"` // open, blocked or absent
	Left  int    `json:"left"`
}

// cardPINs is what `kazashi card pin-status --json` prints.
type cardPINs struct {
	Auth     pinState `json:"auth_pin"`
	Input    pinState `json:"input_pin"`
	Password pinState `json:"sign_password"`
	Birth    pinState `json:"birth_key"`
	NoPINs   bool     `json:"card_without_pins"` // issued without PINs, or all are blocked
}

func pinsOf(s mynumber.Status) cardPINs {
	one := func(t mynumber.Tries) pinState { return pinState{State: t.State.String(), Left: t.Left} }
	return cardPINs{Auth: one(s.AuthPIN), Input: one(s.InputPIN), Password: one(s.Password), Birth: one(s.Birth), NoPINs: s.NoPINs()}
}

func (p pinState) words() (ja, en string) {
	switch p.State {
	case "open":
		return fmt.Sprintf("あと%d回", p.Left), fmt.Sprintf("%d tries left", p.Left)
	case "blocked":
		return "ロック(市区町村の窓口で解除)", "blocked: only a city office can reset it"
	default:
		return "なし", "absent"
	}
}

func (p cardPINs) text() []line {
	var out []line
	for _, r := range []struct {
		ja, en string
		state  pinState
	}{
		{"利用者証明用暗証番号", "authentication PIN", p.Auth},
		{"券面事項入力補助用暗証番号", "input-assist PIN", p.Input},
		{"署名用パスワード", "signature password", p.Password},
		{"生年月日による照合", "birth date key", p.Birth},
	} {
		ja, en := r.state.words()
		out = append(out, line{r.ja, r.en, ja, en})
	}
	if p.NoPINs {
		out = append(out, line{
			"注意", "note", "暗証番号なしのカード(顔認証マイナンバーカード)か、すべてロックされています",
			"the card was issued without PINs, or all of them are blocked",
		})
	}
	return out
}

func newCardRead(s *settings) *cobra.Command {
	var f cardFlags
	c := &cobra.Command{
		Use:   "read",
		Short: "Read the authentication certificate and say what this box makes of it",
		Long: `read reads the certificate as a tap does (two commands, no PIN) and examines it by the trust bundle in the data
directory: who signed it, its profile, its dates. It asks no list and writes no record.`,
		Example: `  kazashi card read
  kazashi card read --json | jq -r .chain`,
		RunE: func(c *cobra.Command, _ []string) error {
			conf, err := s.load()
			if err != nil {
				return err
			}
			anchors, err := desired.Peek(conf.DataDir)
			if err != nil {
				return err
			}
			return f.on(c, func(ctx context.Context, card laid) (shown, error) {
				cert, err := card.ReadAuthCert(ctx)
				if err != nil {
					return nil, err
				}
				found, err := anchors.Examine(cert.DER())
				return certOf(found, len(cert.DER()), time.Now()), err
			})
		},
	}
	f.register(c)
	return c
}

// cardCert is what `kazashi card read --json` prints.
type cardCert struct {
	Octets    int    `json:"octets"`
	Chain     string `json:"chain"`     // verified, issuer_unknown or broken
	Hierarchy string `json:"hierarchy"` // of the authority that signed it; empty unless verified
	Phone     bool   `json:"phone"`
	Profile   string `json:"profile_fault"` // empty if there is none
	InDate    bool   `json:"in_date"`
	EndsIn    int    `json:"ends_in_year"` // the day would be the holder's birthday
}

func certOf(c jpki.AuthCert, octets int, now time.Time) cardCert {
	out := cardCert{
		Octets: octets, Chain: chainWord(c.Chain), Phone: c.Phone,
		InDate: c.DatesAt(now) == jpki.DatesCurrent, EndsIn: c.NotAfter.In(japan).Year(),
	}
	if c.Chain == jpki.ChainVerified {
		out.Hierarchy = c.Hierarchy.String()
	}
	if c.Profile != nil {
		out.Profile = c.Profile.Error()
	}
	return out
}

func chainWord(s jpki.ChainStatus) string {
	switch s {
	case jpki.ChainVerified:
		return "verified"
	case jpki.ChainIssuerUnknown:
		return "issuer_unknown"
	default:
		return "broken"
	}
}

// japan is UTC+9 all the year; certificates end at midnight there.
var japan = time.FixedZone("JST", 9*60*60)

var chainWords = map[string][2]string{
	"verified": {"確認できました", "verified"}, "issuer_unknown": {"発行者が登録されていません", "issuer not known here"},
	"broken": {"署名が正しくありません", "broken: not signed by the issuer it names"},
}

func (c cardCert) text() []line {
	chain := chainWords[c.Chain]
	if c.Hierarchy != "" {
		chain[0], chain[1] = chain[0]+"("+c.Hierarchy+")", chain[1]+" ("+c.Hierarchy+")"
	}
	profile := [2]string{"正常", "in order"}
	if c.Profile != "" {
		profile = [2]string{"異常", c.Profile}
	}
	dates := [2]string{"期間内", "in date"}
	if !c.InDate {
		dates = [2]string{"期間外", "not in date"}
	}
	return []line{
		{"発行者", "issuer", chain[0], chain[1]},
		{"プロファイル", "profile", profile[0], profile[1]},
		{"有効期間", "validity", fmt.Sprintf("%s(%d年まで)", dates[0], c.EndsIn), fmt.Sprintf("%s, ends in %d", dates[1], c.EndsIn)},
		{"大きさ", "size", fmt.Sprintf("%dオクテット", c.Octets), fmt.Sprintf("%d octets", c.Octets)},
	}
}
