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

	"kazashi.example/appliance/config"
)

// least is what a file must say.
const least = `desk = "counter-1"
service = "kiyose.library"
[central]
address = "central.example:7441"
`

func TestDefaults(t *testing.T) {
	got, err := config.Parse([]byte(least))
	if err != nil {
		t.Fatal(err)
	}
	want := config.Config{
		DataDir: "/var/lib/kazashi", Desk: "counter-1", Service: "kiyose.library", TPM: "auto",
		Central: config.Central{Address: "central.example:7441"}, Counter: config.Counter{Listen: "127.0.0.1:7440"},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("Parse = %+v, want %+v", got, want)
	}
	if got.Socket() != "/var/lib/kazashi/kazashi.sock" {
		t.Errorf("Socket = %s", got.Socket())
	}
}

// The example is the reference: it loads as it stands, says the defaults that the code has, and names every key.
func TestTheExampleIsTrue(t *testing.T) {
	got, err := config.Parse(config.Example)
	if err != nil {
		t.Fatalf("Parse(example) = %v", err)
	}
	want, err := config.Parse([]byte(least))
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("Parse(example) = %+v, want %+v", got, want)
	}
	full := regexp.MustCompile(`(?m)^# (\w+ = )`).ReplaceAll(config.Example, []byte("$1"))
	if got, err = config.Parse(full); err != nil {
		t.Fatalf("Parse(example with every line in force) = %v", err)
	}
	if got.DataDir != want.DataDir || got.Counter.Listen != want.Counter.Listen {
		t.Errorf("the example's defaults are %q, %q, want %q, %q", got.DataDir, got.Counter.Listen, want.DataDir, want.Counter.Listen)
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
		if f.Type.Kind() == reflect.Struct {
			keys = append(keys, keysOf(f.Type)...)
			continue
		}
		keys = append(keys, f.Tag.Get("toml"))
	}
	return keys
}

func TestEveryFaultIsListedAtOnce(t *testing.T) {
	_, err := config.Parse([]byte(`data_dir = "relative"
desk = "Counter 1"
service = ""
[central]
address = "central.example"
proxy = "https://proxy.lan"
[counter]
listen = "0.0.0.0:7440"
hosts = ["http://a/"]
[courier]
sticks = "media"
`))
	if !errors.Is(err, config.ErrConfig) {
		t.Fatalf("Parse = %v, want ErrConfig", err)
	}
	for _, key := range []string{"data_dir:", "desk:", "service:", "central.address:", "central.proxy:", "counter.listen:", "counter.hosts:", "courier.sticks:"} {
		if !strings.Contains(err.Error(), "\n"+key) {
			t.Errorf("Parse = %v\nwant a line on %s", err, key)
		}
	}
}

func TestOneFaultEach(t *testing.T) {
	long := "/" + strings.Repeat("x", 100)
	for _, try := range []struct{ text, want string }{
		{`desks = "a"` + "\n" + least, "1| desks = \"a\""},
		{least + "port = 1\n", "5| port = 1"},
		{`desk = "a"` + "\n" + least, "key desk is already defined"},
		{least + "[central]\n", "table central already exists"},
		{least + "=", "5| ="},
		{`desk = 7`, "1| desk = 7"},
		{`data_dir = "` + long + `"` + "\n" + least, "too long"},
		{strings.Replace(least, ":7441", ":", 1), `central.address: "central.example:"`},
		{strings.Replace(least, ":7441", ":0", 1), "central.address:"},
		{strings.Replace(least, ":7441", ":uplink", 1), "central.address:"},
		{strings.Replace(least, "central.example", "", 1), "central.address:"},
		{least + `proxy = "http://"`, "central.proxy:"},
		{least + `proxy = "http://proxy:8080/path"`, "central.proxy:"},
		{least + "[counter]\nlisten = \":7440\"", "counter.listen:"},
		{least + "[counter]\nlisten = \"192.168.0.1:7440\"", "counter.listen:"}, // P10
		{least + "[counter]\nlisten = \"127.0.0.1:70000\"", "counter.listen:"},
		{least + "[courier]\nsticks = \"/\"", "courier.sticks:"},
		{least + "[courier]\nsticks = \"/var/lib\"", "courier.sticks:"},
		{least + "[courier]\nsticks = \"/var/lib/kazashi\"", "courier.sticks:"},
		{least + "[courier]\nsticks = \"/var/lib/kazashi/lists\"", "courier.sticks:"},
	} {
		if _, err := config.Parse([]byte(try.text)); !errors.Is(err, config.ErrConfig) || !strings.Contains(err.Error(), try.want) {
			t.Errorf("Parse(%q) = %v\nwant ErrConfig with %q", try.text, err, try.want)
		}
	}
}

// A password has no place in the file, and not in the message either.
func TestAProxyPasswordIsRefusedAndNotRepeated(t *testing.T) { // P3
	for _, proxy := range []string{"http://name:hunter2@proxy:8080", "https://name:hunter2@proxy", "http://name:hunter2@proxy:99999999\x7f"} {
		_, err := config.Parse([]byte(least + "proxy = '" + strings.TrimSuffix(proxy, "\x7f") + "'"))
		if err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("Parse(proxy with a password) = %v, want a refusal that does not repeat it", err)
		}
	}
}

func TestLoad(t *testing.T) {
	path := filepath.Join(t.TempDir(), "kazashi.toml")
	if _, err := config.Load(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Load of a missing file = %v, want ErrNotExist", err)
	}
	if err := os.WriteFile(path, []byte(least+`proxy = "http://proxy.lan:8080"`), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := config.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	if u, err := c.ProxyURL(); err != nil || u.Host != "proxy.lan:8080" {
		t.Errorf("ProxyURL = %v, %v, want proxy.lan:8080", u, err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(string(config.Example))
	f.Add(least)
	f.Add("desk = [\n")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := config.Parse([]byte(text))
		if err == nil && c.Validate() != nil || err != nil && !errors.Is(err, config.ErrConfig) {
			t.Errorf("Parse(%q) = %+v, %v", text, c, err)
		}
	})
}
