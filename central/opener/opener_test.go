package opener_test

import (
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"kazashi.example/central/boxline/simcentral"
	"kazashi.example/central/intake/simbox"
	"kazashi.example/central/opener"
	"kazashi.example/central/store"
	"kazashi.example/reader/jpki"
	"kazashi.example/sync/canon"
	"kazashi.example/sync/certid"
	"kazashi.example/sync/content"
	"kazashi.example/sync/epoch"
	"kazashi.example/sync/gate"
	"kazashi.example/sync/record"
	"kazashi.example/sync/wire"
)

// P2, design §5.4: shuffled, twice, by two openers at once: one row, one verdict, one person each.
func TestRule4AppliedOnceByTwoOpeners(t *testing.T) {
	t.Parallel()
	c := simcentral.New(t)
	box := c.Box()
	e := box.Start(t, epoch.CauseStart)
	var taps []record.TapID
	for i := range 80 {
		r := simbox.Known(t, 0x20, byte(i/2+1)).PIN(t, box.ID) // each person twice
		taps = append(taps, r.Tap)
		e.Tap(t, r)
	}
	all := e.Push().Envelopes
	rand.New(rand.NewPCG(3, 4)).Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	c.Push(box, wire.Push{Headers: e.Push().Headers, Envelopes: all})
	second := opener.New(c.Opener.Config)
	var both sync.WaitGroup
	for _, o := range []*opener.Opener{c.Opener, second} {
		both.Go(func() {
			if err := o.Drain(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	both.Wait()
	c.Push(box, e.Push())
	c.Drain()
	n := c.Counts()
	if n.Records != 80 || n.Applied != 80 || n.Ready != 0 || n.Persons != 40 {
		t.Errorf("counts = %+v, want 80 records, 80 applied, 40 persons", n)
	}
	_, _, v := c.Poll(box, wire.Poll{})
	if len(v.Verdicts) != 80 || v.Version.N != 80 {
		t.Errorf("verdicts = %d up to %d, want 80 up to 80", len(v.Verdicts), v.Version.N)
	}
	for i := 0; i < 80; i += 2 {
		if a, b := c.PPID(box, taps[i]), c.PPID(box, taps[i+1]); a == "" || a != b {
			t.Fatalf("PPIDs of one person's two taps = %q and %q, want the same", a, b)
		}
	}
	if a, b := c.PPID(box, taps[0]), c.PPID(box, taps[2]); a == b {
		t.Error("two people have one PPID")
	}
}

// P6: the final verdict is as of the tap, from what central knows.
func TestFinalVerdicts(t *testing.T) {
	late := simbox.Card(0x31)
	late.Time = simbox.Until.Add(time.Hour).UnixMilli()
	unruled := simbox.Card(0x32)
	unruled.Service = "nobody.knows"
	nowhere := simbox.Card(0x33)
	nowhere.Hierarchy, nowhere.Issuer = 0, content.Issuer{}
	broken := simbox.Card(0x34)
	broken.Said.Verdict, broken.Said.Reason = record.VerdictRefused, record.ReasonChainBroken
	shape := simbox.Card(0x35)
	shape.Said.Verdict, shape.Said.Reason = record.VerdictRefused, record.ReasonProfile
	foreign := simbox.Card(0x36)
	foreign.Hierarchy = certid.HierarchyTest
	cases := []struct {
		name   string
		record content.Record
		answer record.Answer
		want   gate.Decision
		source wire.Source
	}{
		{"in order", simbox.Card(0x37), record.AnswerNotRevoked, gate.Decision{Verdict: record.VerdictAccepted, Reason: record.ReasonInOrder}, wire.SourceOCSP},
		{"revoked", simbox.Card(0x38), record.AnswerRevoked, gate.Decision{Verdict: record.VerdictRefused, Reason: record.ReasonRevoked}, wire.SourceOCSP},
		{"on hold", simbox.Card(0x39), record.AnswerOnHold, gate.Decision{Verdict: record.VerdictRefused, Reason: record.ReasonOnHold}, wire.SourceOCSP},
		{"expired", late, record.AnswerNotRevoked, gate.Decision{Verdict: record.VerdictRefused, Reason: record.ReasonExpired}, wire.SourceNone},
		{"no rule", unruled, record.AnswerNotRevoked, gate.Decision{Verdict: record.VerdictRefused, Reason: record.ReasonNoRule}, wire.SourceNone},
		{"unknown issuer", nowhere, record.AnswerNotRevoked, gate.Decision{Verdict: record.VerdictRefused, Reason: record.ReasonUnknownIssuer}, wire.SourceNone},
		{"broken chain", broken, record.AnswerNotRevoked, gate.Decision{Verdict: record.VerdictRefused, Reason: record.ReasonChainBroken}, wire.SourceNone},
		{"wrong profile", shape, record.AnswerNotRevoked, gate.Decision{Verdict: record.VerdictRefused, Reason: record.ReasonProfile}, wire.SourceNone},
		{"other hierarchy", foreign, record.AnswerNotRevoked, gate.Decision{Verdict: record.VerdictRefused, Reason: record.ReasonHierarchy}, wire.SourceNone},
	}
	c := simcentral.New(t)
	box := c.Box()
	e := box.Start(t, epoch.CauseStart)
	for _, k := range cases {
		t.Run(k.name, func(t *testing.T) {
			c.World.Answer(k.answer, k.record.Serial...)
			w := e.Tap(t, k.record)
			c.Push(box, e.Push())
			c.Drain()
			r, err := c.Record(w.ID)
			if err != nil {
				t.Fatal(err)
			}
			if got := (gate.Decision{Verdict: r.Final.Verdict, Reason: r.Final.Reason}); got != k.want || r.Source != k.source {
				t.Errorf("final = %s %s by %d, want %s %s by %d", got.Verdict, got.Reason, r.Source, k.want.Verdict, k.want.Reason, k.source)
			}
			if r.First.Verdict != k.record.Said.Verdict || r.Tap != k.record.Tap {
				t.Errorf("the row lost what was said at the counter")
			}
			if p := c.PPID(box, k.record.Tap); p != "" {
				t.Errorf("PPID = %q, want none: nobody proved a PIN with this certificate", p)
			}
		})
	}
}

// What the box could not place, central examines itself; the certificate counts, not what the box said of it.
func TestIssuerUnknownOnTheBoxIsExaminedHere(t *testing.T) {
	c := simcentral.New(t)
	box := c.Box()
	r := simbox.Card(0x41)
	r.Hierarchy, r.Issuer, r.Certificate = 0, content.Issuer{}, []byte("a certificate of the test")
	serial, err := certid.ParseSerial([]byte{0x42})
	if err != nil {
		t.Fatal(err)
	}
	c.World.Examined(func(der []byte) (jpki.AuthCert, error) {
		if string(der) != string(r.Certificate) {
			return simbox.Examine(der)
		}
		return jpki.AuthCert{
			Serial: serial, NotBefore: simbox.Since, NotAfter: simbox.Until, Chain: jpki.ChainVerified,
			Hierarchy: certid.HierarchyPractice, IssuerNotBefore: simbox.Since, IssuerNotAfter: simbox.Until.AddDate(5, 0, 0),
		}, nil
	})
	e := box.Start(t, epoch.CauseStart)
	e.Tap(t, simbox.Known(t, 0x42).PIN(t, box.ID))
	c.Push(box, e.Push())
	c.Drain()
	same := simbox.Card(0x42)
	w := e.Tap(t, r)
	e.Tap(t, same)
	c.Push(box, e.Push())
	c.Drain()
	got, err := c.Record(w.ID)
	if err != nil {
		t.Fatal(err)
	}
	if got.Final.Verdict != record.VerdictAccepted {
		t.Errorf("final = %s %s, want accepted", got.Final.Verdict, got.Final.Reason)
	}
	if a, b := c.PPID(box, r.Tap), c.PPID(box, same.Tap); a == "" || a != b {
		t.Errorf("PPIDs = %q and %q, want the same: one serial inside the certificate and beside it", a, b)
	}
}

// P2: nobody answers for one certificate; the others go on, and the one is settled when somebody answers.
func TestStatusUnknownWaitsAlone(t *testing.T) {
	c := simcentral.New(t)
	box := c.Box()
	e := box.Start(t, epoch.CauseStart)
	c.World.Silence(0x51)
	waiting := e.Tap(t, simbox.Card(0x51))
	for i := range 5 {
		e.Tap(t, simbox.Card(0x52, byte(i)))
	}
	c.Push(box, e.Push())
	c.Drain()
	if n := c.Counts(); n.Records != 5 || n.Ready != 1 {
		t.Fatalf("counts = %+v, want 5 applied and 1 waiting", n)
	}
	asked := c.World.Asked()
	c.Drain()
	if c.World.Asked() != asked {
		t.Error("asked again at once: no pause between tries")
	}
	c.World.Answer(record.AnswerRevoked, 0x51)
	c.World.Pass(time.Hour)
	c.Drain()
	r, err := c.Record(waiting.ID)
	if err != nil || r.Final.Reason != record.ReasonRevoked {
		t.Errorf("Record = %v %v, want refused as revoked", r.Final, err)
	}
}

// design §2: central refuses a tap id twice, and says so in a final verdict.
func TestTapReplayedIsRefused(t *testing.T) {
	c := simcentral.New(t)
	box, other := c.Box(), c.Box()
	tap := simbox.Card(0x61)
	first := box.Start(t, epoch.CauseStart).Tap(t, tap)
	c.Push(box, box.Push())
	c.Drain()
	again := other.Start(t, epoch.CauseStart).Tap(t, tap)
	c.Push(other, other.Push())
	c.Drain()
	a, err := c.Record(first.ID)
	if err != nil || a.Final.Verdict != record.VerdictAccepted {
		t.Errorf("first = %v %v, want accepted", a.Final, err)
	}
	b, err := c.Record(again.ID)
	if err != nil || b.Final.Reason != record.ReasonTapReplayed || b.Subject != 0 {
		t.Errorf("second = %v %v subject %d, want refused as tap_replayed without a subject", b.Final, err, b.Subject)
	}
}

// Genuine, and no record: applied as refused, with a verdict that the box can place.
func TestUnreadableIsAppliedAndTold(t *testing.T) {
	c := simcentral.New(t)
	box := c.Box()
	e := box.Start(t, epoch.CauseStart)
	none := simbox.Card(0x71)
	none.Version = 0
	b, err := canon.Encode(none)
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range []epoch.Written{e.Raw(t, []byte("no CBOR at all")), e.Raw(t, b)} {
		c.Push(box, e.Push())
		c.Drain()
		r, err := c.Record(w.ID)
		if err != nil || r.Final.Reason != record.ReasonUnreadable {
			t.Errorf("Record = %v %v, want refused as unreadable", r.Final, err)
		}
	}
	_, _, v := c.Poll(box, wire.Poll{})
	for _, w := range v.Verdicts {
		if w.Tap.IsZero() || (w.Tap == none.Tap) != (w.Seq == 2) {
			t.Errorf("verdict on record %d names tap %s, want the content's own tap id on record 2", w.Seq, w.Tap)
		}
	}
	if len(v.Verdicts) != 2 {
		t.Errorf("%d verdicts, want 2", len(v.Verdicts))
	}
}

// design §5.4: an envelope whose tag fails is set aside and is not held any more; the true one takes its place.
func TestRule4ForgedIsSetAside(t *testing.T) {
	c := simcentral.New(t)
	box, carrier := c.Box(), c.Box()
	e := box.Start(t, epoch.CauseStart)
	for i := range 5 {
		e.Tap(t, simbox.Card(0x81, byte(i)))
	}
	v, err := epoch.DecodeEnvelope(e.Records[2].Bytes)
	if err != nil {
		t.Fatal(err)
	}
	v.Sealed[3] ^= 1
	forged, err := v.Encode()
	if err != nil {
		t.Fatal(err)
	}
	p := e.Push()
	true3 := p.Envelopes[2]
	p.Envelopes[2] = forged
	c.Push(carrier, p)
	c.Drain()
	id := e.Signed.Header.Epoch
	_, a, _ := c.Poll(box, wire.Poll{Epochs: []record.EpochID{id}})
	if len(a.Ranges) != 2 || a.Ranges[0].Last != 2 || a.Ranges[1].First != 4 {
		t.Fatalf("ranges = %v, want 1..2 and 4..5", a.Ranges)
	}
	if got := c.Push(carrier, wire.Push{Envelopes: [][]byte{forged}}); len(got.Refused) != 1 {
		t.Errorf("Refused = %v, want the forged one named", got.Refused)
	}
	c.Push(box, wire.Push{Envelopes: [][]byte{true3}})
	c.Drain()
	_, a, _ = c.Poll(box, wire.Poll{Epochs: []record.EpochID{id}})
	if len(a.Ranges) != 1 || a.Ranges[0].Last != 5 || a.Ranges[0].Chain != e.Records[4].Chain {
		t.Errorf("ranges = %v, want 1..5 with the box's head", a.Ranges)
	}
	if n := c.Counts(); n.Records != 5 || n.Aside != 1 {
		t.Errorf("counts = %+v, want 5 records and 1 set aside", n)
	}
	if s := c.State(box); s != store.BoxActive {
		t.Errorf("state = %s: a forger had the box quarantined", s)
	}
}
