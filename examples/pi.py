#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""pi.py [STEPS]: the area under 4 / (1 + x^2), a stripe of it for each rank.

The module dvm has every call of the library under its C name, by ctypes: numbers are passed as
they are, memory as arrays of ctypes, and what a call gives back goes where byref() points.

    dvm run -n 8 python3 pi.py 1000000
"""
import sys
from ctypes import byref, c_double, c_int64, c_void_p

import dvm


def check(code):
    if code < 0:
        sys.exit(f"pi: {dvm.dvm_strerror(code).decode()}")


def stripe(steps, rank, size):
    """This rank's part of the sum: every SIZE-th rectangle."""
    width = 1 / steps
    total = 0.0
    for i in range(rank, steps, size):
        x = (i + 0.5) * width
        total += 4 / (1 + x * x)
    return total * width


def main():
    handle, err = c_void_p(), dvm.dvm_error_t()
    if dvm.dvm_open(byref(handle), None, byref(err)) < 0:
        sys.exit(f"pi: {err.text.decode()}")
    world = dvm.dvm_world(handle)
    rank, size = dvm.dvm_rank(handle), dvm.dvm_size(handle)

    # Only rank 0 looks at what it was called with.
    steps = c_int64(0)
    if rank == 0:
        steps.value = int(sys.argv[1]) if len(sys.argv) > 1 else 100000
    check(dvm.dvm_bcast(world, byref(steps), 8, 0))
    if steps.value < 1:
        sys.exit("pi: at least one step" if rank == 0 else 1)

    mine, pi = c_double(stripe(steps.value, rank, size)), c_double()
    check(dvm.dvm_reduce(world, byref(mine), byref(pi), 1, dvm.DVM_DOUBLE, dvm.DVM_SUM, 0))
    if rank == 0:
        print(f"{size} ranks, {steps.value} steps: pi is {pi.value:.9f}")
    check(dvm.dvm_close(handle))


main()
