#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Says to a daemon what no program of ours would: on its local socket, and on its control port.

    hostile.py version SOCKET           a frame of another protocol version; prints the answer
    hostile.py frames SOCKET SEED TIME  random frames, whole, cut off and too large, for TIME s
    hostile.py crowd SOCKET COUNT       so many connections at once that say nothing
    hostile.py port ADDRESS PORT SEED   garbage where a peer would speak ZMTP
"""
import contextlib
import random
import socket
import struct
import sys
import time

MAGIC = 0x316D7664
VERSION = 3  # message types, as of libdvm/proto/msgtype.h
TYPES = [1, 2, 3, *range(0x100, 0x103), *range(0x110, 0x117), *range(0x120, 0x128),
         *range(0x130, 0x135), 0x140, *range(0x200, 0x20E), 0x20F, 0xFFFF]
DEADLY = {0x209, 0x20D}  # would end the machine by right, where we are its owner


def envelope(kind, version=1, flags=0, request=1, magic=MAGIC):
    return struct.pack("<IBBHIIQ", magic, version, version, kind, flags, request, 0)


def frame(kind, body=b"", **other):
    return struct.pack("<I", len(body)) + envelope(kind, **other) + body


def connect(path):
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(5)
    s.connect(path)
    return s


def version(path):
    with connect(path) as s:
        s.sendall(frame(0x20C, version=99))
        head = b""
        while len(head) < 28 and (got := s.recv(28 - len(head))):
            head += got
        magic, ours, highest, kind = struct.unpack_from("<IBBH", head, 4)
        closed = s.recv(1) == b""
    print("told" if magic == MAGIC and kind == VERSION else "not told", f"{ours}-{highest}",
          "closed" if closed else "open")


def body(rng):
    """Noise, or something that begins as protobuf does: fields, lengths, depth."""
    noise = rng.randbytes(rng.choice([0, 1, 7, 100, 5000]))
    if rng.random() < 0.3:
        return noise
    parts = [struct.pack("BB", rng.randrange(1, 16) << 3 | 2, rng.randrange(128)) for _ in range(40)]
    return b"".join(parts) + noise


def saying(rng):
    kind = rng.choice([t for t in TYPES if t not in DEADLY])
    whole = frame(kind, body(rng), flags=rng.choice([0, 0, 1, 2, 3, 0xFFFFFFFF]),
                  request=rng.choice([0, 1, 0xFFFFFFFF]))
    choice = rng.random()
    if choice < 0.6:
        return whole
    if choice < 0.75:
        return whole[:rng.randrange(len(whole))]
    if choice < 0.85:
        return struct.pack("<I", rng.choice([1 << 24, (1 << 24) + 1, 0xFFFFFFFF])) + whole[4:]
    if choice < 0.95:
        return struct.pack("<I", 10) + envelope(kind, magic=rng.randrange(1 << 32)) + rng.randbytes(10)
    return rng.randbytes(rng.randrange(1, 100000))


def frames(path, seed, seconds):
    rng = random.Random(int(seed))
    end = time.monotonic() + float(seconds)
    count = 0
    while time.monotonic() < end:
        with contextlib.suppress(OSError), connect(path) as s:
            s.settimeout(0.2)
            for _ in range(rng.randrange(1, 5)):
                s.sendall(saying(rng))
                count += 1
            if rng.random() < 0.2:
                s.recv(65536)
    print(count)


def crowd(path, count):
    held = []
    with contextlib.suppress(OSError):
        while len(held) < int(count):
            held.append(connect(path))
    print(len(held))
    sys.stdout.flush()
    sys.stdin.read()  # until we are let go


def port(address, number, seed):
    rng = random.Random(int(seed))
    greeting = b"\xff" + bytes(8) + b"\x7f\x03\x00" + b"CURVE".ljust(20, b"\0") + bytes(32)
    for turn in range(60):
        with contextlib.suppress(OSError), \
                socket.create_connection((address, int(number)), timeout=2) as s:
            if turn % 3:
                s.sendall(greeting)
            s.sendall(rng.randbytes(rng.choice([1, 64, 70000])))
            s.settimeout(0.02)
            s.recv(4096)


if __name__ == "__main__":
    {f.__name__: f for f in (version, frames, crowd, port)}[sys.argv[1]](*sys.argv[2:])
