# SPDX-License-Identifier: GPL-2.0-only
"""Where the parts of the suite lie."""

import os

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
ENGINE = os.path.join(TOP, "engine", "fio-dmabuf.so")
PROBE = os.path.join(TOP, "engine", "fio-dmabuf-probe")
RESULTS = os.path.join(TOP, "results")
VM = os.path.join(TOP, "kernel", "vm")


def read(path: str, default: str | None = None) -> str:
    """The file's text without the last newline; `default` (if given) when it cannot be read."""
    try:
        with open(path, encoding="utf-8", errors="replace") as f:
            return f.read().rstrip("\n")
    except OSError:
        if default is None:
            raise
        return default


def write(path: str, text: str) -> None:
    """Writes `text` in one write(2), as sysfs wants it."""
    fd = os.open(path, os.O_WRONLY)
    try:
        os.write(fd, text.encode())
    finally:
        os.close(fd)


def listdir(path: str) -> list[str]:
    """Sorted names in a folder; none if there is no such folder."""
    try:
        return sorted(os.listdir(path))
    except OSError:
        return []
