package uplink_test

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"kazashi.example/sync/canon"
	"kazashi.example/sync/internal/byhand"
	"kazashi.example/sync/internal/testkey"
	"kazashi.example/sync/sign"
	"kazashi.example/sync/uplink"
	"kazashi.example/sync/wire"
)

func TestJoinThenPushThenPoll(t *testing.T) {
	c := newCentral(t)
	address := server(t, centralTLS, c, discard)
	req := request(t)
	a, seen, err := uplink.Join(t.Context(), knows(t, address), joinCode, req)
	if err != nil || a.Site != "branch-1" || string(a.Bundle) != "bundle" || !seen.Equal(testkey.Public(t, centralTLS)) {
		t.Fatalf("Join = %+v, %v, want branch-1 at central's key", a, err)
	}
	if got := c.joined[testkey.Public(t, device).ID()]; got != req.Box {
		t.Errorf("central registered box %s under the device key, want %s", got, req.Box)
	}
	cl := client(t, knows(t, address, byhand.Key("last year's C-tls"), centralTLS))
	pushed, err := cl.Push(t.Context(), wire.Push{Envelopes: [][]byte{{1}, {2}}})
	if err != nil || string(pushed.Ack) != "acknowledgement" || c.pushed != 2 {
		t.Errorf("Push = %+v, %v, with %d stored, want 2", pushed, err, c.pushed)
	}
	polled, err := cl.Poll(t.Context(), wire.Poll{})
	if err != nil || polled.CentralEpoch != 3 {
		t.Errorf("Poll = %+v, %v, want central epoch 3", polled, err)
	}
}

// P10: the box speaks to central's key and to nobody else's, and says which it is.
func TestP10AnotherServerKeyIsInterception(t *testing.T) {
	_, address := joined(t, discard)
	through, _ := proxy(t, address)
	for name, conf := range map[string]uplink.Config{
		"another key":     knows(t, address, byhand.Key("somebody")),
		"no key at all":   knows(t, address),
		"through a proxy": {Address: "central.example:443", Device: device, Proxy: through, Central: func() []sign.PublicKey { return nil }},
	} {
		if _, err := client(t, conf).Poll(t.Context(), wire.Poll{}); !errors.Is(err, uplink.ErrIntercepted) {
			t.Errorf("%s: Poll = %v, want ErrIntercepted", name, err)
		}
	}
}

// P10: keys are asked for on every connection, so a change of the trust bundle holds from the next one on.
func TestP10KeysAreAskedOnEveryConnection(t *testing.T) {
	_, address := joined(t, discard)
	var mu sync.Mutex
	known := []sign.PublicKey{testkey.Public(t, centralTLS)}
	cl := client(t, uplink.Config{Address: address, Device: device, Central: func() []sign.PublicKey {
		mu.Lock()
		defer mu.Unlock()
		return known
	}})
	if _, err := cl.Poll(t.Context(), wire.Poll{}); err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	known = nil
	mu.Unlock()
	cl.Close()
	if _, err := cl.Poll(t.Context(), wire.Poll{}); !errors.Is(err, uplink.ErrIntercepted) {
		t.Errorf("Poll(key no longer trusted) = %v, want ErrIntercepted", err)
	}
}

// P10: central sees the device's key, and another device is not taken for it.
func TestP10AnotherDeviceIsUnknown(t *testing.T) {
	_, address := joined(t, discard)
	conf := knows(t, address, centralTLS)
	conf.Device = byhand.Key("another device")
	var refused *uplink.Refusal
	if _, err := client(t, conf).Push(t.Context(), wire.Push{}); !errors.As(err, &refused) || refused.Code != wire.CodeUnknownBox {
		t.Errorf("Push(another device) = %v, want %s", err, wire.CodeUnknownBox)
	}
}

// P9: somebody between box and central, with a TLS key of his own, can neither pass the proof on nor answer himself.
func TestP9JoinThroughAManInTheMiddleIsRefused(t *testing.T) {
	c := newCentral(t)
	address := server(t, centralTLS, c, discard)
	for name, forge := range map[string]func(*wire.JoinRequest){
		"passes everything on":     func(*wire.JoinRequest) {},
		"names central's own key":  func(r *wire.JoinRequest) { r.Server = serverMAC(t) },
		"puts in his own key as D": func(r *wire.JoinRequest) { r.Device = testkey.Public(t, byhand.Key("middle")).DER() },
	} {
		middle := server(t, byhand.Key("middle"), relay{t, address, forge}, discard)
		_, _, err := uplink.Join(t.Context(), knows(t, middle), joinCode, request(t))
		var refused *uplink.Refusal
		if !errors.As(err, &refused) || refused.Code != wire.CodeJoinRefused {
			t.Errorf("%s: Join = %v, want %s", name, err, wire.CodeJoinRefused)
		}
	}
	alone := server(t, byhand.Key("middle"), liar{}, discard)
	if _, _, err := uplink.Join(t.Context(), knows(t, alone), joinCode, request(t)); !errors.Is(err, wire.ErrProof) {
		t.Errorf("answers himself: Join = %v, want ErrProof", err)
	}
	if len(c.joined) != 0 {
		t.Errorf("central registered %d boxes, want none", len(c.joined))
	}
}

