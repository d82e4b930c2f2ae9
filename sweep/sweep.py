# SPDX-License-Identifier: GPL-2.0-only
"""`fio-dmabuf sweep`: from the command line to a finished run folder."""

import argparse
import os
import random
import sys
from typing import Any

from sweep import content, env, exporters, fio, iommu, modes, paths, plan, proof, stats, store, \
    table, tune, units
from sweep.errors import Misuse, Problem
from sweep.process import Shield
from sweep.runner import Runner
from sweep.session import VM_DEV, Session, in_vm

_JOB = "jobs/randread.fio"
_PREFILL = "jobs/prefill.fio"
_VM_DRIVE = "256M"
_DEFAULT = {"modes": ",".join(plan.MODES), "arms": "fixed,dmabuf", "exporter": "udmabuf",
            "rw": "randread", "bs": "4k", "iodepth": "32", "numjobs": "1", "repeat": "6",
            "runtime": "10", "precision": "0", "most": "30"}
_PRESETS = {
    "quick": {"runtime": "1"},
    # As far as it is known: results/published/ says what is not. Size, depth and jobs are the
    # defaults of t/io_uring, which was used.
    "published": {"bs": "4k", "iodepth": "128", "numjobs": "1"},
    "full": {"arms": ",".join(plan.ARMS), "bs": "512,4k,16k,64k,128k,1M",
             "iodepth": "1,8,32,128", "rw": "randread,randrw"},
}


def _axes(args: argparse.Namespace) -> dict[str, str]:
    """Every axis: as given, else the preset's, else the default."""
    chosen = next((values for name, values in _PRESETS.items() if getattr(args, name)), {})
    drawn = {"seed": str(random.SystemRandom().randrange(1 << 32))}
    return {k: getattr(args, k) or v for k, v in {**drawn, **_DEFAULT, **chosen}.items()}


