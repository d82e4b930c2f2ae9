# SPDX-License-Identifier: GPL-2.0-only
"""Reading run folders, for the suite and for other programs:

    from sweep import read
    run = read.Folder.open("results/RUN")   errors.Misuse if it is none
    run.kinds                               of "sweep", "cost", "verify" and "bench", those it is
    run.env()                               facts of env.json
    run.plan()                              plan.json; errors.Misuse if it cannot be gone on with
    run.rows("points.csv")                  rows of a table: {column: text}, see sweep/tables.py

results/README.md says what is in each. What is damaged or foreign is named in a line to `warn`
(standard error by default), once, and left out: a fact, a row, a table. What is read has the right
type; what is not there is not made up.
"""

import csv
import io
import json
import os
from collections.abc import Callable
from typing import Any, Self

from sweep import process, schema, tables
from sweep.errors import Misuse
from sweep.plan import Plan, from_json
from sweep.tables import Row

KINDS = {"sweep": "points.csv", "cost": "cost.csv", "verify": "verify.csv", "bench": "bench.csv"}

Warn = Callable[[str], None]


def _say(text: str) -> None:
    process.say(f"fio-dmabuf: {text}")


def read_csv(path: str, warn: Warn = _say) -> list[Row]:
    """Rows of a table of a run folder; none if there is no such file.

    A last line without its end was cut short by a crash and is no row. Which columns there are, the
    file's name says.
    """
    try:
        with open(path, "rb") as f:
            data = f.read()
    except FileNotFoundError:
        return []
    except OSError as e:
        warn(f"{path}: {e.strerror}; left out")
        return []
    text = data.decode(errors="replace")
    if text and not text.endswith("\n"):
        warn(f"{path}: the last line is cut short; left out")
        text = text[:text.rfind("\n") + 1]
    reader = csv.reader(io.StringIO(text, newline=""))
    head: list[str] = []
    rows: list[Row] = []
    columns: dict[str, tables.Kind] = {}
    added: Row = {}
    try:
        for cells in reader:
            if not head:
                head = cells
                columns = _columns(head, path, warn)
                if not columns:
                    return []
                added = {name: value for name, value in tables.ADDED.items() if name in columns}
                continue
            row = {**added, **dict(zip(head, cells))}
            what = tables.fault(row, columns) if len(cells) == len(head) else \
                f"{len(cells)} cells, not {len(head)}"
            if what:
                warn(f"{path}: line {reader.line_num}: {what}; left out")
            else:
                rows.append(row)
    except csv.Error as e:
        warn(f"{path}: line {reader.line_num}: {e}; the rest is left out")
    if not head:
        warn(f"{path}: empty")
    return rows


def _columns(head: list[str], path: str, warn: Warn) -> dict[str, tables.Kind]:
    """The table that has this header; none if it is foreign."""
    known = tables.BY_NAME[os.path.basename(path)]
    for columns in known:
        if columns.keys() - tables.ADDED.keys() <= set(head):
            return columns
    missing = ", ".join(c for c in known[0] if c not in head and c not in tables.ADDED)
    warn(f"{path}: no column {missing[:80]}; left out")
    return {}


def _format(facts: dict[str, Any], path: str) -> dict[str, Any]:
    """A file of an older format as the present one would say it; refuses a newer one."""
    found = facts.get("format", facts.get("version", schema.FORMAT))
    number = isinstance(found, int) and not isinstance(found, bool)
    if number and found > schema.FORMAT:
        raise Misuse(f"{path}: format {found}; this fio-dmabuf reads up to {schema.FORMAT}; use a "
                     "newer one")
    return {"format": schema.FORMAT if number and found > 0 else found,
            **{k: v for k, v in facts.items() if k not in ("format", "version")}}


class Folder:
    """One run folder, for reading."""

    def __init__(self, path: str, warn: Warn = _say) -> None:
        self.path = path
        self._warn = warn
        self._said: set[str] = set()

    def file(self, *names: str) -> str:
        """The path of something in it."""
        return os.path.join(self.path, *names)

    def warn(self, text: str) -> None:
        """Names what is wrong, once."""
        if text not in self._said:
            self._said.add(text)
            self._warn(text)

    @classmethod
    def open(cls, path: str, command: str = "run", warn: Warn = _say) -> Self:
        """The run folder at PATH, as COMMAND's user named it; Misuse if it is none."""
        folder = cls(os.path.abspath(path), warn)
        if not folder.kinds:
            raise Misuse(f"{command} {path}: not a run folder (none of "
                         f"{', '.join(KINDS.values())} in it)")
        if not os.path.exists(folder.file("env.json")):
            folder.warn(f"{folder.file('env.json')}: is missing: on what it ran is not known")
        return folder

    @property
    def kinds(self) -> list[str]:
        """What it holds the results of."""
        return [k for k, name in KINDS.items() if os.path.exists(self.file(name))]

    def env(self) -> dict[str, Any]:
        """On what it ran: the facts of env.json that are what results/schema/env.json says."""
        path = self.file("env.json")
        facts = self._json(path)
        if facts is None:
            return {}
        facts = _format(facts, path)
        rule = schema.load("env")
        for way, what in list(schema.faults(facts, rule)):
            if what != schema.MISSING:
                self.warn(f"{path}: {'.'.join(way)}: {what}; left out")
                _remove(facts, way)
        return facts

    def plan(self) -> Plan:
        """What it is to run."""
        path = self.file("plan.json")
        if not os.path.exists(path):
            raise Misuse(f"{self.path}: not a run folder (plan.json: No such file or directory)")
        doc = self._json(path)
        if doc is None:
            raise Misuse(f"{path}: is damaged; start a new run")
        doc = _format(doc, path)
        for way, what in schema.faults(doc, schema.load("plan")):
            raise Misuse(f"{path}: {'.'.join(way)}: {what}; start a new run")
        return from_json(doc)

    def plan_if_known(self) -> Plan | None:
        """The same for who can do without it; a damaged one is named."""
        if not os.path.exists(self.file("plan.json")):
            return None
        try:
            return self.plan()
        except Misuse as e:
            self.warn(str(e))
            return None

    def rows(self, name: str = "points.csv") -> list[Row]:
        """Rows of one of its tables."""
        return read_csv(self.file(name), self.warn)

    def _json(self, path: str) -> dict[str, Any] | None:
        """An object in a file; None if there is none that can be read."""
        try:
            with open(path, encoding="utf-8") as f:
                doc = json.load(f)
        except FileNotFoundError:
            return None
        except OSError as e:
            self.warn(f"{path}: {e.strerror}; left out")
            return None
        except (ValueError, RecursionError) as e:
            self.warn(f"{path}: {str(e) if str(e) else 'not JSON'}; left out")
            return None
        if not isinstance(doc, dict):
            self.warn(f"{path}: not an object; left out")
            return None
        return doc


def _remove(facts: dict[str, Any], way: tuple[str, ...]) -> None:
    """Takes out what is not as it should be, of a list all of it."""
    inner: Any = facts
    for name in way[:-1]:
        if not isinstance(inner.get(name), dict):
            inner.pop(name, None)
            return
        inner = inner[name]
    inner.pop(way[-1], None)
