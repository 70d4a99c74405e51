package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"kazashi.example/central/lab/bench/stats"
	"kazashi.example/central/lab/pcscd"
	"kazashi.example/central/lab/world"
	"kazashi.example/reader/vcard/control"
	"kazashi.example/reader/vcard/fault"
	"kazashi.example/reader/vcard/link"
)

// session is a rig with the process that reads its cards.
type session struct {
	*readerRun
	rig   *pcscd.Rig
	timer *cardtime
}

// shortOnly is the fault of a reader that passes short lengths only.
var shortOnly = []string{fault.Fault{Kind: fault.RefuseExtended}.String()}

// count counts certificate and tap on every card through the real reader too: the most that either way wants is the figure.
func (s *session) count(ctx context.Context, counts map[string]tally) error {
	for _, c := range []struct {
		name, ask string
		faults    []string
	}{
		{"certificate", askCertificate, nil},
		{"tap_card", askCard, nil},
		{"certificate" + shortSuffix, askCertificate, shortOnly},
	} {
		for i, p := range s.counting() {
			t, err := s.countOn(ctx, p, c.ask, c.faults)
			if err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
			if i > 0 || c.faults == nil { // the first one learns what the reader refuses
				counts[c.name] = counts[c.name].most(t)
			}
		}
	}
	return nil
}

// countOn lays a card, has one procedure run and takes it away; the slot counts.
func (s *session) countOn(ctx context.Context, p world.Person, ask string, faults []string) (tally, error) {
	if err := s.lay(ctx, 0, control.InsertRequest{Profile: p.Profile, Faults: faults}); err != nil {
		return tally{}, err
	}
	line, err := s.request(s.rig.ReaderName(0), ask, p, faults != nil)
	if err != nil {
		return tally{}, err
	}
	if _, err := s.timer.ask(line); err != nil {
		return tally{}, err
	}
	slot, err := s.rig.Control().Remove(ctx, 0)
	if err != nil {
		return tally{}, err
	}
	return tally{int(slot.APDUs), int(slot.BytesUp + slot.BytesDown)}, settle(ctx, betweenCards) //nolint:gosec // a few thousand
}

// lay puts a card in a slot and waits until pcscd has it.
func (s *session) lay(ctx context.Context, slot int, req control.InsertRequest) error {
	if _, err := s.rig.Control().Insert(ctx, slot, req); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, cardWithin)
	defer cancel()
	return s.rig.Control().Connected(ctx, slot)
}

// countOpenSC counts what OpenSC sends to the same cards, as it comes and told to look for no other card.
func (s *session) countOpenSC(ctx context.Context) error {
	var all []resident
	for _, p := range s.counting() {
		all = append(all, resident{Person: p})
	}
	for _, o := range []struct {
		figure string
		only   bool
	}{{"opensc_apdus_certificate", false}, {"opensc_apdus_certificate_jpki_only", true}} {
		counts, err := countAPDUs(ctx, s.rig.Control(), all, func(ctx context.Context) error {
			_, err := s.openSC(ctx, o.only)
			return err
		})
		if err != nil {
			return err
		}
		least := counts[0]
		for _, n := range counts {
			least = min(least, n)
		}
		s.figure(o.figure, "%d", least, "apdus")
	}
	return nil
}

// jpkiOnly is the configuration of somebody who has no other cards.
const jpkiOnly = "app default { card_drivers = jpki; }\n"

// openSC reads the authentication certificate by OpenSC's own program, with nothing remembered, and says how long it took from its start to its end.
func (s *session) openSC(ctx context.Context, only bool) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, openscWithin)
	defer cancel()
	home := filepath.Join(s.dir, "opensc-home")
	if err := errors.Join(os.RemoveAll(home), os.MkdirAll(home, 0o700)); err != nil {
		return 0, fmt.Errorf("making OpenSC's home: %w", err)
	}
	env := []string{"PATH=" + os.Getenv("PATH"), "HOME=" + home, s.rig.Env()}
	if only {
		conf := filepath.Join(home, "opensc.conf")
		if err := os.WriteFile(conf, []byte(jpkiOnly), 0o600); err != nil {
			return 0, fmt.Errorf("configuring OpenSC: %w", err)
		}
		env = append(env, "OPENSC_CONF="+conf)
	}
	cmd := exec.CommandContext(ctx, "pkcs15-tool", "--read-certificate", "01")
	cmd.Env = env
	return wholeProgram(cmd, nil, []byte("BEGIN CERTIFICATE"), errNoCertificate)
}

