package card

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"image"
	"image/color"
	"image/png"
)

// pictures of one card face. Text on a real card is a black-and-white rendering; here it is a bar pattern of the text's digest, since the
// practice world ships no Japanese font. Nothing reads them back.
type facePictures struct{ name, address, face, code []byte }

func pictures(h Holder) (facePictures, error) {
	var out facePictures
	for _, p := range []struct {
		into   *[]byte
		w, h   int
		source string
	}{
		{&out.name, 120, 12, h.Name},
		{&out.address, 240, 24, h.Address},
		{&out.face, 48, 64, "face " + h.Name + h.Birth},
		{&out.code, 24, 12, h.SecurityCode},
	} {
		b, err := pattern(p.w, p.h, p.source)
		if err != nil {
			return out, err
		}
		*p.into = b
	}
	return out, nil
}

// pattern draws blocks of 4 by 4, one bit of the source's digest each.
func pattern(w, h int, source string) ([]byte, error) {
	sum := sha256.Sum256([]byte(source))
	img := image.NewPaletted(image.Rect(0, 0, w, h), color.Palette{color.White, color.Black})
	for y := range h {
		for x := range w {
			bit := (x/4*7 + y/4*31) % 256
			img.SetColorIndex(x, y, sum[bit/8]>>(bit%8)&1)
		}
	}
	var buf bytes.Buffer
	if err := png.Encode(&buf, img); err != nil {
		return nil, fmt.Errorf("drawing a picture: %w", err)
	}
	return buf.Bytes(), nil
}
