# SPDX-License-Identifier: GPL-2.0-only
"""What to run, in which order. Knows nothing of devices."""

import json
import random
import re
from collections.abc import Iterable
from typing import Any, NamedTuple

from sweep import schema, units
from sweep.errors import Misuse

MODES = ("strict", "lazy", "passthrough")
CURRENT = "current"
ARMS = ("dmabuf", "fixed", "plain")
CONTROL = "fixed"
EXPORTERS = ("udmabuf", "dma_heap", "drm", "cuda", "hip", "fd")
RWS = ("randread", "read", "randwrite", "write", "randrw", "rw", "randtrim", "trim")
# These can be given with their share of reads, in percent: randrw:70, kept as randrw70.
MIXES = ("randrw", "rw")
NO_EXPORTER = "none"
# What the proof and the check of a repeat take, by and large: five starts of fio.
_PROOF_SECONDS = 3.0


class Point(NamedTuple):
    """One cell of a sweep."""

    mode: str
    arm: str
    exporter: str
    rw: str
    bs: int
    iodepth: int
    numjobs: int
    # That are used at the same time.
    drives: int = 1

    @property
    def name(self) -> str:
        """Short, and fit for a file name."""
        who = self.arm if self.exporter == NO_EXPORTER else \
            f"{self.arm}-{file_name(self.exporter)}"
        return (f"{self.mode}-{who}-{self.rw}-{units.human_size(self.bs)}"
                f"-qd{self.iodepth}-j{self.numjobs}"
                + (f"-d{self.drives}" if self.drives != 1 else ""))

    @property
    def load(self) -> str:
        """What is asked of the drives: `randread 4k qd32`."""
        return (f"{self.rw} {units.human_size(self.bs)} qd{self.iodepth}"
                + (f" j{self.numjobs}" if self.numjobs != 1 else "")
                + (f" {self.drives} drives" if self.drives != 1 else ""))

    @property
    def control(self) -> "Point":
        """The point that this one is compared with."""
        return self._replace(arm=CONTROL, exporter=NO_EXPORTER)

    @property
    def writes(self) -> bool:
        """Whether it destroys what is on the drives."""
        return self.rw not in ("randread", "read")

    @property
    def trims(self) -> bool:
        """Whether it trims, which takes no buffer."""
        return "trim" in self.rw


class Step(NamedTuple):
    """One repeat of one point."""

    repeat: int
    point: Point


class Plan(NamedTuple):
    """Every step in run order, and what is the same for all of them."""

    job: str
    runtime_ms: int
    ramp_ms: int
    check_ios: int
    proof_ios: int
    repeats: int
    steps: list[Step]
    # Of the order of the arms.
    seed: int = 0
    # A ratio whose interval is as narrow as this, to either side, needs no repeats beyond
    # `repeats`; 0 where there are none beyond.
    precision: float = 0.0
    # The modes wait for boots; those of one boot are run by themselves.
    reboot: bool = False
    # fio's criterion and its window in seconds, as in iops:2%,60: timed runs end when it is met.
    steadystate: str = ""

    @property
    def points(self) -> list[Point]:
        """Each point once: cells in the order in which they are run, the control first in each."""
        return in_order(s.point for s in self.steps)

    @property
    def seconds(self) -> float:
        """About how long it takes, repeats beyond `repeats` left out."""
        steps = [s for s in self.steps if s.repeat < self.repeats]
        return len(steps) * ((self.runtime_ms + self.ramp_ms) / 1000 + _PROOF_SECONDS)


def in_order(points: Iterable[Point]) -> list[Point]:
    """Each once: cells in the order of their first appearance, the control first in each."""
    every = list(dict.fromkeys(points))
    cells = {c: n for n, c in enumerate(dict.fromkeys(p.control for p in every))}
    return sorted(every, key=lambda p: (cells[p.control], p.arm != CONTROL, ARMS.index(p.arm),
                                        (*EXPORTERS, NO_EXPORTER).index(
                                            p.exporter.partition(":")[0]), p.exporter))


def arm_name(arm: str, exporter: str) -> str:
    """`fixed`, or `dmabuf (udmabuf)`."""
    return arm if exporter == NO_EXPORTER else f"{arm} ({exporter})"


def file_name(exporter: str) -> str:
    """An exporter, fit for a file name, and still to be told from the others."""
    return re.sub(r"[^A-Za-z0-9_]+", "-", exporter.replace("/dev/dri/", ""))


def mix(rw: str) -> tuple[str, str]:
    """A load as fio calls it, and its share of reads in percent, or nothing."""
    m = re.fullmatch(rf"({'|'.join(MIXES)}):?([1-9][0-9]?)", rw)
    return (m.group(1), m.group(2)) if m else (rw, "")