// P9: a proof made for one connection is worth nothing from another device.
func TestP9JoinBindsTheDeviceOfTheConnection(t *testing.T) {
	c := newCentral(t)
	address := server(t, centralTLS, c, discard)
	conf := knows(t, address)
	conf.Device = byhand.Key("another device")
	var refused *uplink.Refusal
	if _, _, err := uplink.Join(t.Context(), conf, joinCode, request(t)); !errors.As(err, &refused) {
		t.Errorf("Join(request names D, connection shows another) = %v, want a refusal", err)
	}
	wrong := joinCode
	wrong.Secret[0] ^= 1
	if _, _, err := uplink.Join(t.Context(), knows(t, address), wrong, request(t)); !errors.As(err, &refused) || refused.Code != wire.CodeJoinRefused {
		t.Errorf("Join(wrong code) = %v, want %s", err, wire.CodeJoinRefused)
	}
}

func TestThroughAConnectProxy(t *testing.T) {
	_, address := joined(t, discard)
	through, tunnels := proxy(t, address)
	conf := knows(t, "central.example:443", centralTLS) // a name that only the proxy resolves
	conf.Proxy = through
	if _, err := client(t, conf).Push(t.Context(), wire.Push{}); err != nil || tunnels() != 1 {
		t.Errorf("Push through a proxy = %v by %d tunnels, want one", err, tunnels())
	}
}

func TestRefusalsGoOutAndFaultsStay(t *testing.T) {
	var log lines
	c, address := joined(t, &log)
	cl := client(t, knows(t, address, centralTLS))
	for _, c2 := range []struct {
		name string
		fail error
		want uplink.Refusal
	}{
		{"a refusal", &uplink.Refusal{Code: wire.CodeRevokedBox, Message: "taken away"}, uplink.Refusal{Code: wire.CodeRevokedBox, Message: "taken away"}},
		{"a fault", errors.New("disk of 10.1.2.3 is full"), uplink.Refusal{Code: wire.CodeInternal, Message: "central could not do it; try again"}},
	} {
		c.mu.Lock()
		c.fail = c2.fail
		c.mu.Unlock()
		_, err := cl.Push(t.Context(), wire.Push{})
		var got *uplink.Refusal
		if !errors.As(err, &got) || *got != c2.want {
			t.Errorf("%s: Push = %v, want %v", c2.name, err, &c2.want)
		}
	}
	if got := log.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, "disk of 10.1.2.3 is full") {
		t.Errorf("logged %q, want the fault alone", got)
	}
}

func TestHandlerRefusesOtherRequests(t *testing.T) {
	_, address := joined(t, discard)
	raw, _ := rawClient(t, device, nil)
	const push, media = "/uplink/v1/push", "application/cbor"
	for _, c := range []struct {
		name, method, path, media string
		size                      int
		status                    int
		code                      string
	}{
		{"GET", http.MethodGet, push, media, 0, http.StatusBadRequest, wire.CodeBadMessage},
		{"another media type", http.MethodPost, push, "text/plain", 1, http.StatusBadRequest, wire.CodeBadMessage},
		{"no CBOR map", http.MethodPost, push, media, 1, http.StatusBadRequest, wire.CodeBadMessage},
		{"no body", http.MethodPost, push, media, 0, http.StatusBadRequest, wire.CodeBadMessage},
		{"larger than its cap", http.MethodPost, push, media, wire.MaxPush + 1, http.StatusBadRequest, wire.CodeBadMessage},
		{"larger than its cap by far", http.MethodPost, "/uplink/v1/poll", media, 8 * wire.MaxPoll, http.StatusBadRequest, wire.CodeBadMessage},
		{"another path", http.MethodPost, "/uplink/v2/push", media, 1, http.StatusNotFound, wire.CodeUnknownRoute},
	} {
		t.Run(c.name, func(t *testing.T) {
			status, body := post(t, raw, c.method, address, c.path, c.media, zeros(c.size))
			var f wire.Failure
			if err := canon.Decode(body, &f, wire.MaxErrorBody); err != nil || status != c.status || f.Code != c.code {
				t.Errorf("answer %d %+v, %v, want %d %s", status, f, err, c.status, c.code)
			}
		})
	}
}

