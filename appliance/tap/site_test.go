package tap_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"kazashi.example/appliance/journal"
	"kazashi.example/appliance/roster/rostertest"
	"kazashi.example/appliance/sitebook"
	"kazashi.example/appliance/tap"
	"kazashi.example/localapi"
	"kazashi.example/sync/certid"
	"kazashi.example/sync/content"
	"kazashi.example/sync/record"
	"kazashi.example/sync/roster"
	"kazashi.example/sync/rule"
	"kazashi.example/sync/seal"
)

const number = "L-0042"

func link(n string) localapi.NextCardRequest {
	return localapi.NextCardRequest{Kind: localapi.NextLink, Number: localapi.NewSecret(n)}
}

func unlink() localapi.NextCardRequest { return localapi.NextCardRequest{Kind: localapi.NextUnlink} }

// signIn has somebody of staff sign in.
func (c *counter) signIn() {
	c.t.Helper()
	const code = "made-up code"
	must(c.t, c.book.SetStaff(c.t.Context(), localapi.NewStaff{ID: "sato", Name: "練習", Code: localapi.NewSecret(code)}))
	_, err := c.book.SignIn(c.t.Context(), localapi.NewSecret(code))
	must(c.t, err)
}

// P5: with the site's keys locked certificate and PIN are checked as ever, nobody is looked up, and an enrolment, which could not be
// remembered, is refused before a PIN is sent.
func TestP5LockedBoxAsksForNoPINInVain(t *testing.T) {
	c := newCounter(t)
	p, card := c.card("hanako")
	c.demand(record.EvidenceCard)
	c.enrol(p, card)
	c.lock(true)
	for _, q := range []localapi.NextCardRequest{shortEnrolment(p), link(number), unlink()} {
		if _, err := c.tap.Arm(q); !errors.Is(err, localapi.ErrLocked) {
			t.Errorf("Arm(%s) = %v, want ErrLocked", q.Kind, err)
		}
	}
	c.want("by the card", card, refused(record.ReasonRosterLocked), record.EvidenceCertificate)
	c.arm(withPIN(p.AuthPIN))
	c.want("with the PIN", card, inOrder, record.EvidencePIN)
	c.demand(record.EvidenceCertificate)
	c.want("by the certificate", card, inOrder, record.EvidenceCertificate)
	c.lock(false)
	c.demand(record.EvidenceCard)
	c.want("by the card, open again", card, pending, record.EvidenceCard)
	card.verified()
	c.arm(shortEnrolment(p))
	c.lock(true) // before the card came
	e := c.want("enrolling", card, refused(record.ReasonRosterLocked), record.EvidenceCertificate)
	if e.Enrol == nil || *e.Enrol != (localapi.Enrolled{Hindrance: record.ReasonRosterLocked}) {
		t.Errorf("enrolled %+v, want the locked roster for a hindrance", e.Enrol)
	}
	if n := card.verified(); n != 0 {
		t.Errorf("%d values were verified, want none", n)
	}
	c.demand(record.EvidencePIN) // where nothing is kept for later taps nothing has to be remembered
	c.arm(shortEnrolment(p))
	c.want("enrolling where the PIN is asked for each time", card, inOrder, record.EvidencePIN)
	c.tries("afterwards", card, full)
}

