# SPDX-License-Identifier: GPL-2.0-only
"""The IOMMU mode of one drive: read it, switch it, put it back.

The mode belongs to the IOMMU group of the drive's PCI device and can only be changed while no
driver has the device. So: unbind, write the group's type, bind, wait until the drive is there
again (perhaps under another name). A journal in /run says what was there before; it is written
before the first change and removed when all is back. /run does not outlive a boot, and neither
do these changes.
"""

import errno
import json
import os
import re
import time
from typing import Any

from sweep import device, paths, process
from sweep.errors import Misuse, Problem

TYPES = {"strict": "DMA", "lazy": "DMA-FQ", "passthrough": "identity"}
_NAMES = {v: k for k, v in TYPES.items()}
NONE = "none"
_JOURNALS = "/run/fio-dmabuf"
_WAIT = 60.0
# One that was there before may be gone for good.
_OTHERS = 10.0
# What looks at a new drive and lets go of it has this long.
_SETTLE = 3.0
# A queue setting that was put back is looked at again after so long, so often at most: somebody
# else may want another value.
_STAYS = 0.25
_TRIES = 8
# Settings of a drive's queue that a new bind resets; a new scheduler resets the number of requests.
_KEPT = ("scheduler", "nr_requests", "nomerges", "rq_affinity", "iostats", "wbt_lat_usec",
         "read_ahead_kb", "max_sectors_kb", "discard_max_bytes", "write_cache", "rotational",
         "add_random", "io_timeout")
# How much of them there can be depends on the mode: only put back with it.
_OF_THE_MODE = ("max_sectors_kb",)


def group_of(pci: str) -> str:
    """/sys/kernel/iommu_groups/N of a PCI device; nothing without an IOMMU."""
    link = f"/sys/bus/pci/devices/{pci}/iommu_group"
    if not pci or not os.path.exists(link):
        return ""
    return f"/sys/kernel/iommu_groups/{os.path.basename(os.path.realpath(link))}"


def mode_of(pci: str) -> str:
    """The effective mode in our words; `none` without an IOMMU; else the kernel's word."""
    group = group_of(pci)
    kind = paths.read(f"{group}/type", "") if group else ""
    return _NAMES.get(kind, kind) if kind else NONE


def driver_of(pci: str) -> str:
    """The driver that has the PCI device, or nothing."""
    link = f"/sys/bus/pci/devices/{pci}/driver"
    return os.path.basename(os.path.realpath(link)) if os.path.exists(link) else ""


def kinds() -> list[str]:
    """The IOMMUs of the machine."""
    # The last one is named after its PCI device: it is told by the virtio device above it.
    words = {"/dmar": "Intel VT-d", "/ivhd": "AMD-Vi", "smmu": "Arm SMMU",
             "/virtio": "virtio-iommu"}
    found = [next((w for k, w in words.items()
                   if k in os.path.realpath(f"/sys/class/iommu/{n}")), n)
             for n in paths.listdir("/sys/class/iommu")]
    return sorted(set(found))


def _journal(pci: str) -> str:
    return f"{_JOURNALS}/iommu-{pci}.json"


def journals() -> list[dict[str, Any]]:
    """What is noted as changed on this machine."""
    return [json.loads(paths.read(f"{_JOURNALS}/{n}")) for n in paths.listdir(_JOURNALS)
            if re.match(r"iommu-.*\.json$", n)]


def _noted(pci: str) -> dict[str, Any]:
    """The journal of one device, or nothing."""
    text = paths.read(_journal(pci), "")
    return json.loads(text) if text else {}


def _save(note: dict[str, Any]) -> None:
    write_journal(_journal(note["pci"]), note)


def write_journal(path: str, note: Any) -> None:
    """On the medium before anything changes."""
    os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
    with open(path + ".new", "w", encoding="utf-8") as f:
        json.dump(note, f, indent=2)
        f.flush()
        os.fsync(f.fileno())
    os.rename(path + ".new", path)


def _started(pid: int) -> str:
    """When a process was started, so that a reused pid is not taken for it."""
    text = paths.read(f"/proc/{pid}/stat", "")
    return text.rpartition(")")[2].split()[19] if ")" in text else ""


