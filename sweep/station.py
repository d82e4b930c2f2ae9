# SPDX-License-Identifier: GPL-2.0-only
"""The machine that a drive is in: what a repeat needs of it beside fio.

`Here` is this one, with fio as a child. sweep/fleet.py is several, with a station in each.
"""

import argparse
from collections.abc import Callable
from types import TracebackType
from typing import Any, NamedTuple

from sweep import content, env, fio, kmsg, paths, procstat, proof, tune
from sweep.process import Shield
from sweep.session import Session

_QUIET_SECONDS = 0.25


class Task(NamedTuple):
    """What is to be looked at during a fio run."""

    kind: str
    # timed: CPU time, over so long
    ramp_s: float = 0.0
    runtime_s: float = 0.0
    # proof: map and unmap events, once the drive has moved so much
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
    """A drive that may be used, the kernel's messages and the kernel's counts."""

    def __init__(self, args: argparse.Namespace, writes: bool) -> None:
        self.session = Session(args, writes)
        self.log: kmsg.KernelLog | None = None
        self.tracer: proof.Tracer | None = None
        self._cpu: procstat.CpuPerByte | None = None
        self._late: proof.LateStart | None = None

    def open(self, trace: bool) -> None:
        """What may fail, before anything is run."""
        self.log = kmsg.KernelLog()
        if trace:
            self.tracer = proof.Tracer()

    def close(self) -> None:
        """Leaves nothing of ours in the kernel, and the drive as it was."""
        with Shield():
            try:
                if self.log:
                    self.log.close()
                if self.tracer:
                    self.tracer.close()
            finally:
                self.session.__exit__(None, None, None)

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
        name = self.session.switcher.name
        if task.kind == "timed":
            self._cpu = procstat.CpuPerByte(name, task.ramp_s, task.runtime_s)
            return self._cpu
        if task.kind == "proof" and self.tracer:
            if task.skip_bytes:
                self._late = proof.LateStart(self.tracer, name, task.skip_bytes)
                return self._late
            self.tracer.start()
        return None

    def end(self, task: Task) -> dict[str, Any]:
        """What was seen since begin(). Of a timed run `cpu_ns_per_byte` and `flowing_s`, for how
        long I/O has been seen; of a proof run the events, and `bytes_before` they were counted."""
        if self._cpu:
            return {"cpu_ns_per_byte": self._cpu.result(), "flowing_s": self._cpu.age()}
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
        return env.collect(self.session.name, self.session.fio_version)

    def blurs(self, tuned: bool) -> list[str]:
        """Tunes the machine, if wanted; what still blurs the figures."""
        if tuned:
            self.session.tune()
        return tune.blurs(self.session.name)

    def empty_share(self) -> float:
        return content.empty_share(self.session.name)


class Here:
    """The sweep's only machine is this one."""

    def __init__(self, args: argparse.Namespace, writes: bool) -> None:
        self.station = Station(args, writes)
        self.session = self.station.session
        self.fio = self.session.fio

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
        """Refuses what this drive cannot have."""
        self.session.need(modes, arms, trims)

    def open(self, trace: bool) -> None:
        self.station.open(trace)

    def set(self, mode: str) -> None:
        self.session.switcher.set(mode)

    def mode(self) -> str:
        return self.session.switcher.mode()

    def modes(self) -> dict[str, str]:
        """The mode of each machine's drive."""
        return {"": self.mode()}

    def device_of(self, _host: str) -> str:
        return self.session.switcher.dev

    def bytes(self) -> int:
        """Size of the (smallest) drive."""
        return 512 * int(paths.read(f"/sys/class/block/{self.session.switcher.name}/size"))

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
            run = fio.run(self.fio, stem, text, self.session.switcher.dev, timeout, watch)
        except fio.Failed as e:
            failed = e
        finally:
            found = self.station.end(task)
        return [Part("", run, failed, found)]
