# SPDX-License-Identifier: GPL-2.0-only
"""report.html: one file that needs no other and no network."""

import html
import os
import re
from collections.abc import Sequence
from itertools import zip_longest

from plot import svg
from plot.blocks import Block, Cell, Code, Figures, Heading, Table, Text, Warnings
from plot.draw import Figure
from sweep import paths
from sweep.read import Folder

_PAGE = os.path.join(paths.TOP, "plot", "page.html")


def _figure(folder: Folder, figure: Figure) -> str:
    tag = re.sub(r"\W", "_", os.path.basename(folder.path) + figure.name)
    picture = paths.read(folder.file("figures", figure.name + ".svg"))
    picture = svg.inline(picture, figure.title, tag)
    return (f'<figure><div class="wide">{picture}</div>'
            f"<figcaption>figures/{html.escape(figure.name)}.svg, .png, .dat</figcaption></figure>")


def _figures(block: Figures) -> str:
    first, *more = block.figures
    out = _figure(block.folder, first)
    if more:
        names = "".join(f"<details><summary>{html.escape(f.name)}: {html.escape(f.title)}</summary>"
                        f"{_figure(block.folder, f)}</details>" for f in more)
        out += f"<p>For other loads:</p>{names}"
    return out


def _cell(cell: str | Cell, kind: str) -> str:
    if isinstance(cell, str):
        return f"<td>{html.escape(cell)}</td>"
    value = "" if cell.value is None else f"{cell.value:.15g}"
    return f'<td{kind} data-v="{value}">{html.escape(cell.text)}</td>'


def _table(t: Table) -> str:
    # Columns of numbers stand to the right.
    kinds = [' class="n"' if all(isinstance(cell, Cell) and re.match(r"[0-9]|-$|void$", cell.text)
                                 for cell in column) else "" for column in zip(*t.rows)]
    heads = (f'<th scope="col"{kind}><button type="button">{html.escape(h)}</button></th>'
             if t.sortable else f'<th scope="col">{html.escape(h)}</th>'
             for h, kind in zip_longest(t.head, kinds, fillvalue=""))
    rows = ("<tr>" + "".join(map(_cell, r, kinds)) + "</tr>" for r in t.rows)
    return (f'<div class="wide tall"><table{" class=sort" if t.sortable else ""}><thead><tr>'
            f'{"".join(heads)}</tr></thead><tbody>' + "\n".join(rows) + "</tbody></table></div>")


def _html(block: Block) -> str:
    match block:
        case Heading(what):
            return f"<h2>{html.escape(what)}</h2>"
        case Text(what):
            return f"<p>{html.escape(what)}</p>"
        case Code(what):
            return f"<pre>{html.escape(what)}</pre>"
        case Warnings(some):
            items = "".join(f"<li>{html.escape(what)}</li>" for what in some)
            return f'<ul class="warnings">{items}</ul>' if items else ""
        case Figures():
            return _figures(block)
        case Table():
            return _table(block)


def page(headline: str, about: str, blocks: Sequence[Block]) -> str:
    """The page. ABOUT: a line under the headline."""
    parts = {"HEADLINE": html.escape(headline), "ABOUT": html.escape(about),
             "BODY": "\n".join(map(_html, blocks))}
    return re.sub("|".join(f"@{key}@" for key in parts), lambda m: parts[m.group().strip("@")],
                  paths.read(_PAGE)) + "\n"
