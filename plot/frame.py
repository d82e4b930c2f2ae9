# SPDX-License-Identifier: GPL-2.0-only
"""What stands around every figure of a run."""

import textwrap
from collections.abc import Sequence
from typing import Any

from plot import words
from plot.data import Data
from plot.draw import Value, arm_values, bold
from sweep.plan import Point

# Of a title's line, in characters.
_TITLE = 104


class Frame:
    """What the figures of a run share."""

    def __init__(self, env: dict[str, Any], data: Data) -> None:
        self.env = env
        self.data = data
        self.emulated = words.emulated(env)

    def around(self, title: str, subtitle: str, points: Sequence[Point]) -> dict[str, Value]:
        """The variables of style.gp."""
        lines = textwrap.wrap(title, _TITLE)
        note = "Emulated drive: absolute throughput and times mean nothing; compare the arms."
        return {"title": bold("\n".join(lines)), "lines": len(lines), "subtitle": subtitle,
                "note": note if self.emulated else "",
                "footer": words.footer(self.env, self.data, points), **arm_values(points)}

    def axis(self, label: str) -> str:
        """The label of an axis whose numbers mean nothing where the drive is emulated."""
        return f"{label}, emulated" if self.emulated else label
