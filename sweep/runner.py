# SPDX-License-Identifier: GPL-2.0-only
"""Runs a plan: one repeat at a time, each with its proof and its check.

A repeat is three fio runs of the same job:
  timed   as asked, untraced; the only one that gives throughput, latency and CPU time
  proof   bounded, with the kernel's map and unmap events counted; apart from the timed run
          because tracing would slow the arm that maps and so flatter the one that does not
  check   bounded, every target poisoned before and compared after through an independent path;
          apart because the comparison's own reads are mapped too
"""

import json
import os
import shutil
import sys
import time
from collections.abc import Callable
from typing import Any

from sweep import exporters, fio, iommu, kmsg, paths, procstat, proof, stats, store, units
from sweep.errors import Impossible, Misuse, Problem
from sweep.plan import CONTROL, NO_EXPORTER, Plan, Point, Step

_QUIET_SECONDS = 0.25
_TIMEOUT_MARGIN = 300.0
_PAGE = 4096
_MOST_BYTES = 4 << 30


class Runner:
    """Everything that one sweep holds on to."""

    def __init__(self, plan: Plan, folder: store.Folder, switcher: iommu.Switcher, fio_bin: str,
                 tracer: proof.Tracer | None, engine: str = "") -> None:
        self.plan, self.folder, self.switcher, self.fio = plan, folder, switcher, fio_bin
        self.job_text = paths.read(os.path.join(paths.TOP, plan.job))
        self.log = kmsg.KernelLog()
        self.tracer = tracer
        # The version that the run began with, else the one that the first repeat reports.
        self.engine = engine
        self._iops: dict[Point, dict[int, float]] = {}
        self._worked: set[tuple[str, str]] = set()

    def close(self) -> None:
        """Leaves nothing of ours in the kernel."""
        self.log.close()

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
            row = self.step(step)
            self.folder.add_row(row)
            self._note(row)
            if row["status"] != "ok":
                void.append(row)
            ran += 1
            left = (time.monotonic() - began) / ran * (len(todo) - i - 1)
            _progress(i + 1, len(todo), row, self._iops.get(step.point, {}), left)
        return void

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
        """One repeat of one point as a row of points.csv."""
        p = step.point
        self.switcher.set(p.mode)
        raw = os.path.join("raw", f"{step.repeat}-{p.name}")
        stem = self.folder.file(raw)
        # A repeat that a crash cut short starts again from nothing.
        shutil.rmtree(stem, ignore_errors=True)
        os.mkdir(stem)
        row: dict[str, Any] = {
            "repeat": step.repeat, "iommu_mode": p.mode, "mode_before": self.switcher.mode(),
            **{k: v for k, v in p._asdict().items() if k != "mode"}, "raw": raw, "status": "ok",
            "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}
        self.log.start()
        reasons = []
        try:
            self._measure(p, stem, row)
        except (Impossible, Misuse):
            raise
        except Problem as e:
            # An arm that has never worked is not a matter of one bad repeat.
            if (p.arm, p.exporter) not in self._worked and not row.get("mismatches"):
                raise Problem(f"{p.name}: {e}") from e
            reasons.append(str(e))
        reasons += filter(None, [proof.contradiction(p.arm, p.mode, row.get("maps_per_io"))])
        row["mode_after"] = self.switcher.mode()
        lines = self.log.new()
        with open(f"{stem}/kernel.log", "w", encoding="utf-8") as f:
            f.writelines(line + "\n" for line in lines)
        if not row["mode_before"] == row["mode_after"] == p.mode:
            reasons.append(f"IOMMU mode: asked for {p.mode}, found {row['mode_before']} before and "
                           f"{row['mode_after']} after")
        bad = kmsg.bad(lines)
        if bad:
            reasons.append(f"kernel log: {bad[0]} ({raw}/kernel.log)")
        if row.get("mismatches"):
            reasons.append(f"{row['mismatches']} of {row.get('checked_ios', '?')} I/O held other "
                           f"data than the drive ({fio.classes(row)})")
        if reasons:
            row["status"], row["reason"] = "void", "; ".join(reasons)
        else:
            self._worked.add((p.arm, p.exporter))
        return row

    def _render(self, p: Point, stem: str, **more: str | int) -> str:
        values: dict[str, str | int] = {
            "rw": p.rw, "bs": p.bs, "iodepth": p.iodepth, "numjobs": p.numjobs, "arm": p.arm,
            "counters": stem + ".counters.json", **more}
        if p.exporter != NO_EXPORTER:
            values["exporter"] = exporters.job_value(p.exporter)
        return fio.render(self.job_text, values, self.plan.job)

    def _bounded(self, p: Point, stem: str, ios: int,
                 watch: Callable[[int], float] | None = None, **more: str | int) -> fio.Run:
        """A run of so many I/O in all, whatever the size of the drive."""
        text = self._render(p, stem, time_based=0, ramp_time=0, runtime=0,
                            io_size=max(ios // p.numjobs, 1) * p.bs, **more)
        return fio.run(self.fio, stem, text, self.switcher.dev, _TIMEOUT_MARGIN, watch)

    def _measure(self, p: Point, stem: str, row: dict[str, Any]) -> None:
        """Fills the row; raises Problem with what is known so far in it."""
        seconds = self.plan.ramp_ms / 1000, self.plan.runtime_ms / 1000
        cpu = procstat.CpuPerByte(self.switcher.name, *seconds)
        timed = fio.run(self.fio, f"{stem}/timed", self._render(
            p, f"{stem}/timed", time_based=1, runtime=f"{self.plan.runtime_ms}ms",
            ramp_time=f"{self.plan.ramp_ms}ms", io_size=0), self.switcher.dev,
            sum(seconds) + _TIMEOUT_MARGIN, cpu)
        per_byte = cpu.result()
        row["cpu_ns_per_io"] = per_byte and per_byte * p.bs
        engine = str(timed.counters.get("engine", ""))
        if self.engine and engine and engine != self.engine:
            raise Misuse(f"--resume {self.folder.path}: was run with engine {self.engine}, this is "
                         f"{engine}; start a new run")
        self.engine = engine or self.engine
        for key in ("ios", "iops", "bw_bytes", "lat_p50_ns", "lat_p99_ns", "lat_p999_ns"):
            row[key] = getattr(timed, key)
        self._add_counters(row, timed.counters)

        self._add_counters(row, self._prove(p, stem, row).counters)
        try:
            check = self._check(p, f"{stem}/check")
        except fio.Failed as e:
            row["checked_ios"] = e.counters.get("ios")
            self._add_counters(row, e.counters)
            raise
        row["checked_ios"] = check.counters.get("ios", check.ios)
        self._add_counters(row, check.counters)

    def _check(self, p: Point, stem: str) -> fio.Run:
        """Poison before, compare after."""
        ios = _few(self.plan.check_ios, p.bs)
        more: dict[str, str | int] = {"poison": 1, "compare": 1}
        if p.writes:
            # Two writes of one block under way at once would be taken for wrong data: one job,
            # each block once.
            size = int(paths.read(f"/sys/class/block/{self.switcher.name}/size")) * 512
            p = p._replace(numjobs=1)
            ios = min(ios, size // p.bs)
            more["norandommap"] = 0
        return self._bounded(p, stem, ios, **more)

    def _prove(self, p: Point, stem: str, row: dict[str, Any]) -> fio.Run:
        """Map and unmap events per I/O.

        The pool itself is mapped once, on the first I/O, with at most one event per page. Where
        that is too few to show, events and I/O are counted from the start, and exactly; with a
        large pool only from when I/O flows.
        """
        name = f"{stem}/proof"
        ios = _few(self.plan.proof_ios, p.bs)
        if self.tracer is None:
            return self._bounded(p, name, ios)
        late = None
        if p.bs * p.iodepth * p.numjobs // _PAGE > ios // 200:
            late = proof.LateStart(self.tracer, self.switcher.name, p.bs * ios // 16)
        else:
            self.tracer.start()
        try:
            run = self._bounded(p, name, ios, late)
            count = self.tracer.count()
            quiet = self.tracer.quiet(_QUIET_SECONDS)
        finally:
            self.tracer.stop()
        done = run.counters.get("ios", run.ios)
        before = late.bytes // p.bs if late else 0
        if before < done / 2:
            row["maps_per_io"] = count.maps / (done - before)
            row["unmaps_per_io"] = count.unmaps / (done - before)
        with open(f"{name}.counts.json", "w", encoding="utf-8") as f:
            f.write(json.dumps({
                "ios": done, "ios_before": before, "maps": count.maps, "unmaps": count.unmaps,
                "quiet_seconds": _QUIET_SECONDS, "quiet_maps": quiet.maps,
                "quiet_unmaps": quiet.unmaps}) + "\n")
        return run

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
    tail = f" (left: {units.human_time(left)})" if n < total else ""
    sys.stderr.write(f"[{n}/{total}] {row['raw'].removeprefix('raw/')}: {what}{tail}\n")
    sys.stderr.flush()
