# SPDX-License-Identifier: GPL-2.0-only
"""The command line: reads it, runs one command, turns what went wrong into an exit status."""

import argparse
import os
from typing import NoReturn

from sweep import paths, plan, process
from sweep.errors import Interrupted, Misuse, Problem

_EPILOG = "exit status: 0 done, 1 a run or a check failed, 2 wrong use, 77 not possible here"


class _Parser(argparse.ArgumentParser):
    """One line for a wrong command line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}; see {self.prog} --help\n")


def _where(p: argparse.ArgumentParser, destroys: str, several: bool = False) -> None:
    """--device, --vm or --hosts, and what goes with them; `several` drives, or hosts."""
    one = p.add_mutually_exclusive_group(required=True)
    if several:
        one.add_argument("--device", metavar="DEV[,DEV...]",
                         help="a whole, unused drive, or a list of them; see --drives")
    else:
        one.add_argument("--device", metavar="DEV", help="a whole, unused drive")
    one.add_argument("--vm", action="store_true",
                     help="boot the emulated machine and run there, on a scratch drive"
                          + (" (or on as many as --drives needs)" if several else ""))
    if several:
        one.add_argument("--hosts", metavar="FILE", help="run on several machines at once: a line "
                         "for each, ADDRESS[:PORT] DRIVE [COMMAND that runs another one there]")
    p.add_argument("--destroy-data", metavar="DEV[,DEV...]" if several else "DEV",
                   help=f"allow writing to DEV: {destroys}")
    p.add_argument("--kernel", metavar="FILE|RELEASE", help="with --vm: another kernel: a bzImage, "
                   "or a release of kernel/build's")
    _common(p)


def _common(p: argparse.ArgumentParser) -> None:
    p.add_argument("--fio", metavar="BIN", help="the fio to run (default: what ./configure found)")
    p.add_argument("--out", metavar="DIR", help="run folder (default: a new one in results/)")
    p.add_argument("--quiet", action="store_true", help="no table at the end")


def _parser() -> argparse.ArgumentParser:
    top = _Parser(prog="fio-dmabuf", epilog=_EPILOG, allow_abbrev=False,
                  description="What is pre-mapped DMA worth on this machine, and does the data "
                              "arrive?")
    subs = top.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, text: str) -> argparse.ArgumentParser:
        return subs.add_parser(name, help=text, description=text, epilog=_EPILOG,
                               allow_abbrev=False)

    p = command("probe", "what this machine can do, and why not; changes nothing")
    p.add_argument("--device", metavar="DEV", help="ask about this drive only, and register a "
                                                   "dma-buf with it; nothing is read or written")
    p.add_argument("--json", action="store_true", help="the report as JSON")

    p = command("sweep", "IOMMU mode x buffer kind x block size x depth, interleaved, proved")
    _where(p, "it is filled with random data first, and writing rw values become possible; of "
           "several all have to be named, with --hosts as a list of HOST:DEV", several=True)
    p.add_argument("--modes", help=f"list of {', '.join(plan.MODES)}, or current: leave it "
                                   "(default: all three)")
    p.add_argument("--arms", help=f"list of {', '.join(plan.ARMS)} (default: fixed,dmabuf)")
    p.add_argument("--exporter", help=f"list of {', '.join(plan.EXPORTERS)}: who makes the "
                   "dma-buf; as in dma_heap:HEAP, drm:NODE, drm:NODE:vram, cuda:GPU, hip:GPU or "
                   "fd:N where there are several (default: udmabuf)")
    p.add_argument("--rw", help=f"list of {', '.join(plan.RWS)}, and mixes with "
                   "their share of reads, as in randrw:70 (default: randread)")
    p.add_argument("--bs", help="list of block sizes (default: 4k)")
    p.add_argument("--iodepth", help="list of queue depths (default: 32)")
    p.add_argument("--numjobs", help="list of numbers of jobs (default: 1)")
    p.add_argument("--drives", metavar="N[,N...]", help="how many drives at the same time: the "
                   "first N of --device; each job takes them in turn (default: all)")
    p.add_argument("--repeat", help="repeats of each point (default: 6)")
    p.add_argument("--runtime", help="seconds of each timed run (default: 10; quick: 1)")
    p.add_argument("--precision", metavar="P", help="repeat on until each ratio's 95 %% interval is "
                   "within P of it, as in 2%% (default: --repeat is all)")
    p.add_argument("--most", metavar="N", help="with --precision: repeats of a point at most "
                                               "(default: 30)")
    p.add_argument("--steadystate", metavar="C,S", help="for writes: a timed run ends when fio's "
                   "criterion C has held for S seconds, as in iops:2%%,60; that is waited for "
                   "--runtime at most, and a repeat that did not reach it is marked")
    p.add_argument("--seed", help="of the order of the arms (default: drawn, kept in plan.json)")
    preset = p.add_mutually_exclusive_group()
    preset.add_argument("--quick", action="store_true", help="short runs: minutes")
    preset.add_argument("--published", action="store_true",
                        help="the published comparison, as closely as it is known")
    preset.add_argument("--full", action="store_true", help="every arm, 6 sizes, 4 depths, reads "
                                                            "and a mix: half a day")
    p.add_argument("--resume", metavar="DIR", help="go on with a run that was cut short")
    p.add_argument("--reboot-plan", action="store_true",
                   help="run nothing now: print the kernel command line of each mode, for a machine "
                        "that cannot switch it, and how to go on after each boot")
    p.add_argument("--tune", action="store_true",
                   help="for the run: governor performance, no boost, and for the drive's queue no "
                        "scheduler, no merging, completion on the submitting CPU; put back after")
    p.add_argument("--no-prefill", action="store_true", help="do not fill the drive first")
    p.add_argument("--no-proof", action="store_true", help="do not count IOMMU trace events")

    p = command("verify", "does the data arrive? both directions, each against an independent path")
    _where(p, "verify writes to the drive")
    p.add_argument("--modes", help="as in sweep (default: all three)")
    p.add_argument("--exporter", help="as in sweep, or all: every one that works here (default: "
                                      "udmabuf)")
    p.add_argument("--quick", action="store_true", help="fewer combinations")

    p = command("cost", "instructions per I/O, in the VM, repeatable to about 1 percent")
    p.add_argument("--modes", help="as in sweep (default: all three)")
    p.add_argument("--arms", help="as in sweep (default: fixed,dmabuf)")
    p.add_argument("--exporter", help=f"list of {', '.join(plan.EXPORTERS)} (default: udmabuf)")
    p.add_argument("--bs", default="4k", help="one block size (default: 4k)")
    p.add_argument("--repeat", default="3", help="repeats of each point (default: 3)")
    p.add_argument("--ios", default="40000", help="I/O that are counted (default: 40000)")
    p.add_argument("--kernel", metavar="FILE|RELEASE", action="append",
                   help="another kernel: a bzImage, or a release of kernel/build's; several are "
                        "shown side by side")
    p.add_argument("--append", metavar="STR", default="",
                   help="more for the guest kernel's command line, such as nvme.sgl_threshold=1")
    p.add_argument("--json", action="store_true", help="the table as JSON on standard output")
    p.add_argument("--guest", metavar="DEV", help=argparse.SUPPRESS)
    _common(p)

    p = command("bench", "this engine beside fio's own io_uring engine: instructions per I/O, in the "
                         "VM")
    p.add_argument("--repeat", default="3", help="repeats of each case (default: 3)")
    p.add_argument("--kernel", metavar="FILE|RELEASE",
                   help="another kernel: a bzImage, or a release of kernel/build's")
    p.add_argument("--guest", metavar="DEV", help=argparse.SUPPRESS)
    _common(p)

    p = command("iommu", "the IOMMU mode of a drive: show it, set it, put it back")
    p.add_argument("what", choices=("show", "set", "restore"))
    p.add_argument("dev", nargs="?", metavar="DEV",
                   help="a drive (restore: or its PCI address; show: all of them without one)")
    p.add_argument("mode", nargs="?", metavar="MODE", help=f"set: {', '.join(plan.MODES)}")

    p = command("compare", "two runs side by side, or one beside what was published: ratios with 95 % "
                           "intervals")
    p.add_argument("a", metavar="A", help="a run folder of sweep or cost: what B is compared with")
    p.add_argument("b", metavar="B", help="another, or published: the figures of results/published/")
    p.add_argument("--anyway", action="store_true",
                   help="compare what is unlike too, such as a VM's run with a machine's (ratios to "
                        "fixed only) or different loads; what is unlike is said")
    form = p.add_mutually_exclusive_group()
    form.add_argument("--markdown", action="store_true", help="as Markdown")
    form.add_argument("--json", action="store_true", help="as JSON")
    p.add_argument("--out", metavar="DIR", help="draw it as well, as DIR/figures/compare.svg, .png and "
                                                ".dat (default: no figure; no run folder is touched)")

    # What sweep --hosts starts on each.
    subs.add_parser("serve", allow_abbrev=False)

    p = command("report", "figures, report.md and report.html from run folders")
    p.add_argument("run", nargs="+", metavar="RUN", help="a run folder")
    return top


def _iommu_show(args: argparse.Namespace) -> int:
    from sweep import device, iommu, modes
    if args.mode:
        raise Misuse(f"iommu show: takes no mode ({args.mode})")
    if args.dev:
        iommu.refuse_lost(args.dev)
    names = [device.block_name(args.dev, "DEV")] if args.dev else modes.drives()
    print(modes.show(names))
    return 0


def _iommu(args: argparse.Namespace) -> int:
    from sweep import device, iommu, proof, tune
    if args.what == "show":
        return _iommu_show(args)
    if not args.dev:
        raise Misuse(f"iommu {args.what}: no drive; name one, as in /dev/nvme0n1")
    if args.what == "set":
        if not args.mode:
            raise Misuse(f"iommu set {args.dev}: no mode; choose from {', '.join(plan.MODES)}")
        [mode] = plan.choose(args.mode, "iommu set MODE", plan.MODES)
    elif args.mode:
        raise Misuse(f"iommu {args.what}: takes no mode ({args.mode})")
    if args.what == "restore":
        if os.geteuid():
            raise Misuse(f"iommu restore {args.dev}: no permission; run as root")
        print(iommu.restore(args.dev))
        print(tune.restore(), end="")
        proof.remove_stale()
        return 0
    iommu.refuse_lost(args.dev)
    switcher = iommu.Switcher(device.check(args.dev))
    try:
        switcher.set(mode)
        with process.Shield():
            switcher.keep()
    except BaseException:
        switcher.restore()
        raise
    print(f"{switcher.dev}: {switcher.mode()}; fio-dmabuf iommu restore {switcher.dev} puts back "
          "what was there")
    return 0


def _probe(args: argparse.Namespace) -> NoReturn:
    """Becomes the engine's probe."""
    argv = [paths.PROBE, *(["--device", args.device] if args.device is not None else []),
            *(["--json"] if args.json else [])]
    try:
        os.execv(paths.PROBE, argv)
    except OSError as e:
        raise Misuse(f"probe: {paths.PROBE}: {e.strerror}; run make") from None


