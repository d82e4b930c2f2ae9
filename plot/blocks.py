# SPDX-License-Identifier: GPL-2.0-only
"""What a report is put together from, before it is a page or a mail."""

from collections.abc import Sequence
from typing import NamedTuple

from plot.draw import Figure
from sweep.read import Folder


class Cell(NamedTuple):
    """A cell that is sorted by a number, not by its text; None: not known, sorted last."""

    text: str
    value: float | None


class Heading(NamedTuple):
    text: str


class Text(NamedTuple):
    text: str


class Warnings(NamedTuple):
    """What to know before a number is believed."""

    texts: Sequence[str]


class Code(NamedTuple):
    """Command lines."""

    text: str


class Figures(NamedTuple):
    """Figures that answer one question; the first is the one to see, the others can wait."""

    folder: Folder
    figures: Sequence[Figure]


class Table(NamedTuple):
    """BRIEF: how many rows of it a mail has room for, and what to say of the others."""

    head: Sequence[str]
    rows: Sequence[Sequence[str | Cell]]
    sortable: bool = True
    brief: tuple[int, str] | None = None


Block = Heading | Text | Warnings | Code | Figures | Table


def text(cell: str | Cell) -> str:
    return cell if isinstance(cell, str) else cell.text


def number(value: str, form: str = "{:.2f}", unit: float = 1.0) -> Cell:
    """A cell of a CSV for reading; a dash for what is not known."""
    return Cell(form.format(float(value) / unit), float(value)) if value else Cell("-", None)
