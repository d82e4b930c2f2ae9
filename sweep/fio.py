# SPDX-License-Identifier: GPL-2.0-only
"""One fio command line, one JSON.

fio's exit status lies (a job killed by a signal can leave 0), and its JSON differs from version
to version. So a run counts as good only if its JSON, its messages and the engine's own counters
all say so, and everything is read with a fallback.
"""

import json
import os
import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

from sweep import paths, process
from sweep.errors import Misuse, Problem

Json = dict[str, Any]
# In which ways data is wrong: the engine's counters, by the names that it gives them.
CLASSES = ("untouched", "stale", "shifted", "partial", "other")
# So many of fio's lines are worth repeating; all of them are in the run folder.
_SAID = 3
# Of a server: whose line it is, and lines that it has always to say.
_FROM = r"^<[^>]*> ?"
_CHATTER = r"\S+: \(g=\d+\): rw=|\.\.\.$|Starting \d+ (?:thread|process)"


class Run(NamedTuple):
    """One fio run: what fio measured, what the engine counted."""

    ios: int
    iops: float
    bw_bytes: float
    lat_p50_ns: float
    lat_p99_ns: float
    lat_p999_ns: float
    counters: Json
    json: Json
    # fio's judgement, where the job asked for one.
    steady: Json


class Failed(Problem):
    """fio failed; what it and the engine had counted until then is kept."""

    def __init__(self, text: str, counters: Json, doc: Json | None = None) -> None:
        super().__init__(text)
        self.counters = counters
        self.doc = doc


def render(text: str, values: dict[str, str | int], name: str) -> str:
    """The job file with the values of its own keys replaced.

    Only keys that the file already has, each in one place: what a job does can be read from
    the file, and a plan cannot set what the file does not show.
    """
    lines = text.split("\n")
    for key, value in values.items():
        at = [i for i, line in enumerate(lines) if re.match(rf"{re.escape(key)}\s*=", line)]
        if len(at) != 1:
            what = "no such key" if not at else f"it is there {len(at)} times"
            raise Problem(f"{name}: cannot set {key}={value}: {what}; the job file must have the "
                          f"line {key}= once")
        lines[at[0]] = f"{key}={value}"
    return "\n".join(lines)


def binary(option: str | None) -> str:
    """fio's name: --fio, what ./configure found, or the one in PATH."""
    if option:
        return option
    for line in paths.read(os.path.join(paths.TOP, "config-host.mak"), "").splitlines():
        key, _, value = line.partition("=")
        if key == "FIO":
            return value
    return "fio"


@lru_cache(None)
def version(fio: str) -> str:
    """`fio-3.33`, or a Problem that says what is missing."""
    out = os.memfd_create("fio-version")
    try:
        rc = process.run([fio, "--version"], stdout=out, stderr=os.devnull, cwd="/",
                         env=dict(os.environ), timeout=60)
        text = os.pread(out, 4096, 0).decode(errors="replace")
    except (Problem, OSError) as e:
        raise Misuse(f"--fio {fio}: cannot be run ({e}); apt-get install fio, or name one with "
                     "--fio") from None
    finally:
        os.close(out)
    if rc or not text.startswith("fio"):
        raise Misuse(f"--fio {fio}: is not fio (status {rc}, says {text[:40]!r}); name fio's "
                     "binary")
    return text.strip()


def need_engine() -> None:
    """The engine must have been built."""
    if not os.path.exists(paths.ENGINE):
        raise Misuse("engine/fio-dmabuf.so: not built; run ./configure && make")


def document(text: str, where: str) -> Json:
    """The JSON in fio's output, which may have notes before it."""
    start = text.find("{")
    try:
        doc = json.loads(text[start:]) if start >= 0 else None
    except json.JSONDecodeError:
        # A job's note can follow as well; take the first complete object.
        try:
            doc = json.JSONDecoder().raw_decode(text[start:])[0]
        except json.JSONDecodeError:
            doc = None
    if not isinstance(doc, dict):
        raise Problem(f"{where}: fio wrote no complete JSON; its messages are beside it")
    return doc


def jobs(doc: Json) -> list[Json]:
    """The jobs in fio's JSON. Of the rest, which differs from version to version (global options
    are a list or an object), nothing is read."""
    found = doc.get("jobs")
    return [j for j in found if isinstance(j, dict)] if isinstance(found, list) else []


def _number(side: Json, key: str, where: str) -> float:
    """A figure; a Problem that names it where there is none, as it must not pass for 0."""
    value = side.get(key)
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        what = "missing" if value is None else repr(value)
        raise Problem(f"fio's JSON: {where}: {key} is {what}; use fio 3.31 or later")
    return value


def _sides(job: Json) -> list[tuple[str, Json]]:
    """The directions in which the job did anything, with what to call them."""
    out = []
    for d in ("read", "write", "trim", "mixed"):
        side = job.get(d)
        where = f"job {job.get('jobname', '?')}: {d}"
        # Of a direction in which nothing was done fio need not say more.
        if isinstance(side, dict) and (side.get("total_ios") or side.get("io_bytes")) \
                and _number(side, "total_ios", where):
            out.append((where, side))
    return out


def _percentile(side: Json, want: float) -> float:
    """Total latency if the job recorded its percentiles, else that of completion."""
    for key in ("lat_ns", "clat_ns"):
        table = side.get(key)
        table = table.get("percentile") if isinstance(table, dict) else None
        if isinstance(table, dict) and table:
            best = min(table, key=lambda p: abs(float(p) - want))
            if abs(float(best) - want) < 0.01:
                return float(table[best])
    return float("nan")


