# SPDX-License-Identifier: GPL-2.0-only
"""One child process, never left behind; and signals turned into an exception.

posix_spawn rather than the subprocess module: its imports cost as much as a short fio run when
Python itself runs under emulation.
"""

import os
import select
import signal
import time
from collections.abc import Callable
from types import FrameType
from typing import Any

from sweep.errors import Interrupted, Problem

STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
_GRACE = 5.0
# What was killed itself cannot end its child: the kernel does, when the parent goes.
_TIED = ("setpriv", "--pdeathsig", "KILL")
_state: dict[str, int] = {"interrupted": 0, "shielded": 0}
_undo: list[Callable[[], None]] = []


def say(text: str) -> None:
    """A line for the user, where nothing may go wrong: who reads may be gone, a terminal that was
    closed for one, and a signal can come in the middle of another line."""
    try:
        os.write(2, text.encode() + b"\n")
    except OSError:
        pass


def undo_on_signal(step: Callable[[], None]) -> None:
    """Has undo_all() call `step`, which must be harmless where all is put back already.

    `with` and `finally` put things back, but a signal can raise Interrupted after a change and
    before they are in force, or just as they begin.
    """
    _undo.append(step)


def undo_all() -> None:
    """What comes last after Interrupted: there is no second one to cut it short."""
    if _undo:
        try:
            _undo.pop()()
        finally:
            undo_all()


def _on_signal(signum: int, _frame: FrameType | None) -> None:
    if _state["interrupted"]:
        # Once is enough: a second Ctrl-C must not cut short what puts the machine back.
        say("putting the machine back, please wait")
        return
    _state["interrupted"] = 1
    _state["signum"] = signum
    if not _state["shielded"]:
        raise Interrupted(signum)


def catch_signals() -> None:
    """From here on these raise Interrupted, once."""
    for s in STOPS:
        signal.signal(s, _on_signal)


def no_more_signals() -> None:
    """From here on they are too late: nothing is left to be put back."""
    _state["shielded"] += 1


class Shield:
    """Within it no signal interrupts; one that came is raised at the end."""

    def __enter__(self) -> None:
        _state["shielded"] += 1
        self._before = _state["interrupted"]

    def __exit__(self, kind: object, _value: object, _tb: object) -> None:
        _state["shielded"] -= 1
        if kind is None and not self._before and _state["interrupted"] and not _state["shielded"]:
            raise Interrupted(_state["signum"])


def _reap(pid: int, pidfd: int, seconds: float) -> int | None:
    """The child's wait status, or None when the time is over."""
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    deadline = time.monotonic() + seconds
    while True:
        left = deadline - time.monotonic()
        if poll.poll(max(left, 0) * 1000):
            return os.waitpid(pid, 0)[1]
        if left <= 0:
            return None


def _end(pid: int, pidfd: int) -> None:
    """Asks the child's group to stop, then makes it."""
    for sig, seconds in ((signal.SIGTERM, _GRACE), (signal.SIGKILL, 60.0)):
        try:
            os.killpg(pid, sig)
            os.killpg(pid, signal.SIGCONT)
        except ProcessLookupError:
            pass
        if _reap(pid, pidfd, seconds) is not None:
            return
    say(f"process {pid} does not die (stuck in the kernel?); going on without it")


def _opened(fd: int, to: str | int) -> tuple[int, ...] | tuple[int, int, str, int, int]:
    """The spawn action that makes `fd` a file of that name, or a copy of our descriptor."""
    if isinstance(to, int):
        return (os.POSIX_SPAWN_DUP2, to, fd)
    return (os.POSIX_SPAWN_OPEN, fd, to, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)


def _there(program: str) -> bool:
    """Whether a program can be found, and may be executed."""
    folders = [""] if "/" in program else os.get_exec_path()
    return any(os.access(os.path.join(folder, program), os.X_OK) for folder in folders)


