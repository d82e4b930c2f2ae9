# SPDX-License-Identifier: GPL-2.0-only
"""One host of several, as the one who asks sees it: `fio-dmabuf serve` there, started by a command
such as ssh, and spoken to through that (sweep/serve.py)."""

import json
import os
import re
import select
import shlex
import time
from collections.abc import Iterable
from typing import Any

from sweep import paths, process
from sweep.errors import Misuse, Problem
from sweep.hosts import Host

Json = dict[str, Any]


class Lost(Problem):
    """A host does not answer any more."""


class Peer:
    """One host's `fio-dmabuf serve`."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.name = host.name
        # What it said of itself, and what its drive is called now.
        self.hello: Json = {}
        self.device = host.device
        # Where its engine writes its counters, in the run under way.
        self.counters = ""
        self.lost = ""
        # Questions so far, and whether there is no answer to the last one yet.
        self._count = 0
        self._open = False
        self._since = 0.0
        self.heard_at = time.monotonic()
        self._buffers = {"out": b"", "err": b""}
        self._last_words = ""
        self._ended: set[int] = set()
        program = os.path.join(paths.TOP, "fio-dmabuf")
        if not re.fullmatch(r"[\w@%+=:,./-]+", program):
            raise Misuse(f"--hosts: {program}: a shell on {host.name} would read this path as "
                         "something else; put the suite into a folder with a plainer name")
        ours, theirs = [-1, -1, -1], [-1, -1, -1]
        theirs[0], ours[0] = os.pipe()
        for n in (1, 2):
            ours[n], theirs[n] = os.pipe()
        self.child = process.Background([*host.command, program, "serve"],
                                        (theirs[0], theirs[1], theirs[2]), "/", dict(os.environ))
        for fd in theirs:
            os.close(fd)
        self._in, self.out, self.err = ours

    @staticmethod
    def ready(peers: Iterable["Peer"], seconds: float) -> list[tuple["Peer", str]]:
        """Outputs on which something has come within so long, messages first: the last one is the
        reason, where answers end."""
        fds = {fd: (peer, which) for peer in peers for fd, which in peer.fds().items()}
        poll = select.poll()
        for fd in fds:
            poll.register(fd, select.POLLIN)
        return sorted((fds[fd] for fd, _ in poll.poll(seconds * 1000)), key=lambda r: r[1])

    def ask(self, what: str, **more: Any) -> None:
        """Asks. Only the answer to the last question counts: a `ping` may have been before it."""
        self._count += 1
        self._open, self._since = True, time.monotonic()
        try:
            os.write(self._in, json.dumps({"do": what, "n": self._count, **more}).encode() + b"\n")
        except OSError:
            self.lose("")

    def take(self, which: str) -> Json | None:
        """Takes what has come on one of its outputs; an answer if there is one. Its messages go
        to our reader, under its name."""
        fd = self.out if which == "out" else self.err
        data = os.read(fd, 65536)
        text = self._buffers[which] + data
        *lines, self._buffers[which] = text.split(b"\n")
        if which == "err":
            for line in lines:
                self._last_words = line.decode(errors="replace")
                process.say(f"{self.name}: {self._last_words}")
        elif lines:
            self.heard_at = time.monotonic()
            answer = self._answer(lines[-1])
            if answer.get("n", self._count) == self._count:
                self._open = False
                return answer
        if not data:
            self._ended.add(fd)
            if which == "out":
                self.lose("")
        return None

    def _answer(self, line: bytes) -> Json:
        try:
            return dict(json.loads(line))
        except ValueError:
            text = line.decode(errors="replace")[:80]
            return {"ok": False, "status": 1, "error": f"says {text!r}, not an answer; is its "
                                                       "fio-dmabuf of another version?"}

    def lose(self, why: str) -> None:
        """Notes that it is gone, and why."""
        if self.lost:
            return
        if not why:
            self._drain()
            status = self.child.ended(5.0)
            why = "its command " + ("closed its output" if status is None else
                                    f"ended with status {status}")
            why += f" ({shlex.join(self.host.command)})"
            why += f": {self._last_words}" if self._last_words else ""
        self.lost = f"host {self.name} is lost: {why}"

    def fds(self) -> dict[int, str]:
        """To be polled."""
        every = {self.out: "out", self.err: "err"}
        return {fd: which for fd, which in every.items() if fd not in self._ended}

    def _drain(self) -> None:
        """The last messages, which say why."""
        poll = select.poll()
        poll.register(self.err, select.POLLIN)
        while self.err not in self._ended and poll.poll(1000):
            self.take("err")

    @property
    def waiting(self) -> float:
        """For how long there has been no answer."""
        return time.monotonic() - self._since if self._open else 0.0

    def hang_up(self) -> None:
        """It puts all back and goes; goodbye() waits for that."""
        if self._in >= 0:
            os.close(self._in)
            self._in = -1

    def goodbye(self, seconds: float) -> None:
        """Waits for its end, with its last messages."""
        deadline = time.monotonic() + seconds
        while self.fds() and time.monotonic() < deadline:
            for peer, which in Peer.ready([self], 1.0):
                peer.take(which)
        if self.fds() and not self.lost:
            process.say(f"host {self.name}: has not ended after {seconds:.0f} s; see there "
                        "with fio-dmabuf iommu show")
        self.child.stop()
        for fd in (self.out, self.err):
            os.close(fd)
