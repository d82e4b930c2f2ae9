# SPDX-License-Identifier: GPL-2.0-only
"""`fio-dmabuf bench`: this engine beside fio's own io_uring engine, instructions per I/O in the VM.

The same fio, the same job (jobs/bench.fio, jobs/bench-io_uring.fio), registered buffers and a
registered file on both sides, counted as `cost` counts. On null_blk, which does nothing, and on
the emulated NVMe drive; in batches of 32 and one by one. IOMMU mode passthrough, so that nothing
is mapped whatever the arm. All cases are repeated, one after the other, and what is no further from
fio's than repeats from each other, or than counts are repeatable, is called no difference.

And what no engine can do without: fio with its null engine (jobs/bench-null.fio), and a ring
without fio (engine/bare_ring.c), which has the kernel's part in it.
"""

import argparse
import csv
import os
import resource
import sys
from typing import Any, NamedTuple

from sweep import cost, env, fio, kmsg, paths, plan, process, stats, store, table, tables
from sweep.errors import Misuse, Problem
from sweep.session import VM_DEV, Session, in_vm

_JOB = "jobs/bench.fio"
_BARE_RING = os.path.join(paths.TOP, "engine/fio-dmabuf-ring")
_NULL = "nullb0"
_DRIVE = "null:64G"
_TIMEOUT = 900.0
_BS = 4096
# A count is repeatable to about so much: two engines that are as near are not told apart.
_REPEATABLE = 0.01
IO_URING, NULL, RING = "io_uring", "null", "ring"
_NO_DRIVE = "none"


class Case(NamedTuple):
    """One cell: `engine` is one of fio's, the bare ring, or an arm of ours."""

    drive: str
    batch: int
    engine: str

    @property
    def ios(self) -> int:
        """As many as take long enough to be looked at, on what is fast and on what sleeps."""
        return 150_000 if self.drive in (_NULL, _NO_DRIVE) else 20_000


def cases(drive: str) -> list[Case]:
    """null_blk takes no dma-bufs, fio's null engine nothing."""
    return [Case(d, batch, engine) for d in (_NO_DRIVE, _NULL, drive) for batch in (32, 1)
            for engine in (NULL, IO_URING, plan.CONTROL, "dmabuf", RING)
            if (engine == NULL) == (d == _NO_DRIVE) and (d, engine) != (_NULL, "dmabuf")]


def _job(case: Case, stem: str, ios: int) -> str:
    """What fio is to run."""
    ours = case.engine in (plan.CONTROL, "dmabuf")
    name = _JOB if ours else f"jobs/bench-{case.engine}.fio"
    values: dict[str, str | int] = {
        "number_ios": ios, "iodepth_batch_submit": case.batch,
        "iodepth_batch_complete_min": case.batch, "iodepth_batch_complete_max": case.batch}
    if ours:
        values |= {"arm": case.engine, "counters": stem + ".counters.json"}
    return fio.render(paths.read(os.path.join(paths.TOP, name)), values, name)


def _ring(case: Case, stem: str, ios: int, watcher: cost.Watcher) -> None:
    """The bare ring, by a shell: the watcher stops what it watches, fio's parent process else."""
    rc = process.run(["sh", "-c", '"$@"; exit $?', "sh", _BARE_RING, f"/dev/{case.drive}",
                      str(case.batch), str(ios)], stdout=stem + ".err", stderr=stem + ".err",
                     cwd=paths.TOP, env=dict(os.environ), timeout=_TIMEOUT, watch=watcher)
    if rc:
        raise Problem(f"{_BARE_RING}: {paths.read(stem + '.err', '').strip()} (status {rc})")


