# SPDX-License-Identifier: GPL-2.0-only
"""Figures from the literature: results/published/."""

import os
from typing import NamedTuple

from sweep import paths, read
from sweep.plan import CONTROL
from sweep.tables import Row


class Source(NamedTuple):
    """A published pair of figures: what dmabuf was to fixed in a mode."""

    mode: str
    ratio: float
    row: Row


def ratios() -> list[Source]:
    """Every published ratio of dmabuf to fixed, from results/published/."""
    pairs: dict[tuple[str, str], dict[str, Row]] = {}
    for r in read.read_csv(os.path.join(paths.RESULTS, "published", "published.csv")):
        pairs.setdefault((r["id"], r["iommu_mode"]), {})[r["arm"]] = r
    return [Source(mode, float(p["dmabuf"]["iops"]) / float(p[CONTROL]["iops"]), p["dmabuf"])
            for (_, mode), p in pairs.items() if {"dmabuf", CONTROL} <= p.keys()]
