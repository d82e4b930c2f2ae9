# SPDX-License-Identifier: GPL-2.0-only
"""Machine state that blurs figures. --tune sets it for the run and puts it back on every way out;
without it nothing is changed, and what would blur the figures is said.

The drive's queue is the switcher's matter, as a bind gives it new settings; this is the rest: how
fast the processors run. A journal in /run says what was there before, as for the IOMMU mode.
"""

import glob
import json
import os
from typing import Any

from sweep import iommu, paths, process
from sweep.errors import Misuse, Problem

# No reordering, no merging of what is to be counted, completions where they were submitted.
QUEUE = {"scheduler": "none", "nomerges": "2", "rq_affinity": "2", "wbt_lat_usec": "0"}
_CPU = "/sys/devices/system/cpu"
_WANTED = ((f"{_CPU}/cpufreq/policy*/scaling_governor", "performance"),
           # A clock that rises and falls with the heat is in every figure.
           (f"{_CPU}/cpufreq/boost", "0"), (f"{_CPU}/intel_pstate/no_turbo", "1"))
_JOURNAL = "/run/fio-dmabuf/tune.json"


def _differing(pattern: str, wanted: str) -> list[tuple[str, str]]:
    """(file, what it holds) of those that hold something else."""
    now = [(path, paths.read(path, wanted)) for path in sorted(glob.glob(pattern))]
    return [(path, text) for path, text in now if text != wanted]


def blurs(*names: str) -> list[str]:
    """What would blur the figures of a run on these drives, in words."""
    out = []
    for pattern, wanted in _WANTED:
        found = _differing(pattern, wanted)
        if found:
            more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
            out.append(f"{found[0][0]} is {found[0][1]}, not {wanted}{more}")
    for name in names:
        scheduler = iommu.settings(name).get("scheduler", QUEUE["scheduler"])
        if scheduler != QUEUE["scheduler"]:
            out.append(f"/sys/block/{name}/queue/scheduler is {scheduler}, not "
                       f"{QUEUE['scheduler']}")
    return out


def _noted() -> dict[str, Any]:
    """The journal, or nothing."""
    return json.loads(paths.read(_JOURNAL, "{}"))


class Tuner:
    """The processors' settings for a run, and what they were."""

    def __init__(self) -> None:
        note = _noted()
        if note and iommu.alive(note):
            raise Misuse(f"--tune: process {note['pid']} has tuned the machine; wait for its end")
        if note:
            raise Misuse("--tune: the machine was left tuned by a run that was killed; run "
                         "fio-dmabuf iommu restore DEV")
        self._before: list[tuple[str, str]] = []

    def set(self) -> None:
        """Sets what is not as wanted; what cannot be set is said."""
        differing = [(path, now, wanted) for pattern, wanted in _WANTED
                     for path, now in _differing(pattern, wanted)]
        process.undo_on_signal(self.restore)
        with process.Shield():
            self._before = [(path, now) for path, now, _ in differing]
            if self._before:
                iommu.write_journal(_JOURNAL, {**iommu.owner(), "before": self._before})
        for path, _, wanted in differing:
            try:
                paths.write(path, wanted)
            except OSError as e:
                process.say(f"--tune: {path}: cannot be set to {wanted}: {e.strerror}")

    def restore(self) -> None:
        """Puts back what set() found; harmless when it changed nothing."""
        with process.Shield():
            if self._before:
                _put_back(self._before)
                self._before = []


def _put_back(before: list[tuple[str, str]]) -> None:
    for path, value in before:
        try:
            if paths.read(path) != value:
                paths.write(path, value)
        except OSError as e:
            raise Problem(f"{path}: cannot be put back to {value}: {e.strerror}") from None
    os.unlink(_JOURNAL)


def restore() -> str:
    """After a crash: puts back what the journal says; what was put back, in words."""
    note = _noted()
    if not note or iommu.alive(note):
        return ""
    _put_back(note["before"])
    return f"{len(note['before'])} settings of the processors are as before\n"
