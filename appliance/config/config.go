// Package config is the box's configuration file: TOML, strict, every fault reported at once.
//
// An unknown key or a key given twice is an error. A field that is absent has the default that its comment names. What central
// decides (rules, trust, lists) is not here, and no secret is. Reading is all that happens; nothing is created. Values; safe
// from any goroutine.
package config

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"kazashi.example/appliance/vault/tpm"
	"kazashi.example/sync/record"
)

// DefaultPath is where the file is looked for.
const DefaultPath = "/etc/kazashi/kazashi.toml"

// maxSocket is the longest path of a unix socket (struct sockaddr_un, unix(7): 108 octets with the final zero).
const maxSocket = 107

// Example is a file with every key, its default and what it is for. It loads as it stands.
//
//go:embed example.toml
var Example []byte

// ErrConfig says that the file is at fault; the message lists every fault.
var ErrConfig = errors.New("configuration is at fault")

// Config is the whole file.
type Config struct {
	// DataDir holds identity, journal, lists and the local socket. Default /var/lib/kazashi.
	DataDir string `toml:"data_dir"`
	// Desk names where this reader stands, for example "counter-1". Required.
	Desk string `toml:"desk"`
	// Service is what people tap for here, for example "kiyose.library". Required; central must have a rule for it.
	Service string `toml:"service"`
	// TPM is where the box's keys are kept: "auto" is /dev/tpmrm0 if there is one, else a file; "none", "device:PATH" and "unix:PATH" choose.
	// Default "auto".
	TPM string `toml:"tpm"`
	// AllowSwap lets the site's keys be opened though the machine may write memory to an unencrypted disk. Default false.
	AllowSwap bool    `toml:"allow_swap"`
	Central   Central `toml:"central"`
	Counter   Counter `toml:"counter"`
	Courier   Courier `toml:"courier"`
}

// Courier is the way by USB stick.
type Courier struct {
	// Sticks is the folder in which sticks are mounted, one in each folder of it, for example "/media". What is there can be chosen at the
	// counter's page. Default: none, and the page offers no sticks.
	Sticks string `toml:"sticks"`
}

// Central is the way to central.
type Central struct {
	// Address is host:port of central's uplink. Required.
	Address string `toml:"address"`
	// Proxy is an HTTP proxy that the box goes through, for example "http://proxy.lan:8080". Default: none.
	Proxy string `toml:"proxy"`
}

// Counter is the counter's page and API.
type Counter struct {
	// Listen is host:port on a loopback address. Default "127.0.0.1:7440".
	Listen string `toml:"listen"`
	// Hosts are further names, with or without a port, by which the page may be asked for. Default: none.
	Hosts []string `toml:"hosts"`
}

// Load reads, completes and validates a file. ErrConfig with every fault, or the error of reading it.
func Load(path string) (Config, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return Config{}, fmt.Errorf("reading the configuration: %w", err)
	}
	return Parse(b)
}

// Parse is Load for the text itself.
func Parse(b []byte) (Config, error) {
	c := Config{DataDir: "/var/lib/kazashi", TPM: tpm.Auto, Counter: Counter{Listen: "127.0.0.1:7440"}}
	d := toml.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&c); err != nil {
		return Config{}, fmt.Errorf("%w: %s", ErrConfig, explain(err))
	}
	if err := c.Validate(); err != nil {
		return Config{}, fmt.Errorf("%w:\n%w", ErrConfig, err)
	}
	return c, nil
}

// explain turns the library's report into one that shows the line.
func explain(err error) string {
	var strict *toml.StrictMissingError
	var at *toml.DecodeError
	switch {
	case errors.As(err, &strict):
		return "unknown key\n" + strict.String()
	case errors.As(err, &at):
		return "\n" + at.String()
	default:
		return err.Error()
	}
}

