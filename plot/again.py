# SPDX-License-Identifier: GPL-2.0-only
"""How to run again what a run folder holds, from what is in it."""

from collections.abc import Iterable, Sequence
from typing import Any

from sweep import device, plan, units
from sweep.tables import Row

# Fewer I/O than this are checked and counted by --quick alone.
_CHECKED = 16384


def _list(values: Iterable[object]) -> str:
    return ",".join(str(v) for v in dict.fromkeys(values))


def _where(env: dict[str, Any], writes: bool) -> list[str]:
    """The machine in words of the command line."""
    if env.get("vm"):
        return ["--vm"]
    dev = ",".join(f"/dev/{d.get('name') or 'DEVICE'}" for d in device.of_env(env))
    return ["--device", dev, *(["--destroy-data", dev] if writes else [])]


def _arms(pairs: Sequence[tuple[str, str]]) -> list[str]:
    """--arms and --exporter."""
    exporters = [e for _, e in pairs if e != plan.NO_EXPORTER]
    return ["--arms", _list(a for a, _ in pairs),
            *(["--exporter", _list(exporters)] if exporters else [])]


def sweep(env: dict[str, Any], made: plan.Plan) -> str:
    """The command line whose plan is this one, its order included."""
    points = made.points
    modes = _list(s.point.mode for s in made.steps)
    words = ["./fio-dmabuf", "sweep", *_where(env, bool(env.get("prefilled")) or
                                              any(p.writes for p in points)),
             "--modes", "current" if modes == "none" else modes,
             *_arms([(p.arm, p.exporter) for p in points]),
             "--rw", _list(p.rw for p in points),
             "--bs", _list(units.human_size(p.bs) for p in points),
             "--iodepth", _list(p.iodepth for p in points),
             "--numjobs", _list(p.numjobs for p in points), "--repeat", str(made.repeats),
             "--runtime", f"{made.runtime_ms / 1000:g}", "--seed", str(made.seed)]
    if len(device.of_env(env)) > 1:
        words += ["--drives", _list(p.drives for p in points)]
    if made.precision:
        most = max(s.repeat for s in made.steps) + 1
        words += ["--precision", f"{made.precision:g}", "--most", str(most)]
    if made.steadystate:
        words += ["--steadystate", made.steadystate]
    if made.check_ios < _CHECKED:
        words.append("--quick")
    return " ".join(words)


def cost(runs: Sequence[Row]) -> str:
    """Of a cost run; it is told by its runs, as it has no plan."""
    ios = min(int(r["ios"]) for r in runs) // 1000 * 1000
    return " ".join([
        "./fio-dmabuf", "cost", "--modes", _list(r["iommu_mode"] for r in runs
                                                  if r["repeat"] == "0"),
        *_arms([(r["arm"], r["exporter"]) for r in runs]),
        "--bs", units.human_size(int(runs[0]["bs"])),
        "--repeat", str(len({r["repeat"] for r in runs})), "--ios", str(max(ios, 1000))])


def verify(env: dict[str, Any], rows: Sequence[Row]) -> str:
    """Of a verify run; whether it was a quick one is not in its folder."""
    return " ".join(["./fio-dmabuf", "verify", *_where(env, True),
                     "--modes", _list(r["iommu_mode"] for r in rows),
                     "--exporter", _list(r["exporter"] for r in rows)])