// The same person is told, or refused, within the rule's time, by whatever evidence and after a renewal; another person is not.
func TestSecondUse(t *testing.T) {
	c := newCounter(t)
	_, hanako := c.card("hanako")
	_, taro := c.card("taro")
	r := &c.rules.set.Rules[0]
	c.want("each counts", hanako, inOrder, record.EvidenceCertificate)
	r.SecondUse, r.SecondWithin = rule.SecondUseTell, 3600
	again := localapi.Outcome{Verdict: record.VerdictAccepted, Reason: record.ReasonAgain}
	c.want("first", hanako, inOrder, record.EvidenceCertificate)
	c.want("told", hanako, again, record.EvidenceCertificate)
	r.SecondUse = rule.SecondUseRefuse
	c.want("another person", taro, inOrder, record.EvidenceCertificate)
	c.want("refused", hanako, refused(record.ReasonUsedAlready), record.EvidenceCertificate)
	c.lock(true)
	unknown := localapi.Outcome{Verdict: record.VerdictProvisional, Reason: record.ReasonRosterLocked}
	c.want("nobody can say", hanako, unknown, record.EvidenceCertificate)
	c.lock(false)
	p, _ := c.world.Person("hanako")
	c.arm(shortEnrolment(p))
	c.want("enrolling, used already", hanako, refused(record.ReasonUsedAlready), record.EvidenceCertificate)
	c.clock.at = c.clock.at.Add(time.Hour + time.Second)
	c.demand(record.EvidenceCard)
	c.arm(shortEnrolment(p))
	c.want("enrolling an hour later", hanako, inOrder, record.EvidencePIN)
	c.want("by the card", hanako, refused(record.ReasonUsedAlready), record.EvidenceCertificate)
	c.tries("by the card", hanako, full)
	here, err := c.book.Present(t.Context())
	if err != nil || len(here) != 2 {
		t.Errorf("Present = %+v, %v, want two people", here, err)
	}
}

// Numbers are linked by a card, told at later taps, and taken back by the card or by staff; the record says it, and who was at the desk.
func TestNumbersOfTheService(t *testing.T) {
	c := newCounter(t)
	_, hanako := c.card("hanako")
	_, taro := c.card("taro")
	step := func(when string, q *localapi.NextCardRequest, card *plastic, want *localapi.Linked, told string, in *content.Link) {
		t.Helper()
		if q != nil {
			c.arm(*q)
		}
		e := c.want(when, card, inOrder, record.EvidenceCertificate)
		if (e.Link == nil) != (want == nil) || want != nil && *e.Link != *want || e.Number.Reveal() != told {
			t.Errorf("%s: link %+v, number %q, want %+v, %q", when, e.Link, e.Number.Reveal(), want, told)
		}
		got := c.last()
		if (got.Link == nil) != (in == nil) || in != nil && *got.Link != *in || got.Staff != "sato" {
			t.Errorf("%s: the record says another link, or %q was at the desk", when, got.Staff)
		}
	}
	c.signIn()
	tie, other, back := link(number), link("L-77"), unlink()
	step("an ordinary tap", nil, hanako, nil, "", nil)
	step("nothing to take back", &back, hanako, &localapi.Linked{Unlink: true, Why: localapi.LinkNone}, "", nil)
	step("linking before anybody is registered", &tie, hanako, &localapi.Linked{Why: localapi.LinkNobody}, "", nil)
	for name, card := range map[string]*plastic{"hanako": hanako, "taro": taro} {
		p, _ := c.world.Person(name)
		c.arm(shortEnrolment(p))
		c.want("registering "+name, card, inOrder, record.EvidencePIN)
	}
	tie = link(number)
	step("linking", &tie, hanako, &localapi.Linked{Done: true}, number, &content.Link{Number: number})
	step("a later tap", nil, hanako, nil, number, nil)
	tie = link("　Ｌ－００４２") // one number, however it is typed
	step("again", &tie, hanako, &localapi.Linked{Done: true, Why: localapi.LinkAlready}, number, nil)
	step("another number", &other, hanako, &localapi.Linked{Why: localapi.LinkOther}, number, nil)
	tie = link(number)
	step("somebody else's", &tie, taro, &localapi.Linked{Why: localapi.LinkTaken}, "", nil)
	step("taken back", &back, hanako, &localapi.Linked{Unlink: true, Done: true}, "", &content.Link{Number: number, Unlink: true})
	tie = link(number)
	step("free for another", &tie, taro, &localapi.Linked{Done: true}, number, &content.Link{Number: number})
	must(t, c.book.SignOut(t.Context()))
	u := localapi.Unlink{Service: service, Number: "Ｌ－００４２ "}
	if err := c.tap.Unlink(t.Context(), u); !errors.Is(err, localapi.ErrNobody) {
		t.Errorf("Unlink by nobody = %v, want ErrNobody", err)
	}
	c.signIn()
	must(t, c.tap.Unlink(t.Context(), u))
	e := c.next()
	if first := (localapi.Outcome{Verdict: record.VerdictRecorded, Reason: record.ReasonRecordOnly}); e.Tap == nil || e.Tap.First != first ||
		e.Link == nil || !e.Link.Done || !e.Number.IsZero() || e.Rests.Evidence != record.EvidenceNone {
		t.Errorf("without the card the counter hears %+v", e)
	}
	if r := c.last(); r.Tap != e.Tap.Tap || r.Evidence != record.EvidenceNone || *r.Link != (content.Link{Number: number, Unlink: true}) || r.Staff != "sato" {
		t.Error("without the card the record says something else")
	}
	step("taken back by staff", nil, taro, nil, "", nil)
	if err := c.tap.Unlink(t.Context(), u); !errors.Is(err, localapi.ErrUnknown) {
		t.Errorf("Unlink twice = %v, want ErrUnknown", err)
	}
	if err := c.tap.Unlink(t.Context(), localapi.Unlink{Service: "another", Number: number}); !errors.Is(err, localapi.ErrNextNotServed) {
		t.Errorf("Unlink of another service = %v, want ErrNextNotServed", err)
	}
}