def _used() -> int:
    """Nanoseconds, which are instructions, of all children that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return round((usage.ru_utime + usage.ru_stime) * 1e9)


def _nothing(session: Session, case: Case, stem: str) -> dict[str, float]:
    """fio without a drive: there is no window, but a longer run differs from a shorter one in its
    I/O alone."""
    used = []
    for ios in (case.ios, 4 * case.ios):
        before = _used()
        fio.run(session.fio, stem, _job(case, stem, ios), os.devnull, _TIMEOUT)
        used.append(_used() - before)
    return {"instructions_per_io": (used[1] - used[0]) / (3 * case.ios),
            "switches_per_io": 0.0, "interrupts_per_io": 0.0}


def _measure(session: Session, case: Case, stem: str) -> dict[str, float]:
    """One run; what it took per I/O in its window."""
    if case.engine == NULL:
        return _nothing(session, case, stem)
    warm = case.ios // 8
    ios = warm + 2 * case.ios
    watcher = cost.Watcher(case.drive, warm * _BS, case.ios * _BS)
    if case.engine == RING:
        _ring(case, stem, ios, watcher)
    else:
        run = fio.run(session.fio, stem, _job(case, stem, ios), f"/dev/{case.drive}", _TIMEOUT,
                      watcher)
        session.engine = str(run.counters.get("engine", "")) or session.engine
    looks = watcher.windows()
    if len(looks) < 2:
        raise Problem(f"{stem}: the run ended before the window did")
    ran, moved, switches, _, interrupts = (b - a for a, b in zip(*looks))
    done = moved // _BS
    return {"instructions_per_io": ran / done, "switches_per_io": switches / done,
            "interrupts_per_io": interrupts / done}


def _row(session: Session, folder: store.Folder, log: kmsg.KernelLog, case: Case, repeat: int
         ) -> dict[str, Any]:
    """One repeat of one case; a run of which the kernel complains is made once more."""
    name = f"{repeat}-{case.drive}-{case.batch}-{case.engine}"
    for stem in (name, name + "-again"):
        got, complaint = kmsg.sound(log, _measure, session, case, folder.file("raw", stem))
        if not complaint:
            return {"repeat": repeat, **case._asdict(), **got}
        sys.stderr.write(f"{stem}: {complaint}; {'once more' if stem == name else 'again'}\n")
    raise Problem(f"bench: {name}: the kernel complained twice, so there is no figure; see "
                  f"{folder.file('console.log')}")


def _guest(args: argparse.Namespace) -> int:
    """In the guest: measures, and writes runs.csv."""
    args.device, args.destroy_data, args.vm = args.guest, None, True
    repeats = plan.numbers(args.repeat, "--repeat", 100)[0]
    with Session(args, False) as session:
        session.switcher.set("passthrough")
        if not os.path.exists(f"/dev/{_NULL}"):
            raise Misuse(f"bench: no /dev/{_NULL}: this kernel has no CONFIG_BLK_DEV_NULL_BLK; "
                         "use a kernel of kernel/build")
        folder = store.Folder(store.new_folder(args.out, "vm", "-bench"))
        folder.merge_env(env.collect([session.name], session.fio_version))
        log = kmsg.KernelLog()
        with open(folder.file("runs.csv"), "w", encoding="utf-8", newline="") as f:
            out = csv.writer(f, lineterminator="\n")
            out.writerow(tables.BENCH_RUNS)
            for repeat in range(repeats):
                for case in cases(session.switcher.name):
                    row = _row(session, folder, log, case, repeat)
                    out.writerow([store.text(row[k]) for k in tables.BENCH_RUNS])
                    f.flush()
                    sys.stderr.write(f"{case.drive}, batch {case.batch}, {case.engine}: "
                                     f"{row['instructions_per_io']:.0f} instructions/IO\n")
        folder.merge_env({"engine": session.engine})
    return 0


def _ends(values: list[float]) -> tuple[float | None, float | None]:
    """The lowest and the highest of several repeats; one has none."""
    return (min(values), max(values)) if len(values) > 1 else (None, None)


def _ratios(costs: dict[int, float], to: dict[int, float]) -> list[float]:
    """Repeat by repeat."""
    return [costs[n] / to[n] for n in costs if n in to]


def summary(runs: list[store.Row]) -> list[store.Row]:
    """One row per case, with the ratio to fio's own engine."""
    every: dict[tuple[str, str, str], list[store.Row]] = {}
    for r in runs:
        every.setdefault((r["drive"], r["batch"], r["engine"]), []).append(r)
    costs = {k: {int(r["repeat"]): float(r["instructions_per_io"]) for r in rs}
             for k, rs in every.items()}
    out = []
    for key, rs in every.items():
        took = list(costs[key].values())
        ratios = _ratios(costs[key], costs.get((*key[:2], IO_URING), {}))
        row: dict[str, Any] = dict(zip(tables.BENCH, (
            *key, len(rs), stats.median(took), *_ends(took),
            stats.median(ratios) if ratios else None, *_ends(ratios))))
        for k in ("switches_per_io", "interrupts_per_io"):
            row[k] = stats.median([float(r[k]) for r in rs])
        out.append({k: store.text(row[k]) for k in tables.BENCH})
    return out


