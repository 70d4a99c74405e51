package crash

import "fmt"

// names is a choice of pending changes of folders that came through.
type names struct {
	label string
	keep  map[int]bool
}

// nameChoices are: all, none, every beginning, each one alone, each one missing.
func (p *point) nameChoices() []names {
	n := len(p.names)
	pick := func(label string, in func(i int) bool) names {
		c := names{label, map[int]bool{}}
		for i, op := range p.names {
			c.keep[op] = in(i)
		}
		return c
	}
	all := []names{pick("all", func(int) bool { return true })}
	if n == 0 {
		return all
	}
	all = append(all, pick("none", func(int) bool { return false }))
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
	pick  func(*inode) choice
}

// dataChoices are: the same for all files, and each file apart from the rest.
func (p *point) dataChoices() []data {
	all := []data{{"all", func(*inode) choice { return everything }}}
	if len(p.order) == 0 {
		return all
	}
	for ch := nothing; ch < choices; ch++ {
		all = append(all, data{choiceNames[ch], func(*inode) choice { return ch }})
	}
	if len(p.order) == 1 {
		return all
	}
	for _, one := range p.order {
		for ch := nothing; ch < choices; ch++ {
			all = append(all, data{choiceNames[ch] + " of " + one.path + ", all of the rest", apart(one, ch, everything)})
		}
		all = append(all, data{"all of " + one.path + ", none of the rest", apart(one, everything, nothing)})
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