// The box believes no answer that is too long, no CBOR, or a failure in other words.
func TestClientRefusesOtherAnswers(t *testing.T) {
	for _, c := range []struct {
		name   string
		status int
		body   []byte
		want   error
	}{
		{"too long", http.StatusOK, make([]byte, wire.MaxPush+1), canon.ErrSize},
		{"no CBOR", http.StatusOK, []byte("<html>"), canon.ErrForm},
		{"a proxy's page", http.StatusBadGateway, []byte("<html>bad gateway</html>"), canon.ErrForm},
		{"an endless failure", http.StatusForbidden, make([]byte, 1<<20), canon.ErrSize},
	} {
		t.Run(c.name, func(t *testing.T) {
			conf, err := uplink.ServerConfig(centralTLS)
			if err != nil {
				t.Fatal(err)
			}
			l, err := tls.Listen("tcp", "127.0.0.1:0", conf)
			if err != nil {
				t.Fatal(err)
			}
			srv := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(c.status)
				_, _ = w.Write(c.body)
			})}
			go func() { _ = srv.Serve(l) }()
			t.Cleanup(func() { _ = srv.Close() })
			if _, err := client(t, knows(t, l.Addr().String(), centralTLS)).Push(t.Context(), wire.Push{}); !errors.Is(err, c.want) {
				t.Errorf("Push = %v, want %v", err, c.want)
			}
		})
	}
}

// P1: a line that swallows everything ends by the caller's deadline, at every stage at which it can begin.
func TestP1BlackHoleEndsByDeadline(t *testing.T) {
	mute, err := net.Listen("tcp", "127.0.0.1:0") // takes connections and answers nothing
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = mute.Close() })
	_, address := joined(t, discard)
	for name, c := range map[string]struct {
		address string
		poll    wire.Poll
	}{
		"no handshake": {mute.Addr().String(), wire.Poll{}},
		"no answer":    {address, wire.Poll{Wait: wire.MaxWait}},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 150*time.Millisecond)
		began := time.Now()
		_, err := client(t, knows(t, c.address, centralTLS)).Poll(ctx, c.poll)
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(began) > 5*time.Second {
			t.Errorf("%s: Poll = %v after %v, want the deadline", name, err, time.Since(began))
		}
		cancel()
	}
}

// P8: bound keys have no tickets, so no session outlives the key that began it; and nothing below TLS 1.3 is spoken.
func TestP8NoTicketsAndNoOlderTLS(t *testing.T) {
	_, address := joined(t, discard)
	cache := &remembering{ClientSessionCache: tls.NewLRUClientSessionCache(4)}
	raw, conf := rawClient(t, device, cache)
	for range 3 {
		status, _ := post(t, raw, http.MethodPost, address, "/uplink/v1/poll", "text/plain", zeros(1))
		if status != http.StatusBadRequest {
			t.Fatalf("status %d, want %d", status, http.StatusBadRequest)
		}
		raw.CloseIdleConnections()
	}
	if n := cache.puts(); n != 0 {
		t.Errorf("the server gave %d tickets, want none", n)
	}
	old := conf.Clone()
	old.MaxVersion = tls.VersionTLS12
	if conn, err := tls.Dial("tcp", address, old); err == nil {
		_ = conn.Close()
		t.Error("TLS 1.2 was accepted")
	}
}

// P10: nobody speaks to central without a key of our kind.
func TestP10NoKeyNoConnection(t *testing.T) {
	_, address := joined(t, discard)
	for name, key := range otherKeys(t) {
		raw, _ := rawClient(t, key, nil)
		resp, err := raw.Post("https://"+address+"/uplink/v1/hello", "application/cbor", zeros(1))
		if err == nil {
			_ = resp.Body.Close()
			t.Errorf("%s: answered %s, want no connection", name, resp.Status)
		}
	}
}

func TestBadAddress(t *testing.T) {
	if _, err := uplink.NewClient(knows(t, "no-port", centralTLS)); err == nil {
		t.Error("NewClient(address without a port) = nil, want an error")
	}
	if _, _, err := uplink.Join(t.Context(), knows(t, "no-port"), joinCode, wire.JoinRequest{}); err == nil {
		t.Error("Join(address without a port) = nil, want an error")
	}
}

// One client serves many goroutines.
func TestManyAtOnce(t *testing.T) {
	c, address := joined(t, discard)
	cl := client(t, knows(t, address, centralTLS))
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() {
			for range 4 {
				if _, err := cl.Push(t.Context(), wire.Push{Envelopes: [][]byte{{1}}}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if c.pushed != 64 {
		t.Errorf("central stored %d, want 64", c.pushed)
	}
}