// Central's roster tells numbers as well; what was taken back here stays so until central tells of it.
func TestNumberOfTheRoster(t *testing.T) {
	c := newCounter(t)
	p, card := c.card("hanako")
	entry := entryOf(c.enrol(p, card))
	entry.Services = []roster.Service{{ID: service, Number: number, Linked: record.NewTapID()}}
	c.push(entry)
	told := func(when, want string) {
		t.Helper()
		if e := c.want(when, card, inOrder, record.EvidenceCertificate); e.Number.Reveal() != want {
			t.Errorf("%s: number %q, want %q", when, e.Number.Reveal(), want)
		}
	}
	told("by the roster", number)
	c.arm(unlink())
	told("taken back", "")
	taken := c.last().Tap
	c.undecided, entry.Renewed = taken, true
	c.push(entry) // which has not heard of it
	told("an older word of central's", "")
	c.undecided = record.TapID{}
	entry.Services[0].Linked, entry.Services[0].Number = taken, ""
	c.push(entry)
	told("central's word", "")
	if n, err := c.book.Contents(t.Context()); err != nil || n.Links != 0 || n.Enrolments != 0 {
		t.Errorf("the book still holds %+v, %v", n, err)
	}
}

// The rule may want somebody by name at the desk.
func TestP6SomebodyHasToBeSignedIn(t *testing.T) {
	c := newCounter(t)
	_, card := c.card("hanako")
	c.rules.set.Rules[0].SignIn = true
	c.want("nobody", card, refused(record.ReasonNobodySignedIn), record.EvidenceCertificate)
	if s := c.last().Staff; s != "" {
		t.Errorf("the record names %q", s)
	}
	c.signIn()
	c.want("somebody", card, inOrder, record.EvidenceCertificate)
	if s := c.last().Staff; s != "sato" {
		t.Errorf("the record names %q, want sato", s)
	}
}

// stops calls its hooks around an append, and may fail it.
type stops struct {
	*journal.Journal
	before, after func()
	fail          bool
}

func (s *stops) Append(ctx context.Context, plain []byte, k journal.Clear) (record.ID, error) {
	s.before()
	if s.fail {
		return record.ID{}, journal.ErrNotDurable
	}
	id, err := s.Journal.Append(ctx, plain, k)
	s.after()
	return id, err
}

