package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"kazashi.example/central/lab/stage"
	"kazashi.example/localapi"
)

var errLocked = errors.New("the site's keys are not open")

// socket asks the box where everything is allowed that only the machine's own users may do.
func (e *ensemble) socket() (*localapi.Client, error) {
	client, err := localapi.NewClient("unix:" + e.own("box", "kazashi.sock"))
	if err != nil {
		return nil, fmt.Errorf("asking the box: %w", err)
	}
	return client, nil
}

// openDesk waits until central has opened the site's keys, sets the operator's code and enters a member of staff where an earlier run has not, and
// signs that one in. Names and codes are typed, never arguments.
func (e *ensemble) openDesk(ctx context.Context) error {
	client, err := e.socket()
	if err != nil {
		return err
	}
	defer client.Close()
	k, err := awaitKeys(ctx, client, localapi.KeysOpen)
	if err != nil {
		return err
	}
	if !k.CodeSet {
		if _, err := e.typing(ctx, stage.OperatorCode, "kazashi", "code", "set", "--config", e.boxConfig()); err != nil {
			return err
		}
		e.say("the operator's code is set: it opens roster and site book after a restart without a line")
	}
	err = client.SetStaff(ctx, localapi.NewStaff{ID: stage.StaffID, Name: stage.StaffName, Code: localapi.NewSecret(stage.StaffCode)})
	if err != nil {
		return fmt.Errorf("entering a member of staff: %w", err)
	}
	return e.signIn(ctx)
}

// signIn signs the practice world's member of staff in, as they do after every restart.
func (e *ensemble) signIn(ctx context.Context) error {
	if _, err := e.typing(ctx, stage.StaffCode, "kazashi", "desk", "in", "--config", e.boxConfig()); err != nil {
		return err
	}
	e.say("%s is signed in at the desk", stage.StaffID)
	return nil
}

// awaitKeys waits until the site's keys stand so.
func awaitKeys(ctx context.Context, client *localapi.Client, want localapi.KeyState) (localapi.Keys, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, lineWithin, errLocked)
	defer cancel()
	poll := time.NewTicker(50 * time.Millisecond)
	defer poll.Stop()
	for {
		k, err := client.Keys(ctx)
		if err == nil && k.State == want {
			return k, nil
		}
		select {
		case <-poll.C:
		case <-ctx.Done():
			return k, fmt.Errorf("%w: %s and not %s within %s: %w", context.Cause(ctx), k.State, want, lineWithin, err)
		}
	}
}