def add_up(counters: list[Json]) -> Json:
    """The engine's lines, one per thread: numbers added, words kept."""
    total: Json = {}
    for c in counters:
        for k, v in c.items():
            if isinstance(v, int) and not isinstance(v, bool) and k != "thread":
                total[k] = total.get(k, 0) + v
            else:
                total.setdefault(k, v)
    return total


def _steady(every: list[Json]) -> Json:
    """`attained`, by all jobs, `criterion` as it was found, and `iops` in the window."""
    found = [s for s in (j.get("steadystate") for j in every) if isinstance(s, dict)]
    if not found:
        return {}
    return {"attained": all(s.get("attained") for s in found),
            "criterion": ", ".join(str(s.get("criterion")) for s in found),
            "iops": sum(float(s.get("data", {}).get("iops_mean", 0)) for s in found)}


def parse(doc: Json, counters: list[Json]) -> Run:
    """Figures out of fio's JSON, all jobs together.

    With both directions in play a percentile is the slower direction's.
    """
    sides = [s for j in jobs(doc) for s in _sides(j)]

    def worst(p: float) -> float:
        return max((_percentile(s, p) for _, s in sides), default=float("nan"))

    return Run(
        ios=sum(int(s["total_ios"]) for _, s in sides),
        iops=sum(_number(s, "iops", where) for where, s in sides),
        bw_bytes=sum(_number(s, "bw_bytes", where) if "bw_bytes" in s
                     else 1024 * _number(s, "bw", where) for where, s in sides),
        lat_p50_ns=worst(50), lat_p99_ns=worst(99), lat_p999_ns=worst(99.9),
        counters=add_up(counters), json=doc, steady=_steady(jobs(doc)))


def messages(text: str) -> str:
    """fio's and the engine's complaints as one line, without fio's progress and hints."""
    lines = [re.sub(_FROM, "", x).strip().removeprefix("fio: ") for x in text.splitlines()]
    lines = [x for x in lines if x and not re.match(_CHATTER, x)]
    lines = list(dict.fromkeys(lines))
    more = f" (and {len(lines) - _SAID} lines more)" if len(lines) > _SAID else ""
    return "; ".join(lines[:_SAID])[:600] + more


def classes(counters: Json) -> str:
    """How many I/O are wrong in each way, in words."""
    return ", ".join(f"{counters[c]} {c}" for c in CLASSES if counters.get(c))


def described(stem: str) -> list[str]:
    """What the engine said of a run's wrong data, a line for each way in which it was wrong."""
    lines = paths.read(stem + ".err", "").splitlines()
    return ["; ".join(x.strip() for x in lines[i:i + 3]) for i, line in enumerate(lines)
            if line.startswith("fio-dmabuf: ") and lines[i + 1:i + 2]
            and lines[i + 1].startswith("  expected ")]


def start(argv: list[str], stem: str, env: dict[str, str], timeout: float,
          watch: Callable[[int], float] | None) -> int:
    """Runs fio, whose messages go to STEM.err; its exit status, which is not to be believed."""
    shown = f"DEVICE={env['DEVICE']} " if "DEVICE" in env else ""
    with open(stem + ".cmd", "w", encoding="utf-8") as f:
        f.write(f"cd {paths.TOP} && {shown}{' '.join(argv)}\n")
    return process.run(argv, stdout=stem + ".err", stderr=stem + ".err", cwd=paths.TOP, env=env,
                       timeout=timeout, watch=watch)


def judge(stem: str, rc: int, doc: Json | None, counters: list[Json], counted: bool) -> Run:
    """A run as its exit status, its messages, its JSON and the engine's counters say it was; a
    Failed if one of them says it was none. Without `doc` it is read from STEM.json; `counted` is
    whether there have to be counters."""
    err, text = paths.read(stem + ".err", ""), paths.read(stem + ".json", "")
    said = messages(err) or messages(text[:text.find("{")] if "{" in text else text)
    where = f"({stem}.err)"
    if rc < 0 or "got signal" in err:
        raise Failed(f"fio: a job was killed by a signal: {said or f'signal {-rc}'} {where}",
                     add_up(counters))
    if rc and "{" not in text:
        raise Failed(f"fio: {said or f'exit status {rc}'} {where}", add_up(counters))
    result = parse(doc or document(text, stem + ".json"), counters)
    errors = [j["error"] for j in jobs(result.json) if j.get("error")]
    if rc or errors:
        why = said or ", ".join(os.strerror(e) for e in errors) or f"exit status {rc}"
        raise Failed(f"fio: {why} {where}", result.counters, result.json)
    if not result.ios:
        raise Failed(f"fio: no I/O was done: {said or 'no message'} {where}", result.counters)
    if counted and not counters:
        # No count of mismatches is not a count of none.
        raise Failed(f"fio: the engine wrote no counters: {said or 'no message'} {where}", {})
    return result


def counters_of(text: str) -> list[Json]:
    """The engine's lines."""
    return [json.loads(line) for line in text.splitlines() if line.strip()]


def run(fio: str, stem: str, job_text: str, device: str, timeout: float,
        watch: Callable[[int], float] | None = None) -> Run:
    """Runs one rendered job; its files are STEM.fio, .json, .counters.json, .err, .cmd.

    `job_text` has counters= set by the caller to STEM.counters.json where the job uses ours.
    """
    with open(stem + ".fio", "w", encoding="utf-8") as f:
        f.write(job_text)
    argv = [fio, "--output-format=json", f"--output={stem}.json", stem + ".fio"]
    rc = start(argv, stem, {**os.environ, "DEVICE": device}, timeout, watch)
    return judge(stem, rc, None, counters_of(paths.read(stem + ".counters.json", "")),
                 stem + ".counters.json" in job_text)
