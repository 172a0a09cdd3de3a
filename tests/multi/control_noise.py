#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""What nobody sensible says to a guest's control socket; `control_noise.py NAME`. Exit 0: it still answers.

Bytes of any kind, lines that are too long or never end, numbers that are none, clients that go while
they are answered and more of them than there is room for. Seeded.
"""
import os
import random
import socket
import sys
import time

ADDRESS = f"\0dvm-guest/{os.geteuid()}/{sys.argv[1]}@{os.environ['DVM_MACHINE']}"
LINES = [
    b"", b"stat x", b"stat -1", b"stat 1e99", b"stat 0.1" * 9, b"balloon", b"balloon ", b"balloon -1",
    b"balloon 99999999999999999999G", b"balloon 1M\0", b"Pause", b"pause ", b"\0stop", b"kill me",
    b"console\r", b"x" * 63, b"x" * 64, b"x" * 5000, b"ping\0", b"isolation 1", b"%s%n%s%n",
]  # fmt: skip


def client():
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(10)
    s.connect(ADDRESS)
    return s


def say(rng):
    """One client with one piece of noise, which may leave before it is answered."""
    line = rng.choice(LINES)
    if rng.random() < 0.3:
        line = rng.randbytes(rng.randrange(300))
    try:
        with client() as s:
            s.sendall(line + rng.choice([b"\n", b"", b"\n\n" + line]))
            if rng.random() < 0.5:
                s.settimeout(0.02)  # half a line has no answer
                s.recv(rng.choice([1, 4096]))
    except OSError:
        pass  # it may close as it likes


def crowd():
    """More than are let in, each with half a line; then all go."""
    crowded = []
    try:
        for _ in range(12):
            crowded.append(client())
            crowded[-1].sendall(b"pau")
    except OSError:
        pass
    for s in crowded:
        s.close()


def answers():
    """Soon: at first those of the noise may still stand in line before us, more than fit (EAGAIN)."""
    for _ in range(100):
        try:
            with client() as s:
                s.sendall(b"ping\n")
                if s.recv(100) == b"alive\n":
                    return True
        except BlockingIOError:
            time.sleep(0.1)
    return False


def main():
    seed = int(os.environ.get("NOISE_SEED", random.randrange(1 << 32)))
    rng = random.Random(seed)
    for i in range(400):
        say(rng)
        if i % 100 == 0:
            crowd()
    try:
        good = answers()
    except OSError as e:
        good = print(e)
    if not good:
        print(f"it does not answer any more: NOISE_SEED={seed}")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
