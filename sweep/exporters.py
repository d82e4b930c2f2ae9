# SPDX-License-Identifier: GPL-2.0-only
"""Who makes the dma-buf: NAME, or NAME:WHICH where there can be several. WHICH is the value of the
engine's option that chooses one; drm:NODE:MEMORY also says in which of its memories."""

import json
import os
import re

from sweep import paths, plan, process
from sweep.errors import Misuse, Problem

ALL = "all"
# What the engine calls the choice.
_OPTION = {"dma_heap": "heap", "drm": "drm_device", "cuda": "gpu_dev_ids", "hip": "gpu_dev_ids",
           "fd": "dmabuf_fd"}
# Values of its option drm_memory, the default first.
_MEMORIES = ("system", "vram")
_PROBE_TIMEOUT = 120.0


def choose(text: str, *more: str) -> list[str]:
    """--exporter as a list, each once, in the order given. `more` words are taken as they are."""
    words = [w.strip() for w in text.split(",") if w.strip()]
    names = ",".join(w.partition(":")[0] for w in words)
    plan.choose(names, "--exporter", (*plan.EXPORTERS, *more))
    for word in words:
        name, colon, which = word.partition(":")
        if colon and name not in _OPTION:
            raise Misuse(f"--exporter {word}: there is only one {name}; leave out :{which}")
        if colon and not re.fullmatch(r"[^\s,]+", which):
            raise Misuse(f"--exporter {word}: which one? {name}: takes what {_OPTION[name]}= takes")
        if name == "drm" and colon:
            _check_memory(word, *_node(which))
        if name == "fd" and not which.isdigit():
            raise Misuse(f"--exporter {word}: which one? say fd:N, for a dma-buf that this program "
                         "is started with as descriptor N")
        if name == "fd" and not _inherited(int(which)):
            raise Misuse(f"--exporter {word}: this program was started without a descriptor "
                         f"{which}; the one that starts it has to let it be inherited")
    return list(dict.fromkeys(words))


def _node(which: str) -> tuple[str, str]:
    """A node, and in which memory, if that is said. Names in /dev/dri/by-path have colons too, but
    not before a word of letters alone."""
    m = re.fullmatch(r"(.*):([a-z]+)", which)
    return (m.group(1), m.group(2)) if m else (which, "")


def _check_memory(word: str, node: str, memory: str) -> None:
    """Is there such a one, and is it said of which node? What a driver has, the engine knows."""
    if memory and memory not in _MEMORIES:
        raise Misuse(f"--exporter {word}: drm_memory has no {memory}; there is: "
                     f"{', '.join(_MEMORIES)}")
    if node in ("", *_MEMORIES):
        raise Misuse(f"--exporter {word}: of which node? say drm:NODE:{memory or node}, as in "
                     f"drm:/dev/dri/card0:{memory or node}")


def _inherited(fd: int) -> bool:
    """Is it open, and will a child have it as well?"""
    try:
        return os.get_inheritable(fd)
    except OSError:
        return False


def job_value(exporter: str) -> str:
    """For the line exporter= of a job file; the choice is on lines of its own below it."""
    name, colon, which = exporter.partition(":")
    memory = ""
    if name == "drm":
        which, memory = _node(which)
    more = f"\ndrm_memory={memory}" if memory else ""
    return f"{name}\n{_OPTION[name]}={which}{more}" if colon else name


def refuse_fd(makers: list[str], where: str) -> None:
    """What other machines than this one cannot have; `where` is the option that leads there."""
    for e in makers:
        if e.startswith("fd:"):
            raise Misuse(f"--exporter {e}: not with {where}, into which no descriptor reaches")


def found() -> list[str]:
    """Those that the probe finds on this machine: every heap, every graphics card, every driver. Of
    a card both memories: whether it has them, only asking for some tells."""
    rows = probe().get("exporters", {})
    devices = set()
    out = []
    for row, facts in rows.items():
        name, slash, which = row.partition("/")
        if not facts.get("ok"):
            continue
        if name == "drm":
            # A card and its render node are one device.
            if facts.get("device") not in devices:
                out += [f"{name}:/dev/dri/{which}{memory}" for memory in ("", ":vram")]
            devices.add(facts.get("device"))
        else:
            out.append(f"{name}:{which}" if slash else name)
    return out


def probe() -> dict[str, dict[str, dict[str, object]]]:
    """The probe's report."""
    out = os.memfd_create("probe")
    try:
        process.run([paths.PROBE, "--json"], stdout=out, stderr=os.devnull, cwd=paths.TOP,
                    env=dict(os.environ), timeout=_PROBE_TIMEOUT)
        report = json.loads(os.pread(out, os.fstat(out).st_size, 0))
    except (OSError, ValueError) as e:
        raise Problem(f"--exporter {ALL}: {paths.PROBE} --json: {e}; run make") from None
    finally:
        os.close(out)
    return report if isinstance(report, dict) else {}
