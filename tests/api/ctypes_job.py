# SPDX-License-Identifier: BSD-3-Clause
"""The library from Python: messages, requests, a collective, a callback and what goes wrong."""
import errno
import sys
from ctypes import POINTER, byref, c_char, c_int64, c_size_t, c_void_p, cast, sizeof

import dvm

TAG = 7


def check(code):
    if code < 0:
        sys.exit(f"rank failed: {dvm.dvm_strerror(code).decode()}")
    return code


def expect(got, wanted):
    if got != wanted:
        sys.exit(f"got {got!r}, not {wanted!r} (line {sys._getframe(1).f_lineno})")


def open_logged(said):
    """A handle whose words go to the list SAID. The callback must outlive the handle."""
    log = dvm.dvm_log_fn(lambda level, subsys, text, arg: said.append((level, subsys, text)))
    config = dvm.dvm_config_t(size=sizeof(dvm.dvm_config_t), log_level=7, log=log)
    handle, err = c_void_p(), dvm.dvm_error_t()
    if dvm.dvm_open(byref(handle), byref(config), byref(err)) < 0:
        sys.exit(err.text.decode())
    return handle, log


def go_wrong(world, size):
    """Bad arguments first: exact codes."""
    config = dvm.dvm_config_t()
    err = dvm.dvm_error_t()
    expect(dvm.dvm_open(None, byref(config), byref(err)), -errno.EINVAL)
    expect(err.code, -errno.EINVAL)
    expect(dvm.dvm_rank(None), -errno.EINVAL)
    expect(dvm.dvm_send(world, b"x", 1, size, TAG), -errno.EINVAL)
    expect(dvm.dvm_strerror(-dvm.DVM_ETRUNC) != dvm.dvm_strerror(0), True)


def token(world, rank, size):
    """Round the ring, with a status that says who it came from."""
    value, status = c_int64(0), dvm.dvm_status_t()
    if rank > 0:
        check(dvm.dvm_recv(world, byref(value), 8, dvm.DVM_ANY_SOURCE, TAG, byref(status)))
    value.value += rank + 1
    check(dvm.dvm_send(world, byref(value), 8, (rank + 1) % size, TAG))
    if rank == 0:
        check(dvm.dvm_recv(world, byref(value), 8, dvm.DVM_ANY_SOURCE, TAG, byref(status)))
        expect(value.value, size * (size + 1) // 2)
    expect((status.source, status.tag, status.len, status.error), ((rank - 1) % size, TAG, 8, 0))


def truncated(world, rank):
    """To oneself, longer than the buffer."""
    room, status = (c_char * 4)(), dvm.dvm_status_t()
    check(dvm.dvm_send(world, b"too long", 8, rank, TAG + 1))
    expect(dvm.dvm_recv(world, room, 4, rank, TAG + 1, byref(status)), -dvm.DVM_ETRUNC)
    expect((room.raw, status.len), (b"too ", 8))


def everybody(world, rank, size):
    """Requests in an array: each rank's number to all."""
    mine, theirs = (c_int64 * 1)(rank), (c_int64 * size)()
    reqs, statuses = (c_void_p * (2 * size))(), (dvm.dvm_status_t * (2 * size))()
    for i in range(size):
        place = byref(theirs, 8 * i)
        req = cast(byref(reqs, sizeof(c_void_p) * i), POINTER(c_void_p))
        check(dvm.dvm_irecv(world, place, 8, i, TAG + 2, req))
        req = cast(byref(reqs, sizeof(c_void_p) * (size + i)), POINTER(c_void_p))
        check(dvm.dvm_isend(world, mine, 8, i, TAG + 2, req))
    check(dvm.dvm_waitall(reqs, 2 * size, statuses))
    expect(list(theirs), list(range(size)))
    expect([s.source for s in statuses[:size]], list(range(size)))


def together(world, rank, size):
    ones, sums = (c_int64 * 3)(1, rank, -rank), (c_int64 * 3)()
    check(dvm.dvm_allreduce(world, ones, sums, c_size_t(3), dvm.DVM_INT64, dvm.DVM_SUM))
    expect(list(sums), [size, size * (size - 1) // 2, -(size * (size - 1) // 2)])
    check(dvm.dvm_barrier(world))


def main():
    said = []
    handle, _log = open_logged(said)
    rank, size, world = dvm.dvm_rank(handle), dvm.dvm_size(handle), dvm.dvm_world(handle)
    go_wrong(world, size)
    token(world, rank, size)
    truncated(world, rank)
    everybody(world, rank, size)
    together(world, rank, size)
    check(dvm.dvm_close(handle))
    for level, subsys, text in said:
        expect((type(level), type(subsys), type(text)), (int, bytes, bytes))
    if rank == 0:
        print(f"{size} ranks")


main()
