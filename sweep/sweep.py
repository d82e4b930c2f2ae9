# SPDX-License-Identifier: GPL-2.0-only
"""`fio-dmabuf sweep`: from the command line to a finished run folder."""

import argparse
import os
import random
import sys
from typing import Any

from sweep import (content, device, exporters, fio, iommu, modes, paths, plan, stats, store, table,
                   units)
from sweep.errors import Misuse, Problem
from sweep.fleet import Fleet
from sweep.runner import UNSTEADY, Runner
from sweep.session import in_vm
from sweep.station import Here, Task

_JOB = "jobs/randread.fio"
_PREFILL = "jobs/prefill.fio"
_VM_DRIVE = "256M"
# What kernel/vm can give.
_VM_DRIVES = 15
# Hosts begin when their server has read the job: some sooner than others.
_HOSTS_RAMP_MS = 2000
_DEFAULT = {"modes": ",".join(plan.MODES), "arms": "fixed,dmabuf", "exporter": "udmabuf",
            "rw": "randread", "bs": "4k", "iodepth": "32", "numjobs": "1", "drives": "",
            "repeat": "6", "runtime": "10", "precision": "0", "most": "30", "steadystate": ""}
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
    axes = {k: getattr(args, k) or v for k, v in {**drawn, **_DEFAULT, **chosen}.items()}
    return {**axes, "drives": axes["drives"] or str(_named(args))}


def _named(args: argparse.Namespace) -> int:
    """How many drives there are to choose from."""
    if args.vm:
        return max(plan.numbers(args.drives or "1", "--drives", _VM_DRIVES))
    return len(args.device.split(",")) if args.device else 1


