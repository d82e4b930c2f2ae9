# SPDX-License-Identifier: GPL-2.0-only
"""The sparse that a kernel accepts: the installed one, else the newest that Debian has."""

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from builder import archive
from builder.common import Progress, cache_dir, die, output_of, run

SUITE = "sid"
# Kernels that have this ask their checker whether it understands what they are written in.
ASKS = "scripts/checker-valid.sh"


def accepts(src: Path, sparse: str) -> bool:
    """Would this kernel's build use this sparse?"""
    script = src / ASKS
    return not script.exists() or output_of("sh", str(script), sparse, "--arch=x86", "-m64") == "1"


def _build(tarball: Path, built: Path) -> None:
    """Compile a sparse, in seconds."""
    with tempfile.TemporaryDirectory(dir=built.parent) as name:
        run(["tar", "-xf", str(tarball), "-C", name], f"tar -xf {tarball}")
        tree, = Path(name).iterdir()
        done = subprocess.run(["make", f"-j{os.cpu_count()}", "sparse"], cwd=tree, check=False,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, errors="replace",
                              env={k: v for k, v in os.environ.items() if "MAKE" not in k})
        if done.returncode:
            die(f"sparse from {tarball}: make failed:\n{done.stdout}")
        (tree / "sparse").rename(built)


def find_sparse(src: Path, progress: Progress) -> str:
    """A sparse that accepts() says yes to, kept in the cache if it is not an installed one."""
    installed = shutil.which("sparse")
    if installed and accepts(src, installed):
        return installed
    folder = cache_dir().parent / "sparse"
    folder.mkdir(parents=True, exist_ok=True)
    try:
        tarball = archive.tarball(folder, "sparse", SUITE)
    except archive.Unavailable as err:
        die(f"--each: {output_of('sparse', '--version') or 'no sparse'}: this kernel needs a newer "
            f"one, which cannot be had from Debian's {SUITE}: {err}; fetch the tarball "
            f"sparse_VERSION.orig.tar.gz into {folder}")
    built = folder / re.sub(r"\.orig\.tar\..*", "", tarball.name)
    if not built.exists():
        progress.step(f"compiling {built.name}, which this kernel needs")
        _build(tarball, built)
    if not accepts(src, str(built)):
        die(f"--each: {built} is too old for this kernel as well: remove {tarball}")
    return str(built)
