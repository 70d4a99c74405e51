package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"kazashi.example/firmware/command"
	"kazashi.example/reader/mynumber"
	"kazashi.example/reader/pcsc"
)

// cardTimeout bounds one procedure on a card.
const cardTimeout = 20 * time.Second

// settle is how long a second card may be reported after the first.
const settle = 200 * time.Millisecond

// Errors of the card commands.
var (
	errNoCardCame = errors.New("no card was held on in time (--wait)")
	errTwoCards   = errors.New("cards lie on more than one reader; take one away, or name the reader with --reader")
)

// cardFlags are those of every card command.
type cardFlags struct {
	reader string
	wait   time.Duration
	next   bool
	asJSON bool
}

func newCard(s *settings) *cobra.Command {
	c := &cobra.Command{
		Use:   "card",
		Short: "Look at a card on the reader, for a technician",
		Long: `card asks a card what it is, without any PIN and without making a tap. It prints nothing that names the holder:
no serial number, name, address or birth date. No try of any PIN is spent.

If the box runs, it sees the card as well and makes a tap of it; stop it first if that is not wanted.`,
		Example: `  kazashi card info
  kazashi card pin-status --json
  kazashi card read --reader "Virtual PCD 00 00"`,
	}
	c.AddCommand(newCardInfo(), newCardRead(s), newCardPINStatus())
	return c
}

func (f *cardFlags) register(c *cobra.Command) {
	c.Flags().StringVar(&f.reader, "reader", "", "name of the reader; default the one that a card lies on")
	c.Flags().DurationVar(&f.wait, "wait", 30*time.Second, "how long to wait for a card")
	c.Flags().BoolVar(&f.next, "next", false, "look for the practice form of the next card, too")
	c.Flags().BoolVar(&f.asJSON, "json", false, "print JSON")
}

// shown is what a card command prints: as text in two languages, or as JSON.
type shown interface{ text() []line }

// line is one line of text: a term and what it is, in Japanese and English.
type line struct{ nameJA, nameEN, ja, en string }

// laid is the card on the reader, by its procedures and by what passes commands to it.
type laid struct {
	*mynumber.Card
	conn *pcsc.Card
}

// on runs a procedure on the card and prints what it found.
func (f *cardFlags) on(c *cobra.Command, do func(context.Context, laid) (shown, error)) error {
	if f.wait <= 0 {
		return command.WrongUsage(c, errors.New("--wait is longer than nothing"))
	}
	reader, err := f.await(c)
	if err != nil {
		return err
	}
	found, err := f.run(c.Context(), reader, do)
	if err != nil {
		return sentence(err)
	}
	if f.asJSON {
		return command.PrintJSON(c.OutOrStdout(), found)
	}
	for _, l := range found.text() {
		fmt.Fprintf(c.OutOrStdout(), "%s / %s: %s / %s\n", l.nameJA, l.nameEN, l.ja, l.en)
	}
	return nil
}

func (f *cardFlags) run(ctx context.Context, reader string, do func(context.Context, laid) (shown, error)) (found shown, err error) {
	ctx, cancel := context.WithTimeout(ctx, cardTimeout)
	defer cancel()
	conn, err := pcsc.Connect(ctx, reader, pcsc.Exclusive)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	return do(ctx, laid{mynumber.New(conn, mynumber.Options{Reader: reader, Next: f.next}), conn})
}

// await waits until a card lies on the reader asked for, or on exactly one of all, and returns that reader's name. It looks at
// what lies there already first.
func (f *cardFlags) await(c *cobra.Command) (string, error) {
	ctx, cancel := context.WithTimeoutCause(c.Context(), f.wait, errNoCardCame)
	defer cancel()
	w := &waiting{want: f.reader, stop: cancel, say: func() {
		fmt.Fprintln(c.ErrOrStderr(), "カードをかざしてください / hold the card on the reader")
	}}
	err := pcsc.Watch(ctx, w.handle)
	switch {
	case w.err != nil:
		return "", w.err
	case w.found != "":
		return w.found, nil
	case err != nil:
		return "", err
	case c.Context().Err() != nil:
		return "", c.Context().Err()
	default:
		return "", errNoCardCame
	}
}

// waiting hears the events of the readers until it knows where the card lies.
type waiting struct {
	want  string
	stop  func()
	say   func()
	said  bool
	found string
	err   error
}

func (w *waiting) handle(e pcsc.Event) {
	switch e.Kind {
	case pcsc.ServiceLost:
		w.err = e.Err
		w.stop()
	case pcsc.CardArrived:
		switch {
		case w.want != "" && e.Reader != w.want:
		case w.found != "" && w.found != e.Reader:
			w.err = errTwoCards
		default:
			w.found = e.Reader
			time.AfterFunc(settle, w.stop) // a card on another reader is reported right behind
		}
	case pcsc.ReaderAdded:
		if !w.said {
			w.said = true
			w.say()
		}
	case pcsc.CardMute:
		w.err = pcsc.ErrMute
		w.stop()
	case pcsc.ServiceFound, pcsc.ReaderRemoved, pcsc.CardRemoved:
	}
}

// sentences are what a technician reads of the faults that a card can have.
var sentences = []struct {
	err    error
	ja, en string
}{
	{mynumber.ErrNotMyNumber, "マイナンバーカードではありません", "this is not a My Number Card"},
	{mynumber.ErrNoCertificate, "利用者証明用電子証明書がありません。市区町村の窓口へ", "the card holds no authentication certificate: city office"},
	{mynumber.ErrPINNeeded, "電子証明書の読み取りに暗証番号が必要です(スマートフォンなど)", "the certificate is behind the PIN, as on a phone"},
	{mynumber.ErrTorn, "読み取りの途中でカードが離れました。もう一度かざしてください", "the card was taken away too early: hold it on again"},
	{mynumber.ErrNonsense, "カードの応答が読み取れません。別のカードで確かめてください", "the card's answers cannot be read: try another card"},
	{pcsc.ErrInUse, "ほかのプログラムがカードを使用中です", "another program holds the card"},
	{pcsc.ErrMute, "カードが応答しません。裏返すか、平らに置いてください", "the card does not answer: turn it over, hold it flat"},
}

// sentence puts the two languages before an error that a technician can do something about.
func sentence(err error) error {
	for _, s := range sentences {
		if errors.Is(err, s.err) {
			return fmt.Errorf("%s / %s: %w", s.ja, s.en, err)
		}
	}
	return err
}
