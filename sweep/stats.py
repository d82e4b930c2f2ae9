# SPDX-License-Identifier: GPL-2.0-only
"""Medians and their bootstrap intervals.

The bootstrap distribution of a median is known in closed form (the median of n draws with
replacement is always one of the order statistics, or the mean of two of them), so nothing is
drawn at random here: the interval is the one that endless resampling would end at, the same on
every machine and at no cost.
"""

from collections.abc import Sequence
from math import comb
from typing import NamedTuple


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


def _at_least(n: int, k: int, p: float) -> float:
    """P(a binomial of n trials with chance p is k or more)."""
    return sum(comb(n, j) * p**j * (1 - p) ** (n - j) for j in range(k, n + 1))


def median_distribution(values: Sequence[float]) -> list[tuple[float, float]]:
    """(value, probability) of the median of a resample, by value."""
    v = sorted(values)
    n = len(v)
    if n % 2:
        k = n // 2 + 1
        return [(v[i], _at_least(n, k, (i + 1) / n) - _at_least(n, k, i / n)) for i in range(n)]
    # Even n: the two middle draws are the order statistics i <= j with these chances.
    k = n // 2
    dist: list[tuple[float, float]] = []
    for i in range(n):
        below = ((i + 1) / n) ** k - (i / n) ** k
        both = _at_least(n, k, (i + 1) / n) - _at_least(n, k, i / n)
        for j in range(i + 1, n):
            p = comb(n, k) * below * (((n - j) / n) ** k - ((n - j - 1) / n) ** k)
            dist.append(((v[i] + v[j]) / 2, p))
            both -= p
        dist.append((v[i], both))
    return sorted(dist)


def interval(values: Sequence[float], level: float = 0.95) -> Interval:
    """Median and percentile-bootstrap interval; fewer than three values have no interval."""
    mid = median(values)
    if len(values) < 3:
        return Interval(mid, None, None)
    tail = (1 - level) / 2
    dist = median_distribution(values)

    def quantile(items: list[tuple[float, float]]) -> float:
        total = 0.0
        for value, p in items:
            total += p
            # The tolerance keeps rounding in the sum from moving the end by one value.
            if total >= tail - 1e-12:
                return value
        return items[-1][0]

    return Interval(mid, quantile(dist), quantile(dist[::-1]))


def ratio(arm: dict[int, float], control: dict[int, float]) -> Interval | None:
    """Arm over control, repeat by repeat: {repeat: value} each.

    Repeats are paired because those of one number ran next to each other: a machine that drifts
    during a sweep moves both sides of a pair alike. None when no repeat has both.
    """
    pairs = [arm[r] / control[r] for r in sorted(arm) if control.get(r)]
    return interval(pairs) if pairs else None


def verdict(r: Interval) -> str:
    """`no difference`, `higher`, `lower`, or `too few repeats`."""
    if r.lo is None or r.hi is None:
        return "too few repeats"
    if r.lo <= 1 <= r.hi:
        return "no difference"
    return "higher" if r.mid > 1 else "lower"


def coverage(n: int) -> float:
    """The chance at which [lowest, highest] of n values holds the true median.

    No interval made of n repeats can promise more; below six repeats that is under 95 %.
    """
    return 1 - 2.0 ** (1 - n) if n > 1 else 0.0