// P1, P2: the power goes at each moment between card and verdict. The site book holds what a tap left exactly if the journal has its record.
func TestP2PowerCutBetweenSiteBookAndRecord(t *testing.T) {
	at := &stops{before: func() {}, after: func() {}}
	c := newCounter(t, func(conf *tap.Config) {
		at.Journal = conf.Journal.(*journal.Journal)
		conf.Journal = at
	})
	c.demand(record.EvidenceCard)
	c.rules.set.Rules[0].SecondUse, c.rules.set.Rules[0].SecondWithin = rule.SecondUseTell, 1
	for _, tc := range []struct {
		key    string
		when   *func()
		counts bool
	}{{"hanako", &at.before, false}, {"taro", &at.after, true}} {
		var after *afterwards
		*tc.when = func() { after = c.cut() }
		p, card := c.card(tc.key)
		c.arm(shortEnrolment(p))
		e := c.want(tc.key, card, inOrder, record.EvidencePIN)
		*tc.when = func() {}
		has, err := after.journal.Has(t.Context(), e.Tap.Tap, 0)
		must(t, err)
		_, enrolled, err := after.book.Enrolled(t.Context(), "practice-city", certOf(t, p.Auth.ID.Serial))
		must(t, err)
		here, err := after.book.Present(t.Context())
		must(t, err)
		present := slices.ContainsFunc(here, func(x localapi.Presence) bool { return x.Tap == e.Tap.Tap })
		if has != tc.counts || enrolled != tc.counts || present != tc.counts {
			t.Errorf("%s: record %t, enrolled %t, present %t, want %t of each", tc.key, has, enrolled, present, tc.counts)
		}
	}
	// A record that could not be written leaves nobody enrolled, now or after a start.
	at.fail = true
	p, card := c.card("kiku")
	c.arm(shortEnrolment(p))
	c.fails("a disk that takes no record", card, localapi.FailureJournal, 0)
	at.fail = false
	for name, b := range map[string]*sitebook.Book{"now": c.book, "after a cut": c.cut().book} {
		if _, ok, err := b.Enrolled(t.Context(), "practice-city", certOf(t, p.Auth.ID.Serial)); ok || err != nil {
			t.Errorf("%s: enrolled without a record: %t, %v", name, ok, err)
		}
	}
	c.want("the next tap", card, refused(record.ReasonNotEnrolled), record.EvidenceCertificate)
}

// fullBook is on a disk that is full.
type fullBook struct{ tap.Book }

func (fullBook) Write(context.Context, sitebook.Visit) error {
	return errors.New("database or disk is full")
}

// P1: what the site book does not take is served to nobody, and recorded nowhere.
func TestP1SiteBookThatTakesNothing(t *testing.T) {
	c := newCounter(t, func(conf *tap.Config) { conf.Book = fullBook{conf.Book} })
	p, card := c.card("hanako")
	c.want("nothing to remember", card, inOrder, record.EvidenceCertificate)
	c.rules.set.Rules[0].SecondUse, c.rules.set.Rules[0].SecondWithin = rule.SecondUseTell, 60
	c.fails("a use to remember", card, localapi.FailureJournal, 0)
	c.signIn()
	must(t, c.book.Write(t.Context(), sitebook.Visit{
		Tap: c.last().Tap, At: c.clock.at, Service: service, Link: number,
		Person: sitebook.PersonOf("practice-city", certOf(t, p.Auth.ID.Serial), record.TapID{}),
	}))
	c.book.Confirm(c.last().Tap)
	if err := c.tap.Unlink(t.Context(), localapi.Unlink{Service: service, Number: number}); err == nil {
		t.Error("Unlink = nil, want the disk's word")
	}
	if n := len(c.opened()); n != 1 {
		t.Errorf("%d records, want the one before", n)
	}
}

