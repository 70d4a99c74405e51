//go:build integration

package crash_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"kazashi.example/appliance/revocation"
	"kazashi.example/central/lab/crash"
	"kazashi.example/sync/canon"
	"kazashi.example/sync/certid"
	"kazashi.example/sync/crlset"
	"kazashi.example/sync/record"
	"kazashi.example/sync/sign"
	"kazashi.example/sync/wire"
)

const (
	envShop = "CRASH_TEST_SHOP"
	envCut  = "CRASH_TEST_CUT"
)

func init() {
	children["fetch"] = fetch
	children["load"] = load
	children["inbox"] = inbox
	children["deliver"] = deliver
}

// box opens a folder as the box does, and hears of every change.
func box(ctx context.Context, dir string, keys sign.Keys) (*revocation.Cache, chan struct{}, error) {
	changes := make(chan struct{}, 1)
	c, err := revocation.Open(ctx, revocation.Config{Dir: dir, Keys: func() sign.Keys { return keys }, Changed: func() {
		select {
		case changes <- struct{}{}:
		default:
		}
	}})
	return c, changes, err
}

// reach runs a box until a set is in use.
func reach(ctx context.Context, c *revocation.Cache, changes <-chan struct{}, r revocation.Remote, o wire.SetOffer) error {
	ctx, stop := context.WithTimeout(ctx, 20*time.Second)
	defer stop()
	c.Offered([]wire.SetOffer{o})
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx, r) }()
	for {
		if h, ok := c.Newest(scope); ok && h.Number == o.Number {
			stop()
			return byWish(<-ended)
		}
		select {
		case <-changes:
		case err := <-ended:
			return fmt.Errorf("a box in order does not reach number %d: %w", o.Number.N, err)
		}
	}
}

// byWish is nothing if a box ended because it was told to.
func byWish(err error) error {
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// fetch is the box that is interrupted: it takes what is offered, over a line that is cut once, and says when it is in use.
func fetch(dir string) error {
	ctx, shop := context.Background(), os.Getenv(envShop)
	keys, o, err := readShop(shop)
	if err != nil {
		return err
	}
	c, changes, err := box(ctx, dir, keys)
	if err != nil {
		return err
	}
	defer c.Close()
	for a := range uint32(1 << 8) { // all chunks are looked into
		c.Answer(certid.CertID{Scope: scope, Serial: serial(crlset.Key{A: a << 24, C: 1})}, issuer)
	}
	if h, ok := c.Newest(scope); ok {
		fmt.Println(h.Number.N)
	}
	cut, err := strconv.ParseInt(os.Getenv(envCut), 10, 64)
	if err != nil {
		return err
	}
	if err := reach(ctx, c, changes, &counter{dir: shop, cut: cut}, o); err != nil {
		return err
	}
	fmt.Println(o.Number.N)
	return nil
}

// inbox is the box that finds a set in its inbox, takes it and clears the inbox; it has no line.
func inbox(dir string) error {
	ctx := context.Background()
	keys, o, err := readShop(os.Getenv(envShop))
	if err != nil {
		return err
	}
	c, changes, err := box(ctx, dir, keys)
	if err != nil {
		return err
	}
	defer c.Close()
	ctx, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx, &counter{dir: "nowhere"}) }()
	for h, ok := c.Newest(scope); !ok || h.Number != o.Number; h, ok = c.Newest(scope) {
		<-changes
	}
	fmt.Println(o.Number.N)
	for range time.Tick(time.Millisecond) { // nothing tells that the inbox was cleared
		if left, err := os.ReadDir(filepath.Join(dir, revocation.Inbox)); err != nil || len(left) == 0 {
			break
		}
	}
	stop()
	return byWish(<-ended)
}

// load is the box that takes sets from a folder.
func load(dir string) error {
	ctx := context.Background()
	keys, _, err := readShop(os.Getenv(envShop))
	if err != nil {
		return err
	}
	c, _, err := box(ctx, dir, keys)
	if err != nil {
		return err
	}
	defer c.Close()
	heads, err := c.Load(ctx, filepath.Join(os.Getenv(envShop), "stick"))
	for _, h := range heads {
		fmt.Println(h.Number.N)
	}
	return err
}

// deliver is the command that puts sets into the inbox of a running box.
func deliver(dir string) error {
	keys, _, err := readShop(os.Getenv(envShop))
	if err != nil {
		return err
	}
	_, err = revocation.Deliver(context.Background(), dir, filepath.Join(os.Getenv(envShop), "stick"), keys, nil)
	fmt.Println("delivered")
	return err
}

func readShop(dir string) (sign.Keys, wire.SetOffer, error) {
	var o wire.SetOffer
	spki, err := os.ReadFile(filepath.Join(dir, "key"))
	if err != nil {
		return nil, o, err
	}
	b, err := os.ReadFile(filepath.Join(dir, "offer"))
	if err != nil {
		return nil, o, err
	}
	keys, kerr := readKeys(spki)
	return keys, o, errors.Join(kerr, canon.Decode(b, &o, 1<<20))
}

func serial(k crlset.Key) certid.Serial {
	s, err := k.Serial()
	if err != nil {
		panic(err) // keys of tests are not zero
	}
	return s
}

