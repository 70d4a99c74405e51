package pcscd

// PIDs are the processes of a rig: pcscd, then the virtual cards.
func (r *Rig) PIDs() []int { return []int{r.pcscd.pid(), r.vcard.pid()} }
