// Package config is central's configuration file: TOML, strict, every fault reported at once.
//
// An unknown key or a key given twice is an error. A field that is absent has the default that its comment names. Secrets are
// paths, never values. Reading is all that happens here; nothing is created. Values; safe from any goroutine.
package config

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/pelletier/go-toml/v2"

	"kazashi.example/sync/certid"
)

// DefaultPath is where the file is looked for.
const DefaultPath = "/etc/kazashi/central.toml"

// Example is a file with every key, its default and what it is for. It loads as it stands.
//
//go:embed example.toml
var Example []byte

// ErrConfig says that the file is at fault; the message lists every fault.
var ErrConfig = errors.New("configuration is at fault")

// Duration is a time.Duration written as Go writes it: "24h", "90s".
type Duration time.Duration

// UnmarshalText reads "24h" and the like.
func (d *Duration) UnmarshalText(b []byte) error {
	v, err := time.ParseDuration(string(b))
	*d = Duration(v)
	return err
}

// Config is the whole file.
type Config struct {
	// DataDir holds the database, the lists and the lock. Default /var/lib/kazashi-central.
	DataDir string `toml:"data_dir"`
	// KeysDir holds the key files. Default: "keys" inside DataDir; a disk of its own is better.
	KeysDir string `toml:"keys_dir"`
	Uplink  Uplink `toml:"uplink"`
	HTTP    HTTP   `toml:"http"`
	Backup  Backup `toml:"backup"`
	// JPKI lists the certificate hierarchies that central asks about. At least one.
	JPKI []JPKI `toml:"jpki"`
	// CardCA lists the authorities of the cards' own keys. May be empty: then no card can prove itself without its PIN.
	CardCA    []CardCA  `toml:"card_ca"`
	Renewals  Renewals  `toml:"renewals"`
	Retention Retention `toml:"retention"`
	// Service lists what may be tapped for. At least one.
	Service []Service `toml:"service"`
	// Site lists the sites that differ from the others: every site has all services, and opens its keys by the operator's code.
	Site []Site `toml:"site"`
	// Approval lists legal approvals, which reach boxes in the trust bundle.
	Approval []Approval `toml:"approval"`
}

// Uplink is where boxes come in.
type Uplink struct {
	// Listen is host:port. Default ":7441".
	Listen string `toml:"listen"`
	// Connections is how many may be open at once in all. Default 4096, at least 1.
	Connections int `toml:"connections"`
	// ConnectionsPerAddress is how many of them may come from one IPv4 address or IPv6 /64. A box has at most four; boxes behind
	// one proxy share an address. Default 64, at least 1.
	ConnectionsPerAddress int `toml:"connections_per_address"`
}

// HTTP is the operator's side: health, metrics, status.
type HTTP struct {
	// Listen is host:port on a loopback address. Default "127.0.0.1:7442".
	Listen string `toml:"listen"`
}

// Backup says where named backups go. A record is safe only once it is in one, so a backup disk of its own is what makes
// "safe" worth its name.
type Backup struct {
	// Dir is the folder. Default: "backups" inside DataDir.
	Dir string `toml:"dir"`
	// Every is the pause between automatic backups when there is something new; "0s" turns them off. Default "1m".
	Every *Duration `toml:"every"`
	// Keep is how many automatic backups stay. Default 3, at least 1.
	Keep int `toml:"keep"`
}

// JPKI is one certificate hierarchy.
type JPKI struct {
	// Hierarchy is "production", "test" or "practice".
	Hierarchy string `toml:"hierarchy"`
	// AuthAnchors are files (DER or PEM) of the authentication CA, every generation.
	AuthAnchors []string `toml:"auth_anchors"`
	// SignAnchors are files (DER or PEM) of the signature CA. May be empty.
	SignAnchors []string `toml:"sign_anchors"`
	// OCSP is the responder's URL. Empty: lists only.
	OCSP string `toml:"ocsp"`
	// AuthCRL is the URL of the authentication CA's list. Empty only where there is AuthPartitions.
	AuthCRL string `toml:"auth_crl"`
	// AuthPartitions is a file with the URLs of the partitions of the authentication CA's list, one a line, for where there is no
	// whole list; blank lines and those that begin with # count for nothing. A set is made only of all of them. Empty: AuthCRL.
	AuthPartitions string `toml:"auth_partitions"`
	// SignCRL is the URL of the signature CA's list. Empty: boxes get none.
	SignCRL string `toml:"sign_crl"`
	// ListEvery is the pause between two looks at the list. Default "15m".
	ListEvery *Duration `toml:"list_every"`
}

