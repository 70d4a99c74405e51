package command

import "errors"

// exitError is an error that ends the program with a status of its command's own.
type exitError struct {
	status int
	err    error
}

func (e *exitError) Error() string { return e.err.Error() }
func (e *exitError) Unwrap() error { return e.err }

// Exit marks an error so that Run returns this status, for a command whose statuses say more than done, refused and wrong usage. Its help has
// to name them.
func Exit(status int, err error) error { return &exitError{status, err} }

// statusOf is the status that an error ends a program with.
func statusOf(err error) int {
	var own *exitError
	var usage *usageError
	switch {
	case errors.As(err, &usage):
		return exitUsage
	case errors.As(err, &own):
		return own.status
	default:
		return exitFailed
	}
}
