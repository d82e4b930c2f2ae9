# SPDX-License-Identifier: GPL-2.0-only
"""The numbers of a run, point by point: what the figures and the report are made from."""

from collections.abc import Iterable
from functools import lru_cache

from sweep import cost, plan, stats, store
from sweep.plan import CONTROL, Point
from sweep.stats import Interval
from sweep.tables import Row


class Data:
    """The good repeats of a run. A point without one is not in it, and so reaches no figure."""

    def __init__(self, rows: list[Row], counted: bool = False) -> None:
        """ROWS: of points.csv, void ones too. COUNTED: so that one repeat is as good as many."""
        self.counted = counted
        self._good: dict[Point, list[Row]] = {}
        for r in rows:
            if r["status"] == "ok":
                self._good.setdefault(store.point_of(r), []).append(r)
        self.points = plan.in_order(self._good)
        self.spread = lru_cache(None)(self._spread)
        self.ratio = lru_cache(None)(self._ratio)

    def _values(self, p: Point, key: str) -> dict[int, float]:
        return {int(r["repeat"]): float(r[key]) for r in self._good.get(p, ()) if r[key]}

    def _spread(self, p: Point, key: str) -> Interval | None:
        """Median and interval of a column of points.csv; None where it was not measured."""
        values = list(self._values(p, key).values())
        return stats.interval(values) if values else None

    def _ratio(self, p: Point, key: str) -> Interval | None:
        """To the control of the same mode and load; None for the control itself.

        As precise as in summary.csv, so that a figure says 1.15 where a table does.
        """
        found = stats.ratio(self._values(p, key), self._values(p.control, key))
        if p.arm == CONTROL or found is None:
            return None
        lo, hi = (v if v is None else round(v, 4) for v in (found.lo, found.hi))
        return Interval(round(found.mid, 4), lo, hi)

    def repeats(self, points: Iterable[Point]) -> tuple[int, int]:
        """The fewest and the most good repeats of any of the points."""
        counts = [len(self._good[p]) for p in points]
        return min(counts), max(counts)


def of_cost(runs: list[Row]) -> Data:
    """RUNS: of a cost run's runs.csv."""
    return Data([{**cost.ALWAYS, "status": "ok", **r} for r in runs], counted=True)


def arms(points: Iterable[Point]) -> list[tuple[str, str]]:
    """Each (arm, exporter) once, in the order of the points."""
    return list(dict.fromkeys((p.arm, p.exporter) for p in points))


def modes(points: Iterable[Point]) -> list[str]:
    """Each mode once, in the usual order; what is none of the usual comes last."""
    found = {p.mode for p in points}
    return [m for m in plan.MODES if m in found] + sorted(found - set(plan.MODES))
