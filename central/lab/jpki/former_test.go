package jpki_test

import (
	"crypto/x509"
	"net/http"
	"testing"

	"kazashi.example/central/lab/jpki"
)

// lines are a list's entries by serial; every one is in the past.
func (r *rig) lines(name string) map[string]x509.RevocationListEntry {
	r.t.Helper()
	_, der := r.do(http.MethodGet, "/crl/"+name, "", nil)
	list, err := x509.ParseRevocationList(der)
	if err != nil {
		r.t.Fatal(err)
	}
	lines := map[string]x509.RevocationListEntry{}
	for _, e := range list.RevokedCertificateEntries {
		lines[e.SerialNumber.String()] = e
		if e.RevocationTime.After(list.ThisUpdate) {
			r.t.Errorf("%s: an entry of %v is later than the list", name, e.RevocationTime)
		}
	}
	if len(lines) != len(list.RevokedCertificateEntries) {
		r.t.Errorf("%s: %d serials in %d entries", name, len(lines), len(list.RevokedCertificateEntries))
	}
	return lines
}

// Lists with former residents differ from those without by certificates that nobody holds, and by the same ones each day.
func TestFormerResidents(t *testing.T) {
	without, with := newRig(t, jpki.Config{}), newRig(t, jpki.Config{Former: true})
	for name, more := range map[string]int{"auth.crl": 1000, "sign.crl": 1000, "auth-g3.crl": 1000, "auth-g2.crl": 0, "auth-g4.crl": 0} {
		short, long := without.lines(name), with.lines(name)
		if len(long) != len(short)+more {
			t.Errorf("%s: %d entries, and %d with former residents, want %d more", name, len(short), len(long), more)
		}
		for serial := range short {
			if _, ok := long[serial]; !ok {
				t.Errorf("%s: an entry is missing among former residents", name)
			}
		}
	}
	residents, err := with.world.People()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range residents {
		_, listed := without.lines("auth.crl")[p.Auth.ID.Serial.Int().String()]
		if _, now := with.lines("auth.crl")[p.Auth.ID.Serial.Int().String()]; now != listed {
			t.Errorf("%s is listed as a former resident", p.Key)
		}
	}
	before := with.lines("auth.crl")
	with.admin("publish", "", http.StatusOK)
	for serial, e := range with.lines("auth.crl") {
		if was := before[serial]; !was.RevocationTime.Equal(e.RevocationTime) || was.ReasonCode != e.ReasonCode {
			t.Errorf("an entry changed from %v to %v with the next list", was.RevocationTime, e.RevocationTime)
		}
	}
}
