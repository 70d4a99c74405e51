package drill

import (
	"slices"
	"time"

	"kazashi.example/appliance/vault"
	"kazashi.example/appliance/vault/tpm"
)

// How the site keys lie, and what a rule lets them lie under, as Keys says it.
const (
	LieNone     = "none"
	LieCodeTPM  = "code_tpm"
	LieCodeFile = "code_file"
	LieTPM      = "tpm"
	LieFile     = "file"
	LieCode     = "code" // of a rule: with the TPM or without
	NotSeen     = "unknown"
)

// FindingID names a finding. Strings are reserved for ever.
type FindingID string

// Findings.
const (
	LiesTPM        FindingID = "lies_tpm_alone"       // the keys lie under the TPM alone
	LiesFile       FindingID = "lies_file_alone"      // the keys lie in a file that opens by itself
	RuleTPM        FindingID = "rule_tpm_alone"       // the signed rule lets them
	RuleFile       FindingID = "rule_file_alone"      // likewise
	GuessOffLine   FindingID = "guess_off_line"       // codes can be tried on other machines
	CountOpen      FindingID = "count_can_be_reset"   // somebody may know how to reset the TPM's count
	IdentityFile   FindingID = "identity_file"        // who copies the disk can pose as the box
	CentralOpens   FindingID = "central_opens"        // a line to central opens the keys, until central is told
	HeldBySoftware FindingID = "held_by_software"     // a lock on purpose binds this program alone
	OldRing        FindingID = "old_ring"             // an older file of site keys lies here, under its own code
	KeysAssumed    FindingID = "keys_assumed_open"    // no running box was asked
	SwapOpen       FindingID = "swap_unencrypted"     //
	SwapAllowed    FindingID = "swap_allowed"         // by the configuration
	CoreHere       FindingID = "core_file"            //
	StaffIDClear   FindingID = "staff_id_in_clear"    // of who had the site closed
	Unknowns       FindingID = "unknown_things"       // see problems
	MachineUnseen  FindingID = "machine_not_seen"     // a copy: swap, core files and sticks were not looked at
	LogElsewhere   FindingID = "log_elsewhere"        // logs are the service manager's
	TimesTell      FindingID = "times_tell"           // who saw somebody come knows which tap was theirs
	PageOpen       FindingID = "page_open"            // whoever sits at the running box uses its page
	ClearTextHere  FindingID = "clear_text_found"     // text or a certificate where none belongs
	JoinPending    FindingID = "join_pending"         // a join code that still works lies here
	StickOpens     FindingID = "stick_from_central"   // with the box it may open the site's keys
	VisitsLink     FindingID = "visits_can_be_linked" // entries of one person at one service, without saying whose
	TPMTries       FindingID = "tpm_tries"            // how long a short code lasts
	Forges         FindingID = "records_can_be_made"  // in the box's name, until central is told
	FormerFiles    FindingID = "former_files"         // what a disk keeps of files that were replaced
	Elsewhere      FindingID = "elsewhere"            // files that people keep beside
	NoBox          FindingID = "no_box"               // no identity lies here: is it a box's data directory?
	StaffGuess     FindingID = "staff_codes_guessed"  // who has the site keys tries the codes of staff
)

func (l *looker) found(id FindingID, level Level, facts map[string]int64) {
	if slices.ContainsFunc(l.findings, func(f Finding) bool { return f.ID == id }) {
		return
	}
	l.findings = append(l.findings, Finding{ID: id, Level: level, Facts: facts})
}

// lieOf is how the keys of one file lie, and how far a thief of the switched-off box gets at them, without and with the code. A lock on
// purpose changes nothing: it is this program that keeps it.
func lieOf(r vault.Lies) (lie string, off, code Reach) {
	switch {
	case r.By == vault.ByFile:
		return LieFile, Yes, Yes
	case r.By == vault.ByTPM:
		return LieTPM, Yes, Yes
	case r.By == vault.ByCode && r.Chip:
		return LieCodeTPM, Tries, Yes
	case r.By == vault.ByCode:
		return LieCodeFile, Guess, Yes
	default:
		return LieNone, No, No
	}
}

