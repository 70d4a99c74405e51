package config

import (
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"kazashi.example/sync/certid"
)

// maxDuration is the longest time that a rule can say: its seconds travel as 32 bits.
const maxDuration = 10 * 365 * 24 * time.Hour

// cardIssuerLen is the length of a key id in a card-verifiable certificate (trust.CardCA), in octets.
const cardIssuerLen = 16

// cardIssuerDigit begins the number of an authority of each hierarchy: a box takes no other (soltia48/myna-card certs/README.md; the
// practice world's own mark).
var cardIssuerDigit = map[string]byte{"production": '5', "test": '6', "practice": '9'}

// faults collects what is wrong, each under the key at fault.
type faults []error

func (f *faults) add(format string, a ...any) { *f = append(*f, fmt.Errorf(format, a...)) }

// under puts a table's name before each of its faults.
func (f *faults) under(table string, of faults) {
	for _, err := range of {
		f.add("%s%w", table, err)
	}
}

// Validate reports all faults at once.
func (c Config) Validate() error {
	var f faults
	for _, p := range []struct{ key, path string }{{"data_dir", c.DataDir}, {"keys_dir", c.KeysDir}, {"backup.dir", c.Backup.Dir}} {
		if !filepath.IsAbs(p.path) {
			f.add("%s: %q is not an absolute path", p.key, p.path)
		}
	}
	if _, err := hostOf(c.Uplink.Listen); err != nil {
		f.add("uplink.listen: %q is not host:port", c.Uplink.Listen)
	}
	if c.Uplink.Connections < 1 {
		f.add("uplink.connections: %d is less than 1", c.Uplink.Connections)
	}
	if c.Uplink.ConnectionsPerAddress < 1 {
		f.add("uplink.connections_per_address: %d is less than 1", c.Uplink.ConnectionsPerAddress)
	}
	if host, err := hostOf(c.HTTP.Listen); err != nil {
		f.add("http.listen: %q is not host:port", c.HTTP.Listen)
	} else if !loopback(host) {
		f.add("http.listen: %q is not a loopback address", c.HTTP.Listen)
	}
	if c.Backup.Keep < 1 {
		f.add("backup.keep: %d is less than 1", c.Backup.Keep)
	}
	if time.Duration(*c.Backup.Every) < 0 {
		f.add("backup.every: %s is before now", time.Duration(*c.Backup.Every))
	}
	if d := time.Duration(*c.Retention.Every); d < time.Minute {
		f.add("retention.every: %s is less than 1m", d)
	}
	known := c.hierarchies(&f)
	c.cardCAs(&f, known)
	f.under("renewals.", c.Renewals.validate(known))
	c.services(&f, known)
	c.sites(&f)
	c.approvals(&f)
	return errors.Join(f...)
}

// hierarchies looks through the tables [[jpki]] and returns the hierarchies that they make known.
func (c Config) hierarchies(f *faults) map[string]bool {
	known := map[string]bool{}
	if len(c.JPKI) == 0 {
		f.add("jpki: at least one hierarchy")
	}
	for i, j := range c.JPKI {
		table := fmt.Sprintf("jpki[%d].", i)
		f.under(table, j.validate())
		if known[j.Hierarchy] {
			f.add("%shierarchy: %q stands twice", table, j.Hierarchy)
		}
		known[j.Hierarchy] = true
	}
	return known
}

func (j JPKI) validate() (f faults) {
	if _, err := certid.ParseHierarchy(j.Hierarchy); err != nil {
		f.add("hierarchy: %w", err)
	}
	if len(j.AuthAnchors) == 0 {
		f.add("auth_anchors: at least one file")
	}
	for _, a := range []struct{ key, url string }{{"ocsp", j.OCSP}, {"auth_crl", j.AuthCRL}, {"sign_crl", j.SignCRL}} {
		if a.url != "" && !reachable(a.url) {
			f.add("%s: not an HTTP address without a name or password", a.key) // what stands there may hold one
		}
	}
	switch {
	case j.AuthCRL == "" && j.AuthPartitions == "":
		f.add("auth_crl: boxes cannot check a tap off-line without a list")
	case j.AuthCRL != "" && j.AuthPartitions != "":
		f.add("auth_partitions: beside auth_crl; the list comes whole or in partitions")
	case j.AuthPartitions != "" && !filepath.IsAbs(j.AuthPartitions):
		f.add("auth_partitions: %q is not an absolute path", j.AuthPartitions)
	}
	if j.SignCRL != "" && len(j.SignAnchors) == 0 {
		f.add("sign_crl: without sign_anchors nobody can tell whose list it is")
	}
	if d := time.Duration(*j.ListEvery); d < time.Second {
		f.add("list_every: %s is less than 1s", d)
	}
	return f
}

// reachable reports whether s is an HTTP address without a name or password.
func reachable(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Hostname() != "" && u.User == nil
}

// cardCAs looks through the tables [[card_ca]].
func (c Config) cardCAs(f *faults, known map[string]bool) {
	seen := map[[2]string]bool{}
	for i, a := range c.CardCA {
		table := fmt.Sprintf("card_ca[%d].", i)
		if !known[a.Hierarchy] {
			f.add("%shierarchy: there is no [[jpki]] of hierarchy %q", table, a.Hierarchy)
		}
		if id, err := hex.DecodeString(a.ID); err != nil || len(id) != cardIssuerLen {
			f.add("%sid: %q is not 32 hex digits", table, a.ID)
		} else if d := cardIssuerDigit[a.Hierarchy]; d != 0 && id[0] != d {
			f.add("%sid: numbers of %s begin with %c", table, a.Hierarchy, d)
		}
		if a.Key == "" {
			f.add("%skey: a file", table)
		}
		if at := [2]string{a.Hierarchy, strings.ToLower(a.ID)}; seen[at] {
			f.add("%sid: %q stands twice", table, a.ID)
		} else {
			seen[at] = true
		}
	}
}

func (r Renewals) validate(known map[string]bool) (f faults) {
	if d := time.Duration(*r.Every); d < time.Second {
		f.add("every: %s is less than 1s", d)
	}
	if r.URL == "" {
		return f
	}
	u, err := url.Parse(r.URL)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil || u.Fragment != "":
		f.add("url: not an HTTP address without a name or password") // what stands there may hold one
	case u.Scheme == "http" && !loopback(u.Hostname()):
		f.add("url: http is for loopback addresses only, because nobody signs the answer; elsewhere use https")
	}
	if !known[r.Hierarchy] {
		f.add("hierarchy: there is no [[jpki]] of hierarchy %q", r.Hierarchy)
	}
	return f
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// hostOf splits host:port with a port from 0, which takes a free one, to 65535.
func hostOf(s string) (host string, err error) {
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		return "", err
	}
	_, err = strconv.ParseUint(port, 10, 16)
	return host, err
}
