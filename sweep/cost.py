# SPDX-License-Identifier: GPL-2.0-only
"""`fio-dmabuf cost`: instructions per I/O of the whole machine, in the VM, repeatable.

Under QEMU's -icount one instruction is one nanosecond of guest time. So the time that the kernel's
scheduler charges to threads and to interrupts over a window in which fio runs steadily, over the
I/O in it, is what one I/O executes: user, kernel and interrupts. Nothing of it depends on the host.
Both are told in nanoseconds, on every release alike. The idle task is left out, and an interrupt
that comes while a thread runs counts twice: both are some thousandths of an I/O here, where
interrupts find the machine idle.

The figure holds only while completions arrive alike. Context switches and interrupts per I/O
are counted in the same windows, and runs whose regimes differ are not compared.
"""

import argparse
import csv
import json
import os
import re
import signal
import sys
import time
from typing import Any, NamedTuple

from sweep import env, fio, kmsg, paths, plan, procstat, stats, store, table, tables, units
from sweep.errors import Impossible, Misuse, Problem
from sweep.session import VM_DEV, Session, in_vm

_JOB = "jobs/cost.fio"
# Large, because fio stops at the end of the drive.
_DRIVE = "null:64G"
# Commands in a batch.
_DEPTH = 32
_TIMEOUT = 900.0
# Seconds of guest time between glances at the drive's counter: before the first I/O, after.
_FIRST, _LATER = 0.05, 0.4
# After so many glances without an I/O the job is over, sooner than it was to be.
_STILL = 20
# By so much may interrupts and switches per I/O be off: it is worth some 20 instructions of 5000;
# and for an I/O of several commands, some 270 of 36000 or more.
_SLACK, _SLACK_LARGE = 0.006, 0.1
_PAGE = 4096
_HUGE_PAGES = 64
# Behind an IOMMU the kernel bounds commands to this; without one, the drive's bound is larger.
_COMMAND = 128 << 10


class Window(NamedTuple):
    """What the machine and the drive have done since boot."""

    ran_ns: int
    bytes: int
    switches: int
    drive_interrupts: int
    interrupts: int


def _nanoseconds(text: str) -> int:
    """A time of the kernel's, in milliseconds with six decimals."""
    whole, _, rest = text.partition(".")
    return int(whole) * 1_000_000 + int(rest)


def _irq_time(text: str) -> int:
    """Interrupts of all CPUs since boot: by how much the scheduler's task clock is behind."""
    clocks = [[_nanoseconds(t) for t in re.findall(rf"\.{name}\s*:\s*(\d+\.\d{{6}})", text)]
              for name in ("clock", "clock_task")]
    behind = sum(clocks[0]) - sum(clocks[1])
    if not behind:
        raise Impossible("cost: this kernel's scheduler does not tell the time of interrupts (with "
                         "CONFIG_SCHED_DEBUG and CONFIG_IRQ_TIME_ACCOUNTING it does, in debugfs's "
                         "sched/debug); use a kernel of kernel/build")
    return behind


class Watcher:
    """Looks at the machine twice while fio runs steadily; process.run's `watch`.

    What fio's start and end execute differs from run to run by more than thousands of I/O do, so
    they must not be in the window. Nor must fio's parent process, which wakes every 10 ms of
    guest time: idle time follows the host's speed, and with it the number of those. It is
    stopped for the window; the job is a process of its own and does not miss it. No thread
    comes in between during a look, and what a look executes is not counted.
    """

    _FILES = ("/proc/self/schedstat", "/proc/schedstat", "/sys/kernel/debug/sched/debug",
              "/proc/stat", "/proc/interrupts")

    def __init__(self, name: str, warm: int, span: int) -> None:
        self._name = name
        self._drive = f"/sys/class/block/{name}/stat"
        self._due = procstat.moved(self._name) + 1
        self._steps = [warm, span]
        self._looks: list[list[str]] = []
        self._seen = self._still = 0

    def _ended(self, now: int) -> bool:
        """Whether nothing moves any more: the job is over, and fio's parent must see that."""
        self._still = self._still + 1 if now == self._seen else 0
        self._seen = now
        return self._still == _STILL

    def _look(self) -> None:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
        time.sleep(1e-6)  # what a thread has run is charged when it leaves the processor
        self._looks.append([paths.read(f, "") for f in (*self._FILES, self._drive)])
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))

    def __call__(self, pid: int) -> float:
        now = procstat.moved(self._name)
        if now < self._due and len(self._steps) < 2 and self._ended(now):
            os.kill(pid, signal.SIGCONT)
            self._due = 1 << 62
        if now < self._due:
            return _LATER if self._looks else _FIRST
        if len(self._steps) == 2:
            os.kill(pid, signal.SIGSTOP)
        else:
            self._look()
        if not self._steps:
            os.kill(pid, signal.SIGCONT)
            self._due = 1 << 62
            return 3600.0
        self._due = now + self._steps.pop(0)
        return _FIRST

    def windows(self) -> list[Window]:
        """Both looks."""
        out = []
        for own_time, tasks, sched, stat, irqs, drive in self._looks:
            ran = sum(int(line.split()[7]) for line in tasks.splitlines() if line.startswith("cpu"))
            ran -= int(own_time.split()[0])
            counts = procstat.parse(stat)
            own = sum(int(n) for line in irqs.splitlines() if re.search(r"nvme\d+q[1-9]", line)
                      for n in re.findall(r" (\d+)(?= )", line.split(":", 1)[1])[:os.cpu_count()])
            out.append(Window(ran + _irq_time(sched), procstat.moved_in(drive), counts.switches,
                              own, counts.interrupts))
        return out


