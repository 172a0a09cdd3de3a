# SPDX-License-Identifier: BSD-3-Clause
"""Where it is measured: a dvm machine of one node, and one of two nodes with a cable between them.

The two nodes are network namespaces, joined by a pair of virtual Ethernet devices, with host names
of their own. All that is made here lives in namespaces that end with this process.
"""
import os
import shutil
import subprocess
import sys
import tempfile
import time

NET = "10.118.0"
INSIDE = "DVM_BENCH_INSIDE"
LIMIT = 40  # seconds for a command of dvm


def enter_namespaces():
    """Runs the program again where nothing that it starts outlives it; goes on if that cannot be."""
    if INSIDE in os.environ:
        private_memory()
        return True
    cmd = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
    if os.geteuid() != 0:
        cmd.insert(1, "--map-root-user")
    if not shutil.which("unshare") or subprocess.run(
            cmd + ["true"], check=False, stderr=subprocess.DEVNULL).returncode != 0:
        return False
    os.environ[INSIDE] = "1"
    os.execvp(cmd[0], cmd + [sys.executable] + sys.argv)


def private_memory():
    """What killed programs leave in /dev/shm goes with us."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=1777", "tmpfs", "/dev/shm"], check=False,
                   stderr=subprocess.DEVNULL)


class SceneError(Exception):
    """Why a scene cannot be had."""


def call(cmd, env=None, limit=LIMIT):
    """Output of a command that must succeed."""
    try:
        p = subprocess.run(cmd, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                           timeout=limit, check=False)
    except subprocess.TimeoutExpired as e:
        raise SceneError(f"{' '.join(cmd[-4:])}: hangs") from e
    if p.returncode != 0:
        words = (p.stderr or p.stdout).strip().splitlines()
        raise SceneError(f"{' '.join(cmd[-4:])}: {words[-1] if words else p.returncode}")
    return p.stdout


class Scene:
    """A directory, the programs of a built tree in it, and an environment that uses only those."""

    def __init__(self, build):
        self.build = os.path.abspath(build)
        self.dir = tempfile.mkdtemp(prefix="dvm-b.")
        self.bin = os.path.join(self.dir, "bin")
        self.env = {k: v for k, v in os.environ.items() if not k.startswith(("DVM_", "MSG_"))}
        self.env.update(DVM_MACHINE=f"bench{os.getpid()}x{os.urandom(3).hex()}",
                        DVM_RUN_BASE=self.dir + "/run", DVM_STATE_BASE=self.dir + "/state",
                        DVM_LIBEXECDIR=self.bin, TMPDIR=self.dir,
                        PATH=self.bin + ":" + os.environ["PATH"])
        os.mkdir(self.bin)
        for prog in ("dvm", "dvmd", "dvm-shepherd"):
            path = os.path.join(self.build, "daemon", prog)
            if not os.path.exists(path):
                raise SceneError(f"{path} is not built")
            shutil.copy(path, self.bin)
        self.up = False

    def start(self):
        call(["dvm", "up", "-q", "-n", "1"], self.env)
        self.up = True

    def stop(self):
        if self.up:
            subprocess.run(["dvm", "halt", "--force"], env=self.env, check=False, timeout=LIMIT,
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        shutil.rmtree(self.dir, ignore_errors=True)


class Pair(Scene):
    """Two hosts: namespaces, a cable, names, a stand-in for ssh, and a dvm machine on both."""

    def __init__(self, build):
        super().__init__(build)
        self.holders = []
        self.ssh = os.path.join(self.bin, "fake-ssh")

    def address(self, host):
        return f"{NET}.{host}"

    def into(self, host):
        """What a command needs in front to be run on HOST, 1 or 2."""
        return ["nsenter", "-t", str(self.holders[host - 1].pid), "-n", "-u", "env",
                f"DVM_RUN_BASE={self.dir}/h{host}", f"DVM_STATE_BASE={self.dir}/s{host}"]

    def start(self):
        for tool in ("ip", "nsenter", "unshare"):
            if not shutil.which(tool):
                raise SceneError(f"no {tool}")
        if INSIDE not in os.environ:
            raise SceneError("no namespaces of our own")
        self.hold_hosts()
        self.plug_in()
        self.name_hosts()
        self.up = True
        call(self.into(1) + ["dvm", "up", "-q", "--interface", f"{NET}.0/24"], self.env)
        token = call(self.into(1) + ["dvm", "token", "-q"], self.env).strip()
        call(self.into(2) + ["dvm", "join", "host1", "--token", token, "--name", "host2"], self.env)

    def hold_hosts(self):
        for _ in range(2):
            self.holders.append(subprocess.Popen(
                ["unshare", "--net", "--uts", "sleep", "infinity"], stdin=subprocess.DEVNULL))
        ours = os.stat("/proc/self/ns/net").st_ino
        deadline = time.monotonic() + 5
        for h in self.holders:
            while os.stat(f"/proc/{h.pid}/ns/net").st_ino == ours or not slept(h.pid):
                if h.poll() is not None or time.monotonic() > deadline:
                    raise SceneError("no network namespaces")
                time.sleep(0.01)

    def plug_in(self):
        one, two = self.holders
        call(["nsenter", "-t", str(one.pid), "-n", "ip", "link", "add", "eth0", "type", "veth",
              "peer", "name", "eth0", "netns", str(two.pid)])
        for n, h in enumerate(self.holders, 1):
            inside = ["nsenter", "-t", str(h.pid), "-n", "-u"]
            call(inside + ["hostname", f"host{n}"])
            call(inside + ["ip", "address", "add", f"{self.address(n)}/24", "dev", "eth0"])
            call(inside + ["ip", "link", "set", "eth0", "up"])
            call(inside + ["ip", "link", "set", "lo", "up"])

    def name_hosts(self):
        hosts = os.path.join(self.dir, "hosts")
        with open(hosts, "w", encoding="ascii") as f:
            f.write(f"127.0.0.1 localhost\n{self.address(1)} host1\n{self.address(2)} host2\n")
        call(["mount", "--bind", hosts, "/etc/hosts"])
        with open(self.ssh, "w", encoding="ascii") as f:
            f.write("#!/bin/sh\n# fake-ssh [OPTION]... HOST COMMAND...\n"
                    "while :; do case $1 in -*) shift ;; *) break ;; esac; done\n"
                    "case $1 in\n")
            for n, h in enumerate(self.holders, 1):
                f.write(f"host{n} | {self.address(n)}) pid={h.pid} ;;\n")
            f.write("*) exit 255 ;;\nesac\nshift\n"
                    'exec nsenter -t "$pid" -n -u sh -c "$*"\n')
        os.chmod(self.ssh, 0o755)

    def stop(self):
        if self.up and len(self.holders) == 2:
            subprocess.run(self.into(1) + ["dvm", "halt", "--force"], env=self.env, check=False,
                           timeout=LIMIT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            subprocess.run(["umount", "/etc/hosts"], check=False, stderr=subprocess.DEVNULL)
        for h in self.holders:
            h.kill()
            h.wait()
        shutil.rmtree(self.dir, ignore_errors=True)


def slept(pid):
    """The holder is past unshare, in the program that does nothing."""
    try:
        with open(f"/proc/{pid}/comm", encoding="ascii") as f:
            return f.read().strip() == "sleep"
    except OSError:
        return False
