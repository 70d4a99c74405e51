package vpcd

import (
	"errors"
	"fmt"
	"net"
	"syscall"
)

func quickAck(conn *net.TCPConn) error {
	raw, err := conn.SyscallConn()
	if err != nil {
		return fmt.Errorf("reaching socket: %w", err)
	}
	var set error
	err = raw.Control(func(fd uintptr) {
		set = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_QUICKACK, 1)
	})
	if err := errors.Join(err, set); err != nil {
		return fmt.Errorf("setting TCP_QUICKACK: %w", err)
	}
	return nil
}
