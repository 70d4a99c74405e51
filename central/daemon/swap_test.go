package daemon_test

import (
	"database/sql"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"kazashi.example/central/admin"
	"kazashi.example/central/courier"
	"kazashi.example/central/store/sqlite"
	parcel "kazashi.example/sync/courier"
	"kazashi.example/sync/record"
	"kazashi.example/sync/uplink"
	"kazashi.example/sync/wire"
)

// A dead box is replaced over the operator's socket and the uplink; a lost one is out of service at once, and lost once.
func TestASwapAndALoss(t *testing.T) {
	p := setUp(t)
	p.run(t)
	op := p.operator()
	dead := p.join(t)
	boxes, err := op.Boxes(t.Context())
	must(t, err)
	old := boxes[0].ID
	if _, err := op.Swap(t.Context(), admin.Swap{Box: old, Name: "one\n"}); err == nil {
		t.Error("Swap() with a line break = nil, want a refusal")
	}
	n, err := op.Swap(t.Context(), admin.Swap{Box: old})
	must(t, err)
	spare := p.joinBy(t, n.Code)
	boxes, err = op.Boxes(t.Context())
	must(t, err)
	if b := boxes[1]; b.Replaces != old.String() || b.Name != "one" || b.Site != "branch-1" || b.State != "active" {
		t.Errorf("the spare is %+v, want it in the place of %s", b, old)
	}
	if b := boxes[0]; b.State != "replaced" || b.ReplacedBy != boxes[1].ID.String() {
		t.Errorf("the dead box is %+v, want it replaced by %s", b, boxes[1].ID)
	}
	got, err := dead.Poll(t.Context(), wire.Poll{})
	if err != nil || got.ReplacedBy != boxes[1].ID || got.Rules != nil || got.Bundle != nil {
		t.Errorf("Poll() of the dead box = %+v, %v, want who replaced it, and no more", got, err)
	}
	if got, err = spare.Poll(t.Context(), wire.Poll{Locked: true}); err != nil || got.Rules == nil || got.Bundle == nil || got.Grant == nil {
		t.Errorf("Poll() of the spare = %+v, %v, want rules, trust and keys", got, err)
	}
	var refused *admin.Refused
	if err := op.SetState(t.Context(), old, "active"); !errors.As(err, &refused) {
		t.Errorf("SetState(replaced box) = %v, want a refusal", err)
	}

	look, err := op.Lost(t.Context(), admin.Lose{Box: boxes[1].ID})
	if err != nil || look.Facts.State != "active" || !look.Facts.Lost.IsZero() || look.Facts.Seen.IsZero() || look.Facts.Unlock != "code" {
		t.Errorf("Lost() = %+v, %v, want it looked at and nothing done", look.Facts, err)
	}
	done, err := op.Lost(t.Context(), admin.Lose{Box: boxes[1].ID, Do: true})
	must(t, err)
	again, err := op.Lost(t.Context(), admin.Lose{Box: boxes[1].ID, Do: true})
	must(t, err)
	if done.Known || !again.Known || done.Facts.Lost.IsZero() || again.Facts.Lost != done.Facts.Lost || again.Facts.Key != done.Facts.Key || done.Facts.Key == "" {
		t.Errorf("Lost() = %+v, and again %+v, want one loss with one new key", done.Facts, again.Facts)
	}
	var r *uplink.Refusal
	if _, err := spare.Poll(t.Context(), wire.Poll{}); !errors.As(err, &r) || r.Code != wire.CodeRevokedBox {
		t.Errorf("Poll() of the lost box = %v, want %s", err, wire.CodeRevokedBox)
	}
	if _, err := op.Lost(t.Context(), admin.Lose{Box: record.NewBoxID(), Do: true}); !errors.As(err, &refused) {
		t.Errorf("Lost(no such box) = %v, want a refusal", err)
	}
}

// What a box without a line said by stick is what was heard of it last.
func TestALostBoxWithoutALineWasHeardByStick(t *testing.T) {
	p := setUp(t)
	p.run(t)
	p.join(t)
	boxes, err := p.operator().Boxes(t.Context())
	must(t, err)
	id := boxes[0].ID
	state, err := courier.EncodeState(parcel.State{Poll: wire.Poll{Waiting: 12}})
	must(t, err)
	db, err := sql.Open("sqlite", filepath.Join(p.conf.DataDir, sqlite.FileDatabase))
	must(t, err)
	made := time.Now().Add(-time.Hour).UTC().Truncate(time.Millisecond)
	_, err = db.ExecContext(t.Context(), "INSERT INTO courier_states (box, n, made, received, state) VALUES (?, 1, ?, ?, ?)",
		id.ID128[:], made.UnixMilli(), made.Add(time.Minute).UnixMilli(), state)
	must(t, errors.Join(err, db.Close()))
	for range 2 {
		l, err := p.operator().Lost(t.Context(), admin.Lose{Box: id, Do: true})
		if err != nil || !l.Facts.Seen.Equal(made) || l.Facts.Waiting != 12 {
			t.Errorf("Lost() = heard %s with %d waiting, %v, want %s with 12", l.Facts.Seen, l.Facts.Waiting, err, made)
		}
	}
}