def above(rows: list[store.Row]) -> list[tuple[str, str, str, float]]:
    """Drive, batch, engine, and what it takes above fio's null engine and the bare ring together."""
    costs = {(r["drive"], r["batch"], r["engine"]): float(r["instructions_per_io"]) for r in rows}
    return [(drive, batch, engine,
             ran - costs[_NO_DRIVE, batch, NULL] - costs[drive, batch, RING])
            for (drive, batch, engine), ran in costs.items() if engine not in (NULL, RING)]


def _spread(row: store.Row, value: str, low: str, high: str, form: str) -> str:
    """A median, with its lowest and highest repeat where there are several."""
    text = table.number(row[value], form)
    if not row[low]:
        return text
    return f"{text} [{form}, {form}]".format(float(row[low]), float(row[high]))


def no_difference(row: store.Row) -> bool:
    """Is a case as dear as fio's own engine, as far as several repeats tell?"""
    return bool(row["ratio_min"]) and (
        float(row["ratio_min"]) <= 1 <= float(row["ratio_max"])
        or abs(float(row["ratio"]) - 1) < _REPEATABLE)


def _ratio(row: store.Row) -> str:
    if row["engine"] == IO_URING:
        return table.number(row["ratio"], "{:.3f}")
    return _spread(row, "ratio", "ratio_min", "ratio_max", "{:.3f}") \
        + " no difference" * no_difference(row)


def _unsteady(runs: list[store.Row]) -> str:
    """What is to be said of the NVMe drive without batches, where there are several repeats."""
    alone = [r for r in runs if r["batch"] == "1" and r["drive"] not in (_NULL, _NO_DRIVE)]
    if len({r["repeat"] for r in alone}) < 2:
        return ""
    ends = [[float(r[k]) for r in alone] for k in ("switches_per_io", "interrupts_per_io")]
    found = " and ".join(f"{min(v):.3f} to {max(v):.3f} {what}" for v, what in zip(
        ends, ("switches", "interrupts")))
    return (f"{alone[0]['drive']}, batch 1: how completions meet, and with it the cost, differs "
            f"from run to run: {found} per I/O\n")


def show(rows: list[store.Row]) -> str:
    """The table for people."""
    more = {(drive, batch, engine): f"{over:.0f}" for drive, batch, engine, over in above(rows)}
    names = {IO_URING: "io_uring", NULL: "null", RING: "no fio, bare ring"}
    body = [(r["drive"], r["batch"], names.get(r["engine"], f"dmabuf, arm={r['engine']}"),
             _spread(r, "instructions_per_io", "lo", "hi", "{:.0f}"), _ratio(r),
             more.get((r["drive"], r["batch"], r["engine"]), "-"),
             table.number(r["switches_per_io"], "{:.3f}"),
             table.number(r["interrupts_per_io"], "{:.3f}")) for r in rows]
    return table.columns(("drive", "batch", "engine", "instructions/IO", "vs io_uring",
                          "vs null + ring", "switches/IO", "irqs/IO"), body, 3)


def report(folder: store.Folder) -> str:
    """The table of a run, and what was measured when."""
    facts, runs = folder.env(), folder.rows("runs.csv")
    return (f"{show(summary(runs))}\n{_unsteady(runs)}{facts['fio']}, engine {facts['engine']}, "
            f"Linux {facts['kernel']['release']}, {facts['started'][:10]}")


def main(args: argparse.Namespace) -> int:
    """Boots the VM, measures there, and prints the table."""
    if args.guest:
        return _guest(args)
    repeats = plan.numbers(args.repeat, "--repeat", 100)[0]
    status, folder = in_vm(args, "bench", ["--guest", VM_DEV, "--repeat", args.repeat],
                           ["--icount", "--drive", _DRIVE], 300 + 1000 * repeats)
    if status:
        return status
    rows = summary(folder.rows("runs.csv"))
    with open(folder.file("bench.csv"), "w", encoding="utf-8", newline="") as f:
        out = csv.DictWriter(f, tables.BENCH, lineterminator="\n")
        out.writeheader()
        out.writerows(rows)
    if not args.quiet:
        print(f"{report(folder)}; run folder: {folder.path}")
    return 0
