package main

import (
	"os"
	"syscall"
	"unsafe"
)

// hideTyping turns a terminal's echo off and returns how to turn it on again; errNoTerminal if f is none (termios(3)).
func hideTyping(f *os.File) (restore func(), err error) {
	var t syscall.Termios
	if !termios(f, syscall.TCGETS, &t) {
		return nil, errNoTerminal
	}
	silent := t
	silent.Lflag &^= syscall.ECHO
	if !termios(f, syscall.TCSETS, &silent) {
		return nil, errNoTerminal
	}
	return func() { termios(f, syscall.TCSETS, &t) }, nil
}

func termios(f *os.File, request uintptr, t *syscall.Termios) bool {
	_, _, errno := syscall.Syscall(syscall.SYS_IOCTL, f.Fd(), request, uintptr(unsafe.Pointer(t)))
	return errno == 0
}
