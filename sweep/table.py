# SPDX-License-Identifier: GPL-2.0-only
"""Tables for people."""

from collections.abc import Sequence

from sweep import plan, stats, store, units
from sweep.tables import Row

# So many are named.
_OUTLIERS = 3


def columns(head: Sequence[str], rows: Sequence[Sequence[str]], left: int) -> str:
    """Aligned text; the first `left` columns to the left, the others to the right."""
    every = [head, *rows]
    width = [max(len(r[i]) for r in every) for i in range(len(head))]
    return "\n".join("  ".join(
        c.ljust(w) if i < left else c.rjust(w) for i, (c, w) in enumerate(zip(r, width))).rstrip()
        for r in every)


def number(text: str, form: str = "{:.2f}") -> str:
    """A cell of a CSV for reading; a dash for what is not known."""
    return form.format(float(text)) if text else "-"


def span(r: stats.Interval | None) -> str:
    """`1.31 [1.28, 1.35]`, with the words `no difference` where they apply."""
    if r is None:
        return "-"
    if r.lo is None or r.hi is None:
        return f"{r.mid:.2f}"
    same = " no difference" if stats.verdict(r) == "no difference" else ""
    return f"{r.mid:.2f} [{r.lo:.2f}, {r.hi:.2f}]{same}"


def ratio(row: Row) -> str:
    """`1.31 [1.28, 1.35]`, with the words `no difference` where they apply."""
    if not row["ratio"]:
        return "-"
    if row["arm"] == "fixed":
        return "control"
    if not row["ratio_lo"]:
        return number(row["ratio"])
    return span(stats.Interval(*(float(row[k]) for k in ("ratio", "ratio_lo", "ratio_hi"))))


def summary(rows: Sequence[Row]) -> str:
    """The headline table of a sweep."""
    head = ("mode", "effective", "arm", "load", "IOPS", "95 %", "vs fixed", "maps/IO", "CPU ns/IO",
            "p99 us", "mismatches")
    body = []
    for r in rows:
        ends = f"{units.human(float(r['iops_lo']))}..{units.human(float(r['iops_hi']))}" \
            if r["iops_lo"] else "-"
        body.append((r["iommu_mode"], r["effective_mode"], plan.arm_name(r["arm"], r["exporter"]),
                     store.point_of(r).load,
                     units.human(float(r["iops"])) if r["iops"] else "void", ends, ratio(r),
                     number(r["maps_per_io"]), number(r["cpu_ns_per_io"], "{:.0f}"),
                     f"{float(r['lat_p99_ns']) / 1000:.0f}" if r["lat_p99_ns"] else "-",
                     r["mismatches"]))
    return columns(head, body, 4)


def outliers(rows: Sequence[Row]) -> str:
    """Which repeats are far from the others of their point, in words; nothing if none is. They
    are in every median and interval: what they are due to, nobody knows."""
    every = store.good_iops(rows)
    far = [f"{p.name} repeat {n} ({units.human(found[n])} IOPS, median "
           f"{units.human(stats.median([*found.values()]))})"
           for p, found in every.items() for n in stats.outliers(found)]
    if not far:
        return ""
    more = f", and {len(far) - _OUTLIERS} more" if len(far) > _OUTLIERS else ""
    return (f"{len(far)} of {sum(map(len, every.values()))} repeats "
            f"{'is an outlier' if len(far) == 1 else 'are outliers'}, and kept: "
            f"{', '.join(far[:_OUTLIERS])}{more}")