// keys computes how the keys lie, and who gets at them.
func (l *looker) keys() (k Keys, lock map[Situation]Reach) {
	k = Keys{Identity: LieNone, Lie: LieNone, Rule: NotSeen, Open: l.o.Open}
	lock = map[Situation]Reach{Off: No, OffCode: No, On: No, OnCode: No}
	if l.identity != nil {
		k.Identity, k.Counts = map[bool]string{true: LieTPM, false: LieFile}[l.identity.Chip], l.identity.Counts
	}
	for _, r := range l.rings {
		lie, off, code := lieOf(r)
		if rank[off] > rank[lock[Off]] || k.Lie == LieNone {
			k.Lie, k.Cost, k.Held = lie, r.Cost, r.Hold
		}
		lock[Off], lock[OffCode] = most(lock[Off], off), most(lock[OffCode], code)
	}
	if l.strange {
		k.Lie, k.Identity = NotSeen, NotSeen
		lock[Off], lock[OffCode] = most(lock[Off], Maybe), most(lock[OffCode], Maybe)
	}
	if l.brought { // who has the sealing key, in a TPM or in a file, opens what is on the stick
		l.found(StickOpens, Red, nil)
		lock[Off], lock[OffCode] = most(lock[Off], Maybe), most(lock[OffCode], Maybe)
	}
	if l.unlock != "" {
		k.Rule = l.unlock
	}
	lock[On], lock[OnCode] = lock[Off], lock[OffCode]
	if k.Open != "locked" {
		lock[On], lock[OnCode] = Yes, Yes
	}
	if k.Open == "" {
		k.Open = "assumed"
	}
	if l.o.Measure && k.Lie == LieCodeFile {
		k.TryMillis = max(1, k.Cost.Measure().Milliseconds())
	}
	return k, lock
}

// reach is how far a thief gets at a class in each situation, if any of it is here.
func (l *looker) reach(c class, lock map[Situation]Reach) map[Situation]Reach {
	all := func(off, code, on, onCode Reach) map[Situation]Reach {
		return map[Situation]Reach{Off: off, OffCode: code, On: on, OnCode: onCode}
	}
	switch c.under {
	case InClear:
		return all(Yes, Yes, Yes, Yes)
	case ForCentral:
		return all(No, No, No, No)
	case EpochKey, Memory:
		return all(No, No, Yes, Yes)
	case Machine:
		return all(Maybe, Maybe, Maybe, Maybe)
	case Identity:
		r := Yes
		if l.identity != nil && l.identity.Chip && !l.strange {
			r = Use
		}
		return all(r, r, r, r)
	case OwnLock, SiteRing:
		r := all(lock[Off], lock[OffCode], lock[On], lock[OnCode])
		if c.id == OperatorCode {
			r[OffCode], r[OnCode], r[On] = Yes, Yes, lock[Off]
		}
		if c.id == StaffCodes {
			for s, at := range r {
				if rank[at] > rank[Guess] {
					r[s] = Guess
				}
			}
		}
		return r
	default:
		return all(Maybe, Maybe, Maybe, Maybe)
	}
}

// counted adds up what lies where.
func (l *looker) counted() map[ClassID]int64 {
	n := map[ClassID]int64{}
	for _, i := range l.items {
		for _, h := range i.Holds {
			n[h.Class] += h.Count
		}
	}
	return n
}

func (l *looker) classes(lock map[Situation]Reach) (list []Class) {
	counts := l.counted()
	for _, c := range classes {
		n := counts[c.id]
		out := Class{ID: c.id, Under: c.under, Names: c.names, Count: &n, Reach: l.reach(c, lock)}
		switch {
		case c.under == Memory:
			out.Count = nil
		case n == 0:
			for s := range out.Reach {
				out.Reach[s] = No
			}
		}
		off := out.Reach[Off]
		out.Red = c.under != InClear && c.under != Identity && (off == Yes || off == Maybe)
		list = append(list, out)
	}
	return list
}

