# SPDX-License-Identifier: GPL-2.0-only
"""kernel/build --deb: packages to install on a real machine."""

import lzma
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TextIO

from builder.common import HERE, Progress, die, run as run_command
from builder.compile import asked_options, configure_exactly, make, make_env
from builder.source import fetch, put_patches

# What the user is to be able to try, whatever Debian has.
WANTED = ("dmabuf.config", "patched/dmabuf-io.config")
# Debian's keys are not ours, and debug information makes the packages ten times as large.
UNLIKE_DEBIAN = {
    "CONFIG_SYSTEM_TRUSTED_KEYS": 'CONFIG_SYSTEM_TRUSTED_KEYS=""',
    "CONFIG_MODULE_SIG_KEY": 'CONFIG_MODULE_SIG_KEY="certs/signing_key.pem"',
    "CONFIG_DEBUG_INFO_NONE": "CONFIG_DEBUG_INFO_NONE=y",
}


def debian_config(cache: Path, release: str, progress: Progress) -> str:
    """Debian's own configuration for this release, from its package of configurations."""
    name = f"linux-config-{release}"
    within = Path("usr/src") / name / "config.amd64_none_amd64.xz"
    installed = Path("/") / within
    if installed.exists():
        return lzma.open(installed, "rt", encoding="utf-8").read()
    with tempfile.TemporaryDirectory(dir=cache, prefix="config-") as work:
        deb = fetch(Path(work), name, release, progress)
        run_command(["dpkg-deb", "-x", str(deb), work], f"dpkg-deb -x {deb}")
        try:
            return lzma.open(Path(work) / within, "rt", encoding="utf-8").read()
        except OSError as err:
            die(f"{name}: {within}: {err.strerror}")


def configure_like_debian(src: Path, obj: Path, text: str, asked: dict[str, str],
                          log: TextIO) -> None:
    """Debian's configuration, with what is asked for in place of what it has."""
    obj.mkdir(exist_ok=True)
    lines = [line for line in text.splitlines()
             if not (m := re.match(r"(?:# )?(CONFIG_\w+)[= ]", line)) or m.group(1) not in asked]
    (obj / ".config").write_text("\n".join([*lines, *asked.values(), ""]), encoding="utf-8")
    make(src, obj, ["olddefconfig"], log, make_env())
    have = set((obj / ".config").read_text(encoding="utf-8").splitlines())
    for line in asked.values():
        if line not in have:
            die(f"{line}: cannot be had with Debian's configuration")


def run(cache: Path, tree: Path, release: str, patches: list[Path], fragments: list[Path] | None,
        target: Path, jobs: int, progress: Progress) -> list[Path]:
    """Build packages into a folder: of Debian's configuration, or of fragments if there are any."""
    if not shutil.which("dh_builddeb") or not shutil.which("dpkg-buildpackage"):
        die("--deb: debhelper and dpkg-dev are not installed: run 'apt-get install debhelper "
            "dpkg-dev cpio kmod rsync' as root")
    work = tree / ("deb-minimal" if fragments else "deb")
    work.mkdir(exist_ok=True)
    obj, log_path = work / "obj", work / "deb.log"
    put_patches(tree, patches)
    with log_path.open("w", encoding="utf-8", errors="replace") as log:
        progress.step("configuring")
        if fragments:
            configure_exactly(tree / "src", obj, asked_options(fragments), log)
        else:
            own = [HERE / "config" / name for name in WANTED]
            own += sorted((HERE / "config" / release).glob("dmabuf*.config"))
            configure_like_debian(tree / "src", obj, debian_config(cache, release, progress),
                                  {**asked_options(own), **UNLIKE_DEBIAN}, log)
        for old in work.glob("*.deb"):
            old.unlink()
        progress.step("compiling packages" if fragments else
                      "compiling packages of Debian's configuration (hours on few cores)")
        status = subprocess.run(
            ["nice", "make", "-C", str(tree / "src"), f"O={obj}", f"-j{jobs}",
             "LOCALVERSION=-fio-dmabuf", "KDEB_COMPRESS=xz", "bindeb-pkg"], check=False,
            env={**make_env(), "KDEB_CHANGELOG_DIST": "local", "DEBFULLNAME": "fio-dmabuf",
                 "DEBEMAIL": "fio-dmabuf@localhost"},
            stdin=subprocess.DEVNULL, stdout=log, stderr=log).returncode
    if status:
        said = [line for line in log_path.read_text(errors="replace").splitlines()
                if " error: " in line or " Error " in line]
        die("\n".join([*said[:3], f"make bindeb-pkg failed: see {log_path}"]))
    target.mkdir(parents=True, exist_ok=True)
    made = []
    for deb in sorted(work.glob("linux-[ih]*.deb")):  # not linux-libc-dev, which is the system's
        made.append(target / deb.name)
        shutil.copy2(deb, made[-1])
    if not made:
        die(f"make bindeb-pkg made no packages: see {log_path}")
    return made
