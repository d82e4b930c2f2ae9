# SPDX-License-Identifier: GPL-2.0-only
"""report.md: what fits a mail or a pull request."""

import os
from collections.abc import Sequence

from plot.blocks import Block, Code, Figures, Heading, Table, Text, Warnings, text
from sweep.read import Folder


def _table(t: Table) -> str:
    most, more = t.brief or (len(t.rows), "")
    lines = ["| " + " | ".join(c.replace("|", "\\|").replace("\n", " ") for c in row) + " |"
             for row in (t.head, ["---"] * len(t.head), *(map(text, r) for r in t.rows[:most]))]
    if len(t.rows) > most:
        lines += ["", f"{len(t.rows) - most} more rows are left out here; {more}."]
    return "\n".join(lines) + "\n"


def _figures(block: Figures, home: Folder) -> str:
    paths = [os.path.relpath(block.folder.file("figures", f.name + ".png"), home.path)
             for f in block.figures]
    first = f"![{block.figures[0].title}]({paths[0]})\n"
    more = ", ".join(f"[{f.name}]({path})" for f, path in zip(block.figures[1:], paths[1:]))
    return first + (f"\nMore: {more}\n" if more else "")


def markdown(headline: str, blocks: Sequence[Block], home: Folder) -> str:
    """The text; its links are from HOME, where it is written."""
    out = [f"# {headline}\n"]
    for block in blocks:
        match block:
            case Heading(what):
                out.append(f"## {what}\n")
            case Text(what):
                out.append(what + "\n")
            case Code(what):
                out.append(f"    {what}\n")
            case Warnings(some):
                out += ["\n".join(f"- {what}" for what in some) + "\n"] if some else []
            case Figures():
                out.append(_figures(block, home))
            case Table():
                out.append(_table(block))
    return "\n".join(out)
