package admin

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// guard refuses what a page of another site could make a browser on this machine ask: by a name of its own that it points at a
// loopback address (DNS rebinding: the Host header tells), or across origins (Fetch Standard §3.2; W3C Fetch Metadata). The
// port is free, so that a tunnel may come from another one.
func guard(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case !isLoopback(r.Host):
			http.Error(w, "ask for this by a loopback address", http.StatusMisdirectedRequest)
		case foreign(r):
			http.Error(w, "not for pages of another site", http.StatusForbidden)
		default:
			h.ServeHTTP(w, r)
		}
	})
}

func isLoopback(hostport string) bool {
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		host = strings.TrimSuffix(strings.TrimPrefix(hostport, "["), "]")
	}
	if strings.EqualFold(host, "localhost") {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.IsLoopback()
}

func foreign(r *http.Request) bool {
	for _, origin := range r.Header.Values("Origin") {
		if !strings.EqualFold(origin, "http://"+r.Host) {
			return true
		}
	}
	switch r.Header.Get("Sec-Fetch-Site") {
	case "", "none", "same-origin":
		return false
	default:
		return true
	}
}
