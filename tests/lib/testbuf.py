# SPDX-License-Identifier: GPL-2.0-only
"""Dma-bufs of the module dmabuf_test, for exporter=fd: pages that move, a PCI device's memory."""

import ctypes
import fcntl
import os
import struct
from functools import cache
from pathlib import Path

from suite import until

# A switch with a drive and a device that is nothing but 16 MiB of memory under it, and a drive that
# is elsewhere: what guest.enter() has to be given.
SWITCH = ("--drive", "64M", "--drive", "64M,bus=down1,addr=0", *(
    word for device in ("-device", "pcie-root-port,id=root1,chassis=1,slot=1",
                        "-device", "x3130-upstream,id=up,bus=root1",
                        "-device", "xio3130-downstream,id=down1,bus=up,chassis=2,slot=1",
                        "-device", "xio3130-downstream,id=down2,bus=up,chassis=3,slot=2",
                        "-object", "memory-backend-ram,id=memory,size=16M,share=on",
                        "-device", "ivshmem-plain,memdev=memory,bus=down2,addr=0")
    for word in ("--qemu", device)))
# _IOWR('d', 0x60, struct dmabuf_test_pages), _IOWR('d', 0x61, struct dmabuf_test_bar)
PAGES, BAR = 0xc0186460, 0xc0306461
BUS_ADDRESS = 1
FINIT_MODULE = 313  # x86-64's number of it


@cache
def _module() -> int:
    """The module's device; loads it, as insmod would, which not every system has."""
    libc = ctypes.CDLL(None, use_errno=True)
    with open(os.environ["DMABUF_TEST_KO"], "rb") as module:
        if libc.syscall(FINIT_MODULE, module.fileno(), b"", 0):
            raise OSError(ctypes.get_errno(), f"finit_module({module.name})")
    return os.open("/dev/dmabuf_test", os.O_RDWR)


def pci(drive: str) -> str:
    """A drive's PCI address."""
    return Path(f"/sys/class/block/{os.path.basename(drive)}/device/device").resolve().name


def far_and_near(drives: list[str]) -> tuple[str, str]:
    """The drive that is elsewhere, and the one under the switch."""
    far, = (name for name in drives if pci(name) == "0000:00:10.0")
    near, = (name for name in drives if name != far)
    return far, near


def pages(size: int, order: int = 0) -> tuple[int, Path]:
    """A dma-buf that can move, which a child inherits, and its folder in debugfs."""
    got = bytearray(struct.pack("QIIiI", size, order, 0, 0, 0))
    fcntl.ioctl(_module(), PAGES, got)
    fd, number = struct.unpack("QIIiI", got)[3:]
    return fd, Path(f"/sys/kernel/debug/dmabuf_test/{number}")


def let_go(folder: Path) -> None:
    """No drive has it mapped any more; a ring is taken apart after its process has ended."""
    until(lambda: not any(int((folder / name).read_text()) for name in ("mapped", "attached")), 20)
    assert int((folder / "stale").read_text()) == 0


def bar(size: int, flags: int = 0) -> int:
    """A dma-buf of the memory device's BAR. With BUS_ADDRESS, as if the switch routed to it."""
    memory, = (p.parent.name for p in Path("/sys/bus/pci/devices").glob("*/device")
               if p.read_text().strip() == "0x1110")
    domain, bus, devfn = memory.split(":")
    slot, function = devfn.split(".")
    got = bytearray(struct.pack("QQIIIIIIiI", 0, size, int(domain, 16), int(bus, 16),
                                int(slot, 16) << 3 | int(function), 2, flags, 0, 0, 0))
    fcntl.ioctl(_module(), BAR, got)
    return int(struct.unpack("QQIIIIIIiI", got)[8])