def _measure(session: Session, stem: str, p: plan.Point, ios: int) -> dict[str, float]:
    """One fio run; what it took per I/O in its window."""
    warm = ios // 8
    values: dict[str, str | int] = {
        "bs": p.bs, "arm": p.arm, "number_ios": warm + 2 * ios,
        "counters": stem + ".counters.json", "iodepth": p.iodepth,
        "iodepth_batch_submit": p.iodepth, "iodepth_batch_complete_min": p.iodepth,
        "iodepth_batch_complete_max": p.iodepth}
    if p.exporter != plan.NO_EXPORTER:
        values["exporter"] = p.exporter
    if p.bs > _PAGE and p.exporter in (plan.NO_EXPORTER, "udmabuf"):
        # Whether small pages happen to be adjacent decides how many maps an I/O takes, and
        # alternates from run to run; huge pages are the same for all. What pages other exporters
        # take is theirs.
        values |= {"memory": "hugetlb", "hugepages": 1}
    text = fio.render(paths.read(os.path.join(paths.TOP, _JOB)), values, _JOB)
    watcher = Watcher(session.switcher.name, warm * p.bs, ios * p.bs)
    run = fio.run(session.fio, stem, text, session.switcher.dev, _TIMEOUT, watcher)
    session.engine = str(run.counters.get("engine", ""))
    looks = watcher.windows()
    with open(stem + ".windows.json", "w", encoding="utf-8") as f:
        f.write(json.dumps([w._asdict() for w in looks]) + "\n")
    if len(looks) < 2:
        raise Problem(f"{stem}: fio ended before the window did")
    if run.counters.get("errors"):
        raise Problem(f"{stem}: {run.counters['errors']} I/O failed")
    ran, moved, switches, own, interrupts = (b - a for a, b in zip(*looks))
    done = moved // p.bs
    return {"ios": done, "instructions_per_io": ran / done, "switches_per_io": switches / done,
            "drive_interrupts_per_io": own / done, "interrupts_per_io": interrupts / done}


