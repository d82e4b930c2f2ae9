# SPDX-License-Identifier: GPL-2.0-only
"""Debian's archive, also those of its suites that the machine is not configured for."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Iterable

# What every Debian signs its suites with, also those that the machine is not configured for.
KEYRINGS = ("/usr/share/keyrings/debian-archive-keyring.gpg",
            "/usr/share/keyrings/debian-archive-keyring.pgp")


class Unavailable(Exception):
    """What is wanted cannot be had here; says why."""


def apt_get(folder: Path, options: list[str], *command: str) -> None:
    """Run apt-get in a folder, its output on standard error."""
    if not shutil.which("apt-get"):
        raise Unavailable("there is no apt-get here")
    if os.geteuid() == 0:  # apt's own user may not be able to write here
        options = [*options, "-o", "APT::Sandbox::User=root"]
    if subprocess.run(["apt-get", "-q", *options, *command], cwd=folder, stdout=sys.stderr,
                      check=False).returncode:
        raise Unavailable(f"apt-get {' '.join(command)} failed")


@contextmanager
def suites(folder: Path, kind: str, names: Iterable[str]) -> Iterator[list[str]]:
    """The options with which apt-get knows these suites of the archive that the machine is
    configured for, and nothing else. Its lists are our own, in the folder and gone at the end, so
    that the system does not notice. The kind is deb or deb-src.
    """
    targets = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(REPO_URI)|$(ORIGIN)|$(LABEL)",
         "Created-By: Packages"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        check=False).stdout if shutil.which("apt-get") else ""
    archives = [line.split("|")[0] for line in targets.splitlines()
                if line.split("|")[1:] == ["Debian", "Debian"]]
    if not archives:
        raise Unavailable("no archive of Debian's is in apt's lists")
    keyring = next((f"[signed-by={k}] " for k in KEYRINGS if os.path.exists(k)), "")
    with tempfile.TemporaryDirectory(dir=folder, prefix="apt-") as name:
        work = Path(name)
        for sub in ("lists/partial", "cache/archives/partial"):
            (work / sub).mkdir(parents=True)
        (work / "sources.list").write_text(
            "".join(f"{kind} {keyring}{archives[0]} {suite} main\n" for suite in names))
        # A mirror may lag behind by weeks: what it has is signed all the same.
        options = ["-o", "Acquire::Check-Valid-Until=false", "-o",
                   f"Dir::Etc::SourceList={work}/sources.list", "-o",
                   "Dir::Etc::SourceParts=-", "-o", f"Dir::State::Lists={work}/lists", "-o",
                   f"Dir::Cache={work}/cache", "-o", "Acquire::Languages=none"]
        apt_get(folder, options, "update")
        yield options


def tarball(folder: Path, package: str, suite: str) -> Path:
    """The newest tarball of a package's own source in a folder, fetched where there is none."""
    def there(where: Path) -> list[Path]:
        return sorted(where.glob(f"{package}_*.orig.tar.*z"),
                      key=lambda path: [int(n) for n in re.findall(r"\d+", path.name)])

    if not there(folder):
        with suites(folder, "deb-src", [suite]) as options, \
                tempfile.TemporaryDirectory(dir=folder) as work:
            apt_get(Path(work), options, "source", "--download-only", "--tar-only", package)
            for path in there(Path(work)):
                path.rename(folder / path.name)
    found = there(folder)
    if not found:
        raise Unavailable(f"apt-get source {package}: no tarball came")
    return found[-1]
