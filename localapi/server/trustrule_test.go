package server_test

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"kazashi.example/localapi"
	"kazashi.example/localapi/internal/scene"
	"kazashi.example/localapi/server"
	"kazashi.example/sync/record"
)

// believer holds what was loaded, and refuses what it is told to.
type believer struct {
	err          error
	trust, rules []byte
	reverted     bool
}

func (b *believer) Trust(context.Context) (localapi.Trust, error) {
	return localapi.Trust{Bundle: b.trust, Held: 7, Previous: 5, Reverted: b.reverted}, nil
}

func (b *believer) LoadTrust(_ context.Context, file []byte) error {
	if b.err == nil {
		b.trust = file
	}
	return b.err
}

func (b *believer) RevertTrust(context.Context) error {
	b.reverted = b.err == nil
	return b.err
}

func (b *believer) Rules(context.Context) (localapi.Rules, error) {
	return localapi.Rules{Signed: b.rules, OutOfForce: []record.ServiceID{"kiyose.library"}}, nil
}

func (b *believer) LoadRules(_ context.Context, file []byte) error {
	if b.err == nil {
		b.rules = file
	}
	return b.err
}

// believing serves b over both ways, and returns a client of the socket and the address of the other.
func believing(t *testing.T, b *believer) (*localapi.Client, string) {
	t.Helper()
	socket := socketPath(t)
	unix, err := server.ListenUnix(t.Context(), socket)
	if err != nil {
		t.Fatal(err)
	}
	tcp, err := server.ListenTCP(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	url := "http://" + tcp.Addr().String()
	serveBoth(t, server.New(server.Config{Box: scene.New(), Log: discard, Trusted: b}), unix, tcp)
	return client(t, "unix:"+socket), url
}

func TestTrustAndRulesComeFromFiles(t *testing.T) { // P9
	b := &believer{}
	c, _ := believing(t, b)
	if got, err := c.LoadTrust(t.Context(), []byte("a bundle")); err != nil || string(got.Bundle) != "a bundle" || got.Held != 7 || got.Previous != 5 {
		t.Errorf("LoadTrust = %+v, %v", got, err)
	}
	if got, err := c.LoadRules(t.Context(), []byte("rules")); err != nil || string(got.Signed) != "rules" || len(got.OutOfForce) != 1 {
		t.Errorf("LoadRules = %+v, %v", got, err)
	}
	if got, err := c.RevertTrust(t.Context()); err != nil || !got.Reverted {
		t.Errorf("RevertTrust = %+v, %v", got, err)
	}
	if got, err := c.Trust(t.Context()); err != nil || string(got.Bundle) != "a bundle" {
		t.Errorf("Trust = %+v, %v", got, err)
	}
	if got, err := c.Rules(t.Context()); err != nil || string(got.Signed) != "rules" {
		t.Errorf("Rules = %+v, %v", got, err)
	}
}

// Each refusal reaches whoever asked as itself.
func TestRefusalsOfTrustAndRulesHaveNames(t *testing.T) { // P9
	b := &believer{}
	c, _ := believing(t, b)
	for _, want := range []error{
		localapi.ErrFileForm, localapi.ErrRoot, localapi.ErrThreshold, localapi.ErrSigner, localapi.ErrSignature, localapi.ErrRollback,
		localapi.ErrOlder, localapi.ErrExpired, localapi.ErrOtherSite, localapi.ErrBasis, localapi.ErrApproval, localapi.ErrNoPrevious,
		localapi.ErrReverted, localapi.ErrRootReplaced,
	} {
		b.err = errors.Join(want, errors.New("with more to it"))
		_, trust := c.LoadTrust(t.Context(), []byte("x"))
		_, rules := c.LoadRules(t.Context(), []byte("x"))
		_, back := c.RevertTrust(t.Context())
		for what, err := range map[string]error{"LoadTrust": trust, "LoadRules": rules, "RevertTrust": back} {
			if !errors.Is(err, want) {
				t.Errorf("%s = %v, want %v", what, err, want)
			}
		}
	}
	if b.trust != nil || b.rules != nil || b.reverted {
		t.Error("what was refused was taken")
	}
	b.err = errors.New("the disk is gone")
	var refused *localapi.Error
	if _, err := c.LoadTrust(t.Context(), nil); !errors.As(err, &refused) || refused.Code != localapi.CodeBoxFailed {
		t.Errorf("LoadTrust(a fault of the box) = %v, want box_failed", err)
	}
}

// A page, even the box's own, changes neither bundle nor rules.
func TestPagesChangeNoTrust(t *testing.T) { // P10
	b := &believer{}
	c, url := believing(t, b)
	for _, try := range []struct{ method, path, media, want string }{
		{http.MethodPut, "/v1/trust", "application/cbor", "socket_only"},
		{http.MethodPut, "/v1/rules", "application/cbor", "socket_only"},
		{http.MethodPost, "/v1/trust/revert", "", "socket_only"},
		{http.MethodDelete, "/v1/trust", "", "method_not_allowed"},
		{http.MethodPut, "/v1/trust?force=1", "application/cbor", "unknown_parameter"},
	} {
		req, err := http.NewRequestWithContext(t.Context(), try.method, url+try.path, strings.NewReader("x"))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Origin", url)
		req.Header.Set("Content-Type", try.media)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		var body bytes.Buffer
		_, err = body.ReadFrom(resp.Body)
		_ = resp.Body.Close()
		if err != nil || !strings.Contains(body.String(), try.want) {
			t.Errorf("%s %s = %s, %v, want %s", try.method, try.path, &body, err, try.want)
		}
	}
	if b.trust != nil || b.rules != nil || b.reverted {
		t.Error("a page changed something")
	}
	var large *localapi.Error
	if _, err := c.LoadTrust(t.Context(), make([]byte, localapi.MaxSigned+1)); !errors.As(err, &large) || large.Code != localapi.CodeBodyTooLarge {
		t.Errorf("LoadTrust(too large) = %v, want body_too_large", err)
	}
}
