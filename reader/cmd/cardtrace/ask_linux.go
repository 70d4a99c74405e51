package main

import (
	"os"
	"syscall"
	"unsafe"
)

// tcsetsf is TCSETS, and what was typed and not read is thrown away (Linux, asm-generic/ioctls.h).
const tcsetsf = syscall.TCSETS + 2

// hideTyping turns a terminal's echo off and returns how to turn it on again, with or without what was typed and not read; errNoTerminal
// if f is none (termios(3)). Meanwhile the keys that would stop or kill the program without a word to it are letters like others: the
// terminal would be left without echo.
func hideTyping(f *os.File) (restore func(forget bool), err error) {
	var t syscall.Termios
	if !termios(f, syscall.TCGETS, &t) {
		return nil, errNoTerminal
	}
	silent := t
	silent.Lflag &^= syscall.ECHO
	silent.Cc[syscall.VQUIT], silent.Cc[syscall.VSUSP] = 0, 0 // _POSIX_VDISABLE
	if !termios(f, syscall.TCSETS, &silent) {
		return nil, errNoTerminal
	}
	return func(forget bool) {
		request := uintptr(syscall.TCSETS)
		if forget {
			request = tcsetsf
		}
		termios(f, request, &t)
	}, nil
}

func termios(f *os.File, request uintptr, t *syscall.Termios) bool {
	_, _, errno := syscall.Syscall(syscall.SYS_IOCTL, f.Fd(), request, uintptr(unsafe.Pointer(t)))
	return errno == 0
}