// Validate reports all faults at once.
func (c Config) Validate() error {
	var faults []error
	fault := func(format string, a ...any) { faults = append(faults, fmt.Errorf(format, a...)) }
	if !filepath.IsAbs(c.DataDir) {
		fault("data_dir: %q is not an absolute path", c.DataDir)
	} else if n := len(c.Socket()); n > maxSocket {
		fault("data_dir: %q is too long: the socket in it may have %d octets, and would have %d", c.DataDir, maxSocket, n)
	}
	if err := record.CheckName(record.DeskID(c.Desk)); err != nil {
		fault("desk: %w", err)
	}
	if err := record.CheckName(record.ServiceID(c.Service)); err != nil {
		fault("service: %w", err)
	}
	if err := tpm.Valid(c.TPM); err != nil {
		fault("tpm: %w", err)
	}
	if host, err := hostOf(c.Central.Address, 1); err != nil || host == "" {
		fault("central.address: %q is not host:port", c.Central.Address)
	}
	if _, err := c.ProxyURL(); err != nil {
		faults = append(faults, err)
	}
	if err := c.Courier.validate(c.DataDir); err != nil {
		faults = append(faults, err)
	}
	return errors.Join(append(faults, c.Counter.validate()...)...)
}

// validate wants a folder that has nothing to do with the data directory, so that no page comes near what is in there.
func (c Courier) validate(dataDir string) error {
	switch {
	case c.Sticks == "":
		return nil
	case !filepath.IsAbs(c.Sticks):
		return fmt.Errorf("courier.sticks: %q is not an absolute path", c.Sticks)
	case within(c.Sticks, dataDir) || within(dataDir, c.Sticks):
		return fmt.Errorf("courier.sticks: %q and the data directory lie in one another", c.Sticks)
	default:
		return nil
	}
}

// within reports whether path is folder or lies below it; both are absolute.
func within(path, folder string) bool {
	rel, err := filepath.Rel(folder, path)
	return err == nil && rel != ".." && !strings.HasPrefix(rel, "../")
}

func (c Counter) validate() (faults []error) {
	host, err := hostOf(c.Listen, 0)
	if err != nil {
		faults = append(faults, fmt.Errorf("counter.listen: %q is not host:port", c.Listen))
	} else if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		faults = append(faults, fmt.Errorf("counter.listen: %q is not a loopback address; nothing of a box listens to the network", c.Listen))
	}
	for _, h := range c.Hosts {
		if h == "" || strings.ContainsAny(h, "/@ \t") {
			faults = append(faults, fmt.Errorf("counter.hosts: %q is not a name by which a page is asked for", h))
		}
	}
	return faults
}

// hostOf splits host:port with a port from least to 65535.
func hostOf(s string, least uint64) (host string, err error) {
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		return "", err
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err == nil && n < least {
		err = strconv.ErrRange
	}
	return host, err
}

// ProxyURL is Central.Proxy parsed; nil for none.
func (c Config) ProxyURL() (*url.URL, error) {
	if c.Central.Proxy == "" {
		return nil, nil //nolint:nilnil // no proxy is no fault
	}
	u, err := url.Parse(c.Central.Proxy)
	switch {
	case err != nil || u.Scheme != "http" || u.Hostname() == "" || u.Path != "" && u.Path != "/" || u.RawQuery != "":
		return nil, errors.New("central.proxy: not http://host:port") // what stands there may hold a password
	case u.User != nil:
		return nil, errors.New("central.proxy: a name or password does not belong into this file; the proxy must know the box otherwise")
	default:
		return u, nil
	}
}

// Lists is the folder of revocation sets.
func (c Config) Lists() string { return filepath.Join(c.DataDir, "lists") }

// Rosters is the folder of the site's rosters in the data directory.
func (c Config) Rosters() string { return filepath.Join(c.DataDir, "rosters") }

// Socket is where the CLI reaches the daemon.
func (c Config) Socket() string { return filepath.Join(c.DataDir, "kazashi.sock") }
