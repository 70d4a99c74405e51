package sqlite

import (
	"encoding/binary"

	"kazashi.example/central/store"
	"kazashi.example/sync/rule"
)

// schemaRulings keeps every edition of the rules. A version is 16 octets, big-endian, so that it sorts as it compares.
const schemaRulings = `
CREATE TABLE rulings (version BLOB PRIMARY KEY, body BLOB NOT NULL) STRICT, WITHOUT ROWID;
`

func (t *tx) AddRuling(v rule.Version, body []byte) error {
	return t.exec("INSERT INTO rulings (version, body) VALUES (?, ?)", versionKey(v), body)
}

func (t *tx) Ruling(v rule.Version) ([]byte, error) {
	return one(t.row("SELECT body FROM rulings WHERE version = ?", versionKey(v)), func(r scanner) (b []byte, err error) {
		return b, r.Scan(&b)
	})
}

func (t *tx) RulingVersions() ([]rule.Version, error) {
	return each(t, func(r scanner) (v rule.Version, err error) {
		var key []byte
		if err := r.Scan(&key); err != nil {
			return v, err
		}
		if len(key) != versionLen {
			return v, store.ErrDamaged
		}
		return rule.Version{CentralEpoch: binary.BigEndian.Uint64(key), N: binary.BigEndian.Uint64(key[8:])}, nil
	}, "SELECT version FROM rulings ORDER BY version DESC")
}

// versionLen is the length of versionKey, in octets.
const versionLen = 16

func versionKey(v rule.Version) []byte {
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, v.CentralEpoch), v.N)
}
