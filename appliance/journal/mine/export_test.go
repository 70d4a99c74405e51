package mine

import (
	"errors"
	"os"
)

// BlindLog opens the log of a database so that no octet of it can be read.
func (s *Source) BlindLog(path string) (err error) {
	before := s.log
	s.log, err = os.OpenFile(path+"-wal", os.O_WRONLY, 0)
	return errors.Join(err, before.Close())
}