// A site book that cannot be read stops as little as one that is locked, and is told by its own name: no code opens it.
func TestP1SiteBookThatCannotBeRead(t *testing.T) {
	var log bytes.Buffer
	c := newCounter(t, func(conf *tap.Config) { conf.Log = slog.New(slog.NewTextHandler(&log, nil)) })
	p, card := c.card("hanako")
	must(t, c.book.Close())
	c.want("a certificate", card, inOrder, record.EvidenceCertificate)
	c.arm(withPIN(p.AuthPIN))
	c.want("a PIN", card, inOrder, record.EvidencePIN)
	c.demand(record.EvidenceCard)
	c.want("a card", card, refused(record.ReasonRosterUnreadable), record.EvidenceCertificate)
	if !c.tap.Unreadable() {
		t.Error("Unreadable() = false, want true for the status")
	}
	c.over()
	if !strings.Contains(log.String(), "level=ERROR") {
		t.Error("the log does not say that the site book cannot be read")
	}
}

// afterwards is what is there when the power is back.
type afterwards struct {
	journal *journal.Journal
	book    *sitebook.Book
}

// cut copies the files as they lie there now, and opens them elsewhere.
func (c *counter) cut() *afterwards {
	c.t.Helper()
	dir := c.t.TempDir()
	for _, name := range []string{"journal.db", "sitebook.db"} {
		for _, tail := range []string{"", "-wal"} {
			b, err := os.ReadFile(filepath.Join(filepath.Dir(c.path), name+tail))
			must(c.t, err)
			must(c.t, os.WriteFile(filepath.Join(dir, name+tail), b, 0o600))
		}
	}
	public := c.private.Public()
	j, err := journal.Open(c.t.Context(), filepath.Join(dir, "journal.db"), journal.Options{
		Device: c.device, Box: c.box, Recipient: func() (seal.PublicKey, error) { return public, nil },
	})
	must(c.t, err)
	c.t.Cleanup(func() { must(c.t, j.Close()) })
	b, err := sitebook.Open(c.t.Context(), filepath.Join(dir, "sitebook.db"), sitebook.Options{
		Site: rostertest.Site, Desk: desk, Ring: c.ring.Ring, Records: j,
	})
	must(c.t, err)
	c.t.Cleanup(func() { must(c.t, b.Close()) })
	return &afterwards{j, b}
}

func certOf(t *testing.T, s certid.Serial) certid.CertID {
	t.Helper()
	return certid.CertID{Scope: authScope, Serial: s}
}

// crowded is a journal on a disk that may be full.
type crowded struct {
	*journal.Journal
	full bool
}

func (c *crowded) State() journal.Space {
	if c.full {
		return journal.SpaceFull
	}
	return journal.SpaceOK
}

// P1, P5: with a full disk no tap begins: no PIN and no birth date is spent on what could not be written down.
func TestP5NothingIsAskedOfACardWhenTheDiskIsFull(t *testing.T) {
	disk := &crowded{}
	c := newCounter(t, func(conf *tap.Config) {
		disk.Journal = conf.Journal.(*journal.Journal)
		conf.Journal = disk
	})
	p, card := c.card("hanako")
	disk.full = true
	c.arm(localapi.NextCardRequest{Kind: localapi.NextPIN, PIN: localapi.NewSecret(p.AuthPIN)})
	c.present(slot, card, false)
	if e := c.next(); e.Type != localapi.EventReadFailed || e.Failure != localapi.FailureDiskFull {
		t.Errorf("event %s %s with a full disk, want read_failed disk_full", e.Type, e.Failure)
	}
	c.lifted(slot)
	if n := card.verified(); n != 0 {
		t.Errorf("%d values were sent to the card, want none", n)
	}
	disk.full = false
	if e := c.lay(card); e.Type != localapi.EventVerdict {
		t.Errorf("event %s once there is room again, want a verdict", e.Type)
	}
}
