# SPDX-License-Identifier: GPL-2.0-only
"""Runs a plan: one repeat at a time, each with its proof and its check.

A repeat is three fio runs of the same job:
  timed   as asked, untraced; the only one that gives throughput, latency and CPU time
  proof   bounded, with the kernel's map and unmap events counted; apart from the timed run
          because tracing would slow the arm that maps and so flatter the one that does not
  check   bounded, every target poisoned before and compared after through an independent path;
          apart because the comparison's own reads are mapped too
"""

import itertools
import json
import os
import shutil
import sys
import time
from typing import TYPE_CHECKING, Any

from sweep import exporters, fio, kmsg, paths, proof, stats, store, units
from sweep.errors import Impossible, Misuse, Problem
from sweep.plan import CONTROL, NO_EXPORTER, Plan, Point, Step, job_value, steady
from sweep.station import Here, Part, Task
from sweep.together import apart, file_prefix, together

if TYPE_CHECKING:
    from sweep.fleet import Fleet

_TIMEOUT_MARGIN = 300.0
_PAGE = 4096
_MOST_BYTES = 4 << 30
# Among so many I/O one event more does not show.
_HIDE = 200
_MOST_PROOF = 65536
# How the reason of a repeat begins that is good but for that.
UNSTEADY = "no steady state"


