# SPDX-License-Identifier: BSD-3-Clause
"""From samples to tables: buckets by the cache-line probe, medians, spread, ratios, verdicts."""
import statistics

from benchlib.cases import LIMITS, LIMIT_OF

NEAR = 90.0      # ns, one way: the cores share a cache
AGREE = 1.5      # two probes of one sample may differ by that factor
BUCKETS = ("near", "far")


def bucket(before, after):
    """Where a sample belongs: "near", "far", None when its probes disagree."""
    if before != before or after != after:  # no probe: memory, which does not move
        return "near"
    low, high = sorted((before, after))
    if high > low * AGREE or (low < NEAR) != (high < NEAR):
        return None
    return "near" if high < NEAR else "far"


class Figure:
    """The samples of one system in one case and bucket."""

    def __init__(self):
        self.values, self.probes = [], []

    def add(self, value, probe):
        self.values.append(value)
        self.probes.append(probe)

    @property
    def median(self):
        return statistics.median(self.values)

    @property
    def probe(self):
        return statistics.median(self.probes)

    @property
    def spread(self):
        """Half of what lies between the quartiles, relative to the median."""
        if len(self.values) < 4:
            return None
        q = statistics.quantiles(self.values, n=4)
        return (q[2] - q[0]) / 2 / self.median if self.median else None


def sort(samples):
    """{(case, system): [(value, before, after)…]} to {bucket: {case: {system: Figure}}}, dropped."""
    out = {b: {} for b in BUCKETS}
    dropped = 0
    for (case, system), rows in samples.items():
        for value, before, after in rows:
            b = bucket(before, after)
            if b is None:
                dropped += 1
                continue
            out[b].setdefault(case, {}).setdefault(system, Figure()).add(
                value, (before + after) / 2)
    return out, dropped


class Row:
    """What is said of a case in a bucket. LIMIT: what the machine allows, a Figure or None."""

    def __init__(self, case, where, figures, peers, limit):
        self.case, self.where, self.figures, self.limit = case, where, figures, limit
        self.dvm = figures.get("dvm")
        self.best = None
        for name in peers:
            f = figures.get(name)
            if f and (self.best is None or case.better(f.median, figures[self.best].median)):
                self.best = name

    @property
    def ratio(self):
        if not self.dvm or not self.best or not self.figures[self.best].median:
            return None
        return self.dvm.median / self.figures[self.best].median

    @property
    def verdicts(self):
        """[(what is wanted, what is there, whether that is met)…]"""
        c, out = self.case, []
        want = c.ratio[self.where]
        if want and self.ratio is not None:
            ok = self.ratio >= want if c.rate else self.ratio <= want
            out.append((f"{'≥' if c.rate else '≤'} {want:g}", f"{self.ratio:.2f}", ok))
        if c.probes and self.dvm:
            n = self.dvm.median * 1e9 / self.dvm.probe
            out.append((f"≤ {c.probes:g} probes", f"{n:.2f}", n <= c.probes))
        if c.most and self.dvm:
            n = self.dvm.median / c.scale
            out.append((f"≤ {c.most:g} {c.unit}", f"{n:.2f}", n <= c.most))
        return out


def number(x):
    return f"{x:.3g}" if x < 1000 else f"{x:.0f}"


def value(case, figure):
    if not figure:
        return "–"
    text = number(figure.median / case.scale)
    return text if figure.spread is None else f"{text} ±{figure.spread * 100:.0f}%"


def rows_of(figures, where, cases, systems):
    peers, here = [s.name for s in systems if s.peer], figures[where]
    return [Row(c, where, here[c.name], peers, limit_of(here, c)) for c in cases if c.name in here]


def limit_of(here, case):
    """The machine's own figure for a case: the best of what it was asked."""
    found = here.get(LIMIT_OF.get(case.name, case.name), {})
    return next((found[name] for name in LIMITS if name in found), None)


def print_rows(rows, out):
    """The answer: libdvm, the best of the others, how they compare and what is wanted."""
    lines = [("case", "unit", "limit", "libdvm", "best peer", "", "ratio", "wanted", "got", "")]
    for r in rows:
        if not r.dvm:
            continue
        best = value(r.case, r.figures[r.best]) if r.best else "–"
        ratio = f"{r.ratio:.2f}" if r.ratio is not None else "–"
        limit = number(r.limit.median / r.case.scale) if r.limit else "–"
        head = (r.case.what, r.case.unit, limit, value(r.case, r.dvm), best, r.best or "", ratio)
        verdicts = r.verdicts or [("", "", None)]
        for i, (want, got, ok) in enumerate(verdicts):
            lines.append((head if i == 0 else ("",) * 7) + (
                want, got, "" if ok is None else "met" if ok else "NOT MET"))
    print_table(lines, out)


def print_systems(rows, systems, out):
    """All figures: a column for each system that has one here."""
    names = [s.name for s in systems if any(s.name in r.figures for r in rows)]
    lines = [("case", "unit", *names)]
    for r in rows:
        lines.append((r.case.what, r.case.unit,
                      *[value(r.case, r.figures.get(n)) for n in names]))
    print_table(lines, out)


def print_table(lines, out):
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    for n, line in enumerate(lines):
        print("| " + " | ".join(cell.ljust(w) for cell, w in zip(line, widths)) + " |", file=out)
        if n == 0:
            print("|" + "|".join("-" * (w + 2) for w in widths) + "|", file=out)


def print_all(samples, cases, systems, out):
    figures, dropped = sort(samples)
    shapes = (("node", "many"), ("crowd4", "crowd8"), ("net",))
    for where in BUCKETS:
        rows = rows_of(figures, where, cases, systems)
        if not rows:
            print(f"\n{where}: no sample", file=out)
            continue
        probes = [p for r in rows for f in r.figures.values() for p in f.probes if p == p]
        probe = f"{statistics.median(probes):.0f} ns" if probes else "none"
        print(f"\n## {where}: cache line one way {probe}\n", file=out)
        print_rows(rows, out)
        for group in shapes:
            part = [r for r in rows if r.case.shape in group]
            if part:
                print("", file=out)
                print_systems(part, systems, out)
    print(f"\nsamples: {sum(map(len, samples.values()))}, dropped because their probes disagree: "
          f"{dropped}", file=out)


def as_json(samples, cases, systems):
    figures, dropped = sort(samples)
    out = {"dropped": dropped, "rows": []}
    for where in BUCKETS:
        for r in rows_of(figures, where, cases, systems):
            out["rows"].append({
                "case": r.case.name, "unit": r.case.unit, "bucket": where, "best_peer": r.best,
                "ratio": r.ratio, "limit": r.limit.median / r.case.scale if r.limit else None,
                "wanted": [{"wanted": w, "got": g, "met": ok} for w, g, ok in r.verdicts],
                "systems": {n: {"median": f.median / r.case.scale, "spread": f.spread,
                                "samples": len(f.values), "probe_ns": f.probe if f.probe == f.probe
                                else None}
                            for n, f in r.figures.items()}})
    return out
