package intake

import (
	"errors"
	"time"

	"kazashi.example/central/store"
	"kazashi.example/sync/sign"
	"kazashi.example/sync/wire"
)

// correction keeps how wrong a box says that its clock was in some of its epochs. The first word stays: what a record was judged by does
// not change. The epoch's header need not be here: whoever looks a correction up asks for box and epoch.
func (b *batch) correction(msg []byte) error {
	said, err := wire.PeekCorrection(msg)
	if err != nil {
		return refusef("not a correction: %v", err)
	}
	box, err := b.tx.Box(said.Box)
	if errors.Is(err, store.ErrNone) {
		return refusef("the correction's box is not known here; join it first")
	}
	if err != nil {
		return err
	}
	key, err := sign.ParsePublicKey(box.Device)
	if err != nil {
		return err
	}
	c, err := wire.OpenCorrection(sign.One{Key: key}, msg)
	if err != nil {
		return refusef("correction is not one of box %s: %v", box.ID, err)
	}
	for _, id := range c.Epochs {
		_, err := b.tx.AddCorrection(store.Correction{
			Box: c.Box, Epoch: id, Offset: time.Duration(c.Offset) * time.Millisecond, Measured: time.UnixMilli(c.Measured),
		})
		if err != nil {
			return err
		}
	}
	return nil
}