// wholeProgram runs a program from start to end and wants some octets in what it prints.
func wholeProgram(cmd *exec.Cmd, in, want []byte, fault error) (time.Duration, error) {
	cmd.Stdin, cmd.Stderr = bytes.NewReader(in), nil
	begun := time.Now()
	out, err := cmd.Output()
	took := time.Since(begun)
	if errors.Is(err, exec.ErrNotFound) {
		return 0, fmt.Errorf("%w: run make deps", err)
	}
	if err != nil || !bytes.Contains(out, want) {
		return 0, fmt.Errorf("%w: %w: %s", fault, err, bytes.TrimSpace(out))
	}
	return took, nil
}

// rateFigures are those of each rate: what a tap takes beyond the model, and the model itself.
var rateFigures = []struct {
	format  string
	percent float64
	of      func(rateSamples) []time.Duration
}{
	{"tap_model_%d_p50_ms", 50, func(s rateSamples) []time.Duration { return s.model }},
	{"tap_model_excess_%d_p50_ms", 50, func(s rateSamples) []time.Duration { return s.excess }},
	{"tap_model_excess_%d_p99_ms", 99, func(s rateSamples) []time.Duration { return s.excess }},
	{"bare_model_excess_%d_p50_ms", 50, func(s rateSamples) []time.Duration { return s.bare }},
}

// rateSamples are the taps at one rate: the model's time for the commands that were sent, what the procedure took beyond it, what of
// that no answer was waited for, connecting and letting go; and right after each, what the same commands take beyond the model when
// nothing but pcscd's socket is between, and how much more ours took.
type rateSamples struct{ model, excess, computing, connect, bare, added []time.Duration }

// bareEvery is how many taps there are to one that is sent bare.
const bareEvery = 3

// timeTaps lays a card on each reader, each over a link of another rate, and has them tap in turn.
func (s *session) timeTaps(ctx context.Context) error {
	rates := link.Rates()
	for i, rate := range rates {
		req := control.InsertRequest{Profile: s.cards[i].Profile, Link: strconv.Itoa(int(rate))}
		if err := s.lay(ctx, i, req); err != nil {
			return err
		}
	}
	spoken, err := s.speak(ctx, len(rates))
	if err != nil {
		return err
	}
	samples := make([]rateSamples, len(rates))
	for round := range s.n.rounds + 1 {
		for i := range rates {
			if err := ctx.Err(); err != nil {
				return err
			}
			into := &samples[i]
			if round == 0 { // programs and pages are cold
				into = new(rateSamples)
			}
			err := s.timeTap(ctx, i, into)
			if err == nil && round%bareEvery == 0 {
				err = s.timeBare(ctx, i, spoken[i], into)
			}
			if err != nil {
				return fmt.Errorf("at %d kbit/s: %w", rates[i], err)
			}
		}
	}
	return s.printTaps(rates, samples)
}

var errForeign = errors.New("somebody else spoke to the card")

// timeTap has the card in one slot prove itself, with everything new to the reader.
func (s *session) timeTap(ctx context.Context, slot int, into *rateSamples) error {
	line, err := s.request(s.rig.ReaderName(slot), askCard, s.cards[slot], false)
	if err != nil {
		return err
	}
	var a cardTimes
	model, err := s.modelled(ctx, slot, func() (n int, err error) {
		a, err = s.timer.ask(line)
		return a.Commands, err
	})
	if err != nil {
		return err
	}
	into.model, into.excess = append(into.model, model), append(into.excess, a.Procedure-model)
	into.computing, into.connect = append(into.computing, a.Procedure-a.Waiting), append(into.connect, a.Connect+a.Close)
	return nil
}

