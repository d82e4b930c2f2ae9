# SPDX-License-Identifier: GPL-2.0-only
"""The machine that the drives are in: what a repeat needs of it beside fio.

`Here` is this one, with fio as a child. sweep/fleet.py is several, with a station in each.
"""

import argparse
import os
from collections.abc import Callable
from contextlib import ExitStack
from types import TracebackType
from typing import Any, NamedTuple

from sweep import content, env, fio, kmsg, paths, plan, procstat, proof, tune
from sweep.errors import Misuse, Problem
from sweep.process import Shield
from sweep.session import Session, for_each

_QUIET_SECONDS = 0.25


class Task(NamedTuple):
    """What is to be looked at during a fio run."""

    kind: str
    # timed: CPU time, over so long
    ramp_s: float = 0.0
    runtime_s: float = 0.0
    # proof: map and unmap events, once the drives have moved so much
    skip_bytes: int = 0


class Part(NamedTuple):
    """What one machine's share of a fio run came to."""

    host: str
    # Of the two, one.
    run: fio.Run | None
    failed: fio.Failed | None
    # What the station found; see Station.end().
    found: dict[str, Any]

    @property
    def counters(self) -> dict[str, Any]:
        """The engine's."""
        return self.run.counters if self.run else self.failed.counters if self.failed else {}


class Station:
    """Drives that may be used, the kernel's messages and the kernel's counts."""

    def __init__(self, args: argparse.Namespace, writes: bool) -> None:
        # In the order in which they were named.
        self.sessions = [Session(one, writes) for one in for_each(args, writes)]
        for session in self.sessions:
            session.announce()
        self.fio, self.fio_version = self.sessions[0].fio, self.sessions[0].fio_version
        # Of the drives, those that the runs are on: all, or the first few.
        self.used = self.sessions
        self.log: kmsg.KernelLog | None = None
        self.tracer: proof.Tracer | None = None
        self._tuner: tune.Tuner | None = None
        self._cpu: procstat.CpuPerByte | None = None
        self._late: proof.LateStart | None = None

    def open(self, trace: bool) -> None:
        """What may fail, before anything is run."""
        self.log = kmsg.KernelLog()
        if trace:
            self.tracer = proof.Tracer()

    def close(self) -> None:
        """Leaves nothing of ours in the kernel, and the drives and the processors as they were."""
        with Shield(), ExitStack() as last_first:
            last_first.callback(self._put_back)
            for one in (self._tuner and self._tuner.restore, self.tracer and self.tracer.close,
                        self.log and self.log.close):
                if one:
                    last_first.callback(one)

    def _put_back(self) -> None:
        """Every drive, whatever becomes of the others."""
        failed: list[Problem] = []
        for session in reversed(self.sessions):
            try:
                session.switcher.restore()
            except (OSError, Problem) as e:
                failed.append(e if isinstance(e, Problem) else Problem(str(e)))
        if failed:
            raise failed[0] if len(failed) == 1 else Problem("; ".join(map(str, failed)))

    def need(self, modes: list[str], arms: set[str], trims: bool) -> None:
        """Refuses what a drive cannot have."""
        for session in self.sessions:
            session.need(modes, arms, trims)

    def set(self, mode: str, drives: int) -> None:
        """Switches all drives, and has the next runs be on so many of them."""
        for session in self.sessions:
            session.switcher.set(mode)
        self.used = self.sessions[:drives]

    def mode(self) -> str:
        """The mode of the drives in use; several words where they differ."""
        return "/".join(dict.fromkeys(s.switcher.mode() for s in self.used))

    def devices(self) -> list[str]:
        """Today's paths of the drives in use."""
        return [s.switcher.dev for s in self.used]

    def _names(self) -> list[str]:
        return [s.switcher.name for s in self.used]

    def listen(self) -> None:
        """heard() is of what the kernel says from here on."""
        assert self.log
        self.log.start()

    def heard(self) -> list[str]:
        assert self.log
        return self.log.new()

    def begin(self, task: Task) -> Callable[[int], float] | None:
        """To be called before a fio run; what it returns, by and by while that lasts."""
        self._cpu = self._late = None
        if task.kind == "timed":
            self._cpu = procstat.CpuPerByte(self._names(), task.ramp_s, task.runtime_s)
            return self._cpu
        if task.kind == "proof" and self.tracer:
            if task.skip_bytes:
                self._late = proof.LateStart(self.tracer, self._names(), task.skip_bytes)
                return self._late
            self.tracer.start()
        return None

    def end(self, task: Task) -> dict[str, Any]:
        """What was seen since begin(). Of a timed run `cpu_ns_per_byte`, `cpu_mhz`, `drive_celsius`
        and `flowing_s`, for how long I/O has been seen; of a proof run the events, and
        `bytes_before` they were counted."""
        if self._cpu:
            return {"cpu_ns_per_byte": self._cpu.result(), "flowing_s": self._cpu.age(),
                    "cpu_mhz": self._cpu.cpu_mhz, "drive_celsius": self._cpu.drive_celsius}
        if task.kind != "proof" or not self.tracer:
            return {}
        try:
            count = self.tracer.count()
            quiet = self.tracer.quiet(_QUIET_SECONDS)
        finally:
            self.tracer.stop()
        return {"maps": count.maps, "unmaps": count.unmaps,
                "bytes_before": self._late.bytes if self._late else 0,
                "quiet_seconds": _QUIET_SECONDS, "quiet_maps": quiet.maps,
                "quiet_unmaps": quiet.unmaps}

    def facts(self) -> dict[str, Any]:
        """For env.json."""
        return env.collect(self._names(), self.fio_version)

    def blurs(self, tuned: bool) -> list[str]:
        """Tunes the machine, if wanted; what still blurs the figures."""
        if tuned:
            self._tuner = tune.Tuner()
            self._tuner.set()
            for session in self.sessions:
                session.switcher.tune(tune.QUEUE)
        return tune.blurs(*self._names())

    def empty_share(self) -> float:
        """The worst drive's."""
        return max(content.empty_share(name) for name in self._names())