def make_plan(axes: dict[str, str], mode_now: str, quick: bool, named: int = 1) -> plan.Plan:
    """Checks the axes and lays out the steps. `mode_now` stands for `current`; so many drives are
    `named`."""
    modes = [mode_now] if axes["modes"] == plan.CURRENT else \
        plan.choose(axes["modes"], "--modes", plan.MODES)
    arms = plan.arms_with_exporters(plan.choose(axes["arms"], "--arms", plan.ARMS),
                                    exporters.choose(axes["exporter"]))
    rws = plan.loads(axes["rw"])
    trims = [rw for rw in rws if "trim" in rw]
    if trims and arms != [(plan.CONTROL, plan.NO_EXPORTER)]:
        raise Misuse(f"--rw {','.join(trims)}: carries no data, so that arms are alike in it and "
                     f"dmabuf is none; its modes can be compared: use --arms {plan.CONTROL}")
    sizes = list(dict.fromkeys(units.size(b, "--bs") for b in axes["bs"].split(",")))
    for b in sizes:
        if b % 512:
            raise Misuse(f"--bs {b}: not a multiple of 512, which every drive needs")
    depths = plan.numbers(axes["iodepth"], "--iodepth", 4096)
    jobs = plan.numbers(axes["numjobs"], "--numjobs", 1024)
    drives = plan.numbers(axes.get("drives", "1"), "--drives", 1024)
    if max(drives) > named:
        raise Misuse(f"--drives {max(drives)}: --device names {named}; name more there, or use "
                     "fewer")
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
    judged = axes.get("steadystate", "")
    if judged and plan.steady(judged)[1] * 1000 > runtime_ms:
        raise Misuse(f"--steadystate {judged}: its window is longer than --runtime "
                     f"{axes['runtime']}, which is how long it is waited for")
    cells = [(rw, b, d, j, n) for rw in rws for b in sizes for d in depths for j in jobs
             for n in drives]
    return plan.Plan(_JOB, runtime_ms, min(max(runtime_ms // 5, 300), 2000),
                     2048 if quick else 16384, 8192 if quick else 65536, repeats,
                     plan.order(modes, arms, cells, most, seed), seed, precision,
                     steadystate=judged)


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
    writes = "" if made.steadystate or not any(p.writes for p in made.points) else \
        "writes are not judged for a steady state; see --steadystate\n"
    return (f"{writes}{len(made.points)} points, {made.repeats} repeats of each{more}: "
            f"{'at least ' if more else ''}about {units.human_time(made.seconds)}\n")


def headline(folder: store.Folder, rows: list[store.Row]) -> str:
    """The table, and what has to be known with it."""
    out = [table.summary(rows)]
    few = min((int(r["repeats"]) for r in rows if r["iops_lo"]), default=0)
    if few and stats.coverage(few) < 0.95:
        out.append(f"With {few} repeats no interval holds the true median with more than "
                   f"{100 * stats.coverage(few):.0f} % certainty.")
    out += _unsteady(folder.rows()) + [x for x in [table.outliers(folder.rows())] if x]
    facts = folder.env()
    if facts.get("emulated_drive"):
        out.append("Emulated drive: ratios and proofs stand, absolute IOPS say nothing of real "
                   "drives.")
    if facts.get("empty_share", 0) >= content.MANY_EMPTY:
        out.append(f"{100 * facts['empty_share']:.0f} % of the drive's blocks hold zeros, as those "
                   "that were never written do: reads of them measure little; see --destroy-data.")
    return "\n".join(out)


def _unsteady(rows: list[store.Row]) -> list[str]:
    """Points with repeats that fio found no steady state in, a line for each."""
    found: dict[plan.Point, int] = {}
    for r in rows:
        if r["status"] == "ok" and r["reason"].startswith(UNSTEADY):
            found[store.point_of(r)] = found.get(store.point_of(r), 0) + 1
    return [f"{p.name}: {UNSTEADY} in {n} repeat{'s' if n > 1 else ''}: its figures depend on what "
            "went before" for p, n in found.items()]


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
    made = folder.plan() if folder else make_plan(axes, plan.CURRENT, args.quick, _named(args))
    exporters.refuse_fd([p.exporter for p in made.points], "--vm")
    drives = max(p.drives for p in made.points)
    devs = ",".join(f"/dev/nvme{n}n1" for n in range(drives))
    words = ["--device", devs, "--destroy-data", devs]
    if not folder:
        words += [w for key, value in axes.items() for w in (f"--{key}", value)]
    words += (["--quick"] if args.quick else []) + _flags(args)
    timeout = 300 * drives + len(made.steps) * (60 + 3 * made.runtime_ms / 1000)
    status, folder = in_vm(args, "sweep", words, ["--drive", _VM_DRIVE] * drives, timeout, folder)
    rows = folder.rows("summary.csv")
    if rows and not args.quiet:
        _show(folder, rows)
    return status


def _prefill(machines: Here | Fleet, folder: store.Folder) -> None:
    """Random data on all of the drive: a drive that was never written to answers without work."""
    for host in machines.modes():
        name = f"{host}:" if host else ""
        sys.stderr.write(f"filling {name}{machines.device_of(host)} with random data\n")
    text = fio.render(paths.read(os.path.join(paths.TOP, _PREFILL)), {}, _PREFILL)
    for part in machines.run(folder.file("raw", "prefill"), text, Task("prefill"), 86400.0):
        if part.failed:
            raise Problem(f"{part.host}: {part.failed}" if part.host else str(part.failed))


def _refuse(args: argparse.Namespace) -> None:
    """Options that say different things."""
    if args.resume and args.out:
        raise Misuse(f"--out {args.out}: not with --resume, which goes on in its own folder")
    if args.reboot_plan and (args.resume or args.vm or args.hosts):
        other = "vm" if args.vm else "hosts" if args.hosts else "resume"
        raise Misuse(f"--reboot-plan: not with --{other}: it makes the plan of a new run, for this "
                     "machine")
    for key in (*_DEFAULT, "seed", *_PRESETS):
        if args.resume and getattr(args, key):
            value = getattr(args, key)
            raise Misuse(f"--{key}{'' if value is True else f' {value}'}: not with --resume, which "
                         "goes on with its own plan")
    if args.hosts and args.drives:
        raise Misuse(f"--drives {args.drives}: not with --hosts, each of which has one drive")
    if args.hosts and args.kernel:
        raise Misuse(f"--kernel {args.kernel}: not with --hosts; those run their own")


def _facts(machines: Here | Fleet, args: argparse.Namespace,
           resumed: store.Folder | None) -> dict[str, Any]:
    """What env.json is to say; a resumed run's goes on."""
    facts = machines.facts()
    if resumed:
        _same_machine(resumed, facts)
        before = resumed.env()
        facts["started"] = before.get("started", facts["started"])
        facts["prefilled"] = bool(before.get("prefilled")) and not args.no_prefill
        facts["boots"] = before.get("boots", [])
    return facts


def _sweep(machines: Here | Fleet, args: argparse.Namespace, made: plan.Plan,
           resumed: store.Folder | None) -> tuple[store.Folder, list[dict[str, Any]]]:
    """The run on machines that are ready for it; its folder, and the repeats that are void."""
    wanted = {p.mode for p in made.points}
    # Without an IOMMU there is nothing to count. All that may fail comes before the folder.
    machines.open(not args.no_proof and wanted != {iommu.NONE})
    facts = _facts(machines, args, resumed)
    folder = resumed or store.Folder(store.new_folder(args.out, os.uname().nodename))
    fill = bool(args.destroy_data) and not args.no_prefill and not facts["prefilled"]
    if not resumed:
        folder.write_plan(made)
    if made.reboot:
        boot = {"iommu_mode": machines.mode(), "cmdline": paths.read("/proc/cmdline")}
        facts["boots"] = [*facts.get("boots", []), boot]
    facts["blurs"] = machines.blurs(args.tune)
    for what in facts["blurs"]:
        sys.stderr.write(f"this blurs the figures: {what}{'' if args.tune else '; see --tune'}\n")
    folder.merge_env(facts)
    runner = Runner(made, folder, machines, folder.env().get("engine", ""))
    if fill:
        _prefill(machines, folder)
        folder.merge_env({"prefilled": True})
    folder.merge_env({"empty_share": machines.empty_share()})
    sys.stderr.write(_announcement(made))
    void = runner.run()
    if runner.engine:
        folder.merge_env({"engine": runner.engine})
    return folder, void


def main(args: argparse.Namespace) -> int:
    """Runs or resumes a sweep."""
    _refuse(args)
    axes = _axes(args)
    if args.vm:
        return _in_vm(args, axes)
    resumed = store.Folder(os.path.abspath(args.resume)) if args.resume else None
    # The command line first, whatever the drive is like.
    made = resumed.plan() if resumed else make_plan(axes, plan.CURRENT, args.quick, _named(args))
    most = max(p.drives for p in made.points)
    if most > _named(args):
        raise Misuse(f"--resume {args.resume}: its plan has points of {most} drives; name all that "
                     "it began with in --device")
    writes = any(p.writes for p in made.points)
    if args.hosts:
        exporters.refuse_fd([p.exporter for p in made.points], "--hosts")
    with Fleet(args.hosts, args.destroy_data, args.fio, writes) if args.hosts \
            else Here(args, writes) as machines:
        if not resumed:
            now = machines.mode() if axes["modes"] == plan.CURRENT else plan.CURRENT
            made = make_plan(axes, now, args.quick, _named(args))
            if args.hosts:
                made = made._replace(ramp_ms=_HOSTS_RAMP_MS)
        arms = {p.arm for p in made.points}
        trims = any(p.trims for p in made.points)
        if args.reboot_plan:
            machines.need([machines.mode()], arms, trims)
            return _reboot_plan(args, made)
        if resumed and made.reboot:
            made = modes.of_this_boot(made, store.done(resumed.rows()), machines.mode(),
                                      resumed.path)
            machines.need([machines.mode()], arms, trims)
        else:
            machines.need(sorted({p.mode for p in made.points}), arms, trims)
        folder, void = _sweep(machines, args, made, resumed)
    rows = folder.summarise()
    if not args.quiet:
        _show(folder, rows)
    if void:
        raise Problem(f"{len(void)} of {len(made.steps)} repeats are void, the first: "
                      f"{void[0]['reason']}")
    return 0


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
    was, now = ({"": e, **e.get("hosts", {})} for e in (before, facts))
    if before and was.keys() != now.keys():
        names = [", ".join(filter(None, e)) or "one machine" for e in (was, now)]
        raise Misuse(f"--resume {folder.path}: was run on {names[0]}, this is {names[1]}; start a "
                     "new run")
    for host, old in was.items():
        new = now[host]
        for what, a, b in (
                ("kernel", old.get("kernel", {}).get("release"), new["kernel"]["release"]),
                ("drive", _serials(old), _serials(new)),
                ("fio", old.get("fio"), new["fio"])):
            if a is not None and a != b:
                where = f" on {host}" if host else ""
                raise Misuse(f"--resume {folder.path}: was run with {what} {a}{where}, this is "
                             f"{b}; start a new run")


def _serials(facts: dict[str, Any]) -> str | None:
    """What the drives are told by; None where nothing is known of them."""
    found = [d.get("serial") for d in device.of_env(facts)]
    return None if None in found else ", ".join(map(str, found))
