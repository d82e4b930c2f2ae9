# SPDX-License-Identifier: GPL-2.0-only
"""Which IOMMU mode each drive has and could have: `iommu show`, and the plan for a machine whose
mode only a boot can change. Changes nothing."""

import os
import re

from sweep import device, env, iommu, paths, plan
from sweep.errors import Misuse
from sweep.table import columns

# What the kernel's command line must say for a mode, and what must be gone from it.
_BOOT = {"strict": "iommu.passthrough=0 iommu.strict=1",
         "lazy": "iommu.passthrough=0 iommu.strict=0", "passthrough": "iommu.passthrough=1"}
_IN_THE_WAY = r"iommu=(?:no)?pt|iommu\.(?:passthrough|strict)=\S+|intel_iommu=strict|" \
              r"amd_iommu=fullflush"


def default_mode() -> str:
    """The mode that this boot gives to a drive by itself: the command line's, else the kernel's
    configuration's (Documentation/admin-guide/kernel-parameters.txt); or `unknown`."""
    words = paths.read("/proc/cmdline", "").split()
    config = env.kernel_config()
    passthrough = config.get("IOMMU_DEFAULT_PASSTHROUGH")
    strict = config.get("IOMMU_DEFAULT_DMA_STRICT")
    for word in words:
        if word in ("iommu=pt", "iommu.passthrough=1"):
            passthrough = "y"
        elif word in ("iommu=nopt", "iommu.passthrough=0"):
            passthrough = "n"
        elif word in ("iommu.strict=1", "intel_iommu=strict", "amd_iommu=fullflush"):
            strict = "y"
        elif word == "iommu.strict=0":
            strict = "n"
    if passthrough == "y":
        return "passthrough"
    if passthrough is None or strict is None:
        return "unknown"
    return "strict" if strict == "y" else "lazy"


def show(names: list[str]) -> str:
    """A line for each drive: its IOMMU group, its mode, what a boot gives it, what it could have."""
    default = default_mode()
    rows = []
    for name in names:
        pci = device.pci_of(name)
        group = iommu.group_of(pci)
        why = iommu.fixed_because(name)
        rows.append((f"/dev/{name}", pci or "-", os.path.basename(group) or "-",
                     iommu.mode_of(pci), default if group else "-",
                     f"no: {why}" if why else ", ".join(plan.MODES)))
    return columns(("drive", "PCI", "group", "mode", "default", "can be set"), rows, 6)


def drives() -> list[str]:
    """Disks that a sweep could be about: no RAM disk, no loop device, nothing stacked."""
    return [n for n in paths.listdir("/sys/block")
            if "/virtual/" not in os.path.realpath(f"/sys/block/{n}") or device.multipath_head(n)]


def boot_line(mode: str) -> str:
    """What the kernel's command line must hold for a mode, in place of what this one says of it."""
    has = " ".join(re.findall(rf"(?<!\S)(?:{_IN_THE_WAY})(?!\S)", paths.read("/proc/cmdline", "")))
    intel = " intel_iommu=on" if not iommu.kinds() and "Intel" in paths.read("/proc/cpuinfo", "") \
        else ""
    return _BOOT[mode] + intel + (f" (without {has})" if has and has != _BOOT[mode] else "")


def reboot_plan(made: plan.Plan, words: str, folder: str) -> str:
    """How to run a plan one boot after the other."""
    lines = []
    for mode in dict.fromkeys(p.mode for p in made.points):
        lines += [f"{mode}: boot with {boot_line(mode)}",
                  f"    fio-dmabuf sweep {words} --resume {folder}"]
    return "\n".join(lines)


def of_this_boot(made: plan.Plan, done: set[tuple[int, plan.Point]], mode: str,
                 folder: str) -> plan.Plan:
    """The steps that this boot's mode can do, of a plan that waits for boots.

    Raises Misuse where there is none left, with what to boot next.
    """
    left = [s for s in made.steps if (s.repeat, s.point) not in done]
    now = [s for s in left if s.point.mode == mode]
    if left and not now:
        wanted = left[0].point.mode
        raise Misuse(f"--resume {folder}: what is left is for IOMMU mode {wanted}, this boot's is "
                     f"{mode}; boot with {boot_line(wanted)}")
    return made._replace(steps=now)
