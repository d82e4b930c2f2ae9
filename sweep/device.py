# SPDX-License-Identifier: GPL-2.0-only
"""Is it safe to touch? And which drive is it, whatever it is called today.

Nothing here writes to a device.
"""

import errno
import os
import re
import stat
from typing import Any, NamedTuple

from sweep import openers, paths
from sweep.errors import Misuse

_PCI = re.compile(r"[0-9a-f]{4,}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]$")


class Identity(NamedTuple):
    """What a drive keeps when its driver is unbound and bound again."""

    pci: str
    wwid: str
    nsid: str


def block_name(dev: str, option: str = "--device") -> str:
    """/dev/disk/by-id/... -> nvme0n1; refuses what is not a whole block device."""
    try:
        st = os.stat(dev)
    except OSError as e:
        raise Misuse(f"{option} {dev}: {os.strerror(e.errno or 0)}; name a drive, as in "
                     "/dev/nvme0n1") from None
    if not stat.S_ISBLK(st.st_mode):
        what = "a folder" if stat.S_ISDIR(st.st_mode) else "a character device" \
            if stat.S_ISCHR(st.st_mode) else "a file"
        raise Misuse(f"{option} {dev}: is {what}, not a block device; name a drive, as in "
                     "/dev/nvme0n1")
    node = os.path.realpath(f"/sys/dev/block/{os.major(st.st_rdev)}:{os.minor(st.st_rdev)}")
    name = os.path.basename(node)
    if os.path.exists(f"{node}/partition"):
        whole = os.path.basename(os.path.dirname(node))
        raise Misuse(f"{option} {dev}: is a partition of {whole}; only whole drives are touched, "
                     f"name /dev/{whole} if all of it may be used")
    return name


def _numbers(name: str) -> dict[str, str]:
    """{major:minor: name} of the disk and its partitions."""
    base = f"/sys/class/block/{name}"
    names = [name] + [n for n in paths.listdir(base) if os.path.exists(f"{base}/{n}/partition")]
    return {paths.read(f"/sys/class/block/{n}/dev", ""): n for n in names}


def _rdev(path: str) -> str:
    """major:minor of a device node, or nothing."""
    try:
        st = os.stat(path)
    except OSError:
        return ""
    return f"{os.major(st.st_rdev)}:{os.minor(st.st_rdev)}" if stat.S_ISBLK(st.st_mode) else ""


def opened(names: list[str]) -> str:
    """Who has one of these disks, or a partition of it, open without having claimed it."""
    return openers.found({number: n for name in names for number, n in _numbers(name).items()})


def _leaves(number: str, sys: str) -> list[str]:
    """The whole disks under a block device, whatever is stacked between."""
    node = os.path.realpath(f"{sys}/dev/block/{number}")
    below = paths.listdir(f"{node}/slaves")
    if below:
        return [leaf for n in below
                for leaf in _leaves(paths.read(f"{node}/slaves/{n}/dev", ""), sys)]
    if not number or not os.path.exists(node):
        return []
    return [os.path.basename(os.path.dirname(node) if os.path.exists(f"{node}/partition")
                             else node)]


def root_disks(root: str = "/", sys: str = "/sys", number: str = "") -> list[str]:
    """The whole disks that the root file system lies on; none where it is not on a drive. The last
    two are for a test."""
    st = os.stat(root)
    every = [number or f"{os.major(st.st_dev)}:{os.minor(st.st_dev)}"]
    for line in paths.read("/proc/self/mountinfo").splitlines():
        left, _, right = line.partition(" - ")
        if left.split()[4] == root and len(right.split()) > 1 and right.split()[1][0] == "/":
            # btrfs has a number of its own, and may have several devices.
            every.append(_rdev(right.split()[1]))
    disks = {leaf for n in every for leaf in _leaves(n, sys)}
    for folder in paths.listdir(f"{sys}/fs/btrfs"):
        devices = paths.listdir(f"{sys}/fs/btrfs/{folder}/devices")
        its = {leaf for n in devices
               for leaf in _leaves(paths.read(f"{sys}/class/block/{n}/dev", ""), sys)}
        if its & disks:
            disks |= its
    return sorted(disks)


def in_use(name: str) -> str:
    """Who uses the disk or a partition of it, in words; nothing when nobody does."""
    mine = _numbers(name)
    for line in paths.read("/proc/self/mountinfo").splitlines():
        left, _, right = line.partition(" - ")
        fields = left.split()
        source = right.split()[1] if len(right.split()) > 1 else ""
        # btrfs and others show a number of their own there: look at the source as well
        for number in (fields[2], _rdev(source) if source.startswith("/") else ""):
            if number in mine:
                return f"{mine[number]} is mounted on {fields[4]}"
    for line in paths.read("/proc/swaps", "").splitlines()[1:]:
        if _rdev(line.split()[0]) in mine:
            return f"{mine[_rdev(line.split()[0])]} is used as swap"
    for n in mine.values():
        holders = paths.listdir(f"/sys/class/block/{n}/holders")
        if holders:
            return f"{n} is held by {', '.join(holders)} (LVM, MD, crypt or the like)"
    return ""


