# SPDX-License-Identifier: GPL-2.0-only
"""What the steps of kernel/build share."""

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import NoReturn

# The folder of kernel/build.
HERE = Path(__file__).resolve().parent.parent


def die(message: str) -> NoReturn:
    """Say what is wrong in one line and leave."""
    print(f"kernel/build: {message}", file=sys.stderr)
    sys.exit(1)


class Progress:
    """Steps, elapsed time and an estimate, on standard error."""

    def __init__(self) -> None:
        self.start = time.monotonic()
        self.last = 0.0
        self.live = sys.stderr.isatty()

    def elapsed(self) -> str:
        """Minutes and seconds since the start."""
        seconds = int(time.monotonic() - self.start)
        return f"{seconds // 60}:{seconds % 60:02d}"

    def step(self, text: str) -> None:
        """A new step begins."""
        end = "\033[K\n" if self.live else "\n"
        print(f"{chr(13) if self.live else ''}kernel: {text}, {self.elapsed()} elapsed", end=end,
              file=sys.stderr, flush=True)

    def tick(self, text: str) -> None:
        """Something within a step: redrawn in place on a terminal, now and then elsewhere."""
        now = time.monotonic()
        if now - self.last < (0.5 if self.live else 20):
            return
        self.last = now
        line = f"kernel: {text}, {self.elapsed()} elapsed"
        print(f"\r{line}\033[K" if self.live else line, end="" if self.live else "\n",
              file=sys.stderr, flush=True)


def cache_dir() -> Path:
    """Where sources and results are kept."""
    base = os.environ.get("FIO_DMABUF_CACHE")
    if not base:
        home = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
        base = os.path.join(home, "fio-dmabuf")
    return Path(os.path.abspath(base)) / "kernel"


def output_of(*command: str) -> str:
    """Standard output of a command, empty if it fails or is not there."""
    try:
        return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                              text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def run(command: list[str], what: str) -> None:
    """Run a command, all of its output on standard error."""
    status = subprocess.run(command, stdout=sys.stderr, check=False).returncode
    if status:
        die(f"{what}: exit status {status}")


def sync_file(new: Path, old: Path) -> None:
    """Make old what new is; leave an equal file, and so its date, alone."""
    if not new.exists():
        old.unlink(missing_ok=True)
    elif not old.exists() or new.read_bytes() != old.read_bytes():
        old.parent.mkdir(parents=True, exist_ok=True)
        old.unlink(missing_ok=True)  # it may be a link that another tree shares
        old.write_bytes(new.read_bytes())  # dated now, not as in the patch's tree
        old.chmod(new.stat().st_mode & 0o777)
