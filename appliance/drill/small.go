package drill

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"kazashi.example/appliance/desired"
	"kazashi.example/appliance/vault"
	"kazashi.example/sync/canon"
	"kazashi.example/sync/erasure"
	"kazashi.example/sync/order"
	"kazashi.example/sync/record"
	"kazashi.example/sync/rule"
	"kazashi.example/sync/sign"
	"kazashi.example/sync/trust"
	"kazashi.example/sync/wire"
)

// maxSmall bounds files that are read whole, in octets.
const maxSmall = 1 << 20

var errForm = errors.New("holds what this release does not know")

// exact decodes a file of one type, and refuses what the type does not hold: canon itself passes over keys of later releases.
func exact[T any](b []byte) (v T, err error) {
	if err := canon.Decode(b, &v, maxSmall); err != nil {
		return v, err
	}
	if again, err := canon.Encode(v); err != nil || !bytes.Equal(again, b) {
		return v, errForm
	}
	return v, nil
}

// small reads a file whole and hands it on; an error is a problem of its content.
func (f *file) small(look func(b []byte) error) {
	b, ok := f.octets(maxSmall)
	if !ok {
		return
	}
	if err := look(b); err != nil {
		f.problem(UnknownContent, "")
		f.sweep()
	}
}

func (f *file) lookIdentity() {
	f.small(func(b []byte) error {
		p, err := vault.PeekIdentity(b)
		if err != nil {
			f.strange = true
			return err
		}
		f.box = p.Box
		if f.identity == nil || !p.Chip {
			f.identity = &p
		}
		f.hold(DeviceKey, 1)
		f.hold(SealingKey, 1)
		return nil
	})
}

func (f *file) lookRing() {
	f.small(func(b []byte) error {
		l, err := vault.PeekRing(b)
		if err != nil {
			f.strange = true
			return err
		}
		f.site = l.Site
		f.rings = append(f.rings, l)
		f.hold(SiteKeys, int64(l.Keys))
		f.hold(KeysForCentral, int64(l.Made))
		if l.By == vault.ByCode {
			f.hold(OperatorCode, 1)
		}
		if l.By == "" || strings.HasSuffix(f.Path, "site-ring.cbor") {
			return nil
		}
		f.found(OldRing, Warn, nil)
		return nil
	})
}

func (f *file) lookTries() {
	f.small(func(b []byte) error {
		_, err := vault.PeekTries(b)
		f.hold(Settings, 1)
		return err
	})
}

func (f *file) lookBegan() {
	f.small(func(b []byte) error {
		_, err := record.ParseID(string(b))
		f.hold(Settings, 1)
		return err
	})
}

// mined is what was found in journals that were set aside: a name and three counts each.
var mined = regexp.MustCompile(`^(?:journal\.db` + asideT + ` whole \d{1,20} damaged \d{1,20} unreadable \d{1,20} safe (?:true|false)\n)*$`)

func (f *file) lookMined() {
	f.small(func(b []byte) error {
		f.hold(Settings, 1)
		if !mined.Match(b) {
			return errForm
		}
		return nil
	})
}

func (f *file) lookPlace() {
	f.small(func(b []byte) error {
		p, err := exact[desired.Place](b)
		if err == nil && f.Path == "place.cbor" {
			f.box, f.site = p.Box, p.Site
		}
		f.hold(Settings, 1)
		return err
	})
}

func (f *file) lookTrust() {
	f.small(func(b []byte) error {
		_, err := trust.Inspect(b)
		f.hold(Settings, 1)
		return err
	})
}

func (f *file) lookReverted() {
	f.small(func(b []byte) error {
		_, err := exact[struct {
			Number uint64            `cbor:"1,keyasint"`
			Root   trust.Fingerprint `cbor:"2,keyasint"`
		}](b)
		f.hold(Settings, 1)
		return err
	})
}

