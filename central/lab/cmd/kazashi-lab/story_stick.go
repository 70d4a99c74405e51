package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"kazashi.example/central/lab/stage"
	"kazashi.example/localapi"
	"kazashi.example/sync/record"
)

// Who taps at the counter that never had a line.
const (
	stickEnrol = "sora"  // enrols there
	stickCard  = "kenji" // enrolled at the other counter
)

// byStick joins a second box, which has never had a line, and settles its taps by a stick alone. Then the line comes, and brings once more what
// a stick has brought already.
func (s *story) byStick(ctx context.Context) (err error) {
	b, err := s.another(ctx)
	if err != nil {
		return err
	}
	if err := b.joins(ctx); err != nil {
		return err
	}
	if b.client, err = localapi.NewClient("http://" + b.at.Counter); err != nil {
		return fmt.Errorf("asking the second box: %w", err)
	}
	defer b.client.Close()
	if err := b.part(ctx, []func(context.Context) error{b.openDesk, b.carried, b.carriedTwice}); err != nil {
		return err
	}
	s.counts.carried = b.counts.carried
	for _, counter := range []*story{s, b} {
		st, err := counter.client.Status(ctx)
		if err != nil {
			return fmt.Errorf("asking a box who it is: %w", err)
		}
		s.boxes = append(s.boxes, st.Box)
	}
	return nil
}

// another is a second counter, with readers and a tray of its own, whose line is cut before its box is there.
func (s *story) another(ctx context.Context) (*story, error) {
	e := *s.ensemble
	e.mark, e.box, e.tray, e.rig, e.stop, e.ended, e.logFile = withoutLine, nil, nil, nil, nil, nil, nil
	free, err := stage.FreePorts(ctx, 3)
	if err != nil {
		return nil, err
	}
	e.at.Counter, e.at.Line, e.at.Tray = free[0], free[1], free[2]
	s.second = &e // from here on it is cleared away with the first
	for _, dir := range []string{e.own("readers"), e.own("tray"), e.own("box")} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, fmt.Errorf("%w: %w", errFolder, err)
		}
	}
	if err := e.startReaders(ctx); err != nil {
		return nil, err
	}
	if err := e.startTray(ctx); err != nil {
		return nil, err
	}
	if _, err := e.tray.Tray.SetLine(false); err != nil {
		return nil, fmt.Errorf("cutting the second line: %w", err)
	}
	return &story{
		ensemble: &e, began: time.Now(), served: map[string][]record.TapID{}, people: map[string]bool{}, numbers: s.numbers, enrolments: s.enrolments,
	}, nil
}

// joins makes the box's keys, has central let it in, and starts it: all that passes between the two lies on the stick.
func (s *story) joins(ctx context.Context) error {
	code, err := s.joinCode(ctx)
	if err != nil {
		return err
	}
	if err := s.configureBox(); err != nil {
		return err
	}
	if _, err := s.once(ctx, "kazashi", "join", "--config", s.boxConfig(), "--courier", s.stick(), code); err != nil {
		return err
	}
	if err := s.toCentral(ctx); err != nil {
		return err
	}
	if err := s.toBoxes(ctx); err != nil {
		return err
	}
	if _, err := s.once(ctx, "kazashi", "join", "--config", s.boxConfig(), "--courier", s.stick()); err != nil {
		return err
	}
	if err := s.runBox(ctx); err != nil {
		return err
	}
	s.say("a second box has joined by stick; it has never had a line")
	return s.takeIn(ctx)
}

// carried taps, and has every tap settled by the stick alone.
func (s *story) carried(ctx context.Context) error {
	if err := s.enrol(ctx, stickEnrol); err != nil {
		return err
	}
	if err := s.tap(ctx, stickEnrol, pending); err != nil {
		return err
	}
	for _, card := range []string{twice, stickCard} {
		if err := s.tap(ctx, card, accepted); err != nil {
			return err
		}
	}
	for _, step := range []func(context.Context) error{s.writeOut, s.toCentral, s.toBoxes, s.takeIn, s.awaitSettled} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	if n := s.octets(); n != 0 {
		return fmt.Errorf("%w: %d octets passed a line that never was", errStory, n)
	}
	s.counts.carried = len(s.taps)
	s.say("%d taps are settled by stick alone", len(s.taps))
	return nil
}

// carriedTwice brings records by stick and, before the box has heard of that, by a line.
func (s *story) carriedTwice(ctx context.Context) error {
	for _, card := range []string{stickEnrol, stickCard} { // the roster with the one who enrolled here came by stick as well
		if err := s.tap(ctx, card, accepted); err != nil {
			return err
		}
	}
	for _, step := range []func(context.Context) error{s.writeOut, s.toCentral} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	s.offline = 0
	if _, err := s.tray.Tray.SetLine(true); err != nil {
		return fmt.Errorf("giving the second box a line: %w", err)
	}
	s.say("the second box has a line, and sends what the stick has brought already")
	if err := s.awaitSettled(ctx); err != nil {
		return err
	}
	for _, step := range []func(context.Context) error{s.toBoxes, s.takeIn} { // nor does the answer to what the line has settled change anything
		if err := step(ctx); err != nil {
			return err
		}
	}
	return s.awaitSettled(ctx)
}

// writeOut has the box write its records to the stick.
func (s *story) writeOut(ctx context.Context) error {
	_, err := s.once(ctx, "kazashi", "courier", "export", "--config", s.boxConfig(), s.stick())
	return err
}

// toCentral has central take in what the stick brings.
func (s *story) toCentral(ctx context.Context) error {
	_, err := s.once(ctx, "kazashi-central", "courier", "import", "--config", s.centralConfig(), s.stick())
	return err
}

// toBoxes has central write its answers to the stick.
func (s *story) toBoxes(ctx context.Context) error {
	_, err := s.once(ctx, "kazashi-central", "courier", "export", "--config", s.centralConfig(), s.stick())
	return err
}

// takeIn has the box take in what the stick brings.
func (s *story) takeIn(ctx context.Context) error {
	_, err := s.once(ctx, "kazashi", "courier", "import", "--config", s.boxConfig(), s.stick())
	return err
}
