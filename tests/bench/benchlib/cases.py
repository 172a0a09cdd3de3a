# SPDX-License-Identifier: BSD-3-Clause
"""What tests/bench/msg measures: cases, where each is run, and what is wanted of libdvm."""

US, GB, MILLION, MIB = 1e-6, 1e9, 1e6, float(1 << 20)


class Case:
    """NAME: of a row and for --only; CALL: what the programs call it."""

    def __init__(self, name, what, shape, unit, ratio=None, far=None, call=None, of="best peer",
                 probes=None, most=None):
        self.name, self.what, self.shape, self.unit = name, what, shape, unit
        self.call = call or name
        self.ratio = {"near": ratio, "far": far or ratio}  # wanted of libdvm / best peer
        self.of = of
        self.probes = probes  # wanted: no more cache-line probes than that
        self.most = most      # wanted: no more than that, in units
        self.scale = {"us": US, "GB/s": GB, "M/s": MILLION, "MiB": MIB}[unit]
        self.rate = unit in ("GB/s", "M/s")  # more is better

    def better(self, a, b):
        return a > b if self.rate else a < b


CASES = [
    Case("lat8", "8 B latency", "node", "us", 0.75, probes=2.2),
    Case("lat1k", "1 KiB latency", "node", "us", 0.95),
    Case("lat8k", "8 KiB latency", "node", "us", 0.9),
    Case("lat64k", "64 KiB latency", "node", "us", 0.65),
    Case("bw1m", "1 MiB bandwidth", "node", "GB/s", 1.2, 1.6),
    Case("bw4m", "4 MiB bandwidth", "node", "GB/s", 1.2, 1.6),
    Case("bi1m", "1 MiB both ways", "node", "GB/s", 1.1),
    Case("rate8", "8 B message rate", "node", "M/s", 3, 2.4),
    Case("barrier", "barrier, 2 ranks", "node", "us", 0.6),
    Case("allreduce8", "allreduce 8 B, 2 ranks", "node", "us", 0.6),
    Case("bcast1m", "bcast 1 MiB, 2 ranks", "node", "us", 0.4),
    Case("allreduce1m", "allreduce 1 MiB, 2 ranks", "node", "us", 0.4),
    Case("alltoall64k", "alltoall 64 KiB, 2 ranks", "node", "us"),
    Case("put8", "put 8 B, shared window", "node", "us", 0.6),
    Case("fop8", "fetch-op 8 B, shared window", "node", "us", 0.6),
    Case("ring8", "8 B, a cache line each way", "node", "us"),
    Case("memcpy1m", "1 MiB memcpy, one process", "node", "GB/s"),
    Case("readv1m", "1 MiB process_vm_readv", "node", "GB/s"),
    Case("split1m", "1 MiB half read, half written", "node", "GB/s"),
    *[Case(f"{call}-{n}", f"{what}, {n} ranks on 2 cores", f"crowd{n}", "us", 0.6, call=call,
           of="Open MPI with yield")
      for n in (4, 8)
      for call, what in (("barrier", "barrier"), ("allreduce8", "allreduce 8 B"),
                         ("alltoall64k", "alltoall 64 KiB"))],
    Case("net-lat8", "8 B latency, TCP", "net", "us", 0.9, call="lat8"),
    Case("net-bw1m", "1 MiB bandwidth, TCP", "net", "GB/s", 1.0, call="bw1m"),
    Case("net-rate8", "8 B message rate, TCP", "net", "M/s", 8, call="rate8"),
    Case("mem-2", "private memory after open, 2 ranks", "node", "MiB", call="mem", most=0.5),
    Case("mem-64", "private memory after open, 64 ranks", "many", "MiB", call="mem", most=0.5),
]

# What only the machine itself is asked for.
MACHINE_ONLY = ("ring8", "memcpy1m", "readv1m", "split1m")
# The columns that are no system, and their cases.
LIMITS = {"limit": ("lat8", "lat1k", "lat8k", "lat64k", "bi1m", "rate8", "barrier", "allreduce8",
                    "bcast1m", "allreduce1m", "alltoall64k", "put8", "fop8", "barrier-4",
                    "barrier-8", "alltoall64k-4", "alltoall64k-8", *MACHINE_ONLY),
          "socket": ("net-lat8", "net-bw1m", "net-rate8")}
# Where the limit of a case is that of another one.
LIMIT_OF = {"bw1m": "split1m", "bw4m": "split1m",
            "allreduce8-4": "barrier-4", "allreduce8-8": "barrier-8"}


def wanted_by(system, case):
    """Whether a system is to be asked for a case at all."""
    if case.shape not in system.shapes:
        return False
    if system.name in LIMITS:
        return case.name in LIMITS[system.name]
    if case.name in MACHINE_ONLY:
        return False
    if system.name.startswith("fab") and case.call not in (
            "lat8", "lat1k", "lat8k", "lat64k", "bw1m", "bw4m", "bi1m", "rate8"):
        return False
    return True
