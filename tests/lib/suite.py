# SPDX-License-Identifier: GPL-2.0-only
"""Running ./fio-dmabuf in a test, on the host or in the guest, and looking at what it left."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from fio import TOP

sys.path.insert(0, str(TOP))
from sweep import schema

PCI = "0000:00:10.0"
DEV = "/dev/nvme0n1"
JOURNAL = Path(f"/run/fio-dmabuf/iommu-{PCI}.json")
GROUP = Path(f"/sys/bus/pci/devices/{PCI}/iommu_group")


def run(*args: str, status: int = 0) -> subprocess.CompletedProcess[str]:
    """Runs fio-dmabuf to its end and checks its exit status."""
    done = subprocess.run([TOP / "fio-dmabuf", *args], capture_output=True, text=True, check=False,
                          cwd=TOP, stdin=subprocess.DEVNULL)
    print(f"$ fio-dmabuf {' '.join(args)}\n{done.stderr}{done.stdout}", flush=True)
    assert done.returncode == status, f"status {done.returncode}, wanted {status}"
    assert "Traceback" not in done.stderr
    for option, folder in zip(args, args[1:]):
        if option in ("--out", "--resume") and not status:
            check_formats(Path(folder))
    return done


def check_formats(folder: Path) -> None:
    """What is in a run folder is as its schema says, and has nothing that the schema has not."""
    for name in ("env", "plan"):
        path = folder / f"{name}.json"
        if path.exists():
            doc, rule = json.loads(path.read_text()), schema.load(name)
            found = list(schema.faults(doc, rule))
            assert not found, (path, found)
            for inner, known in ((doc, rule), *((doc[k], v) for k, v in rule["properties"].items()
                                                if isinstance(doc.get(k), dict))):
                if "$ref" in known:
                    known = rule["$defs"][known["$ref"].removeprefix("#/$defs/")]
                new = inner.keys() - known["properties"].keys()
                assert not new or "additionalProperties" in known, (path, new)


def start(*args: str) -> "subprocess.Popen[str]":
    """Starts fio-dmabuf; its messages can be read from .stderr."""
    return subprocess.Popen([TOP / "fio-dmabuf", *args], stderr=subprocess.PIPE, text=True, cwd=TOP,
                            stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL,
                            start_new_session=True)


def table(path: Path) -> list[dict[str, str]]:
    """Rows of a CSV."""
    with path.open(newline="") as f:
        return list(csv.DictReader(f))


def state() -> dict[str, Any]:
    """All that a sweep may change on the guest, and what it must not leave behind."""
    driver = Path(f"/sys/bus/pci/devices/{PCI}/driver")
    fio = []
    for comm in Path("/proc").glob("[0-9]*/comm"):
        try:
            if comm.read_text().strip() == "fio":
                fio.append(comm.parent.name)
        except OSError:
            pass
    return {"type": (GROUP / "type").read_text().strip(),
            "driver": driver.resolve().name if driver.exists() else "",
            "drive": os.path.exists(DEV), "journal": JOURNAL.exists(), "fio": fio,
            "tracing": [p.name for p in Path("/sys/kernel/tracing/instances").iterdir()],
            "read_ahead": setting("read_ahead_kb")}


def setting(name: str) -> str:
    """A setting of the drive's queue; nothing while there is no drive."""
    try:
        return Path(f"/sys/block/nvme0n1/queue/{name}").read_text().strip()
    except OSError:
        return ""


def until(what: Any, seconds: float = 60) -> None:
    """Waits until what() is true."""
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


def end(child: "subprocess.Popen[str]", signum: int) -> str:
    """Sends a signal to fio-dmabuf alone and waits for its end; its messages."""
    child.send_signal(signum)
    text = child.communicate(timeout=120)[1]
    want = -signal.SIGKILL if signum == signal.SIGKILL else 128 + signum
    assert child.returncode == want, (child.returncode, want, text)
    assert "Traceback" not in text, text
    return text