def _spawn(argv: list[str], cwd: str, env: dict[str, str], actions: list[Any]) -> tuple[int, int]:
    """Starts a child in `cwd`; its pid and a descriptor for it."""
    here = os.getcwd()
    os.chdir(cwd)
    try:
        if not _there(argv[0]):
            raise Problem(f"{argv[0]}: no such program; install it or name it with --fio")
        pid = os.posix_spawnp(_TIED[0], [*_TIED, *argv], env, file_actions=actions, setpgroup=0,
                              setsigdef=STOPS)
    except OSError as e:
        raise Problem(f"{_TIED[0]}: {e.strerror}; install util-linux") from None
    finally:
        os.chdir(here)
    return pid, os.pidfd_open(pid)


def run(argv: list[str], *, stdout: str | int, stderr: str | int, cwd: str, env: dict[str, str],
        timeout: float, watch: Callable[[int], float] | None = None) -> int:
    """Runs `argv` to its end; its exit status, or minus the signal that ended it.

    `stdout` and `stderr` are file names or descriptors of ours. `watch` is called with the
    child's pid while it runs; it returns after how many seconds it wants to be called again.
    The child leads a process group of its own, so that all of it can be ended: on a time-out
    (a Problem) and on every other way out. It does not outlive us, however we end.
    """
    actions = [(os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
               _opened(1, stdout), _opened(2, stderr)]
    pid = pidfd = -1
    try:
        # A signal between the child's birth and our knowing of it would leave it behind.
        with Shield():
            pid, pidfd = _spawn(argv, cwd, env, actions)
        deadline = time.monotonic() + timeout
        status = None
        while status is None and time.monotonic() < deadline:
            status = _reap(pid, pidfd, min(watch(pid) if watch else timeout,
                                           max(deadline - time.monotonic(), 0)))
        if status is None:
            _end(pid, pidfd)
            raise Problem(f"{' '.join(argv)}: no end after {timeout:.0f} s")
        return os.waitstatus_to_exitcode(status)
    except BaseException:
        if pid > 0 and os.path.exists(f"/proc/{pid}"):
            with Shield():
                _end(pid, pidfd)
        raise
    finally:
        if pidfd >= 0:
            os.close(pidfd)


class Background:
    """A child that runs beside us, in a process group of its own, until stop()."""

    def __init__(self, argv: list[str], fds: tuple[str | int, str | int, str | int], cwd: str,
                 env: dict[str, str]) -> None:
        """`fds` are its standard input, output and messages: file names or descriptors of ours."""
        stdin, *rest = fds
        actions: list[Any] = [_opened(0, stdin) if isinstance(stdin, int) else
                              (os.POSIX_SPAWN_OPEN, 0, stdin, os.O_RDONLY, 0)]
        actions += [_opened(fd, to) for fd, to in enumerate(rest, 1)]
        self._status: int | None = None
        self._pid = self._pidfd = -1
        undo_on_signal(self.stop)
        # As in run(): born and known, or neither.
        with Shield():
            self._pid, self._pidfd = _spawn(argv, cwd, env, actions)

    def ended(self, seconds: float = 0.0) -> int | None:
        """Its exit status (or minus the signal that ended it) if it ends within so long."""
        if self._pidfd >= 0:
            poll = select.poll()
            poll.register(self._pidfd, select.POLLIN)
            if poll.poll(seconds * 1000):
                try:
                    # What it may have left of its group: the number is still its own.
                    os.killpg(self._pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
                self._forget(os.waitstatus_to_exitcode(os.waitpid(self._pid, 0)[1]))
        return self._status

    def stop(self) -> None:
        """Ends it, and all of its group, if it has not ended; harmless after that."""
        with Shield():
            if self.ended() is None and self._pidfd >= 0:
                _end(self._pid, self._pidfd)
                self._forget(-int(signal.SIGTERM))

    def _forget(self, status: int) -> None:
        self._status = status
        os.close(self._pidfd)
        self._pidfd = -1
