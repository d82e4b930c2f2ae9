# SPDX-License-Identifier: GPL-2.0-only
"""Medians and their intervals.

An interval's ends are order statistics, interpolated between two neighbouring ones (Hettmansperger
and Sheather, Statistics & Probability Letters 4, 1986), which assumes nothing of the distribution.
Not the percentile bootstrap: its ends are single values too, but cannot lie between, so that with 7
repeats its 95 % hold the truth in 88 of 100 runs. tests/unit/stats counts that for these.
"""

from collections.abc import Sequence
from math import comb, exp, log, sqrt
from typing import NamedTuple


# Repeats that an interval takes.
FEWEST = 3


class Interval(NamedTuple):
    """A median with the ends of its interval; the ends are None below three values."""

    mid: float
    lo: float | None
    hi: float | None


def median(values: Sequence[float]) -> float:
    """The middle value, or the mean of the two middle ones."""
    v = sorted(values)
    n = len(v)
    if not n:
        raise ValueError("median of nothing")
    return v[n // 2] if n % 2 else (v[n // 2 - 1] + v[n // 2]) / 2


def outliers(values: dict[int, float]) -> list[int]:
    """Of {repeat: value} the repeats that are outliers: by a modified z-score above 3.5 (Iglewicz
    and Hoaglin, 1993). Fewer than five have none."""
    if len(values) < 5:
        return []
    mid = median([*values.values()])
    spread = median([abs(v - mid) for v in values.values()])
    return [n for n, v in values.items() if spread and 0.6745 * abs(v - mid) / spread > 3.5]


def coverage(n: int, depth: int = 1) -> float:
    """The chance at which the true median of what n values were drawn from lies between the
    depth-th lowest and the depth-th highest of them, whatever the distribution.

    No interval made of n repeats can promise more than at depth 1; below six that is under 95 %.
    """
    return 1 - 2.0 ** (1 - n) * sum(comb(n, j) for j in range(depth)) if n > 1 else 0.0


def interval(values: Sequence[float], level: float = 0.95) -> Interval:
    """Median and interval; fewer than three values have no interval."""
    v = sorted(values)
    n = len(v)
    mid = median(v)
    if n < FEWEST:
        return Interval(mid, None, None)
    if coverage(n) <= level:
        return Interval(mid, v[0], v[-1])
    depth = max(d for d in range(1, n // 2 + 1) if coverage(n, d) >= level)
    much, little = coverage(n, depth), coverage(n, depth + 1)
    part = (much - level) / (much - little)
    weight = (n - depth) * part / (depth + (n - 2 * depth) * part)
    return Interval(mid, v[depth - 1] + weight * (v[depth] - v[depth - 1]),
                    v[n - depth] - weight * (v[n - depth] - v[n - depth - 1]))


def ratio(arm: dict[int, float], control: dict[int, float]) -> Interval | None:
    """Arm over control, repeat by repeat: {repeat: value} each.

    Repeats are paired because those of one number ran next to each other: a machine that drifts
    during a sweep moves both sides of a pair alike. None when no repeat has both.
    """
    pairs = [arm[r] / control[r] for r in sorted(arm) if control.get(r)]
    return interval(pairs) if pairs else None


def ratio_of_runs(new: Sequence[float], old: Sequence[float]) -> Interval | None:
    """Median of `new` over median of `old`, of runs that have nothing to do with each other.

    No pairs here: each side has its own interval, and those of the logarithms are combined as
    errors that are independent (Zou and Donner, Statistics in Medicine 27, 2008, for intervals
    that are not symmetric). Two sides of like width seldom both err by a tail: without the seventh
    taken off then, 95 % would be 97.5, as tests/unit/stats counts; a side far wider than the other
    decides alone. What a machine does between the runs, drift, is in no such interval. None where a
    side is empty or zero.
    """
    if not new or not old or min(*new, *old) <= 0:
        return None
    up, down = (interval([log(v) for v in values]) for values in (new, old))
    mid = median(new) / median(old)
    if up.lo is None or up.hi is None or down.lo is None or down.hi is None:
        return Interval(mid, None, None)
    return Interval(mid, mid / exp(_both(up.mid - up.lo, down.hi - down.mid)),
                    mid * exp(_both(up.hi - up.mid, down.mid - down.lo)))


def _both(a: float, b: float) -> float:
    """How far a sum errs of which one part errs by a and the other by b."""
    square = a * a + b * b
    return sqrt(square) * (1 - 4 / 7 * (a * b / square) ** 2) if square else 0.0


def precise(found: Interval | None, share: float) -> bool:
    """Whether both ends of an interval are within a share of its median."""
    if found is None or found.lo is None or found.hi is None:
        return False
    return max(found.hi - found.mid, found.mid - found.lo) <= share * found.mid


def verdict(r: Interval) -> str:
    """`no difference`, `higher`, `lower`, or `too few repeats`."""
    if r.lo is None or r.hi is None:
        return "too few repeats"
    if r.lo <= 1 <= r.hi:
        return "no difference"
    return "higher" if r.mid > 1 else "lower"
