package pcscd

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

const (
	pcscdPath  = "/usr/sbin/pcscd"
	driverPath = "/usr/lib/pcsc/drivers/serial/libifdvpcd.so"
	// firstPort is that of Debian's own vpcd configuration, 0x8C7B.
	firstPort = 35963
)

// friendlyName is Debian's own for the first pair of slots; pcscd does not tell two pairs of one name apart.
func friendlyName(pair int) string {
	if pair == 0 {
		return "Virtual PCD"
	}
	return fmt.Sprintf("Virtual PCD %d", pair+1)
}

// isolate makes its namespaces' own loopback and /run/pcscd, then becomes pcscd. $1 is the folder for sockets, $2 for reader.conf files.
// Where /run/pcscd neither exists nor may be made, an empty /run takes the place of the machine's, in this namespace alone.
// setpriv asks again to die with the parent: a change of user namespace forgets that.
const isolate = `set -e
mount --make-rprivate / 2>/dev/null || true
if ! mkdir -p /run/pcscd 2>/dev/null; then
	mount -t tmpfs tmpfs /run
	mkdir /run/pcscd
fi
mount --bind "$1" /run/pcscd
ip link set lo up
exec setpriv --pdeathsig KILL ` + pcscdPath + ` --foreground --error -c "$2"
`

// pcscdCommand stays one process all the way: unshare, the shell and setpriv each become the next.
func pcscdCommand(dir string) *exec.Cmd {
	args := []string{"-n", "-m"}
	if os.Geteuid() != 0 {
		args = append([]string{"-U", "-r"}, args...)
	}
	args = append(args, "--", "sh", "-c", isolate, "pcscd", filepath.Join(dir, runDir), filepath.Join(dir, confDir))
	return exec.Command("unshare", args...) //nolint:noctx // its life is the rig's, not that of a call
}

func (r *Rig) vcardCommand(program string) *exec.Cmd {
	args := []string{"-n", "-t", strconv.Itoa(r.pcscd.pid())}
	if os.Geteuid() != 0 {
		args = append([]string{"-U", "--preserve-credentials"}, args...)
	}
	args = append(args, "--", "setpriv", "--pdeathsig", "KILL", program, "--control", filepath.Join(r.dir, controlName))
	for i := range r.slots {
		args = append(args, "--vpcd", "127.0.0.1:"+strconv.Itoa(firstPort+i))
	}
	return exec.Command("nsenter", args...) //nolint:noctx // its life is the rig's, not that of a call
}

// writeReaders makes one reader.conf file for every two slots (reader.conf(5); vpcd listens on the channel's port and the next), and
// for each a driver of its own: vpcd keeps its slots in one table by their number within the pair (ifd-vpcd.c), so that two pairs that
// share the loaded library would both show the cards of the later one.
func writeReaders(dir string, slots int) error {
	driver, err := os.ReadFile(driverPath)
	if err != nil {
		return fmt.Errorf("reading driver: %w", err)
	}
	for i := 0; i < slots; i += 2 {
		port, library := firstPort+i, filepath.Join(dir, driverDir, fmt.Sprintf("vpcd%02d.so", i/2))
		if err := os.WriteFile(library, driver, 0o600); err != nil {
			return fmt.Errorf("copying driver: %w", err)
		}
		text := fmt.Sprintf("FRIENDLYNAME \"%s\"\nDEVICENAME /dev/null:0x%X\nLIBPATH %s\nCHANNELID 0x%X\n",
			friendlyName(i/2), port, library, port)
		if err := os.WriteFile(filepath.Join(dir, confDir, fmt.Sprintf("vpcd%02d", i/2)), []byte(text), 0o600); err != nil {
			return fmt.Errorf("writing reader.conf: %w", err)
		}
	}
	return nil
}

// listening reports whether pcscd takes clients and every slot's port is open in its namespace.
func (r *Rig) listening(ctx context.Context) error {
	conn, err := new(net.Dialer).DialContext(ctx, "unix", r.Socket())
	if err != nil {
		return fmt.Errorf("dialling pcscd: %w", err)
	}
	_ = conn.Close()
	table, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/tcp", r.pcscd.pid()))
	if err != nil {
		return fmt.Errorf("reading ports of pcscd: %w", err)
	}
	for i := range r.slots {
		if !strings.Contains(string(table), fmt.Sprintf(" 00000000:%04X 00000000:0000 0A ", firstPort+i)) {
			return fmt.Errorf("%w %d", errNoPort, firstPort+i)
		}
	}
	return nil
}

var errNoPort = errors.New("vpcd does not listen on port")

// attributes put a program in a process group of its own, out of a terminal's Ctrl-C, and let it die with its parent.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
