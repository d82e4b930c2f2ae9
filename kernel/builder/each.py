# SPDX-License-Identifier: GPL-2.0-only
"""kernel/build --each: a series holds patch by patch.

After each patch the kernel links, with the series' option on and off, and brings no compiler
warning; the patch passes checkpatch --strict; sparse says nothing about the files that it touches
that it did not say before the series. At the end the kernel links without each of the things that
the series connects.
"""

import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import TextIO

from builder.checker import find_sparse
from builder.common import Progress, die, run as run_command
from builder.compile import check_warnings, compile_kernel, configure, make_env
from builder.source import files_of, put_patches

OPTION = "CONFIG_DMABUF_IO"
# What can be switched off under the series, and what selects it.
WITHOUT = {
    "NVMe": ("CONFIG_BLK_DEV_NVME",),
    "dma-bufs": ("CONFIG_DMA_SHARED_BUFFER", "CONFIG_UDMABUF", "CONFIG_DMABUF_HEAPS",
                 "CONFIG_SYNC_FILE", "CONFIG_DRM"),
    "io_uring": ("CONFIG_IO_URING",),
}
# What kernel/vm's configuration does without, but the series touches.
WITH = {"CONFIG_BLK_DEV_INTEGRITY": "CONFIG_BLK_DEV_INTEGRITY=y"}
# New files are in folders that MAINTAINERS covers, by patterns that checkpatch does not look at.
IGNORE = "FILE_PATH_CHANGES"


class Series:
    """A source tree of its own, beside the one that kernels are built from, whose files it shares
    until they differ.
    """

    def __init__(self, tree: Path, patches: list[Path], asked: dict[str, str], jobs: int,
                 log: TextIO, progress: Progress) -> None:
        self.tree, self.patches, self.asked = tree, patches, {**asked, **WITH}
        self.jobs, self.log, self.progress = jobs, log, progress
        self.src, self.obj = tree / "src", tree / "obj"
        self.checker = find_sparse(self.src, progress)

    def sources(self, patches: list[Path]) -> list[str]:
        """The C files that patches touch and that are there now."""
        return sorted(n for n in files_of(patches) if n.endswith(".c") and (self.src / n).exists())

    def configure(self, what: str, off: tuple[str, ...] = ()) -> None:
        """A new step begins: configure without some options."""
        self.progress.step(what)
        asked = {k: v for k, v in self.asked.items() if k not in off}
        asked.update({k: f"# {k} is not set" for k in off})
        configure(self.src, self.obj, asked, self.log)
        config = (self.obj / ".config").read_text(encoding="utf-8").splitlines()
        for option in off:
            if f"{option}=y" in config:
                die(f"--each: {what}: {option} is on all the same")

    def link(self, what: str, off: tuple[str, ...] = ()) -> None:
        """Configure without some options, and compile all that this reaches."""
        self.configure(what, off)
        touched = files_of(self.patches)
        warnings = compile_kernel(self.src, self.obj, "", self.jobs, set(), self.log,
                                  self.progress, ("vmlinux",))
        check_warnings(warnings, touched, self.obj)

    def sparse(self, sources: list[str]) -> Counter[str]:
        """What sparse says about files, without the numbers of the lines."""
        if not sources:
            return Counter()
        done = subprocess.run(
            ["nice", "make", "-C", str(self.src), f"O={self.obj}", f"-j{self.jobs}", "C=2",
             f"CHECK={self.checker}", *(re.sub(r"\.c$", ".o", name) for name in sources)],
            env=make_env(), check=False, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, errors="replace")
        self.log.write(done.stdout)
        self.log.flush()
        if done.returncode:
            die(f"--each: sparse failed: see {self.log.name}")
        for name in sources:
            if not re.search(rf"^  CHECK   (.*/)?{re.escape(name)}$", done.stdout, re.MULTILINE):
                die(f"--each: sparse did not look at {name}: see {self.log.name}")
        said: Counter[str] = Counter()
        for line in done.stdout.splitlines():
            match = re.match(r"(\S+?):\d+:\d+: (.*(?:warning|error): .*)", line)
            if match:
                said[f"{Path(match.group(1)).name}: {match.group(2)}"] += 1
        return said

    def checkpatch(self, patch: Path) -> None:
        """The patch, by the kernel's own rules."""
        done = subprocess.run(
            ["perl", "scripts/checkpatch.pl", "--strict", "--terse", "--no-summary",
             f"--ignore={IGNORE}", str(patch)], cwd=self.src, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, text=True, check=False)
        if done.returncode or done.stdout.strip():
            die(f"--each: checkpatch: {patch.name}:\n{done.stdout.strip()}")


def run(origin: Path, patches: list[Path], asked: dict[str, str], jobs: int,
        progress: Progress) -> None:
    """Leave with an error where the series does not hold."""
    tree = origin / "each"
    shutil.rmtree(tree, ignore_errors=True)
    tree.mkdir()
    run_command(["cp", "-al", str(origin / "src"), str(tree / "src")], "cp")
    shutil.copy2(origin / "version", tree / "version")
    if (origin / "touched").exists():
        shutil.copy2(origin / "touched", tree / "touched")
        shutil.copytree(origin / "pristine", tree / "pristine", dirs_exist_ok=True)
    with (origin / "each.log").open("w", encoding="utf-8", errors="replace") as log:
        series = Series(tree, patches, asked, jobs, log, progress)
        put_patches(tree, patches)
        put_patches(tree, [])  # knows now what was there before all of them
        series.configure("before the series: sparse")
        before = series.sparse(series.sources(patches))
        for n, patch in enumerate(patches, 1):
            put_patches(tree, patches[:n])
            series.checkpatch(patch)
            series.link(f"[{n}/{len(patches)}] {patch.name}")
            new = series.sparse(series.sources([patch])) - before
            if new:
                sys.stderr.write("\n".join(new) + "\n")
                die(f"--each: sparse: {patch.name}: see the lines above")
            series.link(f"[{n}/{len(patches)}] the same without {OPTION}", (OPTION,))
        for what, options in WITHOUT.items():
            series.link(f"the series without {what}", options)
    progress.step(f"--each: {len(patches)} patches hold")
    shutil.rmtree(tree)
