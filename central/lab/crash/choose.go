package crash

import "fmt"

// names is a choice of pending changes of folders that came through.
type names struct {
	label string
	plain bool // all or none
	keep  map[int]bool
}

// nameChoices are: all, none, every beginning, each one alone, each one missing.
func (p *point) nameChoices() []names {
	n := len(p.names)
	pick := func(label string, in func(i int) bool) names {
		c := names{label, label == choiceNames[everything] || label == choiceNames[nothing], map[int]bool{}}
		for i, op := range p.names {
			c.keep[op] = in(i)
		}
		return c
	}
	all := []names{pick(choiceNames[everything], func(int) bool { return true })}
	if n == 0 {
		return all
	}
	all = append(all, pick(choiceNames[nothing], func(int) bool { return false }))
	for j := 1; j < n; j++ {
		all = append(all, pick(fmt.Sprintf("the first %d", j), func(i int) bool { return i < j }))
		all = append(all, pick(fmt.Sprintf("only %v", p.ops[p.names[j]]), func(i int) bool { return i == j }))
		all = append(all, pick(fmt.Sprintf("all but %v", p.ops[p.names[j-1]]), func(i int) bool { return i != j-1 }))
	}
	return all
}

// data is a choice of what became of each file's pending writes.
type data struct {
	label string
	plain bool // all or none of every file
	pick  func(*inode) choice
}

// dataChoices are: the same for all files, and each file apart from the rest.
func (p *point) dataChoices() []data {
	all := []data{{choiceNames[everything], true, func(*inode) choice { return everything }}}
	if len(p.order) == 0 {
		return all
	}
	for ch := nothing; ch < choices; ch++ {
		all = append(all, data{choiceNames[ch], ch == nothing, func(*inode) choice { return ch }})
	}
	if len(p.order) == 1 {
		return all
	}
	for _, one := range p.order {
		for ch := nothing; ch < choices; ch++ {
			all = append(all, data{choiceNames[ch] + " of " + one.path + ", all of the rest", false, apart(one, ch, everything)})
		}
		all = append(all, data{"all of " + one.path + ", none of the rest", false, apart(one, everything, nothing)})
	}
	return all
}

func apart(one *inode, its, others choice) func(*inode) choice {
	return func(i *inode) choice {
		if i == one {
			return its
		}
		return others
	}
}

// loss is a choice of both.
type loss struct {
	names names
	data  data
}

// losses are the choices tried at a point: unless thorough one of the two is all or none. sample of them, 0 for all, besides those where
// both are.
func (p *point) losses(thorough bool, sample int) (tried []loss) {
	var others []loss
	for _, n := range p.nameChoices() {
		for _, d := range p.dataChoices() {
			switch {
			case n.plain && d.plain:
				tried = append(tried, loss{n, d})
			case n.plain || d.plain || thorough:
				others = append(others, loss{n, d})
			}
		}
	}
	if sample == 0 || sample >= len(others) {
		return append(tried, others...)
	}
	for i := range sample {
		tried = append(tried, others[(len(p.ops)+i*len(others)/sample)%len(others)])
	}
	return tried
}