def _run(args: argparse.Namespace) -> int:
    """Imports what the command needs, and no more."""
    if args.command == "probe":
        _probe(args)
    if args.command == "iommu":
        return _iommu(args)
    if args.command == "sweep":
        from sweep import sweep
        return sweep.main(args)
    if args.command == "verify":
        from sweep import verify
        return verify.main(args)
    if args.command == "cost":
        from sweep import cost
        return cost.main(args)
    if args.command == "bench":
        from sweep import bench
        return bench.main(args)
    if args.command == "compare":
        from sweep import compare
        return compare.main(args)
    if args.command == "serve":
        from sweep import serve
        return serve.main()
    from plot import report
    return report.main(args.run)


def _failed(e: Problem) -> int:
    """Says why; the exit status."""
    process.say(f"fio-dmabuf: {e}")
    return e.status


def _to_its_end(args: argparse.Namespace) -> int:
    """Runs one command; its exit status. Interrupted can come until it returns, and not later."""
    try:
        status = _run(args)
    except Problem as e:
        status = _failed(e)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        status = 1
    process.no_more_signals()
    return status


def main(argv: list[str]) -> int:
    """Runs one command; its exit status."""
    args = _parser().parse_args(argv)
    process.catch_signals()
    try:
        return _to_its_end(args)
    except Interrupted as interrupted:
        try:
            process.undo_all()
        except Problem as e:
            return _failed(e)
        process.say("fio-dmabuf: stopped by a signal; what was changed has been put back")
        return 128 + interrupted.signum
