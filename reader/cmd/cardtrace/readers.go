package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"kazashi.example/reader/pcsc"
)

// readerState is one reader.
type readerState struct {
	name  string
	state string // "no card", "card", "mute card"
}

func (p *program) newReaders() *cobra.Command {
	return &cobra.Command{
		Use:     "readers",
		Short:   "List the card readers, and which have a card",
		Example: "  cardtrace readers",
		Args:    noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			list, err := p.readers(c.Context())
			if err != nil {
				return err
			}
			for _, r := range list {
				fmt.Fprintf(c.OutOrStdout(), "%-9s  %s\n", r.state, strings.ToValidUTF8(r.name, "\uFFFD"))
			}
			if len(list) == 0 {
				fmt.Fprintln(c.OutOrStdout(), "no reader")
			}
			return nil
		},
	}
}

// listTime is how long readers may take to be named. pcscd names those that are there at once.
const listTime = time.Second

// watchReaders collects what PC/SC says for listTime.
func watchReaders(ctx context.Context) ([]readerState, error) {
	ctx, cancel := context.WithTimeout(ctx, listTime)
	defer cancel()
	var list []readerState
	var lost error
	set := func(reader, state string) {
		for i := range list {
			if list[i].name == reader {
				list[i].state = state
			}
		}
	}
	err := pcsc.Watch(ctx, func(e pcsc.Event) {
		switch e.Kind {
		case pcsc.ServiceLost:
			lost = e.Err
			cancel()
		case pcsc.ServiceFound:
			lost = nil
		case pcsc.ReaderAdded:
			list = append(list, readerState{e.Reader, "no card"})
		case pcsc.ReaderRemoved:
			list = slices.DeleteFunc(list, func(r readerState) bool { return r.name == e.Reader })
		case pcsc.CardArrived:
			set(e.Reader, "card")
		case pcsc.CardRemoved:
			set(e.Reader, "no card")
		case pcsc.CardMute:
			set(e.Reader, "mute card")
		}
	})
	if err == nil {
		err = lost
	}
	if err != nil {
		return nil, fmt.Errorf("listing readers: %w", err)
	}
	return list, nil
}

// connectTime bounds the connection to a card that lies there.
const connectTime = 10 * time.Second

// connect waits until ctx ends for a card on a reader, and connects to it.
func connect(ctx context.Context, reader string) (session, error) {
	found, err := awaitCard(ctx, reader)
	if err != nil {
		return session{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, connectTime)
	defer cancel()
	card, err := pcsc.Connect(ctx, found, pcsc.Exclusive)
	if err != nil {
		return session{}, err //nolint:wrapcheck // it says what was being done
	}
	return session{Transmitter: card, reader: found, close: func() { _ = card.Close() }}, nil
}

// awaitCard returns the name of the first reader with a card.
func awaitCard(ctx context.Context, reader string) (string, error) {
	watch, stop := context.WithCancel(ctx)
	defer stop()
	var found string
	var lost error
	err := pcsc.Watch(watch, func(e pcsc.Event) {
		switch {
		case e.Kind == pcsc.ServiceLost:
			lost = e.Err
			stop()
		case e.Kind == pcsc.CardArrived && found == "" && (reader == "" || e.Reader == reader):
			found = e.Reader
			stop()
		}
	})
	switch {
	case err != nil:
		return "", fmt.Errorf("waiting for a card: %w", err)
	case found != "":
		return found, nil
	case lost != nil:
		return "", fmt.Errorf("waiting for a card: %w", lost)
	}
	return "", fmt.Errorf("waiting for a card: %w", pcsc.ErrNoCard)
}
