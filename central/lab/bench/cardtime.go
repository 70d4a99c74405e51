package bench

import (
	"bufio"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"

	"kazashi.example/central/lab/world"
)

// cardtime is a running reader/cmd/cardtime: the real procedures over the real PC/SC, in a process of its own, because the lab has
// no cgo.
type cardtime struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Scanner
}

// cardTimes is what cardtime answers, see there.
type cardTimes struct {
	Connect   time.Duration `json:"connect_ns"`
	Procedure time.Duration `json:"procedure_ns"`
	Waiting   time.Duration `json:"waiting_ns"`
	Close     time.Duration `json:"close_ns"`
	Commands  int           `json:"commands"`
	Octets    int           `json:"octets"`
	Error     string        `json:"error"`
}

// Procedures of cardtime.
const (
	askCertificate = "certificate"
	askCard        = "card"
)

var errCardtime = errors.New("cardtime failed")

func cardtimeCommand(ctx context.Context, path, env string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, path)
	cmd.Env, cmd.Stderr = []string{"PATH=" + os.Getenv("PATH"), env}, os.Stderr
	return cmd
}

func startCardtime(ctx context.Context, path, env string) (*cardtime, error) {
	t := &cardtime{cmd: cardtimeCommand(ctx, path, env)}
	var err error
	if t.in, err = t.cmd.StdinPipe(); err != nil {
		return nil, fmt.Errorf("starting cardtime: %w", err)
	}
	out, err := t.cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("starting cardtime: %w", err)
	}
	t.out = bufio.NewScanner(out)
	if err := t.cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting cardtime: %w", err)
	}
	return t, nil
}

func (t *cardtime) stop() error {
	err := errors.Join(t.in.Close(), t.cmd.Wait())
	if err != nil {
		return fmt.Errorf("ending cardtime: %w", err)
	}
	return nil
}

// ask has one request answered; what went wrong on the card is an error.
func (t *cardtime) ask(line []byte) (cardTimes, error) {
	if _, err := t.in.Write(line); err != nil {
		return cardTimes{}, fmt.Errorf("asking cardtime: %w", err)
	}
	if !t.out.Scan() {
		return cardTimes{}, fmt.Errorf("%w: no answer: %w", errCardtime, errors.Join(t.out.Err(), io.ErrUnexpectedEOF))
	}
	return parseTimes(t.out.Bytes())
}

func parseTimes(line []byte) (cardTimes, error) {
	var a cardTimes
	if err := json.Unmarshal(line, &a); err != nil {
		return cardTimes{}, fmt.Errorf("%w: %w", errCardtime, err)
	}
	if a.Error != "" {
		return cardTimes{}, fmt.Errorf("%w: %s", errCardtime, a.Error)
	}
	return a, nil
}

// request is a line for cardtime.
func (r *readerRun) request(reader, what string, p world.Person, remember bool) ([]byte, error) {
	type authority struct {
		Hierarchy string `json:"hierarchy"`
		ID        string `json:"id"`
		Key       []byte `json:"key"`
	}
	var list []authority
	for _, a := range r.believedKeys {
		list = append(list, authority{a.Hierarchy.String(), hex.EncodeToString(a.KeyID[:]), a.Key})
	}
	line, err := json.Marshal(map[string]any{
		"reader": reader, "procedure": what, "remember": remember, "birth": p.Birth.Compact(), "message": message, "authorities": list,
	})
	if err != nil {
		return nil, fmt.Errorf("asking cardtime: %w", err)
	}
	return append(line, '\n'), nil
}