def owner() -> dict[str, Any]:
    """What a journal says of who wrote it."""
    return {"pid": os.getpid(), "started": _started(os.getpid())}


def alive(note: dict[str, Any]) -> bool:
    """Whether who wrote a journal still runs."""
    return bool(note["started"]) and _started(note["pid"]) == note["started"]


def _write(path: str, text: str, what: str) -> None:
    try:
        paths.write(path, text)
    except PermissionError:
        raise Misuse(f"{what}: no permission to write {path}; run as root") from None
    except OSError as e:
        raise Problem(f"{what}: the kernel refused {text!r} in {path}: {e.strerror}") from None


def _neighbours(pci: str) -> list[str]:
    """Other devices of the group that a driver has: the kernel refuses to switch under them."""
    return [f"{d} ({driver_of(d)})" for d in paths.listdir(f"{group_of(pci)}/devices")
            if d != pci and driver_of(d) not in ("", "pcieport", "vfio-pci")]


def _user_of(pci: str, own: str) -> str:
    """Who uses a disk of a controller, in words; `own` is the one that we hold, if any."""
    for n in device.disks_of(pci):
        user = device.in_use(n) or (device.claimed(n) if n != own else "")
        if user:
            return user
    return ""


def fixed_because(name: str, begun: bool = False) -> str:
    """Why a drive's mode cannot be switched; nothing when it can. `begun` is having done so."""
    pci = device.pci_of(name)
    if device.multipath_head(name):
        return ("is an NVMe multipath head, which hides its PCI devices; boot with "
                "nvme_core.multipath=N")
    if not pci:
        return ("is not on a PCI device, so it has no IOMMU mode; name a PCI NVMe drive, or "
                "use --modes current")
    group = group_of(pci)
    if not group:
        return (f"{pci} is in no IOMMU group: the IOMMU is off; switch it on in the "
                "firmware and boot with intel_iommu=on (AMD: on by default), or use "
                "--modes current")
    if not os.access(f"{group}/type", os.W_OK):
        return "its IOMMU group's type cannot be written; run as root"
    root = [n for n in device.root_disks() if device.pci_of(n) == pci]
    if root:
        return (f"is on the controller of the root file system's disk ({root[0]}, {pci}), which is "
                "never unbound; name a drive on another, or see --reboot-plan")
    others = _neighbours(pci)
    if others:
        return (f"shares IOMMU group {os.path.basename(group)} with {', '.join(others)}; unbind "
                "them, put the drive into another slot, or see --reboot-plan")
    note = _noted(pci)
    if note and not begun and not note["chosen"]:
        if alive(note):
            return f"process {note['pid']} is switching its IOMMU mode now; wait for its end"
        return ("its IOMMU mode was left changed by a run that was killed; run fio-dmabuf "
                f"iommu restore /dev/{name}")
    return ""


def refuse_lost(dev: str) -> None:
    """Refuses a drive that is gone because a killed run left it without its driver."""
    if not os.path.exists(dev) and any(note["device"] == dev for note in journals()):
        raise Misuse(f"--device {dev}: was left without its driver by a run that was killed; run "
                     f"fio-dmabuf iommu restore {dev}")


def settings(name: str) -> dict[str, str]:
    """The settings of a drive's queue that are kept; of the schedulers, the chosen one."""
    now = {k: paths.read(f"/sys/class/block/{name}/queue/{k}", "") for k in _KEPT}
    m = re.search(r"\[(.+?)\]", now["scheduler"])
    now["scheduler"] = m.group(1) if m else ""
    return {k: v for k, v in now.items() if v}


