package boxline_test

import (
	"log/slog"
	"net/http/httptest"
	"testing"

	"kazashi.example/central/boxline/simcentral"
	"kazashi.example/central/intake/simbox"
	"kazashi.example/sync/ack"
	"kazashi.example/sync/epoch"
	"kazashi.example/sync/record"
	"kazashi.example/sync/sign"
	"kazashi.example/sync/uplink"
	"kazashi.example/sync/wire"
)

// The whole way over real TLS with bound keys: join by a code, push, settle, poll.
func TestJoinPushPollOverTLS(t *testing.T) {
	c := simcentral.New(t)
	conf, err := uplink.ServerConfig(c.Keys.TLS)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(uplink.Handler(c.Line, slog.New(slog.DiscardHandler)))
	s.TLS = conf
	s.StartTLS()
	defer s.Close()
	code, err := c.Boxes.NewCode(t.Context(), "honmachi", "counter 1", 0)
	if err != nil {
		t.Fatal(err)
	}
	b := simbox.New(t, c.Keys.Seal.Public())
	to := uplink.Config{Address: s.Listener.Addr().String(), Device: b.Device}
	q := wire.JoinRequest{Box: b.ID, Device: b.Public(t).DER(), Sealing: b.Sealing}
	answer, seen, err := uplink.Join(t.Context(), to, code, q)
	if err != nil || answer.Site != "honmachi" {
		t.Fatalf("Join = %+v %v", answer, err)
	}
	to.Central = func() []sign.PublicKey { return []sign.PublicKey{seen} }
	client, err := uplink.NewClient(to)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	e := b.Start(t, epoch.CauseStart)
	e.Tap(t, simbox.Card(0x19))
	pushed, err := client.Push(t.Context(), e.Push())
	if err != nil {
		t.Fatal(err)
	}
	keys := sign.One{Key: simcentral.Public(t, c.Keys.Sign)}
	a, err := ack.Open(keys, pushed.Ack)
	if err != nil || len(a.Ranges) != 1 || a.Ranges[0].Chain != e.Records[0].Chain || a.Box != b.ID {
		t.Errorf("Ack = %+v %v, want the one record", a, err)
	}
	c.Drain()
	got, err := client.Poll(t.Context(), wire.Poll{Wait: 5})
	if err != nil {
		t.Fatal(err)
	}
	v, err := wire.OpenVerdicts(keys, got.Verdicts)
	if err != nil || len(v.Verdicts) != 1 || v.Verdicts[0].Verdict != record.VerdictAccepted {
		t.Errorf("Verdicts = %+v %v, want one, accepted", v, err)
	}
}