// lookRules also learns by what the site keys may open. Who signed the rules does not matter to a thief; whether they are whole does here.
func (f *file) lookRules() {
	f.small(func(b []byte) error {
		f.hold(Settings, 1)
		payload, err := sign.Payload(b)
		if err != nil {
			return err
		}
		set, err := exact[rule.Set](payload)
		if err != nil {
			return err
		}
		if f.Path == "rules.cbor" {
			f.unlock = map[rule.Unlock]string{rule.UnlockCode: LieCode, rule.UnlockTPM: LieTPM, rule.UnlockFile: LieFile}[set.UnlockBy()]
		}
		return set.Check()
	})
}

func (f *file) lookFloor() {
	f.small(func(b []byte) error {
		_, err := exact[rule.Version](b)
		f.hold(Settings, 1)
		return err
	})
}

// stamp is a kept time of package clock.
type stamp struct {
	Version uint8        `cbor:"1,keyasint"`
	Box     record.BoxID `cbor:"2,keyasint"`
	Kind    uint8        `cbor:"3,keyasint"`
	Era     uint32       `cbor:"4,keyasint"`
	Time    int64        `cbor:"5,keyasint"`
	Boot    string       `cbor:"6,keyasint,omitempty"`
	Started []int64      `cbor:"7,keyasint,omitempty"`
	Before  int          `cbor:"8,keyasint,omitempty"`
	Heard   bool         `cbor:"9,keyasint,omitempty"`
	Pace    int64        `cbor:"10,keyasint"`
}

func (f *file) lookClock() {
	f.small(func(b []byte) error {
		f.hold(Settings, 1)
		payload, err := sign.Payload(b)
		if err != nil {
			return err
		}
		s, err := exact[stamp](payload)
		if err == nil && !bootName(s.Boot) {
			err = errForm
		}
		return err
	})
}

// bootName reports whether a text is what a kernel calls a boot: digits of a UUID, or nothing.
func bootName(s string) bool {
	return len(s) <= 64 && strings.Trim(s, "0123456789abcdefABCDEF-") == ""
}

// ordersFile is that of package orders.
type ordersFile struct {
	Version uint8 `cbor:"1,keyasint"`
	Entries []struct {
		ID      order.ID      `cbor:"1,keyasint"`
		Outcome order.Outcome `cbor:"2,keyasint"`
		Erasure []byte        `cbor:"3,keyasint,omitempty"`
		Told    bool          `cbor:"4,keyasint,omitempty"`
		Again   order.Kind    `cbor:"5,keyasint,omitempty"`
		Issued  int64         `cbor:"6,keyasint,omitempty"`
	} `cbor:"2,keyasint"`
	Floor int64 `cbor:"3,keyasint,omitempty"`
}

func (f *file) lookOrders() {
	f.small(func(b []byte) error {
		o, err := exact[ordersFile](b)
		if err != nil {
			return err
		}
		f.hold(Settings, int64(len(o.Entries)))
		for _, e := range o.Entries {
			if err := e.Outcome.Check(); err != nil {
				return err
			}
			if len(e.Erasure) == 0 {
				continue
			}
			if err := f.certificate(e.Erasure); err != nil {
				return err
			}
		}
		return nil
	})
}

// certificate looks at a signed certificate of erasure: the id of a member of staff may stand in it.
func (f *file) certificate(msg []byte) error {
	payload, err := sign.Payload(msg)
	if err != nil {
		return err
	}
	c, err := exact[erasure.Certificate](payload)
	if err != nil {
		return err
	}
	return f.closed(c)
}

func (f *file) closed(c erasure.Certificate) error {
	if c.By != erasure.ByOrder {
		f.hold(ClosedBy, 1)
		f.found(StaffIDClear, Warn, nil)
	}
	return c.Check()
}

func (f *file) lookClosing() {
	f.small(func(b []byte) error {
		p, err := exact[struct {
			Version     uint8               `cbor:"1,keyasint"`
			Certificate erasure.Certificate `cbor:"2,keyasint"`
			Leaving     bool                `cbor:"3,keyasint"`
			KeysFirst   bool                `cbor:"4,keyasint,omitempty"`
		}](b)
		if err != nil {
			return err
		}
		return f.closed(p.Certificate)
	})
}