class Switcher:
    """Switches the mode of one drive and puts it back."""

    def __init__(self, name: str, keep_open: bool = True) -> None:
        self.name = name
        self.identity = device.identity(name)
        self.pci = self.identity.pci
        self._keep_open = keep_open
        self._fd = device.open_exclusively(name) if keep_open else -1
        self._note: dict[str, Any] = {}
        # What the drive's own queue is set to until restore().
        self._tuned: dict[str, str] = {}

    @property
    def dev(self) -> str:
        """Today's path of the drive."""
        return f"/dev/{self.name}"

    def mode(self) -> str:
        """The effective mode at this moment."""
        return mode_of(self.pci)

    def can_switch(self) -> str:
        """Why the mode cannot be switched; nothing when it can."""
        why = fixed_because(self.name, bool(self._note))
        # All of the controller goes away for a moment, not only this namespace.
        user = "" if why else (_user_of(self.pci, self.name)
                               or device.opened(device.disks_of(self.pci)))
        return f"cannot unbind its controller {self.pci}: {user}; free it first" if user else why

    def set(self, mode: str) -> None:
        """Switches to `mode` (or the kernel's word for a type) unless it is in effect."""
        if self.mode() == mode:
            return
        why = self.can_switch()
        if why:
            raise Misuse(f"--device {self.dev}: {why}")
        if not self._note:
            self._begin()
        self._switch(TYPES.get(mode, mode))
        if self.mode() != mode:
            raise Problem(f"{self.dev}: asked for IOMMU mode {mode}, the kernel made it "
                          f"{self.mode()}; this platform does not offer it")

    def tune(self, queue: dict[str, str]) -> None:
        """Keeps settings of the drive's queue as given, through every switch, until restore()."""
        if not self.pci:
            return
        if not self._note:
            self._begin()
        self._tuned = queue
        self._tune()

    def _begin(self) -> None:
        """Notes what is there now, before anything changes."""
        process.undo_on_signal(self.restore)
        note = {
            # Without an IOMMU there is no group, and no type.
            "pci": self.pci, "type": paths.read(f"{group_of(self.pci)}/type", ""),
            "driver": driver_of(self.pci), "device": self.dev, "identity": list(self.identity),
            # Every namespace of the controller goes away and comes back.
            "queues": [[list(device.identity(n)), settings(n)] for n in device.disks_of(self.pci)],
            **owner(), "chosen": False,
            # What somebody chose with `iommu set` is what a sweep goes back to; what was there
            # before that stays noted.
            "previous": _noted(self.pci),
        }
        with process.Shield():
            _save(note)
            self._note = note

    def _switch(self, kind: str) -> None:
        """Unbind, type, bind, wait. Interrupted anywhere, restore() can go on from there."""
        if self._fd >= 0:
            # A descriptor left open would keep the name taken and the drive come back as another.
            os.close(self._fd)
            self._fd = -1
        driver = self._note["driver"]
        what = f"--device {self.dev}"
        if driver_of(self.pci):
            _write(f"/sys/bus/pci/drivers/{driver_of(self.pci)}/unbind", self.pci, what)
        try:
            _write(f"{group_of(self.pci)}/type", kind, what)
        finally:
            with process.Shield():
                if not driver_of(self.pci):
                    _write(f"/sys/bus/pci/drivers/{driver}/bind", self.pci, what)
        self._wait()
        self._tune()
        if self._keep_open:
            self._fd = device.open_exclusively(self.name)

    def _wait(self) -> None:
        """Until the drive is back and can be read."""
        deadline = time.monotonic() + _WAIT
        while True:
            name = device.find(self.identity)
            if name and os.path.exists(f"/dev/{name}"):
                try:
                    os.close(os.open(f"/dev/{name}", os.O_RDONLY | os.O_CLOEXEC))
                    self._wait_for_others()
                    if name != self.name:
                        # The kernel numbers namespaces in the order in which it finds them.
                        process.say(f"{self.dev} came back as /dev/{name}; the same drive is gone "
                                    "on with")
                        self.name = name
                    return
                except OSError as e:
                    if e.errno not in (errno.ENXIO, errno.ENODEV, errno.EBUSY, errno.ENOENT):
                        raise
            if time.monotonic() > deadline:
                raise Problem(f"{self.dev}: did not come back within {_WAIT:.0f} s after its "
                              f"driver was bound to {self.pci} again; see dmesg")
            time.sleep(0.02)

    def _wait_for_others(self) -> None:
        """Until the controller's other namespaces are there, which are found after each other."""
        deadline = time.monotonic() + _OTHERS
        for who, _ in self._note["queues"]:
            while not device.find(device.Identity(*who)) and time.monotonic() < deadline:
                time.sleep(0.02)

    def _tune(self) -> None:
        """The queue settings that the drive had.

        A drive can be opened before the kernel has done with adding it: once the partitions are
        read, add_disk_final() raises the read-ahead again. So what had to be put back is looked at
        until it stays.
        """
        for _ in range(_TRIES):
            if not self._put_back():
                return
            time.sleep(_STAYS)

    def _differing(self) -> dict[str, str]:
        """Files of queue settings that are not what they were, and what they were."""
        found = {}
        other_mode = paths.read(f"{group_of(self.pci)}/type", "") != self._note["type"]
        for who, kept in self._note["queues"]:
            name = device.find(device.Identity(*who))
            if other_mode:
                kept = {k: v for k, v in kept.items() if k not in _OF_THE_MODE}
            if self._tuned and name == self.name:
                kept = {**kept, **{k: v for k, v in self._tuned.items() if k in kept}}
                # Another scheduler's number of requests is its own.
                kept.pop("nr_requests", None)
            now = settings(name) if name else kept
            found.update({f"/sys/class/block/{name}/queue/{key}": value
                          for key, value in kept.items() if now.get(key) != value})
        return found

    def _put_back(self) -> bool:
        """Puts queue settings back; whether there were any that could be."""
        done = False
        for path, value in self._differing().items():
            try:
                paths.write(path, value)
                done = True
            except OSError as e:
                process.say(f"{path}: cannot be put back to {value}: {e.strerror}")
        return done

    def keep(self) -> None:
        """Leaves the mode as it is; the journal still knows what was there (iommu set)."""
        if self._note:
            _save(self._note["previous"] or {**self._note, "chosen": True})
        self.close()

    def close(self) -> None:
        """Lets go of the drive."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def restore(self) -> None:
        """Puts back what was there before the first set(); harmless when nothing changed."""
        with process.Shield():
            try:
                self._tuned = {}
                if self._note:
                    if (paths.read(f"{group_of(self.pci)}/type", "") != self._note["type"]
                            or driver_of(self.pci) != self._note["driver"]):
                        self._wait_for_users()
                        self._keep_open = False
                        self._switch(self._note["type"])
                    else:
                        # Unbound and bound again, perhaps, without a switch between.
                        self._wait()
                        self._tune()
                    if self._note["previous"]:
                        _save(self._note["previous"])
                    else:
                        os.unlink(_journal(self.pci))
                    self._note = {}
            finally:
                self.close()

    def _wait_for_users(self) -> None:
        """Others may have taken the drive, or its neighbours, since: not under their feet."""
        deadline = time.monotonic() + _SETTLE
        while user := _user_of(self.pci, self.name if self._fd >= 0 else ""):
            if time.monotonic() > deadline:
                raise Problem(f"{self.dev}: its IOMMU mode cannot be put back: {user}; free it, "
                              f"and run fio-dmabuf iommu restore {self.dev}")
            time.sleep(0.1)


def restore(dev: str) -> str:
    """After a crash: puts back what the journal says of DEV (a device path or PCI address)."""
    for note in journals():
        note = {**(note["previous"] or note), "pid": note["pid"], "started": note["started"]}
        who = device.Identity(*note["identity"])
        try:
            named = device.pci_of(device.block_name(dev, "DEV"))
        except Misuse:
            named = ""
        if dev not in (note["device"], note["pci"], os.path.basename(note["device"])) \
                and named != note["pci"]:
            continue
        if alive(note):
            raise Misuse(f"iommu restore {dev}: process {note['pid']} is using it now; end that "
                         "first, it puts the mode back itself")
        user = _user_of(who.pci, "")
        if user and mode_of(who.pci) != _NAMES.get(note["type"], note["type"]):
            raise Misuse(f"iommu restore {dev}: in use: {user}; free it first")
        s = Switcher.__new__(Switcher)
        s.name, s.identity, s.pci = os.path.basename(note["device"]), who, who.pci
        s._keep_open, s._fd, s._note, s._tuned = False, -1, note, {}
        s.restore()
        return f"{s.dev}: {mode_of(s.pci)} again, driver {driver_of(s.pci)}"
    return f"{dev}: nothing to put back"
