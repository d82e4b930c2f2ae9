# SPDX-License-Identifier: GPL-2.0-only
"""Hands figures to gnuplot: their data, their words, and the template that draws them."""

import os
import re
import subprocess
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from plot import data, svg
from sweep import paths, plan, store
from sweep.errors import Impossible, Problem
from sweep.plan import Point

_HERE = os.path.join(paths.TOP, "plot")
Value = str | int | float | Sequence[str]


class Figure(NamedTuple):
    """One figure.

    name      of its files in figures/, without the suffix
    question  the key of the question that it answers
    title     what it says, in one line
    template  NAME of plot/NAME.gp, whose header says what it wants
    values    gnuplot variables; a list becomes an array
    blocks    datablocks by name, each a list of lines
    data      the lines of NAME.dat
    """

    name: str
    question: str
    title: str
    template: str
    values: dict[str, Value]
    blocks: dict[str, list[str]]
    data: list[str]


def arm_words(arms: Sequence[tuple[str, str]]) -> str:
    """The arms as style.gp knows them: the kind, and which of that kind."""
    out: list[str] = []
    for arm, exporter in arms:
        kind = arm if exporter == plan.NO_EXPORTER else exporter.partition(":")[0]
        out.append(f"{kind}{1 + sum(w[:-1] == kind for w in out)}")
    return " ".join(out)


def arm_values(points: Sequence[Point]) -> dict[str, Value]:
    """The variables that say which arms there are."""
    arms = data.arms(points)
    return {"arms": arm_words(arms), "Name": [plan.arm_name(*a) for a in arms]}


def quoted(text: str) -> str:
    """A string as gnuplot takes it."""
    for what, by in (("\\", "\\\\"), ('"', '\\"'), ("\n", "\\n")):
        text = text.replace(what, by)
    return f'"{text}"'


def bold(text: str) -> str:
    """Text that is drawn bold: for that gnuplot reads markup, of which there is none in it."""
    return re.sub(r"([\\_^{}@&~])", r"\\\1", text)


def _literal(value: Value) -> str:
    return quoted(value) if isinstance(value, str) else str(value)


def script(figure: Figure) -> str:
    """What gnuplot is told, in the folder of the figures."""
    lines = ["reset session", f"here = {quoted(_HERE)}", f"base = {quoted(figure.name)}"]
    for key, value in figure.values.items():
        if isinstance(value, (str, int, float)):
            lines.append(f"{key} = {_literal(value)}")
        else:
            lines.append(f"array {key}[{len(value)}] = [{', '.join(map(_literal, value))}]")
    for key, rows in figure.blocks.items():
        lines += [f"${key} << END", *rows, "END"]
    return "\n".join([*lines, f"load here.\"/{figure.template}.gp\"", ""])


def _finish(path: str, title: str) -> None:
    text = svg.tidy(paths.read(path), title)
    with open(path, "w", encoding="utf-8") as f:
        f.write(text + "\n")


def _gnuplot(where: str, some: list[Figure]) -> None:
    """Draws some figures, one after the other."""
    names = ", ".join(f.name for f in some)
    try:
        done = subprocess.run(["gnuplot"], input="".join(map(script, some)), cwd=where,
                              capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise Impossible("report: gnuplot is not installed; apt-get install gnuplot-nox") from None
    if done.returncode or done.stderr.strip():
        # What follows the first is of a gnuplot that goes on.
        why = done.stderr.strip().partition("\n")[0] or f"status {done.returncode}"
        raise Problem(f"report: gnuplot: {why} (one of {names})")
    for f in some:
        _finish(os.path.join(where, f.name + ".svg"), f.title)


def draw(folder: store.Folder, figures: Sequence[Figure]) -> None:
    """Writes the data of each figure, and draws it as SVG and PNG, on all processors."""
    where = folder.file("figures")
    os.makedirs(where, exist_ok=True)
    for figure in figures:
        with open(os.path.join(where, figure.name + ".dat"), "w", encoding="utf-8") as f:
            f.write("\n".join(figure.data) + "\n")
    cpus = os.cpu_count() or 1
    shares = [list(figures[i::cpus]) for i in range(min(cpus, len(figures)))]
    with ThreadPoolExecutor(cpus) as pool:
        list(pool.map(lambda some: _gnuplot(where, some), shares))
