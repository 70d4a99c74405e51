// Package config is the box's configuration file: TOML, strict, every fault reported at once.
//
// An unknown key, a key given twice or anything after the end is an error. A field that is absent has the default that its
// comment names. What central decides (rules, trust, lists) is not here. Reading is all that happens; nothing is created.
package config

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"

	"github.com/pelletier/go-toml/v2"

	"kazashi.example/sync/record"
)

// DefaultPath is where the file is looked for.
const DefaultPath = "/etc/kazashi/kazashi.toml"

// ErrConfig says that the file is at fault; the message lists every fault.
var ErrConfig = errors.New("configuration is at fault")

// Config is the whole file.
type Config struct {
	// DataDir holds identity, journal, lists and the local socket. Default /var/lib/kazashi.
	DataDir string `toml:"data_dir"`
	// Desk names where this reader stands, for example "counter-1". Required.
	Desk string `toml:"desk"`
	// Service is what people tap for here, for example "kiyose.library". Required; central must have a rule for it.
	Service string  `toml:"service"`
	Central Central `toml:"central"`
	Counter Counter `toml:"counter"`
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
	// Hosts are further names by which the page may be asked for. Default: none.
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
	c := Config{DataDir: "/var/lib/kazashi", Counter: Counter{Listen: "127.0.0.1:7440"}}
	d := toml.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&c); err != nil {
		var strict *toml.StrictMissingError
		var at *toml.DecodeError
		switch {
		case errors.As(err, &strict):
			return Config{}, fmt.Errorf("%w: unknown key\n%s", ErrConfig, strict.String())
		case errors.As(err, &at):
			return Config{}, fmt.Errorf("%w:\n%s", ErrConfig, at.String())
		default:
			return Config{}, fmt.Errorf("%w: %w", ErrConfig, err)
		}
	}
	if err := c.Validate(); err != nil {
		return Config{}, fmt.Errorf("%w:\n%w", ErrConfig, err)
	}
	return c, nil
}

// Validate reports all faults at once.
func (c Config) Validate() error {
	var faults []error
	fault := func(format string, a ...any) { faults = append(faults, fmt.Errorf(format, a...)) }
	if !filepath.IsAbs(c.DataDir) {
		fault("data_dir: %q is not an absolute path", c.DataDir)
	}
	if err := record.CheckName(record.DeskID(c.Desk)); err != nil {
		fault("desk: %w", err)
	}
	if err := record.CheckName(record.ServiceID(c.Service)); err != nil {
		fault("service: %w", err)
	}
	if host, _, err := net.SplitHostPort(c.Central.Address); err != nil || host == "" {
		fault("central.address: %q is not host:port", c.Central.Address)
	}
	if _, err := c.ProxyURL(); err != nil {
		faults = append(faults, err)
	}
	if host, _, err := net.SplitHostPort(c.Counter.Listen); err != nil {
		fault("counter.listen: %w", err)
	} else if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		fault("counter.listen: %q is not a loopback address; nothing of a box listens to the network", c.Counter.Listen)
	}
	return errors.Join(faults...)
}

// ProxyURL is Central.Proxy parsed; nil for none.
func (c Config) ProxyURL() (*url.URL, error) {
	if c.Central.Proxy == "" {
		return nil, nil //nolint:nilnil // no proxy is no fault
	}
	u, err := url.Parse(c.Central.Proxy)
	if err != nil || u.Scheme != "http" || u.Host == "" {
		return nil, fmt.Errorf("central.proxy: %q is not http://host:port", c.Central.Proxy)
	}
	return u, nil
}

// Socket is where the CLI reaches the daemon.
func (c Config) Socket() string { return filepath.Join(c.DataDir, "kazashi.sock") }
