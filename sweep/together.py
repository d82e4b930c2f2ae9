# SPDX-License-Identifier: GPL-2.0-only
"""One repeat of several machines as one: what a row of points.csv says of them all."""

import re
from typing import Any

from sweep import fio

Share = dict[str, Any]
_ADDED = ("ios", "iops", "bw_bytes", "checked_ios", "eagain", "short", "errors", "mismatches",
          *fio.CLASSES)
# As one who waits for all of them sees it.
_WORST = ("lat_p50_ns", "lat_p99_ns", "lat_p999_ns", "drive_celsius")
_SLOWEST = ("cpu_mhz",)
_PER_IO = ("cpu_ns_per_io", "maps_per_io", "unmaps_per_io")


def together(shares: list[Share]) -> Share:
    """Sums of what can be added, the worst of the percentiles and conditions, means by I/O of what
    is per I/O.

    What one of them does not know is not known of all. Modes are one word where they agree.
    """
    row: Share = {}
    for key in ("mode_before", "mode_after"):
        row[key] = "/".join(sorted({str(s[key]) for s in shares if s.get(key)}))
    for keys, how in ((_ADDED, sum), (_WORST, max), (_SLOWEST, min)):
        for key in keys:
            values = [s.get(key) for s in shares]
            row[key] = None if None in values else how(values)  # type: ignore[operator]
    ios = sum(s.get("ios") or 0 for s in shares)
    for key in _PER_IO:
        known = all(s.get(key) is not None and s.get("ios") for s in shares)
        row[key] = sum(s[key] * s["ios"] for s in shares) / ios if known else None
    return row


def apart(shares: list[Share], ramp_s: float) -> str:
    """Why they cannot be said to have run side by side, in words: some were measured before others
    had begun. `began` is by one clock."""
    known = sorted((s["began"], s["host"]) for s in shares if s.get("began") is not None)
    for share in shares:
        share["start_skew_s"] = share["began"] - known[0][0] if share.get("began") is not None \
            and len(shares) > 1 else None
    if known and known[-1][0] - known[0][0] > ramp_s:
        return (f"{known[-1][1]} began {known[-1][0] - known[0][0]:.1f} s after {known[0][1]}, and "
                f"measuring begins after {ramp_s:.1f} s: they did not run side by side")
    return ""


def file_prefix(host: str) -> str:
    """For the names of files that are about one of several machines."""
    return re.sub(r"[^A-Za-z0-9_.]+", "-", host).strip("-") + "-" if host else ""
