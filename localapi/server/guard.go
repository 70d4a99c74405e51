package server

import (
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"kazashi.example/localapi"
)

// contentPolicy allows this box's own files and nothing else: no inline script or style, no frame, no form.
const contentPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

func setHeaders(h http.Header) {
	h.Set("Content-Security-Policy", contentPolicy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-store")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=(), usb=()")
}

// guard refuses what a page of another site could make a browser ask: by a name of its own that it points at the box (DNS
// rebinding; the Host check), or across origins (the Origin and Sec-Fetch-Site checks; Fetch Standard §3.2 and W3C Fetch Metadata).
type guard struct{ hosts []string }

// check returns the status and code to refuse r with; an empty code lets it pass.
func (g guard) check(r *http.Request) (int, localapi.ErrorCode) {
	if !g.hostAllowed(r) {
		return http.StatusMisdirectedRequest, localapi.CodeWrongHost
	}
	if !originAllowed(r) {
		return http.StatusForbidden, localapi.CodeForeignOrigin
	}
	return 0, ""
}

// hostAllowed reports whether the Host header names this box. On a unix socket, which no browser can reach, it is "localhost".
func (g guard) hostAllowed(r *http.Request) bool {
	tcp, ok := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr)
	if !ok {
		return r.Host == "localhost"
	}
	host, port := splitHost(r.Host)
	if port == strconv.Itoa(tcp.Port) && (isLoopback(host) || g.configured(host)) {
		return true
	}
	return g.configured(net.JoinHostPort(host, port))
}

func (g guard) configured(name string) bool {
	return slices.ContainsFunc(g.hosts, func(h string) bool { return strings.EqualFold(h, name) })
}

// splitHost splits "name", "name:port", "[v6]" and "[v6]:port"; the brackets go. Without a port it is 80 (RFC 9110 §4.2.1).
// Brackets around anything but IPv6 give nothing.
func splitHost(hostport string) (host, port string) {
	host, port, err := net.SplitHostPort(hostport)
	if err != nil {
		host, port = strings.TrimSuffix(strings.TrimPrefix(hostport, "["), "]"), "80"
	}
	if strings.HasPrefix(hostport, "[") != strings.Contains(host, ":") {
		return "", ""
	}
	return host, port
}

func isLoopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.IsLoopback()
}

// originAllowed lets a request pass that no page of another origin sent: without an Origin header, or with this very origin.
// Browsers send no Origin with plain GETs such as <img>, but they say cross-site or same-site (another port) in
// Sec-Fetch-Site; only following a link to the counter page is allowed so.
func originAllowed(r *http.Request) bool {
	for _, o := range r.Header.Values("Origin") {
		if !strings.EqualFold(o, "http://"+r.Host) {
			return false
		}
	}
	switch r.Header.Get("Sec-Fetch-Site") {
	case "", "none", "same-origin":
		return true
	}
	return r.URL.Path == "/" && r.Header.Get("Sec-Fetch-Mode") == "navigate" && r.Header.Get("Sec-Fetch-Dest") == "document"
}

// writeAllowed lets a request that changes something pass if it can be no page's but this one's: browsers send Origin with every PUT
// and DELETE (Fetch Standard §3.2), so over TCP it must be there. originAllowed has compared it. No browser reaches a unix socket.
func writeAllowed(r *http.Request) bool {
	return !overTCP(r) || len(r.Header.Values("Origin")) == 1
}

func overTCP(r *http.Request) bool {
	_, tcp := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr)
	return tcp
}
