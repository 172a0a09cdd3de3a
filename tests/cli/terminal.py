#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""dvm run as a person at a terminal has it: Ctrl-C, Ctrl-Z and fg, the background. Speaks TAP."""
import os
import pty
import re
import select
import signal
import sys
import time

BOUND = 20  # seconds any one thing may take
count = 0


def ok(good, what):
    global count
    count += 1
    print(f"{'ok' if good else 'not ok'} {count} - {what}", flush=True)


class Shell:
    """An interactive bash with job control on a terminal of its own."""

    def __init__(self):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.environ["PS1"] = "ready> "
            os.environ["TERM"] = "dumb"
            # Of a background job, which ignores it; what is ignored stays so, and bash cannot help it.
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            os.execvp("bash", ["bash", "--norc", "--noprofile", "-i"])
        self.seen = ""
        self.expect("ready> ")

    def expect(self, pattern, bound=BOUND):
        """Waits for the pattern; what comes before it is used up. None after BOUND."""
        end = time.monotonic() + bound
        while True:
            match = re.search(pattern, self.seen)
            if match:
                self.seen = self.seen[match.end() :]
                return match
            left = end - time.monotonic()
            if left <= 0 or not select.select([self.fd], [], [], left)[0]:
                sys.stdout.write("".join(f"# {line}\n" for line in self.seen.splitlines()))
                return None
            try:
                self.seen += os.read(self.fd, 4096).decode(errors="replace")
            except OSError:
                return None

    def type(self, text):
        os.write(self.fd, text.encode())

    def line(self, text):
        self.type(text + "\n")
        self.expect(re.escape(text[-10:]) + r"\s*\n")  # its echo


sh = Shell()

sh.line("dvm run -n 2 sh -c 'echo begun; exec sleep 100'")
sh.expect("begun")
sh.expect("begun")
start = time.monotonic()
sh.type("\x03")
good = sh.expect("ready> ")
took = time.monotonic() - start
ok(good and took < 3, f"Ctrl-C: the prompt is back ({took:.2f} s)")
sh.line("echo status=$?")
ok(sh.expect("status=130"), "as if it had died of it")
sh.expect("ready> ")

sh.line("for i in 1 2 3; do dvm run -n 1 sh -c 'echo begun; exec sleep 100'; done; echo all")
sh.expect("begun")
sh.type("\x03")
sh.expect("ready> ")
sh.line("echo after")
ok(sh.expect(r"after") and "begun" not in sh.seen, "Ctrl-C ends a loop around it, too")
sh.expect("ready> ")

sh.line("dvm run -n 2 sh -c 'trap \"\" TERM INT; echo begun; while :; do sleep 0.1; done'")
sh.expect("begun")
sh.expect("begun")
start = time.monotonic()
sh.type("\x03")
good = sh.expect("ready> ")
took = time.monotonic() - start
ok(good and 1.5 < took < 4, f"ranks that do not listen are killed after 2 s ({took:.2f} s)")

sh.line("dvm run -n 1 sh -c 'i=0; while :; do echo tick $((i += 1)); sleep 0.1; done'")
sh.expect("tick 3")
sh.type("\x1a")
ok(sh.expect("Stopped") and sh.expect("ready> "), "Ctrl-Z stops it")
# The signal is still on its way to them when we stop.
sh.line("p=$(dvm ps --json | sed -n 's/.*\"pid\": \\([0-9]*\\).*/\\1/p')")
sh.line("until grep -q '^State:.*T' /proc/$p/status; do sleep 0.05; done; echo both")
ok(sh.expect(r"both\s+ready> "), "and its ranks")
sh.seen = ""
sh.line("fg")
ok(sh.expect("tick"), "fg: all go on")
sh.type("\x03")
sh.expect("ready> ")

sh.line("dvm run -n 1 sh -c 'echo begun; while read l; do echo got $l; done; echo over' &")
sh.expect("begun")
sh.line("echo mine")
ok(sh.expect(r"mine\s"), "in the background it does not take what is typed")
sh.line("fg")
sh.type("yours\n")
ok(sh.expect("got yours"), "in the foreground it does")
sh.type("\x04")
ok(sh.expect("over") and sh.expect("ready> "), "Ctrl-D is the end of its input")

print(f"1..{count}")
sh.type("exit\n")
