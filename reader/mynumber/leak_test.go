package mynumber_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"testing"

	"kazashi.example/reader/mynumber"
	"kazashi.example/reader/vcard"
)

// plant is a secret to look for: any eight octets of it in a row.
type plant struct{ windows map[[8]byte]bool }

func newPlant(secrets ...[]byte) plant {
	p := plant{map[[8]byte]bool{}}
	for _, s := range secrets {
		for i := range len(s) - 7 {
			p.windows[[8]byte(s[i:])] = true
		}
	}
	return p
}

func (p plant) in(b []byte) bool {
	for i := range len(b) - 7 {
		if p.windows[[8]byte(b[i:])] {
			return true
		}
	}
	return false
}

// inText looks for the ways in which octets come out of fmt, JSON and logs.
func (p plant) inText(s string) bool {
	low := strings.ToLower(s)
	if p.in([]byte(s)) {
		return true
	}
	for w := range p.windows {
		list := fmt.Sprint(w)
		if strings.Contains(low, fmt.Sprintf("%x", w)) || strings.Contains(s, list[1:len(list)-1]) ||
			strings.Contains(s, base64.StdEncoding.EncodeToString(w[:6])) {
			return true
		}
	}
	return false
}

// inside walks everything that can be reached from v, unexported fields included.
func (p plant) inside(v reflect.Value, seen map[uintptr]bool) bool {
	switch v.Kind() {
	default: // no octets
	case reflect.String:
		return p.in([]byte(v.String()))
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() || v.Kind() == reflect.Pointer && seen[v.Pointer()] {
			return false
		}
		if v.Kind() == reflect.Pointer {
			seen[v.Pointer()] = true
		}
		return p.inside(v.Elem(), seen)
	case reflect.Struct:
		for _, field := range v.Fields() {
			if p.inside(field, seen) {
				return true
			}
		}
	case reflect.Map:
		for _, k := range v.MapKeys() {
			if p.inside(k, seen) || p.inside(v.MapIndex(k), seen) {
				return true
			}
		}
	case reflect.Slice, reflect.Array:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			b := make([]byte, v.Len())
			for i := range b {
				b[i] = byte(v.Index(i).Uint())
			}
			return p.in(b)
		}
		for i := range v.Len() {
			if p.inside(v.Index(i), seen) {
				return true
			}
		}
	}
	return false
}

// leaks reports whether v shows the plant, walked or printed.
func (p plant) leaks(v any) bool {
	if v == nil {
		return false
	}
	if p.inside(reflect.ValueOf(v), map[uintptr]bool{}) {
		return true
	}
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).LogAttrs(context.Background(), slog.LevelInfo, "value", slog.Any("value", v))
	text, _ := json.Marshal(v)
	return p.inText(fmt.Sprintf("%v %+v %#v %s", v, v, v, log.String())) || p.inText(string(text))
}

// The search finds what is there, or the tests below mean nothing.
func TestPlantIsFound(t *testing.T) {
	secret := []byte("0123456789ABCDEF0123456789ABCDEF")
	p := newPlant(secret)
	for name, v := range map[string]any{
		"unexported": struct{ x []byte }{secret}, "pointer": &struct{ s *string }{new(string(secret))}, "array": [32]byte(secret),
		"map": map[string]any{"k": secret[5:20]}, "error": fmt.Errorf("value %x", secret[:8]), "text": "x" + string(secret[3:12]),
		"joined": errors.Join(errors.New("a"), fmt.Errorf("%v", secret)), "base64": base64.StdEncoding.EncodeToString(secret),
	} {
		if !p.leaks(v) {
			t.Errorf("%s: the plant is not found", name)
		}
	}
	if p.leaks(struct{ x []byte }{secret[:7]}) {
		t.Error("seven octets are taken for the plant")
	}
}

