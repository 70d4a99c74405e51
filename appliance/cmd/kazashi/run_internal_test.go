package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"

	"kazashi.example/appliance/box"
)

// A box that is told to stop while it still waits for another one's data directory has done as it was told: status 0.
func TestRunIsStoppedBeforeItRuns(t *testing.T) {
	dir := t.TempDir()
	conf := filepath.Join(dir, "kazashi.toml")
	text := fmt.Sprintf("data_dir = %q\ndesk = \"counter-1\"\nservice = \"practice.library\"\n[central]\naddress = \"127.0.0.1:1\"\n", dir)
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		run := func(ctx context.Context) error {
			root := newRoot()
			root.SetArgs([]string{"run", "--config", conf})
			return root.ExecuteContext(ctx)
		}
		stopped, stop := context.WithCancel(t.Context())
		stop()
		err := box.Alone(t.Context(), dir, func() error { return run(stopped) })
		if err != nil {
			t.Errorf("run, told to stop = %v, want nil", err)
		}
	})
}
