# SPDX-License-Identifier: GPL-2.0-only
"""One machine of several: what `sweep --hosts` starts on each, and talks to.

Standard input has a request a line, standard output an answer a line, both JSON; the end of the
input is the end, and all is put back. So whoever can run commands here can use this, and nobody
else; fio's own server, which does ask nobody who they are, listens on the one address (or socket)
that it is told, and goes when we go.
"""

import argparse
import json
import os
import select
import socket
import tempfile
import time
from collections.abc import Callable
from typing import Any

from sweep import exporters, fio, paths, process
from sweep.errors import Misuse, Problem
from sweep.station import Station, Task

_LISTENS = 30.0
Json = dict[str, Any]


def _connects(address: str, port: int) -> bool:
    """Whether somebody listens there."""
    kind = socket.AF_UNIX if not port else socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(kind, socket.SOCK_STREAM) as s:
        s.settimeout(5)
        try:
            s.connect((address, port) if port else address)
        except OSError:
            return False
    return True


class Server:
    """fio --server, in a folder of its own."""

    def __init__(self, fio_bin: str, ask: Json) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="fio-dmabuf-")
        self.counters = os.path.join(self._folder.name, "counters.json")
        address, port = ask["address"], ask["port"]
        # fio shares a port with any other fio of the same user, and takes every second job.
        if _connects(address, port):
            raise Misuse(f"{ask['listen']}: somebody listens there already; give the host another "
                         "port in --hosts, or end that")
        self._socket = "" if port else address
        if self._socket and os.path.lexists(address):
            os.unlink(address)
        self._log = os.memfd_create("fio-server")
        self.child = process.Background([fio_bin, f"--server={ask['listen']}"],
                                        (os.devnull, self._log, self._log), paths.TOP,
                                        dict(os.environ))
        deadline = time.monotonic() + _LISTENS
        while not _connects(address, port):
            if self.child.ended(0.05) is not None or time.monotonic() > deadline:
                self.child.stop()
                raise Misuse(f"{ask['listen']}: fio cannot listen there: "
                             f"{fio.messages(self.said()) or 'no message'}; give the host's own "
                             "address in --hosts, or a socket that is forwarded (ssh -L)")
        if not port:
            # fio lets everybody in.
            os.chmod(address, 0o600)

    def said(self) -> str:
        """Its messages."""
        return os.pread(self._log, 65536, 0).decode(errors="replace")

    def close(self) -> None:
        self.child.stop()
        os.close(self._log)
        if self._socket and os.path.lexists(self._socket):
            os.unlink(self._socket)
        self._folder.cleanup()


class Agent:
    """Answers requests."""

    def __init__(self) -> None:
        self.station: Station | None = None
        self.server: Server | None = None
        self.watch: Callable[[int], float] | None = None
        self._task = Task("check")

    def close(self) -> None:
        with process.Shield():
            try:
                if self.server:
                    self.server.close()
            finally:
                if self.station:
                    self.station.close()

    def answer(self, ask: Json) -> Json:
        """What is asked for by `do`, each of them a method here."""
        return getattr(self, f"do_{ask['do']}")(ask) or {}

    def do_hello(self, ask: Json) -> Json:
        """Who are you, and may this drive be used? Nothing is changed."""
        self.station = Station(argparse.Namespace(
            device=ask["device"], fio=ask["fio"],
            destroy_data=ask["device"] if ask["destroy"] else None), ask["writes"])
        engine = exporters.probe().get("software", {}).get("engine", {}).get("version")
        return {"facts": self.station.facts(), "engine": engine,
                "fio": self.station.fio_version,
                "identity": list(self.station.sessions[0].switcher.identity)}

    def do_need(self, ask: Json) -> None:
        """Can this drive have these arms and modes, and trims?"""
        self._station.need(ask["modes"], set(ask["arms"]), ask["trims"])

    def do_open(self, ask: Json) -> None:
        """From here on there will be runs."""
        self._station.open(ask["trace"])
        self.server = Server(self._station.fio, ask)

    def do_blurs(self, ask: Json) -> Json:
        return {"blurs": self._station.blurs(ask["tuned"])}

    @property
    def _station(self) -> Station:
        assert self.station
        return self.station

    def do_set(self, ask: Json) -> Json:
        self._station.set(ask["mode"], 1)
        return {"device": self._station.devices()[0]}

    def do_mode(self, _ask: Json) -> Json:
        return {"mode": self._station.mode()}

    def do_listen(self, _ask: Json) -> None:
        self._station.listen()

    def do_heard(self, _ask: Json) -> Json:
        return {"lines": self._station.heard()}

    def do_empty(self, _ask: Json) -> Json:
        return {"share": self._station.empty_share()}

    def do_ping(self, _ask: Json) -> None:
        """Still there."""

    def do_begin(self, ask: Json) -> Json:
        """Before a fio run."""
        assert self.server
        if os.path.exists(self.server.counters):
            os.unlink(self.server.counters)
        self._task = Task(**ask["task"])
        self.watch = self._station.begin(self._task)
        return {"counters": self.server.counters}

    def do_end(self, _ask: Json) -> Json:
        """After it."""
        assert self.server
        self.watch = None
        return {"found": self._station.end(self._task),
                "counters": paths.read(self.server.counters, "")}

    def dead(self) -> str:
        """Why no more jobs can be run, in words."""
        status = self.server.child.ended() if self.server else None
        if status is None or not self.server:
            return ""
        return f"fio --server ended (status {status}): {fio.messages(self.server.said())}"


def _requests(fd: int, agent: Agent) -> Any:
    """Lines of the input, until its end; meanwhile what is to be watched is."""
    buffer = b""
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    while True:
        wait = min(agent.watch(0), 1.0) if agent.watch else 1.0
        if poll.poll(wait * 1000):
            data = os.read(fd, 65536)
            if not data:
                return
            buffer += data
        while b"\n" in buffer:
            line, _, buffer = buffer.partition(b"\n")
            yield json.loads(line)


def main() -> int:
    """Serves one `sweep --hosts`."""
    # Whatever else is printed is for people.
    out = os.dup(1)
    os.dup2(2, 1)
    agent = Agent()
    try:
        for ask in _requests(0, agent):
            try:
                dead = agent.dead()
                if dead:
                    raise Problem(dead)
                reply = {"ok": True, **agent.answer(ask)}
            except Problem as e:
                reply = {"ok": False, "status": e.status, "error": str(e)}
            os.write(out, json.dumps({"n": ask.get("n"), **reply}).encode() + b"\n")
    except BrokenPipeError:
        pass
    finally:
        agent.close()
    return 0