class Here:
    """The sweep's only machine is this one."""

    def __init__(self, args: argparse.Namespace, writes: bool) -> None:
        self.station = Station(args, writes)

    def __enter__(self) -> "Here":
        return self

    def __exit__(self, _kind: type[BaseException] | None, _value: BaseException | None,
                 _tb: TracebackType | None) -> None:
        self.station.close()

    @property
    def lost(self) -> str:
        """Machines that are gone, in words."""
        return ""

    def need(self, modes: list[str], arms: set[str], trims: bool) -> None:
        """Refuses what a drive cannot have."""
        self.station.need(modes, arms, trims)

    def open(self, trace: bool) -> None:
        self.station.open(trace)

    def set(self, mode: str, drives: int) -> None:
        self.station.set(mode, drives)

    def mode(self) -> str:
        """The mode that all drives have."""
        found = self.station.mode()
        if "/" in found:
            raise Misuse(f"--modes {plan.CURRENT}: those of {','.join(self.station.devices())} "
                         f"differ ({found}); name modes, or set them alike")
        return found

    def modes(self) -> dict[str, str]:
        """The mode of each machine's drives."""
        return {"": self.station.mode()}

    def device_of(self, _host: str) -> str:
        return ",".join(self.station.devices())

    def bytes(self) -> int:
        """Size of the smallest drive."""
        return 512 * min(int(paths.read(f"/sys/class/block/{os.path.basename(dev)}/size"))
                         for dev in self.station.devices())

    def facts(self) -> dict[str, Any]:
        return self.station.facts()

    def blurs(self, tuned: bool) -> list[str]:
        return self.station.blurs(tuned)

    def empty_share(self) -> float:
        return self.station.empty_share()

    def listen(self) -> None:
        self.station.listen()

    def heard(self) -> dict[str, list[str]]:
        """What each machine's kernel said since listen()."""
        return {"": self.station.heard()}

    def run(self, stem: str, text: str, task: Task, timeout: float) -> list[Part]:
        """A fio run of a rendered job, whose files are STEM.*."""
        run = failed = None
        found: dict[str, Any] = {}
        watch = self.station.begin(task)
        try:
            run = fio.run(self.station.fio, stem, text, ":".join(self.station.devices()), timeout,
                          watch)
        except fio.Failed as e:
            failed = e
        finally:
            found = self.station.end(task)
        return [Part("", run, failed, found)]
