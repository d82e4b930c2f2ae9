# SPDX-License-Identifier: GPL-2.0-only
"""What every command that touches a drive does first, and last."""

import argparse
import os
import re
import sys
from types import TracebackType

from sweep import content, device, fio, iommu, paths, plan, store
from sweep.errors import Misuse

VM_DEV = "/dev/nvme0n1"


class Session:
    """A drive that may be used, with its IOMMU mode put back at the end."""

    def __init__(self, args: argparse.Namespace, writes: bool) -> None:
        if getattr(args, "vm", False) is False and getattr(args, "kernel", None):
            raise Misuse(f"--kernel {args.kernel}: only with --vm; this machine runs its own")
        if len(for_each(args, writes)) > 1:
            raise Misuse(f"--device {args.device}: this takes one drive; name one of them")
        self._destroys = args.destroy_data is not None
        self.name = device.check(args.device, self._destroys)
        fio.need_engine()
        self.fio = fio.binary(args.fio)
        self.fio_version = fio.version(self.fio)
        self.switcher = iommu.Switcher(self.name)
        # Known once it has run: its counters say.
        self.engine = ""

    def __enter__(self) -> "Session":
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None,
                 tb: TracebackType | None) -> None:
        self.switcher.restore()

    def announce(self) -> None:
        """Says what is about to be destroyed, if that is allowed."""
        if self._destroys:
            sys.stderr.write(content.before_destroying(self.name) + "\n")

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


def for_each(args: argparse.Namespace, writes: bool) -> list[argparse.Namespace]:
    """The options of a command as they are for each drive of --device; refuses what concerns
    several."""
    names: dict[str, str] = {}
    controllers: dict[str, str] = {}
    for dev in args.device.split(","):
        iommu.refuse_lost(dev)
        name = device.block_name(dev)
        if name in names:
            raise Misuse(f"--device {args.device}: {dev} and {names[name]} are one drive; name each "
                         "once")
        # One bind, one journal and one mode are for all that is on a controller.
        pci = device.pci_of(name)
        if pci in controllers:
            raise Misuse(f"--device {args.device}: {dev} and {controllers[pci]} are on one "
                         f"controller ({pci}); name one of them")
        names[name] = dev
        if pci:
            controllers[pci] = dev
    if args.destroy_data is not None:
        doomed = {device.block_name(dev, "--destroy-data"): dev
                  for dev in args.destroy_data.split(",")}
        for name in [*(doomed.keys() - names), *(names.keys() - doomed)][:1]:
            what = f"{doomed[name]}: is not the drive" if name in doomed else \
                f"{args.destroy_data}: leaves out {names[name]}, which is one"
            raise Misuse(f"--destroy-data {what} of --device {args.device}; name the same "
                         f"drive{'s' if len(names) > 1 else ''} in both")
    elif writes:
        raise Misuse(f"--device {args.device}: this writes to the drive and destroys what is on it; "
                     f"say --destroy-data {args.device} if that is meant")
    return [argparse.Namespace(**{**vars(args), "device": dev,
                                  "destroy_data": None if args.destroy_data is None else dev})
            for dev in names.values()]


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
