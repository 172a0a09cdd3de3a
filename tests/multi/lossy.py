#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""A bad network: a hub between interfaces of its namespace that loses frames.

    lossy.py LOSS SEED INTERFACE...

Each frame goes to every other interface, or with probability LOSS nowhere. What the kernel would
leave to a network card (checksums, cutting into segments) travels along with the frame. Says
"ready"; works until its input ends; then it says how many frames it has passed on and lost.
"""
import random
import select
import socket
import sys

SOL_PACKET, PACKET_ADD_MEMBERSHIP, PACKET_IGNORE_OUTGOING, PACKET_VNET_HDR = 263, 1, 23, 15
PROMISCUOUS = 1
EVERY_PROTOCOL = 3


def plug(name):
    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(EVERY_PROTOCOL))
    s.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
    s.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    s.bind((name, EVERY_PROTOCOL))
    index = socket.if_nametoindex(name)
    s.setsockopt(SOL_PACKET, PACKET_ADD_MEMBERSHIP,
                 index.to_bytes(4, sys.byteorder) + PROMISCUOUS.to_bytes(2, sys.byteorder) + bytes(10))
    s.setblocking(False)
    return s


def pass_on(frame, source, ports):
    for port in ports:
        if port is not source:
            try:
                port.send(frame)
            except OSError:
                pass  # full, or the link is down: lost as well


def main(loss, seed, *names):
    rng = random.Random(int(seed))
    ports = [plug(name) for name in names]
    passed = lost = 0
    print("ready", flush=True)
    while True:
        ready, _, _ = select.select([sys.stdin, *ports], [], [])
        if sys.stdin in ready:
            break
        for port in ready:
            frame = port.recv(1 << 17)
            if rng.random() < float(loss):
                lost += 1
            else:
                pass_on(frame, port, ports)
                passed += 1
    print(passed, lost)


main(*sys.argv[1:])
