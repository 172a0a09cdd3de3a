# SPDX-License-Identifier: BSD-3-Clause
"""Commands that may hang, and programs built for each MPI that is installed."""
import os
import shutil
import signal
import subprocess
import tempfile
import time

MPIS = ("openmpi", "mpich")


def together(cmds, limit):
    """Runs all of [(CMD, ENV)] to their end or for LIMIT seconds; ends the others when one fails.

    Returns the exit code, None when it came to the limit, what the first has printed, and what all
    have complained of.
    """
    procs = []
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        try:
            for cmd, env in cmds:
                procs.append(subprocess.Popen(
                    cmd, env=env, stdin=subprocess.DEVNULL, stderr=err, start_new_session=True,
                    stdout=subprocess.DEVNULL if procs else out))
            code = watch(procs, time.monotonic() + limit)
        finally:
            for p in procs:
                end(p)
        out.seek(0)
        err.seek(0)
        return code, out.read(), err.read()


def watch(procs, deadline):
    """0 when all have ended well, the code of one that failed, None at the deadline."""
    while time.monotonic() < deadline:
        codes = [p.poll() for p in procs]
        failed = next((c for c in codes if c), None)
        if failed:
            return failed
        if None not in codes:
            return 0
        time.sleep(0.002)
    return None


def end(p):
    """With all that it has started."""
    try:
        os.killpg(p.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    p.wait()


def build_mpi(sources, directory, name="", flags=()):
    """Builds SOURCES with each MPI's compiler: {mpi: path of the program}."""
    progs = {}
    for mpi in MPIS:
        cc, out = shutil.which("mpicc." + mpi), os.path.join(directory, name + mpi)
        cmd = [cc, "-O2", *flags, *sources, "-o", out, "-lm"]
        if cc and subprocess.run(cmd, check=False, stderr=subprocess.DEVNULL).returncode == 0:
            progs[mpi] = out
    return progs