// CardCA is an issuer key of card-verifiable certificates, which has no certificate of its own. Boxes get it in the trust bundle.
type CardCA struct {
	// Hierarchy is "production", "test" or "practice"; there must be a [[jpki]] of it.
	Hierarchy string `toml:"hierarchy"`
	// ID is the issuer's key id as it stands in a card's certificate: 32 hex digits.
	ID string `toml:"id"`
	// Key is a file of its public key: PEM, "PUBLIC KEY" (SubjectPublicKeyInfo), RSA of 2048 bits or on P-384.
	Key string `toml:"key"`
}

// Renewals is where central learns which certificate took another's place.
type Renewals struct {
	// URL answers which serial number took another's place; https, or http on a loopback address, because the answer is not
	// signed. Empty: nobody is asked, and a renewed certificate needs the PIN and makes a new person.
	URL string `toml:"url"`
	// Every is the pause between two questions. Default "24h", at least "1s". The first is asked at the start.
	Every *Duration `toml:"every"`
	// Hierarchy is whose certificates the answer is about. Default: that of [[jpki]] if there is one alone.
	Hierarchy string `toml:"hierarchy"`
}

// Retention is when central erases what services keep no longer: see Service.KeepRecords and KeepAttributes.
type Retention struct {
	// Every is the pause between two rounds. Default "24h", at least "1m". The first is done at the start.
	Every *Duration `toml:"every"`
}

// Service is one rule, and how its people are named.
type Service struct {
	// ID names the service, for example "kiyose.library".
	ID string `toml:"id"`
	// Verifier is who verifies under the law, for example "kiyose".
	Verifier string `toml:"verifier"`
	// Sector is within whose walls a PPID is the same (OpenID Connect Core §8.1), of the same letters as an ID. It must never
	// change once PPIDs were given out. Default: the service's ID.
	Sector string `toml:"sector"`
	// Basis is "art38-4", "pin", "disaster_intake" or "drill".
	Basis string `toml:"basis"`
	// Evidence is the least that serves: "certificate", "card-bound", "card" or "pin".
	Evidence string `toml:"evidence"`
	// Supervised says that a person of the verifier watches the reader.
	Supervised bool `toml:"supervised"`
	// ListFull is how old a list may be and count fully. Default "36h".
	ListFull *Duration `toml:"list_full"`
	// ListProvisional is how old a list may be and count provisionally. Default "504h" (three weeks).
	ListProvisional *Duration `toml:"list_provisional"`
	// TooOld is "refuse" or "record". Default "refuse".
	TooOld string `toml:"too_old"`
	// Hierarchies are whose cards are taken. Default ["production"].
	Hierarchies []string `toml:"hierarchies"`
	// Practice marks a service whose taps mean nothing. Default false.
	Practice bool `toml:"practice"`
	// SecondUse is what to do when the same person uses the service again within SecondWithin: "counts" (nothing), "tell" or "refuse".
	// Default "counts".
	SecondUse string `toml:"second_use"`
	// SecondWithin is that time; needed for "tell" and "refuse".
	SecondWithin *Duration `toml:"second_within"`
	// Attributes are what may be read of the card on consent: "name", "address", "birth_date", "sex". Default: nothing.
	Attributes []string `toml:"attributes"`
	// ConsentJA and ConsentEN are what a person agrees to before that; needed with Attributes.
	ConsentJA string `toml:"consent_ja"`
	ConsentEN string `toml:"consent_en"`
	// KeepRecords is for how many days records are kept at central, from the tap. Default 0: until the contract's end.
	KeepRecords uint32 `toml:"keep_records"`
	// KeepBook is for how many days a box keeps what its site book says. Default 0: until the site is closed.
	KeepBook uint32 `toml:"keep_book"`
	// KeepAttributes is for how many days attributes are kept at central. Default 0: as long as their record.
	KeepAttributes uint32 `toml:"keep_attributes"`
	// SignIn says that a named member of staff must be signed in at the desk. Default false.
	SignIn bool `toml:"sign_in"`
}

