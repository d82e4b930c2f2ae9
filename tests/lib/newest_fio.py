# SPDX-License-Identifier: GPL-2.0-only
"""The newest fio that Debian has, built from its source, beside the one that is installed."""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from fio import TOP, config, skip

sys.path.insert(0, str(TOP / "kernel"))
from builder import archive
from builder.common import cache_dir

SUITE = "sid"
# The structures that an engine sees do not depend on these.
CONFIGURE = ("--disable-native", "--disable-numa", "--disable-rdma", "--disable-http",
             "--disable-rados", "--disable-rbd", "--disable-gfapi", "--disable-libnfs",
             "--disable-pmem", "--disable-xnvme", "--disable-isal", "--disable-libblkio",
             "--disable-libzbc", "--disable-tcmalloc", "--disable-dfs", "--disable-lex")


def _source(folder: Path) -> Path:
    """The newest tarball in the folder, fetched where there is none, or the test's end."""
    try:
        return archive.tarball(folder, "fio", SUITE)
    except archive.Unavailable as err:
        skip(f"fio's source cannot be had from Debian's {SUITE}: {err}; fetch the tarball "
             f"fio_VERSION.orig.tar.gz into {folder}")


def newest_fio() -> Path:
    """A folder with its source, and its binary `fio`: kept in the cache, as kernels are."""
    folder = cache_dir().parent / "fio"
    folder.mkdir(parents=True, exist_ok=True)
    tarball, compiler = _source(folder), config()["CC"]
    said = subprocess.run([compiler, "--version"], text=True, capture_output=True, check=True)
    key = hashlib.sha256("\0".join((tarball.name, said.stdout, *CONFIGURE)).encode()).hexdigest()
    built = folder / f"{tarball.name.split('.orig')[0]}-{key[:16]}"
    if built.exists():
        return built
    with tempfile.TemporaryDirectory(dir=folder) as name:
        subprocess.run(["tar", "-xf", tarball, "-C", name], check=True)
        tree, = Path(name).iterdir()
        print(f"building {tree.name}", flush=True)
        for command in (["./configure", *CONFIGURE, f"--cc={compiler}"],
                        ["make", f"-j{os.cpu_count()}", "fio"]):
            # what a make around us has set is not for this one
            done = subprocess.run(command, cwd=tree, text=True, stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, check=False, stdin=subprocess.DEVNULL,
                                  env={k: v for k, v in os.environ.items() if "MAKE" not in k})
            assert done.returncode == 0, (command, done.stdout)
        for path in tree.rglob("*.o"):
            path.unlink()
        if not built.exists():
            shutil.move(tree, built)
    return built
