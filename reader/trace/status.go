package trace

import "kazashi.example/reader/apdu"

// swNoDelivery is known of the card beside the words of package apdu (soltia48/myna-card src/ap/text.rs).
const swNoDelivery apdu.StatusWord = 0x66F1

// listed reports the status words that are written down behind an answer that is masked. They are no secret: what the card says in its
// answers to everybody. An answer that was cut off ends with two octets of the file instead, and those are one of these by chance alone.
func listed(sw apdu.StatusWord) bool { return sw.Named() || sw == swNoDelivery }

// counts reports a status word whose second octet is a number.
func counts(sw apdu.StatusWord) bool {
	_, more := sw.More()
	_, length := sw.ExactLe()
	_, tries := sw.TriesLeft()
	return more || length || tries
}

// tells reports whether the last two octets of an answer may be written down: if they could be shown were they part of a file's contents,
// or if they are a listed word. Words that count are hidden where any octet is too many: in reads of the files of never, and in answers
// that cannot be placed to commands that may be such reads.
func (v view) tells(cmd apdu.Command, r apdu.Response) bool {
	if v.answer >= len(r.Data)+2 || listed(r.SW) {
		return true
	}
	return counts(r.SW) && (readsNothing(cmd) || v.from.app != 0 && !never[v.from])
}

// readsNothing reports an instruction whose answer is never a file's contents.
func readsNothing(cmd apdu.Command) bool {
	switch cmd.INS {
	case apdu.InsSelect, apdu.InsVerify, apdu.InsChange, apdu.InsPerform, apdu.InsChallenge:
		return cmd.CLA == 0x00 || cmd.CLA == 0x80
	}
	return false
}
