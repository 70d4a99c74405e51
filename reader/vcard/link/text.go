package link

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// ErrModel says that a text names no model.
var ErrModel = errors.New("not a link model: none, 106, 212, 424, 848 or slow, then perhaps ,NAME=VALUE with " +
	"rate (kbit/s) or apdu, activation, select, read, verify, rsa, p384, other (a duration up to 24h)")

const (
	none    = "none"
	slow    = "slow"
	rateKey = "rate"
	// longest is a day: a card that takes it is one that never answers.
	longest = 24 * time.Hour
)

// Parse reads a model's text form: a preset, settings, or a preset and settings that change it, such as "106", "slow",
// "424,apdu=18ms,rsa=200ms" or "106,read=1h" for a card that hangs. The empty text is the zero Model. ErrModel.
func Parse(s string) (Model, error) {
	var m Model
	if s == "" {
		return m, nil
	}
	for i, part := range strings.Split(s, ",") {
		name, value, set := strings.Cut(part, "=")
		var ok bool
		switch {
		case set:
			ok = m.set(name, value)
		case i == 0:
			m, ok = preset(name)
		}
		if !ok {
			return Model{}, fmt.Errorf("%.40q: %w", part, ErrModel)
		}
	}
	return m, nil
}

func preset(name string) (Model, bool) {
	switch name {
	case none:
		return Model{}, true
	case slow:
		return Slow(), true
	}
	r, ok := parseRate(name)
	return Standard(r), ok && r != 0
}

func parseRate(s string) (Rate, bool) {
	if s == "0" {
		return 0, true
	}
	for _, r := range Rates() {
		if s == strconv.Itoa(int(r)) {
			return r, true
		}
	}
	return 0, false
}

// setting is one duration of a model by name.
type setting struct {
	name  string
	value *time.Duration
}

func (m *Model) settings() []setting {
	return []setting{
		{"apdu", &m.PerAPDU},
		{"activation", &m.Activation},
		{"select", &m.Select},
		{"read", &m.Read},
		{"verify", &m.Verify},
		{"rsa", &m.SignRSA},
		{"p384", &m.SignP384},
		{"other", &m.Other},
	}
}

func (m *Model) set(name, value string) bool {
	if name == rateKey {
		r, ok := parseRate(value)
		m.Rate = r
		return ok
	}
	for _, s := range m.settings() {
		if s.name != name {
			continue
		}
		d, err := time.ParseDuration(value)
		*s.value = d
		return err == nil && d >= 0 && d <= longest
	}
	return false
}

// String is the text form that Parse reads, every setting that is not zero; "none" for the zero Model.
func (m Model) String() string {
	var parts []string
	if m.Rate != 0 {
		parts = append(parts, fmt.Sprintf("%s=%d", rateKey, m.Rate))
	}
	for _, s := range m.settings() {
		if *s.value != 0 {
			parts = append(parts, s.name+"="+s.value.String())
		}
	}
	if len(parts) == 0 {
		return none
	}
	return strings.Join(parts, ",")
}
