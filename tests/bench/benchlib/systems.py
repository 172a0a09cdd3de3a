# SPDX-License-Identifier: BSD-3-Clause
"""The systems that tests/bench/msg compares, and how a program of each is started."""
import os

from benchlib.run import build_mpi, together

HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SOURCES = [os.path.join(HERE, f) for f in ("msg_mpi.c", "msg_loop.c", "msg_meet.c")]
ROOT = os.path.dirname(os.path.dirname(HERE))
MEET_SIZE = 1 << 20
LIMIT = 25  # seconds for one launch


class System:
    """One column: a way to run a program on N ranks in a shape."""

    def __init__(self, name, what, shapes, command, peer=True):
        self.name, self.what, self.shapes, self.command = name, what, shapes, command
        self.peer = peer    # counts when the best of the others is looked for

    def run(self, bench, shape, args):
        """The lines that a launch printed, or why there are none."""
        new_meeting(bench.meet)
        scene = bench.scene(shape)
        cmds, extra = self.command(bench, shape, args)
        env = dict(scene.env, MSG_MEET=bench.meet, MSG_FIRST=str(int(bench.args.first)), **extra)
        if len(cmds) > 1: # nobody tells them who they are
            env["MSG_SIZE"] = str(len(cmds))
        return judge(together([(cmd, dict(env, MSG_RANK=str(i)) if len(cmds) > 1 else env)
                               for i, cmd in enumerate(cmds)], LIMIT))


def new_meeting(path):
    if os.path.exists(path):
        os.unlink(path)
    with open(path, "wb") as f:
        f.truncate(MEET_SIZE)


def judge(result):
    code, out, err = result
    if code == 0:
        return out.splitlines(), None
    if code is None:
        return None, f"hangs: ended after {LIMIT} s"
    words = [w for w in err.splitlines() if any(c.isalpha() for c in w)]
    named = [w for w in words if w.startswith(("msg: ", "dvm: "))] or words
    return None, named[0].strip() if named else f"exit code {code}"


# ---- how to start each ----

RANKS = {"node": 2, "crowd4": 4, "crowd8": 8, "net": 2, "many": 64}


def dvm(bench, shape, args):
    prog = os.path.join(bench.build, "tests/bench/msg-dvm")
    cmd = ["dvm", "run", "-q", "--oversubscribe", "-i", "none", "-n", str(RANKS[shape])]
    if shape == "net":
        return [bench.pair.into(1) + cmd + ["-N", "2", prog] + args], {}
    return [cmd + ["--bind-to", "none", prog] + args], {}


def openmpi(*options, env=None):
    def command(bench, shape, args):
        cmd = ["mpirun.openmpi", "--allow-run-as-root", "--bind-to", "none", "-x", "MSG_MEET",
               "-x", "MSG_FIRST", "-n", str(RANKS[shape]), *options]
        for name in env or {}:
            cmd += ["-x", name]
        if shape.startswith("crowd"):
            cmd += ["--oversubscribe"]
        if shape == "net":
            cmd = bench.pair.into(1) + cmd + [
                "-H", "host1,host2", "--mca", "plm_rsh_agent", bench.pair.ssh,
                "--mca", "oob_tcp_if_include", "eth0"]
        return [cmd + [bench.mpi["openmpi"]] + args], env or {}
    return command


def mpich(bench, shape, args):
    cmd = ["mpiexec.hydra", "-n", str(RANKS[shape])]
    env = {}
    if shape == "net":
        cmd = bench.pair.into(1) + cmd + ["-hosts", "host1,host2", "-launcher", "ssh",
                                          "-launcher-exec", bench.pair.ssh]
        env = {"UCX_TLS": "tcp,self", "UCX_NET_DEVICES": "eth0"}
    return [cmd + [bench.mpi["mpich"]] + args], env


def alone(prog, provider=None):
    """Two processes that only know the page they share."""
    def command(bench, shape, args):
        path = os.path.join(bench.build, "tests/bench", prog)
        env = {"MSG_PROVIDER": provider} if provider else {}
        if shape != "net":
            return [[path] + args] * 2, env
        return [bench.pair.into(n) + [f"MSG_ADDRESS={bench.pair.address(n)}", path] + args
                for n in (1, 2)], env
    return command


def limit(bench, shape, args):
    """Ranks that share cores have to be of one session, or the scheduler parts them by group."""
    if not shape.startswith("crowd"):
        return alone("msg-limit")(bench, shape, args)
    tests, n = os.path.join(bench.build, "tests"), str(RANKS[shape])
    return [[tests + "/api/mini-run", "-n", n, tests + "/bench/msg-limit"] + args], {"MSG_SIZE": n}


NO_CMA = ("--mca", "btl_vader_single_copy_mechanism", "none")
YIELD = ("--mca", "mpi_yield_when_idle", "1")
# It takes other devices than Mellanox cards when it is told to.
UCX = ("--mca", "pml", "ucx", "--mca", "pml_ucx_tls", "any", "--mca", "pml_ucx_devices", "any")
OB1_TCP = ("--mca", "pml", "ob1", "--mca", "btl", "self,tcp", "--mca", "btl_tcp_if_include", "eth0")
UCX_TCP = {"UCX_TLS": "tcp,self", "UCX_NET_DEVICES": "eth0"}

SYSTEMS = [
    System("dvm", "libdvm", ("node", "crowd4", "crowd8", "net", "many"), dvm, peer=False),
    System("ompi", "Open MPI, ob1 and vader with CMA", ("node",), openmpi("--mca", "pml", "ob1")),
    System("ompi-nocma", "the same without CMA", ("node",), openmpi("--mca", "pml", "ob1", *NO_CMA)),
    System("ompi-ucx", "Open MPI, pml ucx", ("node",), openmpi(*UCX)),
    System("ompi-yield", "Open MPI, mpi_yield_when_idle", ("crowd4", "crowd8"),
           openmpi("--mca", "pml", "ob1", *YIELD)),
    System("mpich", "MPICH", ("node", "net"), mpich),
    System("fab-shm", "libfabric shm, tagged", ("node",), alone("msg-fab", "shm")),
    System("limit", "the machine", ("node", "crowd4", "crowd8"), limit, peer=False),
    System("ompi-tcp", "Open MPI, ob1 and btl tcp", ("net",), openmpi(*OB1_TCP)),
    System("ompi-ucx-tcp", "Open MPI, pml ucx", ("net",), openmpi(*UCX, env=UCX_TCP)),
    System("fab-rxm", "libfabric tcp;ofi_rxm, tagged", ("net",), alone("msg-fab", "tcp;ofi_rxm")),
    System("fab-net", "libfabric net, tagged", ("net",), alone("msg-fab", "net")),
    System("socket", "a TCP socket, spinning", ("net",), alone("msg-tcp"), peer=False),
]


def missing(system, mpis):
    """Why a system cannot be here, or None."""
    for mpi, start in (("openmpi", "ompi"), ("mpich", "mpich")):
        if system.name.startswith(start) and mpi not in mpis:
            return f"{mpi} is not installed (mpicc.{mpi})"
    return None


def build(directory):
    return build_mpi(SOURCES, directory, "msg-", ("-w", "-D_GNU_SOURCE", "-I" + ROOT))
