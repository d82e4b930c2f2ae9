# SPDX-License-Identifier: GPL-2.0-only
"""What every command that touches a drive does first, and last."""

import argparse
import os
import re
import sys
from types import TracebackType

from sweep import content, device, fio, iommu, paths, plan, store, tune
from sweep.errors import Misuse
from sweep.process import Shield

VM_DEV = "/dev/nvme0n1"


class Session:
    """A drive that may be used, with its IOMMU mode put back at the end."""

    def __init__(self, args: argparse.Namespace, writes: bool) -> None:
        if getattr(args, "vm", False) is False and getattr(args, "kernel", None):
            raise Misuse(f"--kernel {args.kernel}: only with --vm; this machine runs its own")
        iommu.refuse_lost(args.device)
        self.name = device.check(args.device, args.destroy_data, writes)
        fio.need_engine()
        self.fio = fio.binary(args.fio)
        self.fio_version = fio.version(self.fio)
        if args.destroy_data:
            sys.stderr.write(content.before_destroying(self.name) + "\n")
        self.switcher = iommu.Switcher(self.name)
        self._tuner: tune.Tuner | None = None
        # Known once it has run: its counters say.
        self.engine = ""

    def __enter__(self) -> "Session":
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None,
                 tb: TracebackType | None) -> None:
        with Shield():
            try:
                if self._tuner:
                    self._tuner.restore()
            finally:
                self.switcher.restore()

    def tune(self) -> None:
        """Brings the machine into a state that blurs no figures, until the end."""
        self._tuner = tune.Tuner()
        self._tuner.set()
        self.switcher.tune(tune.QUEUE)

    def modes(self, text: str) -> list[str]:
        """--modes as a list; refuses what this drive cannot have."""
        if text == plan.CURRENT:
            return [self.switcher.mode()]
        modes = plan.choose(text, "--modes", plan.MODES)
        self.need_modes(modes)
        return modes

    def need_modes(self, modes: list[str]) -> None:
        """Refuses modes that this drive cannot be switched to."""
        why = self.switcher.can_switch()
        if why and set(modes) != {self.switcher.mode()}:
            raise Misuse(f"--modes {','.join(modes)}: /dev/{self.name} {why}")

    def need_arms(self, arms: set[str]) -> None:
        """Refuses an arm that the kernel cannot have on this drive."""
        if "dmabuf" in arms and not device.pci_nvme(self.name):
            why = "is an NVMe multipath head; boot with nvme_core.multipath=N" \
                if device.multipath_head(self.name) else "is not a PCI NVMe drive"
            raise Misuse(f"--arms dmabuf: /dev/{self.name} {why}: the kernel takes dma-bufs for "
                         "PCI NVMe drives only; use --arms fixed,plain or name another drive")

    def need(self, modes: list[str], arms: set[str], trims: bool) -> None:
        """Refuses what this drive cannot have."""
        self.need_arms(arms)
        self.need_modes(modes)
        if trims and paths.read(f"/sys/class/block/{self.name}/queue/discard_max_bytes") == "0":
            raise Misuse(f"--rw: /dev/{self.name} takes no trims (queue/discard_max_bytes is 0); "
                         "name another drive, or leave them out")


def in_vm(args: argparse.Namespace, what: str, axes: list[str], options: list[str],
          timeout: float, folder: store.Folder | None = None) -> tuple[int, store.Folder]:
    """The host's half of --vm: the same command in the guest, on its scratch drive."""
    from sweep import vm
    if getattr(args, "destroy_data", None):
        raise Misuse(f"--destroy-data {args.destroy_data}: not with --vm, which has a scratch "
                     "drive of its own")
    kernel = args.kernel
    if kernel and not re.fullmatch(r"\d+\.\d+", kernel):
        if not os.path.isfile(kernel):
            raise Misuse(f"--kernel {kernel}: no such file; name a bzImage, or a release")
        kernel = os.path.abspath(kernel)
    fio.need_engine()
    facts = {"vm": vm.host_facts()}
    where = ["--resume" if folder else "--out"]
    if folder is None:
        kind = "" if what == "sweep" else f"-{what}"
        folder = store.Folder(store.new_folder(args.out, "vm", kind))
        folder.merge_env(facts)
    where.append(folder.path)
    command = ["./fio-dmabuf", what, *axes, "--quiet", "--fio", fio.binary(args.fio), *where]
    if kernel:
        options = [*options, "--kernel", kernel]
    return vm.boot(command, folder.path, options, timeout), folder
