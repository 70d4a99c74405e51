package closing

import (
	"kazashi.example/sync/canon"
	"kazashi.example/sync/erasure"
)

// RewritePlan decodes and encodes the plan of a closing.
func RewritePlan(b []byte) ([]byte, error) {
	p, err := decodePlan(b)
	if err != nil {
		return nil, err
	}
	return canon.Encode(p)
}

// EncodePlan is the plan of a closing with that certificate.
func EncodePlan(c erasure.Certificate) ([]byte, error) {
	return canon.Encode(plan{Version: 1, Certificate: c})
}
