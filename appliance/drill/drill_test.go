package drill_test

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"kazashi.example/appliance/drill"
	"kazashi.example/appliance/orders"
	"kazashi.example/sync/record"
	"kazashi.example/sync/rule"
)

func problems(r drill.Report) (all []string) {
	for _, i := range r.Items {
		for _, p := range i.Problems {
			all = append(all, i.Path+": "+string(p.ID)+" "+p.Where)
		}
	}
	return all
}

// P3: what the drill says can be read is what a search finds of it, with no key, with the code, and with the keys of the running box; and
// nothing on the disk of a box that its own packages wrote is unknown to it.
func TestP3SaysWhatASearchFinds(t *testing.T) {
	for name, c := range map[string]struct {
		way    rule.Unlock
		answer drill.Answer
	}{
		"code": {rule.UnlockCode, drill.NamesNobody},
		"file": {rule.UnlockFile, drill.NamesPeople},
	} {
		t.Run(name, func(t *testing.T) { agreed(t, plant(t, "", c.way), c.answer) })
	}
}

// unplanted reports whether nothing of a class can be had for the search in this box.
func (b *box) unplanted(id drill.ClassID) bool {
	switch id {
	case drill.OperatorCode:
		return b.way != rule.UnlockCode
	case drill.DeviceKey, drill.SealingKey:
		return b.where != "" // a TPM gives them to nobody
	default:
		return unsearched[id] != ""
	}
}

// agreed compares drill and search, and then sees that the comparison misses nothing: a class that the drill leaves out, or says more or less
// of than is so, is a disagreement.
func agreed(t *testing.T, b *box, want drill.Answer) {
	t.Helper()
	r := look(t, b.dir)
	all := b.searches(b.search())
	for _, f := range disagree(r, all) {
		t.Error(f)
	}
	for _, p := range problems(r) {
		t.Errorf("unknown on a box's own disk: %s", p)
	}
	if r.Answer != want || !r.Complete {
		t.Errorf("Answer = %s, complete %v, want %s", r.Answer, r.Complete, want)
	}
	for n, c := range r.Classes {
		if c.Count != nil && *c.Count == 0 && !b.unplanted(c.ID) {
			t.Errorf("nothing of %s was planted: the comparison proves nothing of it", c.ID)
		}
		cut := r
		cut.Classes = slices.Delete(slices.Clone(r.Classes), n, n+1)
		if len(disagree(cut, all)) == 0 {
			t.Errorf("a drill without %s goes unnoticed", c.ID)
		}
		if !b.unplanted(c.ID) && len(disagree(flipped(r, n), all)) == 0 {
			t.Errorf("a drill that says the contrary of %s goes unnoticed", c.ID)
		}
	}
}

// flipped is a report that says of a class that it can be read where it cannot, and the reverse.
func flipped(r drill.Report, n int) drill.Report {
	r.Classes = slices.Clone(r.Classes)
	reach := map[drill.Situation]drill.Reach{}
	for s, at := range r.Classes[n].Reach {
		reach[s] = map[bool]drill.Reach{true: drill.No, false: drill.Yes}[at == drill.Yes]
	}
	r.Classes[n].Reach = reach
	return r
}

// What a box writes only in trouble is known as well: a reserve where the file system keeps no room without writing, and orders after their list was lost.
func TestKnowsWhatIsWrittenInTrouble(t *testing.T) {
	dir := t.TempDir()
	damaged := filepath.Join(dir, "orders.cbor")
	must(t, os.WriteFile(filepath.Join(dir, "journal.reserve"), bytes.Repeat([]byte{0xa5}, 1<<20+1), 0o600), os.WriteFile(damaged, nil, 0o600))
	_, err := orders.Open(t.Context(), dir, record.NewBoxID(), done{}, nobody)
	must(t, err, os.Remove(filepath.Join(dir, "orders.damaged")))
	if _, err := os.Stat(damaged); err != nil {
		t.Fatal(err)
	}
	r, err := drill.Look(t.Context(), drill.Options{Dir: dir, Copy: true})
	must(t, err)
	if all := problems(r); len(all) > 0 || len(r.Items) == 0 {
		t.Errorf("%d items, problems %v", len(r.Items), all)
	}
	must(t, os.WriteFile(filepath.Join(dir, "journal.reserve"), append(bytes.Repeat([]byte{0xa5}, 1<<20), madeUpNum...), 0o600))
	if r, err = drill.Look(t.Context(), drill.Options{Dir: dir, Copy: true}); err != nil || len(problems(r)) != 1 {
		t.Errorf("behind the reserve: problems %v, %v, want one", problems(r), err)
	}
}