// Site is what differs at one site.
type Site struct {
	// ID is the site's, for example "branch-1".
	ID string `toml:"id"`
	// Services are the ids of those that the site has. Default: all.
	Services []string `toml:"services"`
	// Unlock is by what its boxes may open their site keys after a restart: "code" (the operator's), "tpm" (the TPM alone) or "file" (a file
	// alone). Default "code"; with the others a stolen box opens by itself.
	Unlock string `toml:"unlock"`
}

// Approval lets a verifier's rules take evidence card-bound under art38-4.
type Approval struct {
	// Verifier is whose approval it is; some service must be of it.
	Verifier string `toml:"verifier"`
	// Reference says who approved, and under which number; for people.
	Reference string `toml:"reference"`
	// Until is the last day on which it holds, in Japan: "2027-03-31". Default: until it is taken out of this file.
	Until string `toml:"until"`
}

// Load reads, completes and validates a file. ErrConfig with every fault, or the error of reading it.
func Load(path string) (Config, error) { return LoadAt(path, "") }

// LoadAt is Load with another data directory, unless dataDir is empty. Keys and backups come along unless the file places
// them.
func LoadAt(path, dataDir string) (Config, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return Config{}, fmt.Errorf("reading the configuration: %w", err)
	}
	if dataDir != "" { // typed by a person, who means it from where they stand
		if dataDir, err = filepath.Abs(dataDir); err != nil {
			return Config{}, fmt.Errorf("finding the data directory: %w", err)
		}
	}
	return parse(b, dataDir)
}

// Parse is Load for the text itself.
func Parse(b []byte) (Config, error) { return parse(b, "") }

func parse(b []byte, dataDir string) (Config, error) {
	c := Config{Uplink: Uplink{Connections: 4096, ConnectionsPerAddress: 64}, Backup: Backup{Keep: 3}}
	d := toml.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&c); err != nil {
		return Config{}, fmt.Errorf("%w: %s", ErrConfig, explain(err))
	}
	c.DataDir = or(dataDir, c.DataDir)
	c.complete()
	if err := c.Validate(); err != nil {
		return Config{}, fmt.Errorf("%w:\n%w", ErrConfig, err)
	}
	return c, nil
}

// explain turns the library's report into one that names the line.
func explain(err error) string {
	var strict *toml.StrictMissingError
	if errors.As(err, &strict) {
		return "unknown key\n" + strict.String()
	}
	var at *toml.DecodeError
	if errors.As(err, &at) {
		return "\n" + at.String()
	}
	return err.Error()
}

func (c *Config) complete() {
	c.DataDir = or(c.DataDir, "/var/lib/kazashi-central")
	c.KeysDir = or(c.KeysDir, filepath.Join(c.DataDir, "keys"))
	c.Uplink.Listen = or(c.Uplink.Listen, ":7441")
	c.HTTP.Listen = or(c.HTTP.Listen, "127.0.0.1:7442")
	c.Backup.Dir = or(c.Backup.Dir, filepath.Join(c.DataDir, "backups"))
	c.Backup.Every = orDuration(c.Backup.Every, time.Minute)
	for i := range c.JPKI {
		c.JPKI[i].ListEvery = orDuration(c.JPKI[i].ListEvery, 15*time.Minute)
	}
	c.Renewals.Every = orDuration(c.Renewals.Every, 24*time.Hour)
	c.Retention.Every = orDuration(c.Retention.Every, 24*time.Hour)
	if len(c.JPKI) == 1 {
		c.Renewals.Hierarchy = or(c.Renewals.Hierarchy, c.JPKI[0].Hierarchy)
	}
	for i := range c.Service {
		s := &c.Service[i]
		s.Sector = or(s.Sector, s.ID)
		s.TooOld = or(s.TooOld, "refuse")
		s.SecondUse = or(s.SecondUse, "counts")
		s.SecondWithin = orDuration(s.SecondWithin, 0)
		s.ListFull = orDuration(s.ListFull, 36*time.Hour)
		s.ListProvisional = orDuration(s.ListProvisional, 21*24*time.Hour)
		if len(s.Hierarchies) == 0 {
			s.Hierarchies = []string{certid.HierarchyProduction.String()}
		}
	}
	for i := range c.Site {
		c.Site[i].Unlock = or(c.Site[i].Unlock, "code")
	}
}

func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

func orDuration(d *Duration, otherwise time.Duration) *Duration {
	if d == nil {
		v := Duration(otherwise)
		return &v
	}
	return d
}