func (f *file) lookErasure() {
	f.small(func(b []byte) error {
		f.hold(Settings, 1)
		return f.certificate(b)
	})
}

// lookErasureText wants the file to be what the signed certificate beside it says, to the octet.
func (f *file) lookErasureText() {
	f.small(func(b []byte) error {
		f.hold(Settings, 1)
		base := strings.TrimSuffix(f.path, filepath.Ext(f.path))
		msg, err := os.ReadFile(base + ".cbor")
		if err != nil {
			return err
		}
		payload, err := sign.Payload(msg)
		if err != nil {
			return err
		}
		c, err := exact[erasure.Certificate](payload)
		if err != nil {
			return err
		}
		if err := f.closed(c); err != nil {
			return err
		}
		want, err := c.JSON(msg)
		if strings.HasSuffix(f.path, ".txt") {
			want = []byte(c.Text(sign.KeyID{}))
			want, b = untilKey(want), untilKey(b)
		}
		if err == nil && !bytes.Equal(want, b) {
			err = errForm
		}
		return err
	})
}

var keyDigits = regexp.MustCompile(`(signed by +device key )[0-9a-f]{32}`)

// untilKey replaces the id of a key, 32 hex digits behind a word, in a text: who signed is not known here.
func untilKey(b []byte) []byte { return keyDigits.ReplaceAll(b, []byte("$1")) }

// lookUnseen looks at the list of verdicts that perhaps nobody saw: numbers of records.
func (f *file) lookUnseen() {
	f.small(func(b []byte) error {
		type numbered struct {
			Epoch record.EpochID `cbor:"1,keyasint"`
			Seq   record.Seq     `cbor:"2,keyasint"`
		}
		_, err := exact[struct {
			Open []numbered `cbor:"1,keyasint"`
			Seen []numbered `cbor:"2,keyasint"`
		}](b)
		f.hold(Settings, 1)
		return err
	})
}

// lookCourier looks at what is kept about sticks: numbers of parcels, and outcomes of orders.
func (f *file) lookCourier() {
	f.small(func(b []byte) error {
		k, err := exact[struct {
			Version uint8  `cbor:"1,keyasint"`
			Last    uint64 `cbor:"2,keyasint"`
			States  []struct {
				N    uint64           `cbor:"1,keyasint"`
				Done []wire.OrderDone `cbor:"2,keyasint"`
			} `cbor:"3,keyasint,omitempty"`
		}](b)
		f.hold(Settings, 1)
		for _, s := range k.States {
			for _, d := range s.Done {
				if d.Outcome.Check() != nil || len(d.Erasure) > 0 {
					return errForm
				}
			}
		}
		return err
	})
}

// lookPending looks at a request to join by stick: the secret of the join code stands in it until central has answered.
func (f *file) lookPending() {
	f.small(func(b []byte) error {
		p, err := exact[struct {
			Version uint8             `cbor:"1,keyasint"`
			Secret  []byte            `cbor:"2,keyasint"`
			Root    trust.Fingerprint `cbor:"3,keyasint"`
			Request wire.JoinRequest  `cbor:"4,keyasint"`
		}](b)
		if err != nil {
			return err
		}
		if len(p.Secret) != len(wire.JoinCode{}.Secret) || len(p.Request.Release) > 64 || !plainASCII([]byte(p.Request.Release)) {
			return errForm
		}
		f.hold(JoinCode, 1)
		f.found(JoinPending, Warn, nil)
		return nil
	})
}

// lookEmpty is for files that are locks and hold nothing.
func (f *file) lookEmpty() {
	if f.Octets != 0 {
		f.problem(UnknownContent, "")
		f.sweep()
	}
}

// lookText is for a line that a program wrote for technicians.
func (f *file) lookText() {
	f.small(func(b []byte) error {
		f.hold(Settings, 1)
		if len(b) > 4<<10 || !plainASCII(b) {
			return errForm
		}
		return nil
	})
}

func plainASCII(b []byte) bool {
	return bytes.IndexFunc(b, func(r rune) bool { return r > '~' || r < ' ' && r != '\n' }) < 0
}
