# SPDX-License-Identifier: GPL-2.0-only
"""What is on a drive: shown before it is destroyed, and whether there is anything to read."""

import mmap
import os
import random
import subprocess

from sweep import device, units
from sweep.errors import Misuse

_SAMPLES = 256
_SAMPLE = 4096
# From here on a reader has to be told.
MANY_EMPTY = 0.25


def signature(dev: str) -> str:
    """File system, partition table, RAID or LVM member on it, in words; nothing if none is known."""
    try:
        out = subprocess.run(["blkid", "-p", "-o", "export", dev], capture_output=True, text=True,
                             check=False)
    except OSError as e:
        raise Misuse(f"blkid: {e.strerror}; it tells what is on {dev} before that is destroyed; "
                     "install util-linux") from None
    # 2: nothing found; 8: several things, which it does not choose from.
    if out.returncode == 8:
        return "several signatures"
    found = dict(line.split("=", 1) for line in out.stdout.splitlines() if "=" in line)
    words = [f"{found[key]} {what}".strip() for key, what in (
        ("PTTYPE", "partition table"), ("TYPE", "")) if key in found]
    label = found.get("LABEL") or found.get("PARTLABEL")
    return ", ".join(words) + (f" (label {label})" if words and label else "")


def before_destroying(name: str) -> str:
    """Which drive is about to be overwritten, and what is on it."""
    facts = device.describe(name)
    holds = signature(f"/dev/{name}")
    return (f"--destroy-data /dev/{name}: {facts['model'] or 'no model'}, serial "
            f"{facts['serial'] or 'none'}, {units.human(float(facts['bytes']))}B: "
            f"holds {holds or 'no known signature'}; all of it is overwritten")


def empty_share(name: str) -> float:
    """The share of blocks that hold nothing but zeros, as those that were never written do; from a
    sample. Reading such is fast on many drives, and measures little."""
    size = int(device.describe(name)["bytes"]) // _SAMPLE * _SAMPLE
    if not size:
        return 0.0
    draw = random.Random(size)
    empty = 0
    fd = os.open(f"/dev/{name}", os.O_RDONLY | os.O_DIRECT | os.O_CLOEXEC)
    try:
        with mmap.mmap(-1, _SAMPLE) as page:
            for _ in range(_SAMPLES):
                if os.preadv(fd, [page], draw.randrange(size // _SAMPLE) * _SAMPLE) != _SAMPLE:
                    continue
                empty += page[:] == bytes(_SAMPLE)
    finally:
        os.close(fd)
    return empty / _SAMPLES