def make_plan(axes: dict[str, str], mode_now: str, quick: bool) -> plan.Plan:
    """Checks the axes and lays out the steps. `mode_now` stands for `current`."""
    modes = [mode_now] if axes["modes"] == plan.CURRENT else \
        plan.choose(axes["modes"], "--modes", plan.MODES)
    arms = plan.arms_with_exporters(plan.choose(axes["arms"], "--arms", plan.ARMS),
                                    exporters.choose(axes["exporter"]))
    rws = plan.choose(axes["rw"], "--rw", plan.RWS)
    sizes = list(dict.fromkeys(units.size(b, "--bs") for b in axes["bs"].split(",")))
    for b in sizes:
        if b % 512:
            raise Misuse(f"--bs {b}: not a multiple of 512, which every drive needs")
    depths = plan.numbers(axes["iodepth"], "--iodepth", 4096)
    jobs = plan.numbers(axes["numjobs"], "--numjobs", 1024)
    repeats = plan.numbers(axes["repeat"], "--repeat", 1000)[0]
    precision = _precision(axes["precision"])
    most = plan.numbers(axes["most"], "--most", 1000)[0] if precision else repeats
    if most < repeats:
        raise Misuse(f"--most {most}: fewer than --repeat {repeats}")
    if not axes["seed"].isdigit():
        raise Misuse(f"--seed {axes['seed']}: not a whole number")
    seed = int(axes["seed"])
    try:
        runtime_ms = int(float(axes["runtime"]) * 1000)
    except ValueError:
        runtime_ms = 0
    if not 100 <= runtime_ms <= 86_400_000:
        raise Misuse(f"--runtime {axes['runtime']}: not a number of seconds from 0.1 to 86400")
    cells = [(rw, b, d, j) for rw in rws for b in sizes for d in depths for j in jobs]
    return plan.Plan(_JOB, runtime_ms, min(max(runtime_ms // 5, 300), 2000),
                     2048 if quick else 16384, 8192 if quick else 65536, repeats,
                     plan.order(modes, arms, cells, most, seed), seed, precision)


def _precision(text: str) -> float:
    """`2%` or `0.02`; 0 is none."""
    try:
        value = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        value = -1.0
    if not 0 <= value < 1:
        raise Misuse(f"--precision {text}: not a share of the ratio; as in 2%")
    return value


def _announcement(made: plan.Plan) -> str:
    """What is about to be run, and how long that takes."""
    more = f", more until ratios are known to {made.precision:.2g}" if made.precision else ""
    return (f"{len(made.points)} points, {made.repeats} repeats of each{more}: "
            f"{'at least ' if more else ''}about {units.human_time(made.seconds)}\n")


def headline(folder: store.Folder, rows: list[store.Row]) -> str:
    """The table, and what has to be known with it."""
    out = [table.summary(rows)]
    few = min((int(r["repeats"]) for r in rows if r["iops_lo"]), default=0)
    if few and stats.coverage(few) < 0.95:
        out.append(f"With {few} repeats no interval holds the true median with more than "
                   f"{100 * stats.coverage(few):.0f} % certainty.")
    facts = folder.env()
    if facts.get("emulated_drive"):
        out.append("Emulated drive: ratios and proofs stand, absolute IOPS say nothing of real "
                   "drives.")
    if facts.get("empty_share", 0) >= content.MANY_EMPTY:
        out.append(f"{100 * facts['empty_share']:.0f} % of the drive's blocks hold zeros, as those "
                   "that were never written do: reads of them measure little; see --destroy-data.")
    return "\n".join(out)


def _show(folder: store.Folder, rows: list[store.Row]) -> None:
    print(headline(folder, rows))
    print(f"run folder: {folder.path}")


def _flags(args: argparse.Namespace) -> list[str]:
    """What is no part of a plan, and has to be said each time that one is gone on with."""
    return [f"--{flag}" for flag in ("tune", "no-prefill", "no-proof")
            if getattr(args, flag.replace("-", "_"))]


def _in_vm(args: argparse.Namespace, axes: dict[str, str]) -> int:
    """The host's half of --vm."""
    folder = store.Folder(os.path.abspath(args.resume)) if args.resume else None
    made = folder.plan() if folder else make_plan(axes, plan.CURRENT, args.quick)
    exporters.refuse_vm([p.exporter for p in made.points])
    words = ["--device", VM_DEV, "--destroy-data", VM_DEV]
    if not folder:
        words += [w for key, value in axes.items() for w in (f"--{key}", value)]
    words += (["--quick"] if args.quick else []) + _flags(args)
    timeout = 300 + len(made.steps) * (60 + 3 * made.runtime_ms / 1000)
    status, folder = in_vm(args, "sweep", words, ["--drive", _VM_DRIVE], timeout, folder)
    rows = folder.rows("summary.csv")
    if rows and not args.quiet:
        _show(folder, rows)
    return status


def _prefill(fio_bin: str, folder: store.Folder, dev: str) -> None:
    """Random data on all of the drive: a drive that was never written to answers without work."""
    sys.stderr.write(f"filling {dev} with random data\n")
    text = fio.render(paths.read(os.path.join(paths.TOP, _PREFILL)), {}, _PREFILL)
    fio.run(fio_bin, folder.file("raw", "prefill"), text, dev, 86400.0)


def main(args: argparse.Namespace) -> int:
    """Runs or resumes a sweep."""
    if args.resume and args.out:
        raise Misuse(f"--out {args.out}: not with --resume, which goes on in its own folder")
    if args.reboot_plan and (args.resume or args.vm):
        raise Misuse(f"--reboot-plan: not with {'--vm' if args.vm else '--resume'}: it makes the "
                     "plan of a new run, for this machine")
    for key in (*_DEFAULT, "seed", *_PRESETS):
        if args.resume and getattr(args, key):
            value = getattr(args, key)
            raise Misuse(f"--{key}{'' if value is True else f' {value}'}: not with --resume, which "
                         "goes on with its own plan")
    axes = _axes(args)
    if args.vm:
        return _in_vm(args, axes)
    resumed = store.Folder(os.path.abspath(args.resume)) if args.resume else None
    # The command line first, whatever the drive is like.
    made = resumed.plan() if resumed else make_plan(axes, plan.CURRENT, args.quick)
    tracer = runner = None
    with Session(args, any(p.writes for p in made.points)) as session:
        if not resumed:
            made = make_plan(axes, session.switcher.mode(), args.quick)
        wanted = {p.mode for p in made.points}
        session.need_arms({p.arm for p in made.points})
        if args.reboot_plan:
            return _reboot_plan(args, made)
        if resumed and made.reboot:
            made = modes.of_this_boot(made, store.done(resumed.rows()), session.switcher.mode(),
                                      resumed.path)
        else:
            session.need_modes(list(wanted))
        try:
            # Without an IOMMU there is nothing to count. All that may fail comes before the folder.
            if not args.no_proof and wanted != {iommu.NONE}:
                tracer = proof.Tracer()
            folder = resumed or store.Folder(store.new_folder(args.out, os.uname().nodename))
            fill = bool(args.destroy_data) and not args.no_prefill
            boot = {"iommu_mode": session.switcher.mode(), "cmdline": paths.read("/proc/cmdline")}
            facts = env.collect(session.name, session.fio_version)
            if resumed:
                _same_machine(folder, facts)
                before = folder.env()
                facts["started"] = before.get("started", facts["started"])
                facts["prefilled"] = bool(before.get("prefilled")) and not args.no_prefill
                fill = fill and not facts["prefilled"]
                facts["boots"] = before.get("boots", [])
            else:
                folder.write_plan(made)
            facts["blurs"] = _state(args, session)
            if made.reboot:
                facts["boots"] = [*facts.get("boots", []), boot]
            folder.merge_env(facts)
            runner = Runner(made, folder, session.switcher, session.fio, tracer,
                            folder.env().get("engine", ""))
            if fill:
                _prefill(session.fio, folder, session.switcher.dev)
                folder.merge_env({"prefilled": True})
            folder.merge_env({"empty_share": content.empty_share(session.name)})
            sys.stderr.write(_announcement(made))
            void = runner.run()
            if runner.engine:
                folder.merge_env({"engine": runner.engine})
        finally:
            with Shield():
                if runner:
                    runner.close()
                if tracer:
                    tracer.close()
    rows = folder.summarise()
    if not args.quiet:
        _show(folder, rows)
    if void:
        raise Problem(f"{len(void)} of {len(made.steps)} repeats are void, the first: "
                      f"{void[0]['reason']}")
    return 0


def _state(args: argparse.Namespace, session: Session) -> list[str]:
    """The machine's state: tuned, or what of it blurs the figures."""
    if args.tune:
        session.tune()
    blurs = tune.blurs(session.name)
    for what in blurs:
        sys.stderr.write(f"this blurs the figures: {what}{'' if args.tune else '; see --tune'}\n")
    return blurs


def _reboot_plan(args: argparse.Namespace, made: plan.Plan) -> int:
    """A run folder with a plan that waits for boots, and how to go on with it."""
    folder = store.Folder(store.new_folder(args.out, os.uname().nodename))
    folder.write_plan(made._replace(reboot=True))
    words = ["--device", args.device]
    for option, value in (("--destroy-data", args.destroy_data), ("--fio", args.fio)):
        words += [option, value] if value else []
    words += _flags(args)
    print(modes.reboot_plan(made, " ".join(words), folder.path))
    return 0


def _same_machine(folder: store.Folder, facts: dict[str, Any]) -> None:
    """A run goes on only where it began."""
    before = folder.env()
    for what, old, new in (
            ("kernel", before.get("kernel", {}).get("release"), facts["kernel"]["release"]),
            ("drive", before.get("drive", {}).get("serial"), facts["drive"]["serial"]),
            ("fio", before.get("fio"), facts["fio"])):
        if old is not None and old != new:
            raise Misuse(f"--resume {folder.path}: was run with {what} {old}, this is {new}; "
                         "start a new run")
