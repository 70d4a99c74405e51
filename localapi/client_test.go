package localapi_test

import (
	"bytes"
	"errors"
	"os"
	"strings"
	"testing"

	"kazashi.example/localapi"
)

func TestReadEvents(t *testing.T) {
	const status, reading = `{"type":"status","time":"2026-11-22T03:00:00Z"}`, `{"type":"reading","time":"2026-11-22T03:00:00Z"}`
	for _, c := range []struct {
		name, in string
		ids      string
		want     error
	}{
		{"two events", "retry: 1000\n\nevent: status\ndata: " + status + "\n\n: alive\n\nid: a-1\nevent: reading\ndata: " + reading + "\n\n", ",a-1", localapi.ErrUnreachable},
		{"carriage returns", "id: a-1\r\ndata: " + reading + "\r\n\r\n", "a-1", localapi.ErrUnreachable},
		{"cut in the middle", "id: a-1\ndata: " + reading + "\n", "", localapi.ErrUnreachable},
		{"no space after the colon", "id:a-1\ndata:" + reading + "\n\n", "a-1", localapi.ErrUnreachable},
		{"unknown field", "colour: red\ndata: " + reading + "\n\n", "", localapi.ErrUnreachable},
		{"not JSON", "data: hello\n\n", "", localapi.ErrNotABox},
		{"no type", "data: {}\n\n", "", localapi.ErrNotABox},
		{"line without end", "data: " + strings.Repeat("x", 2<<20), "", localapi.ErrNotABox},
		{"event without end", strings.Repeat("data: "+strings.Repeat("x", 1<<16)+"\n", 20), "", localapi.ErrNotABox},
	} {
		var ids []string
		err := localapi.ReadEvents(strings.NewReader(c.in), func(e localapi.Event) bool { ids = append(ids, e.ID); return true })
		if got := strings.Join(ids, ","); got != c.ids || !errors.Is(err, c.want) {
			t.Errorf("%s: ids %q, error %v, want %q, %v", c.name, got, err, c.ids, c.want)
		}
	}
}

func TestUnmarshalLiveQuotesNothing(t *testing.T) {
	_, err := localapi.UnmarshalLive([]byte(`{"type":"settled","ppid":7,"x":"` + madeUpPPID + `"}`))
	if !errors.Is(err, localapi.ErrEvent) || strings.Contains(err.Error(), madeUpPPID) {
		t.Errorf("UnmarshalLive of a bad event = %v, want ErrEvent and none of the text", err)
	}
}

func FuzzReadEvents(f *testing.F) {
	b, err := os.ReadFile("testdata/event_settled.json")
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte("retry: 1000\n\nid: a-1\nevent: settled\ndata: " + strings.ReplaceAll(string(b), "\n", "") + "\n\n"))
	f.Add([]byte(": alive\n\ndata\n\nid\n\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		n := 0
		err := localapi.ReadEvents(bytes.NewReader(b), func(localapi.Event) bool { n++; return n < 3 })
		if err == nil && n < 3 {
			t.Errorf("the stream ended after %d events without an error", n)
		}
	})
}
