package stage

import (
	"bytes"
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/pelletier/go-toml/v2"
)

// Central is what the lab decides of central's configuration; the rest stays at central's own defaults. Paths are absolute.
type Central struct {
	DataDir     string
	Uplink      string   // host:port where boxes come in
	HTTP        string   // host:port of the operator's side
	AuthAnchors []string // files of the practice authentication CA
	SignAnchors []string
	JPKI        string // base URL of the practice JPKI
	Verifier    string
	Services    []string // practice services of that verifier, by id
	Evidence    string   // the least that they take; empty: certificate
	CardCAs     []CardCA // authorities of the practice cards' own keys

	RenewalsEvery time.Duration // between two questions about renewals; zero asks nobody

	ListEvery   time.Duration // between two looks at the list
	BackupEvery time.Duration // between automatic backups: what makes records safe
}

// CardCA is an authority of cards' own keys.
type CardCA struct {
	ID  string // as it stands in the cards' certificates, hex
	Key string // file of its public key, PEM
}

// Box is what the lab decides of a box's configuration.
type Box struct {
	DataDir string
	Desk    string
	Service string
	Central string // host:port of the line to central
	Counter string // host:port of the counter page
	Sticks  string // folder of what stands for USB sticks; empty: none
}

// What people in the practice world agree to when they enrol and have their attributes read.
const (
	consentJA = "練習のため、カードから氏名・住所・生年月日・性別を読み取り、練習用のセンターに送ります。そこで30日間保存し、その後は消します。登録するのは架空の人だけです。"
	consentEN = "For practice, name, address, birth date and sex are read from the card and sent to the practice central, which erases them after 30 days. Made-up people alone register here."
)

// For how many days the practice world keeps what a tap leaves: a school year, a term, a month.
const (
	keepRecords    = 365
	keepBook       = 120
	keepAttributes = 30
)

// TOML renders the file. A practice service takes practice cards alone and rests on the basis drill.
func (c Central) TOML() []byte {
	type service struct {
		ID          string   `toml:"id"`
		Verifier    string   `toml:"verifier"`
		Basis       string   `toml:"basis"`
		Evidence    string   `toml:"evidence"`
		Supervised  bool     `toml:"supervised"`
		Hierarchies []string `toml:"hierarchies"`
		Practice    bool     `toml:"practice"`
		Attributes  []string `toml:"attributes"`
		ConsentJA   string   `toml:"consent_ja"`
		ConsentEN   string   `toml:"consent_en"`
		KeepRecords int      `toml:"keep_records"`
		KeepBook    int      `toml:"keep_book"`
		KeepFour    int      `toml:"keep_attributes"`
	}
	services := make([]service, 0, len(c.Services))
	for _, id := range c.Services {
		services = append(services, service{
			ID: id, Verifier: c.Verifier, Basis: "drill", Evidence: cmp.Or(c.Evidence, "certificate"), Supervised: true,
			Hierarchies: []string{"practice"}, Practice: true,
			Attributes: []string{"name", "address", "birth_date", "sex"}, ConsentJA: consentJA, ConsentEN: consentEN,
			KeepRecords: keepRecords, KeepBook: keepBook, KeepFour: keepAttributes,
		})
	}
	authorities := make([]map[string]any, 0, len(c.CardCAs))
	for _, a := range c.CardCAs {
		authorities = append(authorities, map[string]any{"hierarchy": "practice", "id": a.ID, "key": a.Key})
	}
	renewals := map[string]any{}
	if c.RenewalsEvery > 0 {
		renewals["url"], renewals["every"], renewals["hierarchy"] = c.JPKI+"/renewals", c.RenewalsEvery.String(), "practice"
	}
	return render(map[string]any{
		"data_dir": c.DataDir,
		"uplink":   map[string]any{"listen": c.Uplink},
		"http":     map[string]any{"listen": c.HTTP},
		"backup":   map[string]any{"every": c.BackupEvery.String()},
		"jpki": []map[string]any{{
			"hierarchy": "practice", "auth_anchors": c.AuthAnchors, "sign_anchors": c.SignAnchors,
			"ocsp": c.JPKI + "/ocsp", "auth_crl": c.JPKI + "/crl/auth.crl", "list_every": c.ListEvery.String(),
		}},
		"service": services, "card_ca": authorities, "renewals": renewals,
	})
}

// TOML renders the file.
func (b Box) TOML() []byte {
	all := map[string]any{
		"data_dir": b.DataDir,
		"desk":     b.Desk,
		"service":  b.Service,
		// A practice box leaves the machine's own TPM alone, and minds no swap: its people are made up.
		"tpm":        "none",
		"allow_swap": true,
		"central":    map[string]any{"address": b.Central},
		"counter":    map[string]any{"listen": b.Counter},
	}
	if b.Sticks != "" {
		all["courier"] = map[string]any{"sticks": b.Sticks}
	}
	return render(all)
}

// WriteConfig puts a rendered file at path whole or not at all, readable by its owner alone.
func WriteConfig(path string, text []byte) error {
	tmp := path + ".new"
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("making the folder of a configuration: %w", err)
	}
	if err := os.WriteFile(tmp, text, 0o600); err != nil {
		return fmt.Errorf("writing a configuration: %w", err)
	}
	if err := os.Rename(tmp, path); err != nil {
		return fmt.Errorf("putting a configuration in place: %w", err)
	}
	return nil
}

// render writes strings, numbers, lists and tables: what these cannot be encoded is no input but our own fault.
func render(v any) []byte {
	var b bytes.Buffer
	b.WriteString("# Written by kazashi-lab at each start; changes are lost.\n")
	if err := toml.NewEncoder(&b).Encode(v); err != nil {
		panic(fmt.Sprintf("rendering a configuration: %v", err))
	}
	return b.Bytes()
}
