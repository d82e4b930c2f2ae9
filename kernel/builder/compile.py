# SPDX-License-Identifier: GPL-2.0-only
"""Configuring and compiling a kernel."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Iterable, TextIO

from builder.common import HERE, Progress, die, sync_file

# What kernel/modules makes.
MODULE = "dmabuf_test.ko"
# Files of a first build: an estimate, until there is a last build.
FIRST_BUILD_FILES = 1310


def asked_options(fragments: list[Path]) -> dict[str, str]:
    """What the fragments ask for: the option's name and its line in a .config."""
    asked: dict[str, str] = {}
    for fragment in fragments:
        for line in fragment.read_text().splitlines():
            match = re.match(r"(CONFIG_\w+)=|# (CONFIG_\w+) is not set$", line)
            if match:
                asked[match.group(1) or match.group(2)] = line
    return asked


def configure(src: Path, obj: Path, asked: dict[str, str], log: TextIO) -> list[str]:
    """tinyconfig and what is asked for make obj/.config. Return: what of it is not so there."""
    obj.mkdir(exist_ok=True)
    # The old one stays where nothing changes, so that make sees nothing new.
    with tempfile.TemporaryDirectory(dir=obj, prefix="config-") as name:
        config = Path(name) / "config"
        env = {**make_env(), "KCONFIG_CONFIG": str(config)}
        make(src, obj, ["tinyconfig"], log, env)
        with config.open("a", encoding="utf-8") as out:
            out.writelines(f"{line}\n" for line in asked.values())
        make(src, obj, ["olddefconfig"], log, env)
        have = set(config.read_text(encoding="utf-8").splitlines())
        names = {line.split("=")[0] for line in have}
        missed = [line.lstrip("# ") for option, line in asked.items()
                  if ((option in names) if line.startswith("#") else (line not in have))]
        sync_file(config, obj / ".config")
    return missed


def configure_exactly(src: Path, obj: Path, asked: dict[str, str], log: TextIO) -> None:
    """configure(), and every option asked for must be there."""
    for line in configure(src, obj, asked, log):
        die(f"{line}: asked for in kernel/config/, but the final configuration has it otherwise: "
            "a dependency is missing, or another option selects it")


def make_env() -> dict[str, str]:
    """An environment in which the result depends on the inputs only."""
    env = {k: v for k, v in os.environ.items()
           if k not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "CC", "CFLAGS",
                        "LDFLAGS", "CPPFLAGS", "ARCH", "CROSS_COMPILE", "KBUILD_OUTPUT", "KCFLAGS",
                        "V", "O")}
    env.update(KBUILD_BUILD_TIMESTAMP="Thu Jan  1 00:00:00 UTC 2026", KBUILD_BUILD_VERSION="1",
               KBUILD_BUILD_USER="fio-dmabuf", KBUILD_BUILD_HOST="fio-dmabuf", LC_ALL="C")
    return env


def make(src: Path, obj: Path, arguments: list[str], log: TextIO, env: dict[str, str]) -> None:
    """Run make quietly, its output in the log."""
    log.flush()
    status = subprocess.run(["make", "-C", str(src), f"O={obj}", *arguments], env=env, check=False,
                            stdin=subprocess.DEVNULL, stdout=log, stderr=log).returncode
    if status:
        die(f"make {arguments[0]} failed: see {log.name}")


def compile_kernel(src: Path, obj: Path, suffix: str, jobs: int, profiled: set[str], log: TextIO,
                   progress: Progress, targets: Iterable[str] = ("bzImage", "modules")
                   ) -> list[str]:
    """Compile; progress is told in files. Files of profiled count the lines that run, where the
    configuration has gcov. Return: the lines of warnings.
    """
    counter = obj / "files-compiled"
    expected = int(counter.read_text()) if counter.exists() else FIRST_BUILD_FILES
    most = "at most" if counter.exists() else "about"
    # Make's own variables, expanded for each object; what is not named is not profiled.
    objects = " ".join(sorted(re.sub(r"\.c$", ".o", name) for name in profiled))
    command = ["nice", "make", "-C", str(src), f"O={obj}", f"-j{jobs}", f"LOCALVERSION={suffix}",
               f"GCOV_PROFILE=$(if $(filter {objects},$(obj)/$(target-stem).o),y)",
               *targets]
    warnings: list[str] = []
    compiled = 0
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
                          stderr=subprocess.STDOUT, errors="replace", env=make_env()) as process:
        assert process.stdout is not None
        try:
            for line in process.stdout:
                log.write(line)
                if re.match(r"  (CC|AS|LD|AR) ", line):
                    compiled += line.startswith(("  CC ", "  AS "))
                    progress.tick(f"compiled {compiled} of {most} {max(expected, compiled)} files")
                elif re.search(r":\d+: warning: ", line):
                    warnings.append(line.rstrip())
        except BaseException:
            process.terminate()
            raise
    log.flush()
    if process.returncode:
        tail = Path(log.name).read_text(errors="replace").splitlines()
        errors = [line for line in tail if "error" in line.lower() or "***" in line][:10]
        print("\n".join(errors or tail[-10:]), file=sys.stderr)
        die(f"make {' '.join(targets)} failed: see {log.name}")
    if compiled > 0.8 * expected or not counter.exists():
        counter.write_text(f"{compiled}\n")
    return warnings


def sources_in(folder: Path) -> list[Path]:
    """A module's sources; not the one that a module which was compiled there leaves."""
    return [*folder.glob("Kbuild"), *sorted(path for path in folder.glob("*.[ch]")
                                            if not path.name.endswith(".mod.c"))]


def module_sources() -> list[Path]:
    """What kernel/modules is compiled from; nothing where there is none."""
    return sources_in(HERE / "modules")


def compile_module(src: Path, obj: Path, log: TextIO) -> Path | None:
    """Compile kernel/modules against the kernel just built. Return: the module."""
    if not module_sources():
        return None
    work = obj.with_name(f"{obj.name}-modules")
    work.mkdir(exist_ok=True)
    for path in (*module_sources(), *sources_in(work)):  # and remove what is no source any more
        sync_file(HERE / "modules" / path.name, work / path.name)
    make(src, obj, [f"M={work}", "KCFLAGS=-Werror", "modules"], log, make_env())
    return work / MODULE


def save_coverage(tree: Path, obj: Path, touched: set[str], folder: Path) -> None:
    """What it takes to read the guest's gcov data: the lines that the patches add, as a diff
    without context, and the compiler's notes.
    """
    folder.mkdir()
    with (folder / "series.diff").open("w", encoding="utf-8") as out:
        for name in sorted(touched):
            subprocess.run(["diff", "-N", "-U0", f"pristine/{name}", f"src/{name}"], cwd=tree,
                           stdout=out, check=False)
    for name in sorted(touched):
        notes = (obj / name).with_suffix(".gcno")
        if notes.exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(notes, (folder / name).with_suffix(".gcno"))


def check_warnings(warnings: list[str], touched: set[str], obj: Path) -> None:
    """A warning in a file that we patch fails the build, the next one too."""
    ours = []
    for line in warnings:
        name = re.sub(r"^(\.\./|\./|/.*?/src/)+", "", line.split(":")[0])
        if name in touched:
            ours.append(line)
            if name.endswith(".h"):
                (obj / ".config").touch()
            (obj / name).with_suffix(".o").unlink(missing_ok=True)
    if ours:
        print("\n".join(ours), file=sys.stderr)
        die("the patches bring compiler warnings: see the lines above")
