# SPDX-License-Identifier: GPL-2.0-only
"""Several machines, each with a drive: the same jobs on all of them at once, by fio's own
client/server mode. What fio cannot do there (the IOMMU mode, the proof, the kernel's messages, what
is safe to touch) `fio-dmabuf serve` does, which is this very suite.

Of fio's client: it leaves out a host that it cannot reach, with status 0; it replaces ${NAME} in a
job file by its own environment, before the file is sent, so each host has a file of its own; and
its last entry, "All clients", bears the name of one of them, and has no percentiles of total
latency.
"""

import os
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any

from sweep import errors, fio, hosts, paths, plan, process
from sweep.errors import Misuse, Problem
from sweep.hosts import Host
from sweep.peer import Lost, Peer
from sweep.process import Shield
from sweep.station import Part, Task
from sweep.together import file_prefix

Json = dict[str, Any]
_SUM = "All clients"
_PING = 5.0
# So long a host may be silent. A mode that is switched can take a minute.
_SILENT = 30.0
_SLOW = 180.0
_GOODBYE = 120.0


class Fleet:
    """The machines of --hosts as one; see station.Here."""

    def __init__(self, path: str, destroy: str | None, fio_bin: str | None, writes: bool) -> None:
        self._hosts = hosts.read(path)
        self._destroy = hosts.destroyed(destroy, self._hosts)
        if writes and not self._destroy:
            both = ",".join(f"{h.name}:{h.device}" for h in self._hosts)
            raise Misuse(f"--hosts {path}: this writes to the drives and destroys what is on them; "
                         f"say --destroy-data {both} if that is meant")
        fio.need_engine()
        self._wanted, self._writes = fio_bin, writes
        self.fio = fio.binary(fio_bin)
        self.fio_version = fio.version(self.fio)
        self.peers: dict[str, Peer] = {}

    def __enter__(self) -> "Fleet":
        process.undo_on_signal(self.close)
        try:
            for host in self._hosts:
                with Shield():
                    self.peers[host.name] = Peer(host)
            self._hello()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, _kind: type[BaseException] | None, _value: BaseException | None,
                 _tb: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Every host puts back what was there, and ends."""
        with Shield():
            peers, self.peers = self.peers, {}
            for peer in peers.values():
                peer.hang_up()
            for peer in peers.values():
                peer.goodbye(1.0 if peer.lost else _GOODBYE)

    @property
    def lost(self) -> str:
        """Hosts that are gone, in words."""
        return "; ".join(p.lost for p in self.peers.values() if p.lost)

    # Talking -----------------------------------------------------------------------------------

    def _relay(self, seconds: float) -> dict[str, Json]:
        """What comes from the hosts within so long: their messages are passed on; answers."""
        answers: dict[str, Json] = {}
        alive = [p for p in self.peers.values() if not p.lost]
        for peer, which in Peer.ready(alive, seconds):
            answer = None if peer.lost else peer.take(which)
            if answer is not None:
                answers[peer.name] = answer
        return answers

    def _ask(self, what: str, seconds: float = _SILENT,
             each: Callable[[Host], Json] | None = None, **more: Any) -> dict[str, Json]:
        """Asks all hosts at once; their answers. Raises for the first that says no, or is lost."""
        answers = self._ask_those_left(what, seconds, each, **more)
        if self.lost:
            raise Lost(self.lost)
        return answers

    def _ask_those_left(self, what: str, seconds: float = _SILENT,
                        each: Callable[[Host], Json] | None = None, **more: Any) -> dict[str, Json]:
        """The same, but of those that are not lost."""
        for peer in self.peers.values():
            if not peer.lost:
                peer.ask(what, **more, **(each(peer.host) if each else {}))
        answers: dict[str, Json] = {}
        while any(not p.lost and name not in answers for name, p in self.peers.items()):
            answers.update(self._relay(0.5))
            self._silent(seconds)
        for name in self.peers:
            answer = answers.get(name, {})
            if not answer.get("ok", True):
                kind = next(k for k in (Problem, errors.Misuse, errors.Impossible)
                            if k.status == answer["status"])
                raise kind(f"host {name}: {answer['error']}")
        return answers

    def _silent(self, seconds: float) -> None:
        """Gives up hosts that have not answered for so long."""
        for peer in self.peers.values():
            if peer.waiting > seconds:
                peer.lose(f"no answer for {seconds:.0f} s")

    def _watch(self, _pid: int) -> float:
        """While fio's client runs: are the hosts still there?"""
        for name, answer in self._relay(0).items():
            if not answer["ok"]:
                raise Problem(f"host {name}: {answer['error']}")
        for peer in self.peers.values():
            if time.monotonic() - peer.heard_at > _PING and not peer.waiting:
                peer.ask("ping")
        self._silent(_SILENT)
        if self.lost:
            raise Lost(self.lost)
        return 0.25

    # As Here -----------------------------------------------------------------------------------

    def _hello(self) -> None:
        """Who are they, and may the drives be used?"""
        answers = self._ask("hello", _SLOW, lambda host: {"device": host.device},
                            destroy=self._destroy, writes=self._writes, fio=self._wanted)
        engine, drives = "", {}
        for name, peer in self.peers.items():
            peer.hello = hello = answers[name]
            if hello["fio"] != self.fio_version:
                raise Misuse(f"--hosts: {name} has {hello['fio']}, this machine has "
                             f"{self.fio_version}; bring them to one version, or see --fio")
            if engine and hello["engine"] != engine:
                raise Misuse(f"--hosts: {name} has engine {hello['engine']}, "
                             f"{next(iter(self.peers))} has {engine}; bring them to one version")
            engine = hello["engine"]
            twin = drives.setdefault(tuple(hello["identity"][1:]), name)
            if hello["identity"][1] and twin != name:
                raise Misuse(f"--hosts: {name} and {twin} have one drive "
                             f"({hello['identity'][1]}); name a drive of its own for each")

    def need(self, modes: list[str], arms: set[str], trims: bool) -> None:
        """Refuses what a host or its drive cannot have."""
        self._ask("need", modes=modes, arms=sorted(arms), trims=trims)

    def mode(self) -> str:
        """The mode that all drives have."""
        found = self.modes()
        if len(set(found.values())) > 1:
            what = ", ".join(f"{name}: {mode}" for name, mode in found.items())
            raise Misuse(f"--modes {plan.CURRENT}: the hosts' modes differ ({what}); name modes, "
                         "or set them alike")
        return next(iter(found.values()))

    def open(self, trace: bool) -> None:
        """What may fail, before anything is run."""
        self._ask("open", _SLOW, lambda host: {
            "address": host.address, "port": host.port, "listen": host.fio}, trace=trace)

    def set(self, mode: str, _drives: int) -> None:
        for name, answer in self._ask("set", _SLOW, mode=mode).items():
            self.peers[name].device = answer["device"]

    def modes(self) -> dict[str, str]:
        """The mode of each host's drive; nothing of those that are lost."""
        answers = self._ask_those_left("mode")
        return {name: answers.get(name, {}).get("mode", "") for name in self.peers}

    def device_of(self, host: str) -> str:
        return self.peers[host].device

    def bytes(self) -> int:
        """Size of the smallest drive."""
        return min(int(p.hello["facts"]["drive"]["bytes"]) for p in self.peers.values())

    def facts(self) -> dict[str, Any]:
        """The first host's, as there must be some; `hosts` has those of each."""
        every = {name: peer.hello["facts"] for name, peer in self.peers.items()}
        return {**next(iter(every.values())), "host": ", ".join(every), "hosts": every,
                "emulated_drive": any(f["emulated_drive"] for f in every.values())}

    def blurs(self, tuned: bool) -> list[str]:
        answers = self._ask("blurs", _SLOW, tuned=tuned)
        return [f"{name}: {what}" for name, a in answers.items() for what in a["blurs"]]

    def empty_share(self) -> float:
        """The worst host's."""
        return max(a["share"] for a in self._ask("empty", _SLOW).values())

    def listen(self) -> None:
        self._ask("listen")

    def heard(self) -> dict[str, list[str]]:
        """What each host's kernel said since listen(); nothing of those that are lost."""
        return {name: a["lines"] for name, a in self._ask_those_left("heard").items()}

    def run(self, stem: str, text: str, task: Task, timeout: float) -> list[Part]:
        """A rendered job on all hosts at once. The client's files are STEM.*, a host's job file
        and its counters are beside them, by its name."""
        begun = self._ask("begin", task=task._asdict())
        argv = [self.fio, "--output-format=json", f"--output={stem}.json"]
        for name, peer in self.peers.items():
            own = self._own(stem, name)
            values: dict[str, str | int] = {"filename": peer.device}
            peer.counters = begun[name]["counters"] if "counters=" in text else ""
            if peer.counters:
                values["counters"] = peer.counters
            with open(f"{own}.fio", "w", encoding="utf-8") as f:
                f.write(fio.render(text, values, stem))
            argv += [f"--client={peer.host.fio}", f"{own}.fio"]
        try:
            rc = fio.start(argv, stem, dict(os.environ), timeout, self._watch)
        except Lost:
            # The others are done with it as well.
            self._ask_those_left("end")
            raise
        ended = self._ask("end")
        now = time.monotonic()
        return [self._part(peer, stem, rc, ended[name], now) for name, peer in self.peers.items()]

    @staticmethod
    def _own(stem: str, name: str) -> str:
        return os.path.join(os.path.dirname(stem), file_prefix(name) + os.path.basename(stem))

    def _part(self, peer: Peer, stem: str, rc: int, ended: Json, now: float) -> Part:
        own = self._own(stem, peer.name)
        lines = str(ended["counters"])
        if lines:
            with open(f"{own}.counters.json", "w", encoding="utf-8") as f:
                f.write(lines)
        found = ended["found"]
        if found.get("flowing_s") is not None:
            found["began"] = now - found["flowing_s"]
        try:
            doc = fio.document(paths.read(stem + ".json", ""), stem + ".json")
            jobs = [c for c in doc.get("client_stats", []) if c.get("jobname") != _SUM
                    and c.get("hostname") == peer.host.address
                    and peer.host.port in (0, c.get("port"))]
            run = fio.judge(stem, 0 if jobs else rc, {**doc, "jobs": jobs}, fio.counters_of(lines),
                            bool(peer.counters))
        except fio.Failed as e:
            return Part(peer.name, None, e, found)
        return Part(peer.name, run, None, found)