class Runner:
    """Everything that one sweep holds on to."""

    def __init__(self, plan: Plan, folder: store.Folder, machines: "Here | Fleet",
                 engine: str = "") -> None:
        self.plan, self.folder, self.machines = plan, folder, machines
        self.job_text = paths.read(os.path.join(paths.TOP, plan.job))
        # The version that the run began with, else the one that the first repeat reports.
        self.engine = engine
        self._iops: dict[Point, dict[int, float]] = {}
        self._worked: set[tuple[str, str]] = set()

    def run(self) -> list[dict[str, Any]]:
        """All steps not done yet; returns the rows that were voided."""
        rows = self.folder.rows()
        done = store.done(rows)
        for r in rows:
            self._note(r)
        todo = [s for s in self.plan.steps if (s.repeat, s.point) not in done]
        void = []
        began = time.monotonic()
        ran = 0
        for i, step in enumerate(todo):
            if step.repeat >= self.plan.repeats and self._settled(step):
                continue
            row = self._step(step)
            self.folder.add_row(row)
            for part in row.get("hosts", {}).values():
                self.folder.add_host_row({**row, **part})
            self._note(row)
            if row["status"] != "ok":
                void.append(row)
            ran += 1
            left = (time.monotonic() - began) / ran * (len(todo) - i - 1)
            _progress(i + 1, len(todo), row, self._iops.get(step.point, {}), left)
            self._go_on()
        return void

    def _step(self, step: Step) -> dict[str, Any]:
        """One repeat; says how to go on where a machine is lost between two runs of fio."""
        try:
            return self.step(step)
        except Problem:
            self._go_on()
            raise

    def _go_on(self) -> None:
        """Ends the sweep if a machine is lost."""
        if self.machines.lost:
            raise Problem(f"{self.machines.lost}; --resume {self.folder.path} goes on where it "
                          "was, once that is there again")

    def _note(self, row: dict[str, Any]) -> None:
        """Keeps what a repeat found."""
        if row["status"] == "ok":
            self._iops.setdefault(store.point_of(row), {})[int(row["repeat"])] = float(row["iops"])

    def _settled(self, step: Step) -> bool:
        """Whether all that is asked of a step's cell is known as precisely as wanted.

        The cell's arms are judged together, by the repeats before this one: they run side by side.
        """
        cell = {p: {r: v for r, v in self._iops.get(p, {}).items() if r < step.repeat}
                for p in self.plan.points if p.control == step.point.control}
        control = cell.get(step.point.control)
        if control is None:
            return all(stats.precise(stats.interval([*v.values()]) if v else None,
                                     self.plan.precision) for v in cell.values())
        return all(stats.precise(stats.ratio(v, control), self.plan.precision)
                   for p, v in cell.items() if p.arm != CONTROL)

    def step(self, step: Step) -> dict[str, Any]:
        """One repeat of one point as a row of points.csv; `hosts` of it has each machine's share,
        where there are several."""
        p = step.point
        raw = self._raw(step)
        stem = self.folder.file(raw)
        row: dict[str, Any] = {
            "repeat": step.repeat, "iommu_mode": p.mode,
            **{k: v for k, v in p._asdict().items() if k != "mode"}, "raw": raw, "status": "ok",
            "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}
        self.machines.set(p.mode, p.drives)
        shares: dict[str, dict[str, Any]] = {
            host: {"host": host, "device": self.machines.device_of(host), "mode_before": mode}
            for host, mode in self.machines.modes().items()}
        self.machines.listen()
        reasons = []
        try:
            self._measure(p, stem, shares)
        except (Impossible, Misuse):
            raise
        except Problem as e:
            # An arm that has never worked is not a matter of one bad repeat.
            if (p.arm, p.exporter) not in self._worked and not self.machines.lost \
                    and not any(share.get("mismatches") for share in shares.values()):
                raise Problem(f"{p.name}: {e}") from e
            reasons.append(str(e))
        for host, mode in self.machines.modes().items():
            shares[host]["mode_after"] = mode
        heard = self.machines.heard()
        for host, share in shares.items():
            doubts = self._doubts(p, share, heard.get(host, []), raw, stem)
            reasons += [(f"{host}: " if host else "") + doubt for doubt in doubts]
            share["reason"] = "; ".join([*share.pop("failed", []), *doubts]) \
                or share.get("note", "")
        row.update(together(list(shares.values())))
        if list(shares) != [""]:
            row["hosts"] = shares
        reasons += filter(None, [apart(list(shares.values()), self.plan.ramp_ms / 1000)])
        if reasons:
            row["status"], row["reason"] = "void", "; ".join(reasons)
        else:
            row["reason"] = next((s["note"] for s in shares.values() if "note" in s), "")
            self._worked.add((p.arm, p.exporter))
        for share in shares.values():
            share["status"] = row["status"]
        return row

    def _raw(self, step: Step) -> str:
        """A new folder for a repeat's files. That of a void one stays, for its row to be understood
        by; one that no row is about was left by a crash, and starts again from nothing."""
        known = {r["raw"] for r in self.folder.rows()}
        first = os.path.join("raw", f"{step.repeat}-{step.point.name}")
        tries = (first if n == 1 else f"{first}-try{n}" for n in itertools.count(1))
        raw = next(name for name in tries if name not in known)
        shutil.rmtree(self.folder.file(raw), ignore_errors=True)
        os.mkdir(self.folder.file(raw))
        return raw

    @staticmethod
    def _doubts(p: Point, share: dict[str, Any], lines: list[str], raw: str,
                stem: str) -> list[str]:
        """Why a machine's share of a repeat cannot be trusted, though fio said nothing."""
        log = f"{file_prefix(share['host'])}kernel.log"
        with open(f"{stem}/{log}", "w", encoding="utf-8") as f:
            f.writelines(line + "\n" for line in lines)
        # A trim's list of ranges is mapped too, but is no buffer of ours.
        maps = None if p.trims else share.get("maps_per_io")
        reasons = [x for x in [proof.contradiction(p.arm, p.mode, maps)] if x]
        if not share["mode_before"] == share["mode_after"] == p.mode:
            reasons.append(f"IOMMU mode: asked for {p.mode}, found "
                           f"{share['mode_before'] or 'nothing'} before and "
                           f"{share['mode_after'] or 'nothing'} after")
        bad = kmsg.bad(lines)
        if bad:
            reasons.append(f"kernel log: {bad[0]} ({raw}/{log})")
        if share.get("mismatches"):
            reasons.append(f"{share['mismatches']} of {share.get('checked_ios', '?')} I/O held "
                           f"other data than the drive ({fio.classes(share)})")
        return reasons

    def _render(self, p: Point, stem: str, **more: str | int) -> str:
        values: dict[str, str | int] = {
            "rw": job_value(p.rw), "bs": p.bs, "iodepth": p.iodepth, "numjobs": p.numjobs,
            "arm": p.arm, "counters": stem + ".counters.json", **more}
        if p.exporter != NO_EXPORTER:
            values["exporter"] = exporters.job_value(p.exporter)
        return fio.render(self.job_text, values, self.plan.job)

    def _run(self, stem: str, text: str, task: Task, seconds: float,
             shares: dict[str, dict[str, Any]]) -> list[Part]:
        """A fio run on all machines: counts what went wrong, raises the first that failed."""
        parts = self.machines.run(stem, text, task, seconds + _TIMEOUT_MARGIN)
        for part in parts:
            share = shares[part.host]
            if task.kind == "check":
                share["checked_ios"] = part.counters.get("ios", part.run and part.run.ios)
            self._add_counters(share, part.counters)
            if part.failed:
                share["failed"] = [str(part.failed)]
        failed = next((part for part in parts if part.failed), None)
        if failed:
            raise Problem((f"{failed.host}: " if failed.host else "") + str(failed.failed))
        return parts

    def _bounded(self, p: Point, stem: str, ios: int, task: Task,
                 shares: dict[str, dict[str, Any]], **more: str | int) -> list[Part]:
        """A run of so many I/O in all, whatever the size of the drive."""
        text = self._render(p, stem, time_based=0, ramp_time=0, runtime=0,
                            io_size=max(ios // p.numjobs, 1) * p.bs, **more)
        return self._run(stem, text, task, 0, shares)

    def _measure(self, p: Point, stem: str, shares: dict[str, dict[str, Any]]) -> None:
        """Fills each machine's share; raises Problem with what is known so far in them."""
        seconds = self.plan.runtime_ms / 1000
        task = Task("timed", self.plan.ramp_ms / 1000, seconds)
        runtime = f"{self.plan.runtime_ms}ms"
        if self.plan.steadystate:
            criterion, window = steady(self.plan.steadystate)
            runtime += f"\nsteadystate={criterion}\nsteadystate_duration={window}s"
            # So long it lasts in any case.
            task = task._replace(runtime_s=window)
        for part in self._run(f"{stem}/timed", self._render(
                p, f"{stem}/timed", time_based=1, runtime=runtime,
                ramp_time=f"{self.plan.ramp_ms}ms", io_size=0), task,
                task.ramp_s + seconds, shares):
            assert part.run
            share = shares[part.host]
            per_byte = part.found["cpu_ns_per_byte"]
            share["cpu_ns_per_io"] = per_byte and per_byte * p.bs
            for key in ("began", "cpu_mhz", "drive_celsius"):
                share[key] = part.found.get(key)
            self._same_engine(part)
            for key in ("ios", "iops", "bw_bytes", "lat_p50_ns", "lat_p99_ns", "lat_p999_ns"):
                share[key] = getattr(part.run, key)
            if self.plan.steadystate:
                self._steady(share, part.run.steady)
        self._prove(p, stem, shares)
        if not p.trims:
            self._check(p, f"{stem}/check", shares)

    def _steady(self, share: dict[str, Any], found: dict[str, Any]) -> None:
        """The figures of the window in which it was steady; or that there was none."""
        if found.get("attained") and found["iops"]:
            share["bw_bytes"] *= found["iops"] / share["iops"]
            share["iops"] = found["iops"]
        else:
            share["note"] = (f"{UNSTEADY} ({self.plan.steadystate}) in "
                             f"{self.plan.runtime_ms / 1000:.0f} s: {found.get('criterion', '?')}")

    def _same_engine(self, part: Part) -> None:
        """One engine from the first repeat to the last, on every machine."""
        engine = str(part.counters.get("engine", ""))
        if self.engine and engine and engine != self.engine:
            if part.host:
                raise Misuse(f"--hosts: {part.host} has engine {engine}, another host or repeat "
                             f"{self.engine}; bring them to one version")
            raise Misuse(f"--resume {self.folder.path}: was run with engine {self.engine}, this is "
                         f"{engine}; start a new run")
        self.engine = engine or self.engine

    def _check(self, p: Point, stem: str, shares: dict[str, dict[str, Any]]) -> None:
        """Poison before, compare after."""
        ios = _few(self.plan.check_ios, p.bs)
        more: dict[str, str | int] = {"poison": 1, "compare": 1}
        if p.writes:
            # Two writes of one block under way at once would be taken for wrong data: one job,
            # each block once.
            p = p._replace(numjobs=1)
            ios = min(ios, self.machines.bytes() // p.bs)
            more["norandommap"] = 0
        self._bounded(p, stem, ios, Task("check"), shares, **more)

    def _prove(self, p: Point, stem: str, shares: dict[str, dict[str, Any]]) -> None:
        """Map and unmap events per I/O.

        The pool itself is mapped once for each drive, on the first I/O, with at most one event per
        page. Where that is too few to show, if need be among more I/O, events and I/O are counted
        from the start, and exactly; with a large pool only from when I/O flows.
        """
        name = f"{stem}/proof"
        pages = p.bs * p.iodepth * p.numjobs * p.drives // _PAGE
        ios = self.plan.proof_ios
        if ios < pages * _HIDE <= _MOST_PROOF:
            ios = pages * _HIDE
        ios = _few(ios, p.bs)
        task = Task("proof", skip_bytes=p.bs * ios // 16 if pages * _HIDE > ios else 0)
        for part in self._bounded(p, name, ios, task, shares):
            assert part.run
            if not part.found:
                continue
            share, found = shares[part.host], part.found
            # The engine counts what has a buffer.
            done = part.run.ios if p.trims else part.counters.get("ios", part.run.ios)
            before = found["bytes_before"] // p.bs
            if before < done / 2:
                share["maps_per_io"] = found["maps"] / (done - before)
                share["unmaps_per_io"] = found["unmaps"] / (done - before)
            counts = f"{stem}/{file_prefix(part.host)}proof.counts.json"
            with open(counts, "w", encoding="utf-8") as f:
                f.write(json.dumps({"ios": done, "ios_before": before, **found}) + "\n")

    @staticmethod
    def _add_counters(row: dict[str, Any], counters: dict[str, Any]) -> None:
        for key in ("eagain", "short", "errors", "mismatches", *fio.CLASSES):
            row[key] = row.get(key, 0) + int(counters.get(key, 0))


def _few(ios: int, bs: int) -> int:
    """So many I/O, but fewer of very large ones."""
    return min(ios, max(_MOST_BYTES // bs, 1024))


def _progress(n: int, total: int, row: dict[str, Any], iops: dict[int, float],
              left: float) -> None:
    if row["status"] == "ok":
        maps = row.get("maps_per_io")
        median = f" (median {units.human(stats.median([*iops.values()]))})" if len(iops) > 1 else ""
        what = f"{units.human(row['iops'])} IOPS{median}" + (
            f", {maps:.2f} maps/IO" if maps is not None else "")
    else:
        what = f"VOID: {row['reason']}"
    if row["status"] == "ok" and row.get("reason"):
        what += f", {row['reason']}"
    tail = f" (left: {units.human_time(left)})" if n < total else ""
    sys.stderr.write(f"[{n}/{total}] {row['raw'].removeprefix('raw/')}: {what}{tail}\n")
    sys.stderr.flush()
