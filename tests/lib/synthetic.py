# SPDX-License-Identifier: GPL-2.0-only
"""Run folders as large as wanted, for tests of figures and reports: every row is one of the kept
sample's, scaled by a fixed rule to another load. They say nothing of any machine."""

import csv
import shutil
import sys
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

from fio import TOP

sys.path.insert(0, str(TOP))
from sweep import plan, store
from sweep.tables import POINTS, Row

SAMPLE = TOP / "results" / "sample" / "sweep"
# A void repeat: (repeat, mode, arm), of the first load.
VOID = (1, "lazy", "dmabuf")


def _scaled(row: Row, rw: str, bs: int, depth: int, jobs: int) -> dict[str, str]:
    """What a drive that is limited by depth and by bytes would have made of a row."""
    much = 1.25 * depth / (depth + 8) / (1 + bs / 32768) * (0.9 if rw == "randrw" else 1.0)
    iops = float(row["iops"]) * much
    times = {k: f"{float(row[k]) * depth / 32 / much:.0f}"
             for k in ("lat_p50_ns", "lat_p99_ns", "lat_p999_ns")}
    exporter = row["exporter"]
    raw = f"raw/{row['repeat']}-" + plan.Point(row["iommu_mode"], row["arm"], exporter, rw, bs,
                                               depth, jobs).name
    return {**row, "rw": rw, "bs": str(bs), "iodepth": str(depth), "numjobs": str(jobs),
            "iops": f"{iops:.0f}", "bw_bytes": f"{iops * bs:.0f}", **times,
            "cpu_ns_per_io": f"{float(row['cpu_ns_per_io']) * (1 + bs / 65536):.0f}", "raw": raw}


def run_folder(where: Path, *, rws: Sequence[str] = ("randread",), sizes: Sequence[int] = (4096,),
               depths: Sequence[int] = (32,), jobs: Sequence[int] = (1,)) -> int:
    """Makes a run folder with each load in three modes and two arms. Return: its points."""
    rows = store.Folder(str(SAMPLE)).rows()
    loads = [(rw, b, d, j) for rw in rws for b in sizes for d in depths for j in jobs]
    folder = store.Folder(str(where))
    where.mkdir(parents=True)
    shutil.copy(SAMPLE / "env.json", where)
    with (where / "points.csv").open("w", newline="") as f:
        out = csv.DictWriter(f, POINTS, lineterminator="\n")
        out.writeheader()
        for n, load in enumerate(loads):
            for r in rows:
                new = _scaled(r, *load)
                when = datetime.fromisoformat(r["started"]) + n * timedelta(seconds=150)
                new["started"] = f"{when:%Y-%m-%dT%H:%M:%SZ}"
                if n == 0 and (int(r["repeat"]), r["iommu_mode"], r["arm"]) == VOID:
                    new.update(status="void", reason="IOMMU mode: asked for lazy, found strict")
                out.writerow(new)
    made = folder.rows()
    sample = store.Folder(str(SAMPLE)).plan()
    folder.write_plan(sample._replace(steps=[
        plan.Step(int(r["repeat"]), store.point_of(r)) for r in made]))
    return len({store.point_of(r) for r in made})
