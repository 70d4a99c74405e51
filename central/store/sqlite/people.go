package sqlite

import (
	"time"

	"kazashi.example/central/store"
	"kazashi.example/sync/record"
)

const personColumns = "SELECT p.row, p.verifier, p.handle_index, p.handle_sealed, p.made, coalesce(p.merged, 0) FROM persons p "

func scanPerson(s scanner) (p store.Person, err error) {
	return p, s.Scan(&p.Row, &p.Verifier, &p.Index, &p.Handle, millis{&p.Made}, &p.Merged)
}

func (t *tx) PersonBySerial(index []byte) (store.Person, error) {
	return one(t.row(personColumns+"JOIN serials s ON s.person = p.row WHERE s.serial_index = ?", index), scanPerson)
}

func (t *tx) PersonByHandle(index []byte) (store.Person, error) {
	return one(t.row(personColumns+"WHERE p.handle_index = ?", index), scanPerson)
}

func scanVerifier(s scanner) (v record.VerifierID, err error) { return v, s.Scan(&v) }

func (t *tx) Verifiers() ([]record.VerifierID, error) {
	return each(t, scanVerifier, "SELECT DISTINCT verifier FROM persons ORDER BY verifier")
}

func (t *tx) AddPerson(p store.Person) (int64, error) {
	return t.insert("INSERT INTO persons (verifier, handle_index, handle_sealed, made) VALUES (?, ?, ?, ?)",
		string(p.Verifier), p.Index, p.Handle, ms(p.Made))
}

func (t *tx) Person(row int64) (store.Person, error) {
	return one(t.row(personColumns+"WHERE p.row = ?", row), scanPerson)
}

func (t *tx) LinkSerial(index []byte, l store.SerialLink) error {
	return t.exec("INSERT INTO serials (serial_index, person, way) VALUES (?, ?, ?)", index, l.Person, int64(l.Way))
}

func scanWay(s scanner) (l store.SerialLink, err error) { return l, s.Scan(&l.Person, &l.Way) }

func (t *tx) LinkOf(index []byte) (store.SerialLink, error) {
	return one(t.row("SELECT person, way FROM serials WHERE serial_index = ?", index), scanWay)
}

func (t *tx) UnlinkSerial(index []byte) error {
	return t.exec("DELETE FROM serials WHERE serial_index = ?", index)
}

func (t *tx) MergePerson(gone, kept int64, at time.Time) error {
	for _, step := range []struct {
		q    string
		args []any
	}{
		{"UPDATE serials SET person = ?, way = 0 WHERE person = ?", []any{kept, gone}},
		{"UPDATE persons SET merged = ? WHERE row = ? OR merged = ?", []any{kept, gone, gone}},
		{"UPDATE conflicts SET settled = ? WHERE settled = 0 AND person IN (?, ?) AND other IN (?, ?)", []any{ms(at), gone, kept, gone, kept}},
		{"UPDATE OR IGNORE conflicts SET person = ? WHERE settled = 0 AND person = ?", []any{kept, gone}},
		{"UPDATE OR IGNORE conflicts SET other = ? WHERE settled = 0 AND other = ?", []any{kept, gone}},
		{"UPDATE conflicts SET settled = ? WHERE settled = 0 AND (person = ? OR other = ?)", []any{ms(at), gone, gone}}, // told of kept already
	} {
		if err := t.exec(step.q, step.args...); err != nil {
			return err
		}
	}
	return nil
}

const subjectColumns = "SELECT s.row, s.person, s.sector, s.key_epoch, s.ppid_sealed, s.made FROM subjects s "

func scanSubject(s scanner) (v store.Subject, err error) {
	return v, s.Scan(&v.Row, &v.Person, &v.Sector, &v.KeyEpoch, &v.PPID, millis{&v.Made})
}

func (t *tx) Subject(person int64, sector string) (store.Subject, error) {
	return one(t.row(subjectColumns+"WHERE s.person = ? AND s.sector = ?", person, sector), scanSubject)
}

func (t *tx) Subjects(person int64) ([]store.Subject, error) {
	return each(t, scanSubject, subjectColumns+"WHERE s.person = ? ORDER BY s.sector", person)
}

func (t *tx) SubjectsIn(sector string, after int64, limit int) ([]store.Subject, error) {
	return each(t, scanSubject, subjectColumns+"WHERE s.row > ? AND s.sector = ? ORDER BY s.row LIMIT ?", after, sector, limit)
}

func (t *tx) MoveSubject(row, person int64, sealed []byte) error {
	return t.exec("UPDATE subjects SET person = ?, ppid_sealed = ? WHERE row = ?", person, sealed, row)
}

func (t *tx) AddSubject(s store.Subject) (int64, error) {
	return t.insert("INSERT INTO subjects (person, sector, key_epoch, ppid_sealed, made) VALUES (?, ?, ?, ?, ?)",
		s.Person, s.Sector, int64(s.KeyEpoch), s.PPID, ms(s.Made))
}

func (t *tx) SubjectOfTap(box record.BoxID, tap record.TapID) (store.Subject, error) {
	return one(t.row(subjectColumns+`JOIN records r ON r.subject = s.row JOIN taps t ON t.epoch = r.epoch AND t.seq = r.seq
		WHERE t.tap = ? AND r.box = ?`, tap.ID128[:], box.ID128[:]), scanSubject)
}
