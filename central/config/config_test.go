package config_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"kazashi.example/central/config"
	"kazashi.example/sync/certid"
	"kazashi.example/sync/record"
	"kazashi.example/sync/rule"
)

// Parts of the least that a file must say.
const (
	jpki = `[[jpki]]
hierarchy = "practice"
auth_anchors = ["/a.cer"]
auth_crl = "http://crl.example/auth.crl"
`
	service = `[[service]]
id = "kiyose.library"
verifier = "kiyose"
basis = "drill"
evidence = "certificate"
practice = true
hierarchies = ["practice"]
`
	least = jpki + service
)

func parse(t testing.TB, text string) config.Config {
	t.Helper()
	c, err := config.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func span(d time.Duration) *config.Duration { return new(config.Duration(d)) }

func TestDefaults(t *testing.T) {
	want := config.Config{
		DataDir: "/var/lib/kazashi-central", KeysDir: "/var/lib/kazashi-central/keys",
		Uplink: config.Uplink{Listen: ":7441", Connections: 4096, ConnectionsPerAddress: 64}, HTTP: config.HTTP{Listen: "127.0.0.1:7442"},
		Backup: config.Backup{Dir: "/var/lib/kazashi-central/backups", Every: span(time.Minute), Keep: 3},
		JPKI: []config.JPKI{{
			Hierarchy: "practice", AuthAnchors: []string{"/a.cer"}, AuthCRL: "http://crl.example/auth.crl", ListEvery: span(15 * time.Minute),
		}},
		Renewals: config.Renewals{Every: span(24 * time.Hour), Hierarchy: "practice"}, Retention: config.Retention{Every: span(24 * time.Hour)},
		Service: []config.Service{{
			ID: "kiyose.library", Verifier: "kiyose", Sector: "kiyose.library", Basis: "drill", Evidence: "certificate", TooOld: "refuse",
			ListFull: span(36 * time.Hour), ListProvisional: span(504 * time.Hour), Hierarchies: []string{"practice"}, Practice: true,
			SecondUse: "counts", SecondWithin: span(0),
		}},
	}
	if got := parse(t, least); !reflect.DeepEqual(got, want) {
		t.Errorf("Parse = %+v, want %+v", got, want)
	}
	rules, err := want.Rules()
	if err != nil || len(rules) != 1 || !reflect.DeepEqual(rules[0], rule.Rule{
		Service: "kiyose.library", Verifier: "kiyose", Basis: record.BasisDrill, Evidence: record.EvidenceCertificate, ListFull: 129600,
		ListProvisional: 1814400, TooOld: rule.TooOldRefuse, Hierarchies: []certid.Hierarchy{certid.HierarchyPractice}, Practice: true,
	}) {
		t.Errorf("Rules = %+v, %v", rules, err)
	}
}

// The example is the reference: it loads as it stands, says the defaults that the code has, and names every key.
func TestTheExampleIsTrue(t *testing.T) {
	short := parse(t, string(config.Example))
	full := parse(t, regexp.MustCompile(`(?m)^# (\w+ = )`).ReplaceAllString(string(config.Example), "$1"))
	full.JPKI[0].SignAnchors, full.Service[0].Attributes = nil, nil // [] in the example
	if !reflect.DeepEqual(short, full) {
		t.Errorf("the example's defaults are %+v\nwant %+v", full, short)
	}
	for _, key := range keysOf(reflect.TypeFor[config.Config]()) {
		if !regexp.MustCompile(`(?m)^(# )?` + key + ` = `).Match(config.Example) {
			t.Errorf("the example does not show %q", key)
		}
	}
}

// keysOf lists the keys of a file, tables left out.
func keysOf(t reflect.Type) (keys []string) {
	for f := range t.Fields() {
		inner := f.Type
		if inner.Kind() == reflect.Slice {
			inner = inner.Elem()
		}
		if inner.Kind() == reflect.Struct {
			keys = append(keys, keysOf(inner)...)
			continue
		}
		keys = append(keys, f.Tag.Get("toml"))
	}
	return keys
}

func TestEveryFaultIsListedAtOnce(t *testing.T) {
	_, err := config.Parse([]byte(`data_dir = "here"
keys_dir = "there"
uplink = { listen = "7441", connections = 0, connections_per_address = -1 }
http = { listen = "0.0.0.0:7442" }
backup = { dir = "backups", every = "-1s", keep = 0 }
[[jpki]]
hierarchy = "national"
ocsp = "ldap://x"
sign_crl = "file:///x"
list_every = "0s"
[[jpki]]
hierarchy = "practice"
auth_anchors = ["/a.cer"]
auth_crl = "/a.crl"
[[card_ca]]
hierarchy = "test"
id = "12"
[[card_ca]]
hierarchy = "practice"
id = "35303030303233080530303100000000"
key = "/a.pem"
[[card_ca]]
hierarchy = "practice"
id = "35303030303233080530303100000000"
key = "/a.pem"
[renewals]
url = "http://renewals.example/"
every = "0s"
hierarchy = "test"
[retention]
every = "59s"
[[service]]
id = "Kiyose"
verifier = ""
sector = "two words"
basis = "because"
evidence = "face"
too_old = "maybe"
list_full = "-1h"
list_provisional = "1500ms"
hierarchies = ["practice", "lunar"]
`))
	if !errors.Is(err, config.ErrConfig) {
		t.Fatalf("Parse = %v, want ErrConfig", err)
	}
	for _, key := range []string{
		"data_dir:", "keys_dir:", "uplink.listen:", "uplink.connections:", "uplink.connections_per_address:", "http.listen:", "backup.dir:", "backup.every:", "backup.keep:",
		"jpki[0].hierarchy:", "jpki[0].auth_anchors:", "jpki[0].ocsp:", "jpki[0].auth_crl:", "jpki[0].sign_crl: not", "jpki[0].sign_crl: without", "jpki[0].list_every:", "jpki[1].auth_crl:",
		"card_ca[0].hierarchy:", "card_ca[0].id:", "card_ca[0].key:", "card_ca[1].id: numbers of practice", "card_ca[2].id: \"3530",
		"renewals.url: http is for loopback", "renewals.every:", "renewals.hierarchy:", "retention.every:",
		"service[0].basis:", "service[0].evidence:", "service[0].too_old:", "service[0].list_full:", "service[0].list_provisional:",
		"service[0].sector:", "service[0].hierarchies: unknown", "service[0].hierarchies: there is no [[jpki]]",
	} {
		if !strings.Contains(err.Error(), "\n"+key) {
			t.Errorf("Parse = %v\nwant a line on %s", err, key)
		}
	}
}

func TestOneFaultEach(t *testing.T) {
	replace := func(old, by string) string { return strings.Replace(least, old, by, 1) }
	for _, try := range []struct{ text, want string }{
		{"", "jpki: at least one"},
		{jpki, "service: at least one"},
		{service, "jpki: at least one"},
		{least + "colour = 1\n", "12| colour = 1"},
		{least + "id = \"again\"\n", "key id is already defined"},
		{least + "[http]\nlisten = 7\n", "13| listen = 7"},
		{least + "list_full = \"soon\"\n", "12| list_full = \"soon\""},
		{least + "=", "12| ="},
		{least + jpki, "jpki[1].hierarchy: \"practice\" stands twice"},
		{least + service, "service[1].id: \"kiyose.library\" stands twice"},
		{replace("auth_crl", "auth_partitions = \"/p\"\nauth_crl"), "auth_partitions: beside auth_crl"},
		{replace("auth_crl = \"http://crl.example/auth.crl\"", "auth_partitions = \"p\""), "auth_partitions: \"p\" is not an absolute path"},
		{replace("practice = true\n", ""), "practice services have basis drill"},
		{replace(`"drill"`, `"art38-4"`), "service[0]: "},
		{replace(`["practice"]`, "[]"), `there is no [[jpki]] of hierarchy "production"`},
		{replace("http://", "http://name:hunter2@"), "jpki[0].auth_crl:"},
		{least + "list_full = \"999999h\"\nlist_provisional = \"999999h\"\n", "service[0].list_full:"},
		{"[uplink]\nlisten = \":http\"\n" + least, "uplink.listen:"},
		{"[uplink]\nlisten = \":70000\"\n" + least, "uplink.listen:"},
		{"[http]\nlisten = \":7442\"\n" + least, "http.listen:"},
		{"[renewals]\nurl = \"ftp://127.0.0.1/\"\n" + least, "renewals.url: not an HTTP address"},
		{"[renewals]\nurl = \"https://name:hunter2@x/\"\n" + least, "renewals.url: not an HTTP address"},
		{"[renewals]\nurl = \"http://10.0.0.1/\"\n" + least, "renewals.url: http is for loopback"},
		{"[backup]\nkeep = 0\n" + least, "backup.keep: 0"},
	} {
		_, err := config.Parse([]byte(try.text))
		if !errors.Is(err, config.ErrConfig) || !strings.Contains(err.Error(), try.want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("Parse(%q) = %v\nwant ErrConfig with %q", try.text, err, try.want)
		}
	}
}

// What the law asks of a tap without PIN cannot be configured away.
func TestArticle384(t *testing.T) { // design §2.2
	lawful := strings.NewReplacer(`"drill"`, `"art38-4"`, `"certificate"`, `"card"`, "practice = true", "supervised = true", `"practice"`, `"production"`).Replace(least)
	parse(t, lawful)
	for name, text := range map[string]string{
		"less evidence": strings.Replace(lawful, `"card"`, `"certificate"`, 1),
		"card-bound":    strings.Replace(lawful, `"card"`, `"card-bound"`, 1),
		"nobody there":  strings.Replace(lawful, "supervised = true", "supervised = false", 1),
		"an old list":   lawful + "list_full = \"73h\"\n",
	} {
		if _, err := config.Parse([]byte(text)); !errors.Is(err, rule.ErrRule) {
			t.Errorf("Parse(%s) = %v, want ErrRule", name, err)
		}
	}
}

func TestLoadAt(t *testing.T) {
	path := filepath.Join(t.TempDir(), "central.toml")
	if _, err := config.Load(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Load of a missing file = %v, want ErrNotExist", err)
	}
	write := func(text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for _, try := range []struct{ text, dir, data, keys, backups string }{
		{least, "", "/var/lib/kazashi-central", "/var/lib/kazashi-central/keys", "/var/lib/kazashi-central/backups"},
		{least, "/x", "/x", "/x/keys", "/x/backups"},
		{least, "x", here + "/x", here + "/x/keys", here + "/x/backups"},
		{`keys_dir = "/k"` + "\n[backup]\ndir = \"/b\"\n" + least, "/x", "/x", "/k", "/b"},
	} {
		write(try.text)
		c, err := config.LoadAt(path, try.dir)
		if err != nil || c.DataDir != try.data || c.KeysDir != try.keys || c.Backup.Dir != try.backups {
			t.Errorf("LoadAt(%q) = %s, %s, %s, %v, want %s, %s, %s", try.dir, c.DataDir, c.KeysDir, c.Backup.Dir, err, try.data, try.keys, try.backups)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(string(config.Example))
	f.Add(least)
	f.Add("[[service]]\nid = [\n")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := config.Parse([]byte(text))
		if err != nil {
			if !errors.Is(err, config.ErrConfig) {
				t.Errorf("Parse(%q) = %v, want ErrConfig", text, err)
			}
			return
		}
		if rules, err := c.Rules(); err != nil || (rule.Set{Version: rule.Version{CentralEpoch: 1, N: 1}, Site: "any", Rules: rules}).Check() != nil {
			t.Errorf("Parse(%q) took rules that do not load: %v", text, err)
		}
	})
}

func TestPartitions(t *testing.T) {
	path := filepath.Join(t.TempDir(), "partitions")
	for _, try := range []struct{ text, want, fault string }{
		{"# kiyose\nhttp://a.example/1.crl\n\n  https://a.example/2.crl  ", "http://a.example/1.crl https://a.example/2.crl", ""},
		{"", "", "names no partition"},
		{"# none\n", "", "names no partition"},
		{"http://a.example/\nldap://a.example/\n", "", "line 2: not an HTTP address"},
		{"http://me:secret@a.example/\n", "", "line 1: not an HTTP address"},
		{"http://a.example/\nhttp://a.example/\n", "", "line 2: http://a.example/ stands twice"},
	} {
		if err := os.WriteFile(path, []byte(try.text), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := config.JPKI{AuthPartitions: path}.Partitions()
		if strings.Join(got, " ") != try.want || (err == nil) != (try.fault == "") {
			t.Errorf("Partitions(%q) = %q, %v, want %q", try.text, got, err, try.want)
		}
		if err != nil && (!errors.Is(err, config.ErrConfig) || !strings.Contains(err.Error(), try.fault) || strings.Contains(err.Error(), "secret")) {
			t.Errorf("Partitions(%q) = %v, want %s", try.text, err, try.fault)
		}
	}
	if got, err := (config.JPKI{}).Partitions(); got != nil || err != nil {
		t.Errorf("Partitions without a file = %q, %v, want none", got, err)
	}
}