def job_value(rw: str) -> str:
    """For the line rw= of a job file; the share of reads is a line of its own below it."""
    load, reads = mix(rw)
    return f"{load}\nrwmixread={reads}" if reads else load


def steady(text: str) -> tuple[str, int]:
    """fio's criterion, and its window in seconds, of --steadystate."""
    m = re.fullmatch(r"((?:iops|bw)(?:_slope)?:\d+(?:\.\d+)?%),([1-9]\d{0,4})", text)
    if not m:
        raise Misuse(f"--steadystate {text}: not a criterion of fio's and a window in seconds, as "
                     "in iops:2%,60 (or bw, iops_slope, bw_slope)")
    return m.group(1), int(m.group(2))


def loads(text: str) -> list[str]:
    """--rw as a list, each once, in the order given."""
    words = [w.strip() for w in text.split(",")]
    for word in words:
        if ":" in word and not mix(word)[1]:
            raise Misuse(f"--rw {word}: not a mix; as in randrw:70, for 70 % reads")
    choose(",".join(mix(w)[0] for w in words), "--rw", RWS)
    return list(dict.fromkeys("".join(mix(w)) for w in words if w))


def choose(text: str, option: str, known: Iterable[str]) -> list[str]:
    """A comma list of known words, each once, in the order given."""
    words = [w.strip() for w in text.split(",") if w.strip()]
    allowed = tuple(known)
    for w in words:
        if w not in allowed:
            raise Misuse(f"{option} {w}: unknown; choose from {', '.join(allowed)}")
    if not words:
        raise Misuse(f"{option}: empty; choose from {', '.join(allowed)}")
    return list(dict.fromkeys(words))


def numbers(text: str, option: str, most: int) -> list[int]:
    """A comma list of whole numbers from 1 to `most`."""
    out = []
    for word in text.split(","):
        word = word.strip()
        if not word.isdigit() or not 1 <= int(word) <= most:
            raise Misuse(f"{option} {word or text}: not a whole number from 1 to {most}")
        out.append(int(word))
    return list(dict.fromkeys(out))


def order(modes: list[str], arms: list[tuple[str, str]],
          cells: list[tuple[str, int, int, int, int]], repeats: int, seed: int | None
          ) -> list[Step]:
    """Repeats outermost, arms innermost.

    Neighbours in time are what gets compared: the arms of a cell run one after the other, in
    random order and then, in the next repeat, in the reverse of it, so that neither drift nor who
    ran before favours one; without a seed the first of the two orders is the one given. All modes
    take part in each repeat, so that drift falls on all of them. Turning the modes as well saves
    one switch per repeat.
    """
    steps = []
    for r in range(repeats):
        turn = -1 if r % 2 else 1
        for mode in modes[::turn]:
            for cell in cells:
                # A seed draws for one drive what it drew when there was no number of them.
                known = cell if cell[4] != 1 else cell[:4]
                draw = random.Random(f"{seed} {r // 2} {mode} {known}")
                drawn = arms if seed is None else draw.sample(arms, len(arms))
                steps += [Step(r, Point(mode, arm, exporter, *cell))
                          for arm, exporter in drawn[::turn]]
    return steps


def arms_with_exporters(arms: list[str], exporters: list[str]) -> list[tuple[str, str]]:
    """The control first; `dmabuf` once per exporter."""
    out: list[tuple[str, str]] = []
    for arm in sorted(arms, key=lambda a: (a != CONTROL, ARMS.index(a))):
        out += [(arm, e) for e in exporters] if arm == "dmabuf" else [(arm, NO_EXPORTER)]
    return out


def to_json(plan: Plan) -> str:
    """The text of plan.json; results/schema/plan.json describes it."""
    head = {k: v for k, v in plan._asdict().items() if k != "steps"}
    rows = [{"repeat": s.repeat, **s.point._asdict()} for s in plan.steps]
    lines = ",\n".join("    " + json.dumps(r) for r in rows)
    return (json.dumps({"format": schema.FORMAT, **head}, indent=2)[:-2]
            + f',\n  "steps": [\n{lines}\n  ]\n}}\n')


def from_json(doc: dict[str, Any]) -> Plan:
    """The plan in a plan.json that is as its schema says."""
    steps = [Step(r["repeat"], Point(**{k: v for k, v in r.items() if k != "repeat"}))
             for r in doc["steps"]]
    return Plan(**{k: v for k, v in doc.items() if k not in ("format", "steps")}, steps=steps)
