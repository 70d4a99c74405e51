package main

import (
	"bufio"
	"context"
	"errors"
	"io"
	"regexp"
	"testing"
	"time"
)

func TestRelayCommandIsSteeredByLines(t *testing.T) {
	in, say := io.Pipe()
	hear, out := io.Pipe()
	limit := time.AfterFunc(20*time.Second, func() { _ = in.CloseWithError(errors.New("too late")); _ = hear.Close() })
	defer limit.Stop()
	cmd := newRelayCommand()
	cmd.SetArgs([]string{"--listen", "127.0.0.1:0", "--target", "127.0.0.1:1"})
	cmd.SetIn(in)
	cmd.SetOut(out)
	cmd.SetErr(io.Discard)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- cmd.ExecuteContext(ctx) }()
	lines := bufio.NewScanner(hear)
	for _, c := range []struct{ word, want string }{
		{"", `^relay from 127\.0\.0\.1:\d+ to 127\.0\.0\.1:1$`},
		{"stats\n", `^up=true to_target=0 from_target=0 live=0 held=0$`},
		{"cut\n", `^cut$`},
		{"stats\n", `^up=false `},
		{"restore\n", `^restored$`},
		{"stats\n", `^up=true `},
		{"mend\n", `^unknown word "mend": cut, restore or stats$`},
	} {
		if c.word != "" { // a pipe hands over empty writes too, and nobody reads yet
			if _, err := io.WriteString(say, c.word); err != nil {
				t.Fatal(err)
			}
		}
		if !lines.Scan() || !regexp.MustCompile(c.want).MatchString(lines.Text()) {
			t.Fatalf("after %q came %q, want %s", c.word, lines.Text(), c.want)
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Errorf("relay after its context ended = %v, want nil", err)
	}
}
