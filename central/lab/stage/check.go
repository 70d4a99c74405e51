package stage

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// pollEvery is how often a check is repeated, checkTimeout how long one may take.
const (
	pollEvery    = 50 * time.Millisecond
	checkTimeout = 2 * time.Second
)

// ErrPortInUse says that something listens at an address that a program of the lab needs.
var ErrPortInUse = errors.New("port is in use")

// Check returns nil once a program is ready, else why not.
type Check func(context.Context) error

// URL is ready when a GET is answered with 2xx.
func URL(url string) Check {
	return func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, checkTimeout)
		defer cancel()
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
		if err != nil {
			return fmt.Errorf("asking %s: %w", url, err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return fmt.Errorf("asking: %w", err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode/100 != 2 {
			return fmt.Errorf("%s answered %s", url, resp.Status) //nolint:err113 // a passing state, told to people only
		}
		return nil
	}
}

// Dial is ready when a connection is accepted ("tcp", "127.0.0.1:7442"; "unix", path).
func Dial(network, address string) Check {
	return func(ctx context.Context) error {
		d := net.Dialer{Timeout: checkTimeout}
		c, err := d.DialContext(ctx, network, address)
		if err != nil {
			return fmt.Errorf("connecting: %w", err)
		}
		return c.Close()
	}
}

// File is ready when there is a file at path.
func File(path string) Check {
	return func(context.Context) error {
		if _, err := os.Stat(path); err != nil {
			return fmt.Errorf("waiting for a file: %w", err)
		}
		return nil
	}
}

// PortFree returns ErrPortInUse, with what the port is for, unless a program can listen at address.
func PortFree(ctx context.Context, what, address string) error {
	ln, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("%w: %s is wanted for the %s; end the program that listens there or choose another port", ErrPortInUse, address, what)
	}
	if err != nil {
		return fmt.Errorf("trying %s for the %s: %w", address, what, err)
	}
	return ln.Close()
}

// Ports that FreePorts gives out: below those that Linux gives to whoever asks for none in particular (net.ipv4.ip_local_port_range).
const firstPort, endOfPorts = 20_000, 30_000

// claims are sockets of abstract names, which hold the ports that were given out until this process ends.
var (
	claiming sync.Mutex // guards claims
	claims   []net.Listener
)

// FreePorts returns n different loopback addresses that nothing listens at. They stay the caller's until this process ends, whether anything
// listens there or not: nobody else is given them, neither here nor in a process beside this one.
func FreePorts(ctx context.Context, n int) ([]string, error) {
	out := make([]string, 0, n)
	for range endOfPorts - firstPort {
		if len(out) == n {
			return out, nil
		}
		port := firstPort + rand.IntN(endOfPorts-firstPort)
		address := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
		err := claim(ctx, port)
		if err == nil {
			err = PortFree(ctx, "practice world", address)
		}
		switch {
		case err == nil:
			out = append(out, address)
		case !errors.Is(err, syscall.EADDRINUSE) && !errors.Is(err, ErrPortInUse):
			return nil, fmt.Errorf("looking for a free port: %w", err)
		}
	}
	return nil, fmt.Errorf("looking for a free port: %w", ErrPortInUse)
}

// claim makes a port this process's; EADDRINUSE if it is another's, or was given out here.
func claim(ctx context.Context, port int) error {
	ln, err := new(net.ListenConfig).Listen(ctx, "unix", "@kazashi-lab-port-"+strconv.Itoa(port))
	if err != nil {
		return fmt.Errorf("claiming port %d: %w", port, err)
	}
	claiming.Lock()
	defer claiming.Unlock()
	claims = append(claims, ln)
	return nil
}