def _depth(bs: int) -> int:
    """As many I/O as make _DEPTH commands: more would not fit into one batch of the drive's."""
    return max(1, _DEPTH * _COMMAND // max(bs, _COMMAND))


def irregular(depth: int, switches: float, drive_interrupts: float) -> str:
    """Why a run is not in the regime that figures are given for; nothing if it is.

    One batch: to idle and back, and one interrupt of the drive. An I/O of several commands is
    so large that a switch does not matter; interrupts, of which each command may have one, do.
    """
    single = depth == _DEPTH
    expected = [("interrupts of the drive", drive_interrupts, 1 / depth)]
    if single:
        expected.append(("context switches", switches, 2 / depth))
    for what, value, ideal in expected:
        if abs(value - ideal) > (_SLACK if single else _SLACK_LARGE):
            return f"{value:.4f} {what} per I/O in place of {ideal:.4f}"
    return ""


def _point(session: Session, folder: store.Folder, log: kmsg.KernelLog, repeat: int, p: plan.Point,
           ios: int) -> dict[str, Any]:
    """One repeat of one point; a run in another regime, or of which the kernel complains, is made
    once more."""
    session.switcher.set(p.mode)
    before = session.switcher.mode()
    # In the guest, which does not outlive this: as many commands in every mode.
    paths.write(f"/sys/block/{session.switcher.name}/queue/max_sectors_kb", str(_COMMAND >> 10))
    raw = os.path.join("raw", f"{repeat}-{p.name}")
    os.mkdir(folder.file(raw))
    got: dict[str, float] = {}
    for attempt in ("run", "again"):
        got, complaint = kmsg.sound(log, _measure, session, folder.file(raw, attempt), p, ios)
        why = complaint or irregular(p.iodepth, got["switches_per_io"],
                                     got["drive_interrupts_per_io"])
        if not why:
            break
        if complaint and attempt == "again":
            raise Problem(f"{raw}: the kernel complained again: {complaint}")
        sys.stderr.write(f"{raw}: {why}; once more\n" if attempt == "run" else f"{raw}: {why}\n")
    return {"repeat": repeat, "iommu_mode": p.mode, "mode_before": before,
            "mode_after": session.switcher.mode(), "arm": p.arm, "exporter": p.exporter,
            "bs": p.bs, "iodepth": p.iodepth, "raw": raw, **got}


def summary(runs: list[store.Row]) -> list[store.Row]:
    """One row per mode and arm, with the ratio to the fixed arm of the same mode."""
    every: dict[tuple[str, ...], list[store.Row]] = {}
    for r in runs:
        every.setdefault((r["iommu_mode"], r["arm"], r["exporter"], r["bs"], r["iodepth"]),
                         []).append(r)
    costs = {k: {int(r["repeat"]): float(r["instructions_per_io"]) for r in rs}
             for k, rs in every.items()}
    out = []
    for key, rs in every.items():
        mode, arm, exporter, bs, depth = key
        mid = stats.interval(list(costs[key].values()))
        ratio = stats.ratio(costs[key], costs.get(
            (mode, plan.CONTROL, plan.NO_EXPORTER, bs, depth), {}))
        row: dict[str, Any] = dict(zip(tables.COST, (
            mode, "/".join(sorted({m for r in rs for m in (r["mode_before"], r["mode_after"])})),
            arm, exporter, bs, depth, len(rs), *mid, *(ratio or ("", "", "")))))
        for k in ("switches_per_io", "drive_interrupts_per_io", "interrupts_per_io"):
            row[k] = stats.median([float(r[k]) for r in rs])
        out.append({k: store.text(row[k]) for k in tables.COST})
    return out


def check_regime(runs: list[store.Row]) -> None:
    """Gives no figure if completions came in different ways."""
    for r in runs:
        why = irregular(int(r["iodepth"]), float(r["switches_per_io"]),
                        float(r["drive_interrupts_per_io"]))
        if why:
            raise Problem(f"cost: {r['raw']}: {why}: completions came in another way than in the "
                          "others, so no figure is given; repeat it")


def _where(r: store.Row) -> tuple[str, ...]:
    return (r["iommu_mode"], plan.arm_name(r["arm"], r["exporter"]),
            units.human_size(int(r["bs"])), r["iodepth"])


def show(rows: list[store.Row]) -> str:
    """The table for people."""
    body = [(*_where(r), table.number(r["instructions_per_io"], "{:.0f}"),
             f"{float(r['lo']):.0f}..{float(r['hi']):.0f}" if r["lo"] else "-",
             table.ratio(r), f"{float(r['switches_per_io']):.4f}",
             f"{float(r['drive_interrupts_per_io']):.4f}") for r in rows]
    return table.columns(("mode", "arm", "block", "depth", "instructions/IO", "range",
                          "vs fixed", "switches/IO", "drive irqs/IO"), body, 2)


def show_beside(every: list[list[store.Row]]) -> str:
    """The table of several kernels, each under its letter; the others against the first."""
    letters = [chr(ord("A") + i) for i in range(len(every))]
    head = ["mode", "arm", "block", "depth"]
    for letter in letters:
        head += [f"{letter} instr/IO", "vs fixed"] + ([f"{letter}/A"] if letter != "A" else [])
    body = []
    for rows in zip(*every):
        line = list(_where(rows[0]))
        for letter, r in zip(letters, rows):
            line += [table.number(r["instructions_per_io"], "{:.0f}"), table.ratio(r)]
            if letter != "A":
                line.append(f"{_cost(r) / _cost(rows[0]):.3f}")
        body.append(line)
    return table.columns(head, body, 2)


def _cost(row: store.Row) -> float:
    return float(row["instructions_per_io"])


# What all of its points have in common, and its tables have no columns for.
ALWAYS = {"rw": "randread", "numjobs": "1", "drives": "1"}


def _plan(args: argparse.Namespace, modes: list[str]) -> list[plan.Step]:
    arms = plan.arms_with_exporters(plan.choose(args.arms or "fixed,dmabuf", "--arms", plan.ARMS),
                                    plan.choose(args.exporter or "udmabuf", "--exporter",
                                                plan.EXPORTERS))
    bs = units.size(args.bs, "--bs")
    if bs % 512:
        raise Misuse(f"--bs {args.bs}: not a multiple of 512, which every drive needs")
    repeats = plan.numbers(args.repeat, "--repeat", 100)[0]
    plan.numbers(args.ios, "--ios", 100_000_000)
    return plan.order(modes, arms, [("randread", bs, _depth(bs), 1, 1)], repeats, None)


def _guest(args: argparse.Namespace) -> int:
    """In the guest: measures, and writes runs.csv and cost.csv."""
    args.device, args.destroy_data, args.vm = args.guest, None, True
    with Session(args, False) as session:
        modes = session.modes(args.modes or ",".join(plan.MODES))
        steps = _plan(args, modes)
        if any(s.point.bs > _PAGE for s in steps):
            # In the guest, which does not outlive this.
            paths.write("/proc/sys/vm/nr_hugepages", str(_HUGE_PAGES))
        folder = store.Folder(store.new_folder(args.out, "vm", "-cost"))
        folder.merge_env(env.collect([session.name], session.fio_version))
        log = kmsg.KernelLog()
        with open(folder.file("runs.csv"), "w", encoding="utf-8", newline="") as f:
            out = csv.writer(f, lineterminator="\n")
            out.writerow(tables.COST_RUNS)
            for i, s in enumerate(steps):
                row = _point(session, folder, log, s.repeat, s.point, int(args.ios))
                if not row["mode_before"] == row["mode_after"] == s.point.mode:
                    raise Problem(f"{row['raw']}: IOMMU mode changed under the run")
                out.writerow([store.text(row[k]) for k in tables.COST_RUNS])
                f.flush()
                sys.stderr.write(
                    f"[{i + 1}/{len(steps)}] {s.repeat}-{s.point.name}: "
                    f"{row['instructions_per_io']:.0f} instructions/IO, "
                    f"{row['switches_per_io']:.4f} switches/IO, "
                    f"{row['interrupts_per_io']:.4f} interrupts/IO\n")
                sys.stderr.flush()
        folder.merge_env({"engine": session.engine})
    return 0


def _boot(args: argparse.Namespace, steps: list[plan.Step], kernel: str | None, out: str | None
          ) -> tuple[int, store.Folder, list[store.Row]]:
    """Boots one kernel in the VM and measures there; figures if they may be compared."""
    words = ["--guest", VM_DEV, "--bs", args.bs, "--repeat", args.repeat,
             "--ios", args.ios]
    for key in ("modes", "arms", "exporter"):
        if getattr(args, key):
            words += [f"--{key}", getattr(args, key)]
    options = ["--icount", "--drive", _DRIVE, *(["--append", args.append] if args.append else [])]
    one = argparse.Namespace(**{**vars(args), "kernel": kernel, "out": out})
    status, folder = in_vm(one, "cost", words, options, 300 + 120 * len(steps))
    if status:
        return status, folder, []
    runs = folder.rows("runs.csv")
    if len(runs) != len(steps):
        raise Problem(f"cost: {len(runs)} of {len(steps)} runs were done; see {folder.path}")
    check_regime(runs)
    rows = summary(runs)
    with open(folder.file("cost.csv"), "w", encoding="utf-8", newline="") as f:
        table_of = csv.DictWriter(f, tables.COST, lineterminator="\n")
        table_of.writeheader()
        table_of.writerows(rows)
    return 0, folder, rows


def main(args: argparse.Namespace) -> int:
    """Measures each kernel in the VM, and presents the figures."""
    if args.guest:
        return _guest(args)
    steps = _plan(args, plan.choose(args.modes, "--modes", plan.MODES) if args.modes
                       else list(plan.MODES))
    kernels: list[str | None] = args.kernel or [None]
    if len(kernels) > 26:
        raise Misuse(f"--kernel: {len(kernels)} are too many")
    done = []
    for n, kernel in enumerate(kernels, 1):
        out = os.path.join(args.out, str(n)) if args.out and len(kernels) > 1 else args.out
        status, folder, rows = _boot(args, steps, kernel, out)
        if status:
            return status
        facts = folder.env()
        done.append({"run": folder.path, "kernel": facts["kernel"]["release"],
                     "dma_mapping": facts["dma_mapping"]["kind"], "rows": rows})
    if args.json:
        print(json.dumps({k: done[0][k] for k in ("run", "rows")} if len(done) == 1
                         else {"kernels": done}, indent=2))
    elif not args.quiet:
        if len(done) > 1:
            for n, d in enumerate(done):
                print(f"{chr(ord('A') + n)}: {d['kernel']}, DMA mapping of fixed: "
                      f"{d['dma_mapping']}; run folder: {d['run']}")
            print(show_beside([d["rows"] for d in done]))
        else:
            print(show(done[0]["rows"]))
            print(f"run folder: {done[0]['run']}")
    return 0
