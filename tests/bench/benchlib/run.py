# SPDX-License-Identifier: BSD-3-Clause
"""Commands that may hang, and programs built for each MPI that is installed."""
import os
import shutil
import signal
import subprocess
import tempfile
import time

MPIS = ("openmpi", "mpich")


def bounded(cmd, env, limit):
    """Runs CMD to its end or for LIMIT seconds: (exit code or None, its output, its complaints)."""
    return together([(cmd, env)], limit)


def together(cmds, limit):
    """Runs several [(CMD, ENV)], ends all when one fails or hangs; output is that of the first."""
    deadline = time.monotonic() + limit
    procs = []
    with tempfile.TemporaryFile("w+") as err:
        try:
            for cmd, env in cmds:
                procs.append(subprocess.Popen(
                    cmd, env=env, stdin=subprocess.DEVNULL, stderr=err, start_new_session=True,
                    stdout=subprocess.DEVNULL if procs else subprocess.PIPE, text=True))
            out, code = collect(procs, deadline)
        finally:
            for p in procs:
                end(p)
        err.seek(0)
        return code, out, err.read()


def collect(procs, deadline):
    """The first one's output and the worst exit code; None when the deadline came first."""
    try:
        out, _ = procs[0].communicate(timeout=max(0, deadline - time.monotonic()))
        for p in procs:
            if procs[0].returncode == 0:
                p.wait(timeout=max(0, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        failed = [p.returncode for p in procs if p.poll()]
        return "", failed[0] if failed else None
    codes = [p.poll() for p in procs]
    return out, next((c for c in codes if c), 0)


def end(p):
    if p.poll() is None:
        os.killpg(p.pid, signal.SIGKILL)
        p.wait()
    if p.stdout:
        p.stdout.close()


def build_mpi(sources, directory, name="", flags=()):
    """Builds SOURCES with each MPI's compiler: {mpi: path of the program}."""
    progs = {}
    for mpi in MPIS:
        cc, out = shutil.which("mpicc." + mpi), os.path.join(directory, name + mpi)
        cmd = [cc, "-O2", *flags, *sources, "-o", out, "-lm"]
        if cc and subprocess.run(cmd, check=False, stderr=subprocess.DEVNULL).returncode == 0:
            progs[mpi] = out
    return progs
