package jpki

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"

	"kazashi.example/central/lab/world"
	"kazashi.example/central/lab/world/pki"
	"kazashi.example/sync/certid"
)

// Service is the practice JPKI behind an HTTP handler.
type Service struct {
	world   *world.World
	cfg     Config
	issuers []*issuer
	current *issuer // signs answers about issuers that nobody here knows
	mux     *http.ServeMux

	mu    sync.Mutex // guards lists; held while publishing
	lists map[string]list
}

var _ http.Handler = (*Service)(nil)

// NewService serves a world. Lists of an earlier run are served on until they run out; without any, the first ones are published.
func NewService(w *world.World, cfg Config) (*Service, error) {
	s := &Service{world: w, cfg: cfg.filled(), mux: http.NewServeMux()}
	for _, a := range w.Authorities() {
		i, err := newIssuer(w, a, cfg.DirectOCSP)
		if err != nil {
			return nil, err
		}
		s.issuers = append(s.issuers, i)
	}
	current, err := w.Authority(certid.PurposeAuth, 0)
	if err != nil {
		return nil, fmt.Errorf("finding the issuing CA: %w", err)
	}
	s.current = s.issuerNamed(current)
	s.routes()
	if ok, err := s.restore(); err != nil || ok {
		return s, err
	}
	return s, s.Publish()
}

func (s *Service) issuerNamed(a *pki.Authority) *issuer {
	for _, i := range s.issuers {
		if i.authority == a {
			return i
		}
	}
	return nil
}

func (s *Service) routes() {
	s.mux.HandleFunc("GET /crl/{name}", s.serveList)
	s.mux.HandleFunc("GET /anchors/{name}", s.serveAnchor)
	s.mux.HandleFunc("GET /renewals", s.serveRenewals)
	for _, a := range []struct {
		path string
		do   func(adminRequest) error
	}{
		{"revoke", s.revoke},
		{"hold", s.hold},
		{"unhold", s.unhold},
		{"renew", s.renew},
		{"reissue", s.reissue},
		{"publish", func(adminRequest) error { return s.Publish() }},
	} {
		s.mux.HandleFunc("POST /admin/"+a.path, s.admin(a.do))
	}
}

// ServeHTTP routes a request. OCSP is taken out first: base64 in a path is not a path that a ServeMux may tidy up.
func (s *Service) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	if p := r.URL.EscapedPath(); p == "/ocsp" || strings.HasPrefix(p, "/ocsp/") {
		s.serveOCSP(rw, r)
		return
	}
	s.mux.ServeHTTP(rw, r)
}

func (s *Service) serveList(rw http.ResponseWriter, r *http.Request) {
	l, ok, err := s.listNamed(r.PathValue("name"))
	switch {
	case err != nil:
		s.fault(rw, r, "list failed", err)
	case !ok:
		http.Error(rw, "no such list", http.StatusNotFound)
	default:
		rw.Header().Set("Content-Type", "application/pkix-crl") // RFC 2585 §4.2
		rw.Header().Set("Cache-Control", "no-cache")
		_, _ = rw.Write(l.der)
	}
}

func (s *Service) serveAnchor(rw http.ResponseWriter, r *http.Request) {
	for _, i := range s.issuers {
		a := i.authority
		if r.PathValue("name") == fmt.Sprintf("%s-g%d.cer", a.Purpose, a.Generation) {
			rw.Header().Set("Content-Type", "application/pkix-cert") // RFC 2585 §4.1
			_, _ = rw.Write(a.Cert.Raw)
			return
		}
	}
	http.Error(rw, "no such root", http.StatusNotFound)
}

func (s *Service) reply(rw http.ResponseWriter, r *http.Request, v any) {
	rw.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(rw).Encode(v); err != nil {
		s.cfg.Log.LogAttrs(r.Context(), slog.LevelWarn, "reply not sent", slog.String("error", err.Error()))
	}
}

// fault is a failure of the service itself.
func (s *Service) fault(rw http.ResponseWriter, r *http.Request, msg string, err error) {
	s.cfg.Log.LogAttrs(r.Context(), slog.LevelError, "request failed", slog.String("what", msg), slog.String("error", err.Error()))
	http.Error(rw, msg, http.StatusInternalServerError)
}
