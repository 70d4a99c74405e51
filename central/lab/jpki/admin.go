package jpki

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"kazashi.example/central/lab/world"
	"kazashi.example/central/lab/world/pki"
	"kazashi.example/sync/certid"
)

// maxAdminLen bounds the body of an /admin request.
const maxAdminLen = 4 << 10

// errAdmin says that an /admin request is not usable.
var errAdmin = errors.New("request is not usable")

// adminRequest is the JSON body of /admin requests.
type adminRequest struct {
	Person  string    `json:"person"`  // key of a made-up person; their current certificate is meant
	Serial  string    `json:"serial"`  // or a serial in hex
	Purpose string    `json:"purpose"` // auth (default) or sign
	Reason  string    `json:"reason"`  // name of RFC 5280 §5.3.1; cessationOfOperation if empty
	At      time.Time `json:"at"`      // now if empty
}

// admin wraps a change: loopback only, no browser's cross-site request, one JSON object in and {"ok":true} out.
func (s *Service) admin(do func(adminRequest) error) http.HandlerFunc {
	return func(rw http.ResponseWriter, r *http.Request) {
		if !local(r) {
			http.Error(rw, "only from this machine", http.StatusForbidden)
			return
		}
		req, err := s.decodeAdmin(r)
		if err == nil {
			err = do(req)
		}
		switch {
		case err == nil:
			s.reply(rw, r, map[string]bool{"ok": true})
		case errors.Is(err, errAdmin):
			http.Error(rw, err.Error(), http.StatusBadRequest)
		case errors.Is(err, world.ErrUnknown):
			http.Error(rw, err.Error(), http.StatusNotFound)
		case errors.Is(err, world.ErrState):
			http.Error(rw, err.Error(), http.StatusConflict)
		default:
			s.fault(rw, r, "change failed", err)
		}
	}
}

// local asks for a peer on loopback that called us by a loopback name and is no page of another site.
func local(r *http.Request) bool {
	return loopback(r.RemoteAddr) && loopback(r.Host) && r.Header.Get("Origin") == ""
}

func loopback(hostport string) bool {
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		host = hostport
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func (s *Service) decodeAdmin(r *http.Request) (adminRequest, error) {
	var out adminRequest
	d := json.NewDecoder(io.LimitReader(r.Body, maxAdminLen))
	d.DisallowUnknownFields()
	if err := d.Decode(&out); err != nil && !errors.Is(err, io.EOF) {
		return out, fmt.Errorf("%w: %w", errAdmin, err)
	}
	if out.At.IsZero() {
		out.At = s.cfg.Now()
	}
	return out, nil
}

// certificate is whom the request means.
func (s *Service) certificate(r adminRequest) (certid.CertID, error) {
	purpose := certid.PurposeAuth
	if r.Purpose != "" {
		var err error
		if purpose, err = certid.ParsePurpose(r.Purpose); err != nil {
			return certid.CertID{}, fmt.Errorf("%w: %w", errAdmin, err)
		}
	}
	if (r.Person == "") == (r.Serial == "") {
		return certid.CertID{}, fmt.Errorf("%w: name a person or a serial", errAdmin)
	}
	if r.Person != "" {
		return s.personCertificate(r.Person, purpose)
	}
	b, err := hex.DecodeString(r.Serial)
	if err != nil {
		return certid.CertID{}, fmt.Errorf("%w: serial is not hex", errAdmin)
	}
	serial, err := certid.ParseSerial(b)
	if err != nil {
		return certid.CertID{}, fmt.Errorf("%w: %w", errAdmin, err)
	}
	return certid.CertID{Scope: practice(purpose), Serial: serial}, nil
}

func (s *Service) personCertificate(key string, purpose certid.Purpose) (certid.CertID, error) {
	p, err := s.world.Person(key)
	if err != nil {
		return certid.CertID{}, fmt.Errorf("finding a person: %w", err)
	}
	c := p.Auth
	if purpose == certid.PurposeSign {
		c = p.Sign
	}
	if c.ID.Serial.IsZero() {
		return certid.CertID{}, fmt.Errorf("%w: %s has no %s certificate", world.ErrUnknown, key, purpose)
	}
	return c.ID, nil
}

func (s *Service) revoke(r adminRequest) error {
	reason := pki.CessationOfOperation
	if r.Reason != "" {
		var err error
		if reason, err = pki.ParseReason(r.Reason); err != nil {
			return fmt.Errorf("%w: %w", errAdmin, err)
		}
	}
	id, err := s.certificate(r)
	if err != nil {
		return err
	}
	if reason == pki.CertificateHold {
		return s.world.Hold(id, r.At) // the world says what it refuses
	}
	return s.world.Revoke(id, reason, r.At) // as above
}

func (s *Service) hold(r adminRequest) error {
	id, err := s.certificate(r)
	if err != nil {
		return err
	}
	return s.world.Hold(id, r.At) // the world says what it refuses
}

func (s *Service) unhold(r adminRequest) error {
	id, err := s.certificate(r)
	if err != nil {
		return err
	}
	return s.world.Unhold(id, r.At) // the world says what it refuses
}

func (s *Service) renew(r adminRequest) error {
	if r.Person == "" {
		return fmt.Errorf("%w: name a person", errAdmin)
	}
	_, err := s.world.Renew(r.Person, r.At)
	return err // the world says what it refuses
}

func (s *Service) reissue(r adminRequest) error {
	if r.Person == "" {
		return fmt.Errorf("%w: name a person", errAdmin)
	}
	_, err := s.world.Reissue(r.Person, r.At)
	return err // the world says what it refuses
}
