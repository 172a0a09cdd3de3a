#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""dvm guest console NAME as a person at a terminal has it; `console.py NAME SEEN`. Speaks TAP lines.

Joins on a terminal of its own, sees the words that were said before, leaves by Ctrl-] and finds the
terminal as it was; then once more, as who leaves can come back; and so does who is killed.
"""
import os
import pty
import select
import signal
import sys
import termios
import time

BOUND = 20  # seconds any one thing may take
name, words = sys.argv[1], sys.argv[2]


def read_until(fd, text):
    seen, end = "", time.monotonic() + BOUND
    while text not in seen:
        left = end - time.monotonic()
        if left <= 0 or not select.select([fd], [], [], left)[0]:
            return f'no "{text}" in "{seen}"'
        try:
            seen += os.read(fd, 4096).decode(errors="replace")
        except OSError:
            return f'the end before "{text}": "{seen}"'
    return None


def wait(pid):
    end = time.monotonic() + BOUND
    while time.monotonic() < end:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.02)
    os.kill(pid, 9)
    os.waitpid(pid, 0)
    return "it does not end"


def join(leave, expected):
    """Left by LEAVE(terminal, pid), with an exit code: None, or what was wrong."""
    master, slave = pty.openpty()
    before = termios.tcgetattr(slave)
    pid = os.fork()
    if pid == 0:
        os.close(master)
        os.login_tty(slave) if hasattr(os, "login_tty") else login(slave)
        os.execvp("dvm", ["dvm", "guest", "console", name])
    wrong = read_until(master, "Ctrl-] leaves the console") or read_until(master, words)
    if not wrong and termios.tcgetattr(slave)[3] & termios.ECHO:
        wrong = "keys are echoed by the terminal, not by the guest"
    leave(master, pid)
    code = wait(pid)
    if not wrong and code != expected:
        wrong = f"exit code {code}"
    if not wrong and termios.tcgetattr(slave) != before:
        wrong = "the terminal is not as it was"
    os.close(master)
    os.close(slave)
    return wrong


def login(slave):
    import fcntl

    os.setsid()
    fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
    for fd in range(3):
        os.dup2(slave, fd)


def press(terminal, pid):
    os.write(terminal, b"\x1d")


def kill(terminal, pid):
    os.kill(pid, signal.SIGTERM)


for leave, code in (press, 0), (kill, 128 + signal.SIGTERM), (press, 0):
    problem = join(leave, code)
    if problem:
        print(problem)
        sys.exit(1)
