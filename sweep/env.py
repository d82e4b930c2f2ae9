# SPDX-License-Identifier: GPL-2.0-only
"""On what a run ran: the facts of env.json."""

import os
import re
import time
import zlib
from collections.abc import Sequence
from typing import Any

from sweep import device, iommu, paths

_OPTIONS = ("IOMMU_DEFAULT_DMA_STRICT", "IOMMU_DEFAULT_DMA_LAZY", "IOMMU_DEFAULT_PASSTHROUGH",
            "DMABUF_MOVE_NOTIFY", "UDMABUF", "DMABUF_HEAPS", "PREEMPT", "PREEMPT_VOLUNTARY",
            "PREEMPT_NONE", "HZ", "NO_HZ_IDLE", "NO_HZ_FULL", "IRQ_TIME_ACCOUNTING", "KASAN",
            "PROVE_LOCKING", "DEBUG_ATOMIC_SLEEP", "INIT_ON_ALLOC_DEFAULT_ON",
            "PAGE_TABLE_ISOLATION", "MITIGATION_PAGE_TABLE_ISOLATION", "NVME_MULTIPATH")

_TWO_STEP = "blk_rq_dma_map_iter_start"
_TWO_STEP_SINCE = [6, 17]


def kernel_config() -> dict[str, str]:
    """The kernel options that matter to the figures."""
    try:
        with open("/proc/config.gz", "rb") as f:
            text = zlib.decompress(f.read(), 31).decode()
    except OSError:
        text = paths.read(f"/boot/config-{os.uname().release}", "")
    if not text:
        return {}
    have = dict(line.removeprefix("CONFIG_").split("=", 1) for line in text.splitlines()
                if line.startswith("CONFIG_"))
    return {k: have.get(k, "n") for k in _OPTIONS}


def dma_mapping(symbols: str, release: str) -> dict[str, str]:
    """How this kernel maps what an ordinary request carries: the before arm's way.

    The block layer's iterator over the two-step DMA mapping API is what nvme-pci maps by where
    it exists; its name tells, also where it has been taken into an older kernel.
    """
    if symbols:
        there = re.search(rf"\b{_TWO_STEP}\b", symbols)
        return {"kind": "two-step" if there else "sg_table",
                "reason": f"{_TWO_STEP} is {'' if there else 'not '}in /proc/kallsyms"}
    version = [int(n) for n in re.findall(r"\d+", release)[:2]]
    return {"kind": "two-step" if version >= _TWO_STEP_SINCE else "sg_table",
            "reason": f"/proc/kallsyms cannot be read; by the release, {release}"}


def _cpu() -> dict[str, Any]:
    text = paths.read("/proc/cpuinfo", "")
    facts = dict(reversed([[w.strip() for w in line.split(":", 1)] for line in text.splitlines()
                           if ":" in line]))
    return {
        "model": facts.get("model name", facts.get("CPU part", "")), "cpus": os.cpu_count(),
        "hypervisor": "hypervisor" in facts.get("flags", "").split(),
        "governor": paths.read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "none"),
        "boost": paths.read("/sys/devices/system/cpu/cpufreq/boost", ""),
        "microcode": facts.get("microcode", ""),
    }


def collect(names: Sequence[str], fio_version: str) -> dict[str, Any]:
    """Everything that is known before the first run, which is on the drives of these names."""
    u = os.uname()
    cpu = _cpu()
    drives = [device.describe(n) for n in names]
    modes = dict.fromkeys(iommu.mode_of(device.pci_of(n)) for n in names)
    clock = "/sys/devices/system/clocksource/clocksource0/current_clocksource"
    return {
        "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "host": u.nodename,
        "machine": "vm" if cpu["hypervisor"] else "bare",
        # A drive made of software says nothing of a real one's throughput.
        "emulated_drive": any("QEMU" in str(d["model"]) or not d["pci"] for d in drives),
        "product": paths.read("/sys/class/dmi/id/product_name", ""),
        "kernel": {"release": u.release, "version": u.version, "arch": u.machine,
                   "cmdline": paths.read("/proc/cmdline", ""), "config": kernel_config()},
        "dma_mapping": dma_mapping(paths.read("/proc/kallsyms", ""), u.release),
        "iommu": {"kinds": iommu.kinds(), "mode_found": "/".join(modes),
                  "group": os.path.basename(iommu.group_of(device.pci_of(names[0])))},
        "cpu": cpu, "memory_kb": paths.read("/proc/meminfo", "0 0").split()[1],
        "clocksource": paths.read(clock, ""),
        "drive": drives[0], "drives": drives, "prefilled": False, "fio": fio_version,
        "udmabuf_size_limit_mb": paths.read("/sys/module/udmabuf/parameters/size_limit_mb", ""),
    }