// integrityCards are cards whose integrity record is good, and broken in every way.
func integrityCards() map[string]*vcard.Profile {
	cards := map[string]*vcard.Profile{}
	for name, change := range map[string]func([]byte) []byte{
		"good":               func(b []byte) []byte { return b },
		"filler":             func(b []byte) []byte { return append(b, 0xFF, 0xFF) },
		"number behind":      func(b []byte) []byte { return append(b, individualNumber...) },
		"digest changed":     func(b []byte) []byte { b[12]++; return b },
		"signature changed":  func(b []byte) []byte { b[len(b)-1]++; return b },
		"cut":                func(b []byte) []byte { return b[:len(b)-3] },
		"longer than it is":  func(b []byte) []byte { b[3]++; return b },
		"shorter than it is": func(b []byte) []byte { b[4]--; return b },
		"other tag":          func(b []byte) []byte { b[1] = 0x20; return b },
		"other tag inside":   func(b []byte) []byte { b[6] = 0x35; return b },
		"digest alone":       func(b []byte) []byte { return b[5:] },
	} {
		p := national()
		p.InputIntegrity = change(p.InputIntegrity)
		cards[name] = p
	}
	return cards
}

// P4: nothing of the integrity record comes out of any exported procedure, however the card lies: not as a value, not in an error, not in
// what the card or the memory keep, in short and extended reads.
func TestP4NothingOfTheIntegrityRecordComesOut(t *testing.T) {
	for name, profile := range integrityCards() {
		t.Run(name, func(t *testing.T) {
			record := integrityOf(t, profile)
			p := newPlant(record, numberDigest(), []byte(individualNumber))
			for _, short := range []bool{false, true} {
				for _, proc := range procedures {
					b := newBench(t, profile)
					if short {
						b.shortOnly()
					}
					c := b.connect()
					out, err := proc.run(t.Context(), c, right(t))
					for what, v := range map[string]any{"result": out, "error": err, "card": c, "memory": b.options.Memory} {
						if p.leaks(v) {
							t.Errorf("%s, short %v: the %s holds something of the integrity record", proc.name, short, what)
						}
					}
				}
			}
		})
	}
}

// integrityOf are the octets that were planted: digests and signature, without the tags and lengths between.
func integrityOf(t *testing.T, p *vcard.Profile) []byte {
	t.Helper()
	if len(p.InputIntegrity) < 300 {
		t.Fatal("no integrity record planted")
	}
	return bytes.Clone(p.InputIntegrity[40:])
}

// keeper hands out and keeps the very octets that went through, to see what becomes of them.
type keeper struct {
	b             *bench
	commands      [][]byte
	answers, kept [][]byte
}

func (k *keeper) Transmit(_ context.Context, cmd []byte) ([]byte, error) {
	answer := k.b.card.Transmit(cmd)
	k.kept = append(k.kept, bytes.Clone(cmd))
	k.commands = append(k.commands, cmd)
	k.answers = append(k.answers, answer)
	return answer, nil
}

// P3, P4: what went to the card and came from it is overwritten afterwards: values verified, files read.
func TestP4OctetsAreOverwritten(t *testing.T) {
	b := newBench(t, national())
	k := &keeper{b: b}
	v := right(t)
	c := mynumber.New(k, b.options)
	if _, err := c.Enrol(t.Context(), enrolRequest(v)); err != nil {
		t.Fatal(err)
	}
	if _, err := c.ReadSignCert(t.Context(), v.password); err != nil {
		t.Fatal(err)
	}
	if err := c.ChangePIN(t.Context(), mynumber.RefInputPIN, v.input, v.input); err != nil {
		t.Fatal(err)
	}
	for i, cmd := range k.commands {
		for _, octets := range [][]byte{cmd, k.answers[i]} {
			if len(bytes.Trim(octets, "\x00")) > 0 {
				t.Errorf("octets of command %X… are still there", k.kept[i][:4])
			}
		}
	}
	if _, err := c.SignAuth(t.Context(), v.pin, message); err != nil {
		t.Errorf("SignAuth with the caller's own PIN afterwards = %v, want it untouched", err)
	}
	v.pin.Clear()
	if _, err := c.SignAuth(t.Context(), v.pin, message); !errors.Is(err, mynumber.ErrFormat) {
		t.Errorf("SignAuth with a cleared PIN = %v, want ErrFormat", err)
	}
}
