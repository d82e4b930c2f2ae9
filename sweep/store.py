# SPDX-License-Identifier: GPL-2.0-only
"""The run folder: its name, and writing what is in it. sweep/read.py reads it, results/README.md
defines it."""

import csv
import json
import os
import subprocess
import time
from collections.abc import Iterable
from typing import Any

from sweep import paths, read, schema, stats
from sweep.errors import Misuse
from sweep.plan import CONTROL, Plan, Point, in_order, to_json
from sweep.tables import HOSTS, POINTS, SUMMARY, Kind, Row, text

_MEDIANS = ("bw_bytes", "lat_p50_ns", "lat_p99_ns", "lat_p999_ns", "cpu_ns_per_io",
            "maps_per_io", "unmaps_per_io")
_SUMS = ("eagain", "short", "errors", "mismatches")


def engine_id() -> str:
    """The short id of the source tree, for a folder's name."""
    try:
        out = subprocess.run(["git", "-C", paths.TOP, "rev-parse", "--short=7", "HEAD"],
                             capture_output=True, text=True, check=False)
        if not out.returncode:
            return out.stdout.strip()
    except OSError:
        pass
    return paths.read(os.path.join(paths.TOP, "VERSION"), "release")


def new_folder(out: str | None, host: str, what: str = "") -> str:
    """Makes results/<UTC time>-<host>-<engine id>, or --out DIR."""
    if out is None:
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        out = os.path.join(paths.RESULTS, f"{stamp}-{host}{what}-{engine_id()}")
    out = os.path.abspath(out)
    for name in ("plan.json", "runs.csv", "verify.csv"):
        if os.path.exists(os.path.join(out, name)):
            raise Misuse(f"--out {out}: holds a run already ({name}); name another folder, or "
                         "--resume a sweep")
    try:
        os.makedirs(os.path.join(out, "raw"), exist_ok=True)
    except OSError as e:
        raise Misuse(f"--out {out}: {e.strerror}; name a folder that can be written") from None
    return out


def _first_line(path: str) -> str:
    with open(path, encoding="utf-8", errors="replace") as f:
        return f.readline().rstrip("\n")


def _whole_lines(path: str) -> bool:
    """Cuts off a last line that a crash left without its end. Return: whether any line is left."""
    with open(path, "rb+") as f:
        data = f.read()
        size = data.rfind(b"\n") + 1
        if size < len(data):
            f.truncate(size)
    return size > 0


class Folder(read.Folder):
    """One run folder, for writing too."""

    def write_plan(self, plan: Plan) -> None:
        self._replace("plan.json", to_json(plan))

    def merge_env(self, facts: dict[str, Any]) -> None:
        """Adds facts to env.json; what is there from outside the VM stays."""
        self._replace("env.json", json.dumps(
            {"format": schema.FORMAT, **self.env(), **facts}, indent=2) + "\n")

    def add_row(self, row: dict[str, Any]) -> None:
        """Appends one repeat in one write, so that a crash leaves whole rows."""
        self._append("points.csv", POINTS, row)

    def add_host_row(self, row: dict[str, Any]) -> None:
        """The same of one of several machines."""
        self._append("hosts.csv", HOSTS, row)

    def _append(self, name: str, columns: dict[str, Kind], row: dict[str, Any]) -> None:
        path = self.file(name)
        new = not os.path.exists(path) or not _whole_lines(path)
        if not new and _first_line(path) != ",".join(columns):
            raise Misuse(f"{path}: has not the columns of this fio-dmabuf; start a new run")
        with open(path, "a", encoding="utf-8", newline="") as f:
            w = csv.writer(f, lineterminator="\n")
            if new:
                w.writerow(columns)
            w.writerow([text(row.get(k)) for k in columns])

    def summarise(self) -> list[Row]:
        """Writes summary.csv from points.csv and returns its rows."""
        out = summary(self.rows())
        with open(self.file("summary.csv.new"), "w", encoding="utf-8", newline="") as f:
            w = csv.DictWriter(f, SUMMARY, lineterminator="\n")
            w.writeheader()
            w.writerows(out)
        os.rename(self.file("summary.csv.new"), self.file("summary.csv"))
        return out

    def _replace(self, name: str, content: str) -> None:
        with open(self.file(name + ".new"), "w", encoding="utf-8") as f:
            f.write(content)
        os.rename(self.file(name + ".new"), self.file(name))


def point_of(row: Row) -> Point:
    """The point that a row is about."""
    return Point(row["iommu_mode"], row["arm"], row["exporter"], row["rw"], int(row["bs"]),
                 int(row["iodepth"]), int(row["numjobs"]), int(row["drives"]))


def good_iops(rows: Iterable[Row]) -> dict[Point, dict[int, float]]:
    """Of each point {repeat: IOPS}, of the good ones."""
    every: dict[Point, dict[int, float]] = {}
    for r in rows:
        if r["status"] == "ok":
            every.setdefault(point_of(r), {})[int(r["repeat"])] = float(r["iops"])
    return every


def done(rows: list[Row]) -> set[tuple[int, Point]]:
    """Repeats that need not be run again."""
    return {(int(r["repeat"]), point_of(r)) for r in rows if r["status"] == "ok"}


def summary(rows: list[Row]) -> list[Row]:
    """One row per point. Voided repeats lend no figure, but what went wrong in them is summed."""
    every: dict[Point, list[Row]] = {}
    for r in rows:
        every.setdefault(point_of(r), []).append(r)
    iops: dict[Point, dict[int, float]] = {**{p: {} for p in every}, **good_iops(rows)}
    out = []
    for p in in_order(every):
        rs = every[p]
        good = [r for r in rs if r["status"] == "ok"]
        row: dict[str, Any] = {**p._asdict(), "iommu_mode": p.mode, "repeats": len(good)}
        modes = {m for r in rs for both in (r["mode_before"], r["mode_after"])
                 for m in both.split("/") if m}
        row["effective_mode"] = "/".join(sorted(modes))
        if good:
            row["iops"], row["iops_lo"], row["iops_hi"] = stats.interval(list(iops[p].values()))
            r = stats.ratio(iops[p], iops.get(p.control, {}))
            if r and p.arm != CONTROL:
                row["ratio"], row["ratio_lo"], row["ratio_hi"] = r
            elif r:
                row["ratio"] = row["ratio_lo"] = row["ratio_hi"] = 1.0
            for key in _MEDIANS:
                values = [float(g[key]) for g in good if g[key]]
                row[key] = stats.median(values) if values else None
        for key in _SUMS:
            row[key] = sum(int(r[key] or 0) for r in rs)
        out.append({k: text(row.get(k)) for k in SUMMARY})
    return out
