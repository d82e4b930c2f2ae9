# SPDX-License-Identifier: GPL-2.0-only
"""Sizes, durations and numbers as people write them."""

from sweep.errors import Misuse

_SUFFIX = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}


def size(text: str, option: str) -> int:
    """`4k`, `128K`, `1M` or plain bytes, in bytes."""
    word = text.strip().lower().removesuffix("ib").removesuffix("b")
    digits = word.rstrip("kmgt")
    if not digits.isdigit() or word[len(digits):] not in _SUFFIX or int(digits) == 0:
        raise Misuse(f"{option} {text}: not a size; give bytes or a number with k, M or G, as in "
                     "4k")
    return int(digits) * _SUFFIX[word[len(digits):]]


def human_size(n: int) -> str:
    """4096 -> `4k`: exact, or bytes."""
    for suffix in ("G", "M", "k"):
        unit = _SUFFIX[suffix.lower()]
        if n and n % unit == 0:
            return f"{n // unit}{suffix}"
    return str(n)


def human(n: float) -> str:
    """Three significant digits with K or M, for tables."""
    for unit, suffix in ((1e9, " G"), (1e6, " M"), (1e3, " K")):
        if abs(n) >= unit:
            return f"{n / unit:.3g}{suffix}" if abs(n) < 1000 * unit else f"{n / unit:.0f}{suffix}"
    return f"{n:.3g}"


def human_time(seconds: float) -> str:
    """`1 min 20 s`."""
    s = int(seconds + 0.5)
    if s < 60:
        return f"{s} s"
    if s < 3600:
        return f"{s // 60} min {s % 60} s"
    return f"{s // 3600} h {s % 3600 // 60} min"
