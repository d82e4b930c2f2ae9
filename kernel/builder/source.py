# SPDX-License-Identifier: GPL-2.0-only
"""Debian's Linux sources: where they come from, and the patches that go into them."""

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Iterable

from builder import archive
from builder.common import Progress, die, output_of, run, sync_file

# The releases that there is a series for, and the suites that have them where the configured ones
# do not. The first is what is built if nothing is said.
RELEASES: dict[str, tuple[str, ...]] = {"6.12": (), "7.3": ("experimental", "sid")}
# Not needed by an x86 build.
UNPACK_EXCLUDE = "arch/*/boot/dts"
# Needed by amdgpu alone, which only Debian's configuration has: a quarter of the unpacked size.
UNPACK_LATER = "drivers/gpu/drm/amd/include/asic_reg"


def package_of(release: str) -> str:
    """The Debian package with a release's source."""
    return f"linux-source-{release}"


def local_source(cache: Path, release: str, whole: bool = False) -> tuple[str, Path] | None:
    """The package's version, and its tarball or what is left of unpacking it, where it is here.

    With `whole`, only of having unpacked all of it.
    """
    package = package_of(release)
    installed = Path(f"/usr/src/{package}.tar.xz")
    if installed.exists():
        version = output_of("dpkg-query", "-W", "-f", "${Version}", package)
        if version:
            return version, installed
    kept = sorted((p for p in cache.glob("source-*/version")
                   if re.match(rf"{re.escape(release)}(?!\d)", p.read_text())
                   and (not whole or (p.parent / "whole").exists())),
                  key=lambda p: p.stat().st_mtime)
    if kept:
        return kept[-1].read_text().strip(), kept[-1]
    return None


def find_source(cache: Path, release: str, whole: bool, progress: Progress) -> tuple[str, Path]:
    """What local_source() says, or the package fetched into the cache."""
    local = local_source(cache, release, whole)
    if local:
        return local
    deb = fetch(cache, package_of(release), release, progress)
    version = output_of("dpkg-deb", "-f", str(deb), "Version")
    if not version:
        die(f"{deb}: not a Debian package: remove it and try again")
    return version, deb


def fetch(folder: Path, package: str, release: str, progress: Progress) -> Path:
    """One of a release's packages as a file in a folder, where it may be already."""
    debs = sorted(folder.glob(f"{package}_*.deb"))
    if not debs:
        progress.step(f"fetching Debian's {package}")
        known = output_of("apt-cache", "show", "--no-all-versions", package)
        try:
            if not known and RELEASES[release]:
                with archive.suites(folder, "deb", RELEASES[release]) as options:
                    archive.apt_get(folder, options, "download", package)
            else:
                archive.apt_get(folder, [], "download", package)
        except archive.Unavailable as err:
            die(f"{package}: {err}; run 'apt-get update' as root first: on Debian 12 the package "
                "is in the bookworm-security suite, or in sid; or put its tarball into /usr/src")
        debs = sorted(folder.glob(f"{package}_*.deb"))
        if not debs:
            die(f"apt-get download {package}: no package came")
    return debs[-1]


def unpack(version: str, origin: Path, release: str, tree: Path, whole: bool,
           progress: Progress) -> None:
    """Unpack the tarball (out of a .deb if need be) as tree/src, once; what only a `whole` one
    has, when that is wanted."""
    there = (tree / "version").exists()
    if there and (not whole or (tree / "whole").exists()):
        return
    package, src = package_of(release), tree / "src"
    progress.step(f"unpacking {'the rest of ' * there}{package} {version} (about half a minute)")
    if not there:
        shutil.rmtree(tree, ignore_errors=True)
        src.mkdir(parents=True)
    tarball = origin
    if origin.suffix == ".deb":
        run(["dpkg-deb", "-x", str(origin), str(tree / "deb-source")], f"dpkg-deb -x {origin}")
        tarball = tree / "deb-source" / "usr" / "src" / f"{package}.tar.xz"
    if there:
        which = [f"{package}/{UNPACK_LATER}"]
    else:
        left = [UNPACK_EXCLUDE] if whole else [UNPACK_EXCLUDE, UNPACK_LATER]
        which = [f"--exclude={package}/{name}" for name in left]
    run(["tar", "-xJf", str(tarball), "-C", str(src), "--strip-components=1", *which],
        f"tar -xJf {tarball}")
    shutil.rmtree(tree / "deb-source", ignore_errors=True)
    if whole:
        (tree / "whole").touch()
    (tree / "version").write_text(version + "\n")
    if origin.suffix == ".deb":
        origin.unlink()


def files_of(patches: Iterable[Path]) -> set[str]:
    """The files that patches change, make or remove."""
    names: set[str] = set()
    for patch in patches:
        for line in patch.read_text(encoding="utf-8", errors="surrogateescape").splitlines():
            match = re.match(r"(?:---|\+\+\+) [ab]/([^\t]+)|rename (?:from|to) (.+)", line)
            if match:
                names.add(match.group(1) or match.group(2))
    return names


def put_patches(tree: Path, patches: list[Path]) -> set[str]:
    """Make tree/src the pristine source plus the patches, touching only files that differ.

    tree/pristine keeps the first content of every file that a patch ever changed.
    Return: the files that the patches change.
    """
    src, pristine, listing = tree / "src", tree / "pristine", tree / "touched"
    wanted = files_of(patches)
    known = set(listing.read_text().split("\n")) - {""} if listing.exists() else set()
    for name in sorted(wanted - known):
        if (src / name).exists():
            (pristine / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(src / name, pristine / name)
    known |= wanted
    listing.write_text("".join(f"{name}\n" for name in sorted(known)))

    with tempfile.TemporaryDirectory(dir=tree, prefix="patching-") as name:
        work = Path(name)
        if pristine.exists():
            shutil.copytree(pristine, work, dirs_exist_ok=True)
        for patch in patches:
            done = subprocess.run(["patch", "-p1", "-s", "-f", "-F0", "-i", str(patch)], cwd=work,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                  errors="replace", check=False)
            if done.returncode:
                sys.stderr.write(done.stdout)
                die(f"{patch.name} does not apply to Linux "
                    f"{(tree / 'version').read_text().strip()}: see the lines above")
        for name in sorted(known):
            sync_file(work / name, src / name)
    return wanted
