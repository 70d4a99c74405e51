package mynumber

import "kazashi.example/reader/apdu"

// KeepAnswers hands keep the very octets that c takes out of each answer.
func KeepAnswers(c *Card, keep func(data []byte)) {
	c.split = func(answer []byte) (apdu.Response, error) {
		r, err := apdu.ParseResponse(answer)
		keep(r.Data)
		return r, err
	}
}

// ReadForbiddenFace makes c take the card-face record, which is not on the allow-list, for the age record: a fault of this program.
func ReadForbiddenFace(c *Card) {
	wrong := *national
	wrong.age.ef = 0x0002
	c.layout = &wrong
}

// Join is join.
var Join = join