def open_exclusively(name: str, option: str = "--device") -> int:
    """A descriptor that keeps everybody else from mounting or claiming the drive."""
    try:
        return os.open(f"/dev/{name}", os.O_RDONLY | os.O_EXCL | os.O_CLOEXEC)
    except OSError as e:
        if e.errno == errno.EBUSY:
            who = in_use(name) or "another program holds it"
            raise Misuse(f"{option} /dev/{name}: busy: {who}; free it, or name another drive"
                         ) from None
        if e.errno in (errno.EACCES, errno.EPERM):
            raise Misuse(f"{option} /dev/{name}: no permission; run as root") from None
        if e.errno in (errno.ENXIO, errno.ENOMEDIUM):
            raise Misuse(f"{option} /dev/{name}: has no size or medium; name a drive with "
                         "something in it") from None
        raise Misuse(f"{option} /dev/{name}: open: {e.strerror}") from None


def claimed(name: str) -> str:
    """Whether a program has claimed the drive, in words."""
    try:
        os.close(os.open(f"/dev/{name}", os.O_RDONLY | os.O_EXCL | os.O_CLOEXEC))
    except OSError as e:
        return f"{name} cannot be had alone: {e.strerror}"
    return ""


def check(dev: str, destroy: bool = False) -> str:
    """The name of a drive that may be used, or a refusal."""
    name = block_name(dev)
    user = in_use(name) or opened([name])
    if user:
        raise Misuse(f"--device {dev}: in use: {user}; free it, or name another drive")
    if paths.read(f"/sys/class/block/{name}/size", "0") == "0":
        raise Misuse(f"--device {dev}: has size 0; name a drive with something in it")
    if destroy and paths.read(f"/sys/class/block/{name}/ro", "0") == "1":
        raise Misuse(f"--destroy-data {dev}: is read-only; blockdev --setrw {dev}, or name another")
    os.close(open_exclusively(name))
    return name


def pci_of(name: str) -> str:
    """Address of the PCI device under the disk; nothing if there is none."""
    found = ""
    for part in os.path.realpath(f"/sys/class/block/{name}").split("/"):
        if _PCI.match(part):
            found = part
    return found


def multipath_head(name: str) -> bool:
    """An NVMe multipath head lies above the PCI devices, not under one."""
    return "/nvme-subsystem/" in os.path.realpath(f"/sys/class/block/{name}")


def pci_nvme(name: str) -> bool:
    """The only kind of drive for which the kernel takes dma-bufs."""
    return name.startswith("nvme") and bool(pci_of(name)) and not multipath_head(name)


def identity(name: str) -> Identity:
    """By which the drive is found again."""
    base = f"/sys/class/block/{name}"
    return Identity(pci_of(name), paths.read(f"{base}/wwid", paths.read(f"{base}/device/wwid", "")),
                    paths.read(f"{base}/nsid", ""))


def disks_of(pci: str) -> list[str]:
    """All whole disks under a PCI device: every namespace of the controller."""
    return [n for n in paths.listdir("/sys/block") if pci and pci_of(n) == pci]


def find(who: Identity) -> str:
    """Today's name of a drive; nothing if it is not there."""
    return next((n for n in disks_of(who.pci) if identity(n) == who), "")


def of_env(env: dict[str, Any]) -> list[dict[str, Any]]:
    """What env.json says of each drive; there was one in runs of before."""
    return env.get("drives") or [env.get("drive", {})]


def describe(name: str) -> dict[str, str | int]:
    """Facts for env.json."""
    base = f"/sys/class/block/{name}"
    queue = {k: paths.read(f"{base}/queue/{k}", "") for k in (
        "scheduler", "logical_block_size", "physical_block_size", "max_hw_sectors_kb",
        "max_sectors_kb", "nr_requests", "rotational", "write_cache", "nomerges", "iostats",
        "io_poll", "wbt_lat_usec", "dma_alignment", "max_segments")}
    return {
        "name": name, "model": paths.read(f"{base}/device/model", "").strip(),
        "serial": paths.read(f"{base}/device/serial", "").strip(),
        "firmware": paths.read(f"{base}/device/firmware_rev", "").strip(),
        "pci": pci_of(name), "numa_node": paths.read(f"{base}/device/numa_node", ""),
        "bytes": 512 * int(paths.read(f"{base}/size", "0")),
        **{f"queue_{k}": v for k, v in queue.items() if v},
    }