// report puts it all together.
func (l *looker) report() Report {
	k, lock := l.keys()
	r := Report{
		Version: FormatVersion, Made: l.o.Now.UTC(), Dir: l.dir, Box: l.box, Site: l.site, Copy: l.o.Copy, Running: l.running, Keys: k,
		Items: l.items, Complete: true,
	}
	if r.Made.IsZero() {
		r.Made = time.Now().UTC()
	}
	r.Classes = l.classes(lock)
	for _, i := range r.Items {
		r.Complete = r.Complete && len(i.Problems) == 0
	}
	if l.identity == nil && !l.strange && !r.here(ClosedBy) {
		l.found(NoBox, Red, nil)
		r.Complete = false
	}
	l.tell(k, r)
	slices.SortStableFunc(l.findings, func(a, b Finding) int { return levels[a.Level] - levels[b.Level] })
	r.Findings = l.findings
	r.Answer = r.answer()
	r.Sentence = r.say()
	return r
}

var levels = map[Level]int{Red: 0, Warn: 1, Info: 2}

// answer is what the switched-off box says to a thief without the code.
func (r Report) answer() Answer {
	for _, c := range r.Classes {
		if at := c.Reach[Off]; c.Names && (at == Yes || at == Maybe) {
			return NamesPeople
		}
	}
	if !r.Complete {
		return NotKnown
	}
	return NamesNobody
}

// here reports whether there is anything of a class.
func (r Report) here(id ClassID) bool { return r.count(id) > 0 }

func (r Report) count(id ClassID) int64 {
	for _, c := range r.Classes {
		if c.ID == id && c.Count != nil {
			return *c.Count
		}
	}
	return 0
}

// tell finds what the table does not say.
func (l *looker) tell(k Keys, r Report) {
	problems, text := int64(0), int64(0)
	for _, i := range r.Items {
		problems += int64(len(i.Problems))
		for _, p := range i.Problems {
			if p.ID == ClearText {
				text += p.Count
			}
		}
	}
	when := func(so bool, id FindingID, level Level, facts map[string]int64) {
		if so {
			l.found(id, level, facts)
		}
	}
	when(problems > 0, Unknowns, Red, map[string]int64{"problems": problems})
	when(text > 0, ClearTextHere, Red, map[string]int64{"places": text})
	when(l.lies(LieTPM), LiesTPM, Red, nil)
	when(l.lies(LieFile), LiesFile, Red, nil)
	when(k.Rule == LieTPM, RuleTPM, Red, nil)
	when(k.Rule == LieFile, RuleFile, Red, nil)
	perDay := int64(0)
	if k.TryMillis > 0 {
		perDay = 24 * time.Hour.Milliseconds() / k.TryMillis
	}
	when(l.lies(LieCodeFile), GuessOffLine, Warn, map[string]int64{
		"passes": int64(k.Cost.Passes), "memory_kib": int64(k.Cost.MemoryKiB), "try_ms": k.TryMillis, "tries_a_day": perDay,
	})
	when(k.Identity == LieTPM && !k.Counts, CountOpen, Warn, nil)
	when(k.Identity == LieFile, IdentityFile, Warn, nil)
	when(k.Identity != LieNone, CentralOpens, Warn, nil)
	when(k.Identity != LieNone, Forges, Warn, nil)
	when(k.Lie == LieCodeTPM, TPMTries, Info, map[string]int64{"at_once": tpm.MaxTries, "a_day": int64(24 * time.Hour / tpm.RecoverEach)})
	when(k.Held != "", HeldBySoftware, Warn, nil)
	when(len(l.rings) > 0, FormerFiles, Info, nil)
	when(!l.o.Copy, Elsewhere, Info, nil)
	when(r.here(Staff), StaffGuess, Info, nil)
	when(r.here(TapTimes), TimesTell, Info, map[string]int64{"taps": r.count(TapTimes)})
	when(k.Open == "assumed", KeysAssumed, Info, nil)
	when(!l.o.Copy, LogElsewhere, Info, nil)
	when(l.o.Copy, MachineUnseen, Warn, nil)
	l.found(PageOpen, Info, nil)
}

func (l *looker) lies(as string) bool {
	return slices.ContainsFunc(l.rings, func(r vault.Lies) bool { lie, _, _ := lieOf(r); return lie == as })
}