// answers compares a box's word with what the edition that it names says; the box must name one of those allowed. Everything is looked
// up before, so that damage is found and another set answers.
func (s *shop) answers(c *revocation.Cache, allowed ...uint64) error {
	for k := range s.editions[0].answers {
		c.Answer(certid.CertID{Scope: scope, Serial: serial(k)}, issuer)
	}
	h, ok := c.Newest(scope)
	var e *edition
	for _, n := range allowed {
		if n == 0 && !ok {
			return nil // there was none, and there is none
		}
		if ok && n > 0 && h.Number == version(n) {
			e = &s.editions[n-1]
		}
	}
	if e == nil {
		return fmt.Errorf("number %d is in use, want one of %d", h.Number.N, allowed)
	}
	for k, want := range e.answers {
		a := c.Answer(certid.CertID{Scope: scope, Serial: serial(k)}, issuer)
		if a.Answer != want || a.Number != h.Number || !a.ThisUpdate.Equal(e.head.At()) {
			return fmt.Errorf("number %d answers %v of %d, want %v", h.Number.N, a.Answer, a.Number.N, want)
		}
	}
	if a := c.Answer(certid.CertID{Scope: scope, Serial: serial(crlset.Key{C: 2})}, certid.KeyID{9}); a.Answer != record.AnswerNotCovered {
		return fmt.Errorf("a strange issuer's certificate: %v, want not_covered", a.Answer)
	}
	return nil
}

// journey is from one edition to another, and what an interruption may cost.
type journey struct {
	*shop
	from, to uint64 // 0: no set
	offer    wire.SetOffer
	stick    bool  // the new set comes from a folder
	fetched  int64 // octets that are fetched in all when the box is killed: what was written to the disk is not fetched again
}

// check is the invariant: as before or as after, after if that was said; and from there a box reaches the new set by itself.
func (j journey) check(s crash.State) error {
	ctx := context.Background()
	last, err := j.last(s)
	if err != nil {
		return err
	}
	c, changes, err := box(ctx, s.Dir, j.keys)
	if err != nil {
		return fmt.Errorf("opening: %w", err)
	}
	defer c.Close()
	allowed := []uint64{last}
	for n := last + 1; n <= j.to; n++ {
		allowed = append(allowed, n)
	}
	if err := j.answers(c, allowed...); err != nil {
		return fmt.Errorf("after opening: %w", err)
	}
	r := &counter{dir: j.dir}
	if err := j.goOn(ctx, c, changes, r); err != nil {
		return fmt.Errorf("going on: %w", err)
	}
	if err := j.answers(c, j.to); err != nil {
		return fmt.Errorf("after going on: %w", err)
	}
	if err := tidy(s.Dir); err != nil {
		return err
	}
	if !s.Power && !j.stick {
		return j.twice(s, r)
	}
	return nil
}

// last is the edition that was said to be in use, or the one at the start.
func (j journey) last(s crash.State) (uint64, error) {
	if len(s.Said) == 0 {
		return j.from, nil
	}
	return strconv.ParseUint(s.Said[len(s.Said)-1], 10, 64)
}

func (j journey) goOn(ctx context.Context, c *revocation.Cache, changes <-chan struct{}, r revocation.Remote) error {
	if !j.stick {
		return reach(ctx, c, changes, r, j.offer)
	}
	_, err := c.Load(ctx, filepath.Join(j.dir, "stick"))
	if errors.Is(err, revocation.ErrOlder) {
		return nil
	}
	return err
}

// tidy demands that nothing but two sets with their manifests is left.
func tidy(dir string) error {
	files, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	var names []string
	for _, f := range files {
		if f.Name() != revocation.Inbox {
			names = append(names, f.Name())
		}
	}
	if len(names) > 4 || slices.ContainsFunc(names, func(n string) bool {
		return !strings.HasSuffix(n, ".set") && !strings.HasSuffix(n, ".manifest")
	}) {
		return fmt.Errorf("left behind: %q", names)
	}
	return nil
}

// twice compares what was fetched in all with what there is to fetch.
func (j journey) twice(s crash.State, r *counter) error {
	var got int64
	for _, o := range s.Done {
		if o.Kind == crash.Write && strings.HasSuffix(o.Path, ".part") {
			got += o.Size
		}
	}
	if got+r.total > j.fetched {
		return fmt.Errorf("%d octets fetched before and %d after, of %d", got, r.total, j.fetched)
	}
	return nil
}

// size is what there is to fetch.
func size(o wire.SetOffer) int64 {
	n := o.Manifest.Size + o.Set.Size
	for _, d := range o.Deltas {
		n += d.Head.Size + d.Delta.Size
	}
	return int64(n) //nolint:gosec // a small set
}

// boxChild is this program as a box.
func (s *shop) boxChild(child string, cut int64) func(context.Context, string) *exec.Cmd {
	return func(ctx context.Context, dir string) *exec.Cmd {
		cmd := again(child)(ctx, dir)
		cmd.Env = append(cmd.Env, envShop+"="+s.dir, fmt.Sprintf("%s=%d", envCut, cut))
		return cmd
	}
}

func newShop(t *testing.T) *shop {
	t.Helper()
	s, err := openShop(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return s
}