// timeBare sends the commands of such a tap one after the other, as they were.
func (s *session) timeBare(ctx context.Context, slot int, commands [][]byte, into *rateSamples) error {
	b, err := connectBare(ctx, s.rig.Socket(), s.rig.ReaderName(slot))
	if err != nil {
		return err
	}
	var took time.Duration
	model, err := s.modelled(ctx, slot, func() (int, error) {
		begun := time.Now()
		defer func() { took = time.Since(begun) }()
		for _, c := range commands {
			if _, err := b.transmit(c); err != nil {
				return 0, err
			}
		}
		return len(commands), nil
	})
	if err := errors.Join(err, b.close()); err != nil {
		return err
	}
	into.bare = append(into.bare, took-model)
	into.added = append(into.added, into.excess[len(into.excess)-1]-(took-model))
	return nil
}

// modelled says how long link and chip take, by the model, for what do sends to the card in a slot.
func (s *session) modelled(ctx context.Context, slot int, do func() (commands int, err error)) (time.Duration, error) {
	before, err := s.rig.Control().Slot(ctx, slot)
	if err != nil {
		return 0, err
	}
	sent, err := do()
	if err != nil {
		return 0, err
	}
	after, err := s.rig.Control().Slot(ctx, slot)
	if err != nil {
		return 0, err
	}
	if n := after.APDUs - before.APDUs; n != uint64(sent) { //nolint:gosec // eight
		return 0, fmt.Errorf("%w: it got %d commands, and %d were sent", errForeign, n, sent)
	}
	return after.LinkTime - before.LinkTime, nil
}

// speak finds the commands of a tap of each of the first cards.
func (s *session) speak(ctx context.Context, n int) ([][][]byte, error) {
	var all [][][]byte
	for _, p := range s.cards[:n] {
		heard, _, err := s.hear(ctx, p)
		if err != nil {
			return nil, err
		}
		all = append(all, heard.commands)
	}
	return all, nil
}

func (s *session) printTaps(rates []link.Rate, samples []rateSamples) error {
	var all rateSamples
	for i, rate := range rates {
		for _, f := range rateFigures {
			d, err := stats.Percentile(f.of(samples[i]), f.percent)
			if err != nil {
				return err
			}
			s.figure(fmt.Sprintf(f.format, rate), "%.2f", milliseconds(d), "ms")
		}
		all.computing = append(all.computing, samples[i].computing...)
		all.connect = append(all.connect, samples[i].connect...)
		all.added = append(all.added, samples[i].added...)
	}
	if err := s.median("tap_reader_adds_p50_ms", all.added); err != nil {
		return err
	}
	if err := s.median("tap_excess_computing_p50_ms", all.computing); err != nil {
		return err
	}
	return s.median("tap_connect_p50_ms", all.connect)
}

// median prints the median of times.
func (r *run) median(name string, samples []time.Duration) error {
	d, err := stats.Median(samples)
	if err == nil {
		r.figure(name, "%.2f", milliseconds(d), "ms")
	}
	return err
}

// timeReads has our program and OpenSC's read the certificate in turn from the same card, which lies on the first reader over a link of
// 106 kbit/s: each from its start to its end, nothing remembered.
func (s *session) timeReads(ctx context.Context) error {
	line, err := s.request(s.rig.ReaderName(0), askCertificate, s.cards[0], false)
	if err != nil {
		return err
	}
	ours := func() (time.Duration, error) {
		cmd := cardtimeCommand(ctx, s.program("cardtime"), s.rig.Env())
		return wholeProgram(cmd, line, []byte(`"commands":2,`), errCardtime)
	}
	for _, o := range []struct {
		suffix string
		only   bool
	}{{"", false}, {"_jpki_only", true}} {
		p, err := stats.Alternate(ctx, s.n.reads, ours, func() (time.Duration, error) { return s.openSC(ctx, o.only) })
		if err != nil {
			return err
		}
		ratio, err := p.Ratio(1)
		if err != nil {
			return err
		}
		if !o.only {
			err = s.median("certificate_read_p50_ms", p.A)
		}
		if err := errors.Join(err, s.median("opensc_certificate_read"+o.suffix+"_p50_ms", p.B)); err != nil {
			return err
		}
		s.figure("certificate_read_vs_opensc"+o.suffix, "%.2f", ratio, "ratio")
	}
	return nil
}
