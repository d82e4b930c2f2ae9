# SPDX-License-Identifier: GPL-2.0-only
"""The file of --hosts: one machine a line.

    # address[:port]    drive           command that runs another one there
    alpha               /dev/nvme0n1
    10.0.0.2:8766       /dev/nvme1n1    ssh -p 2222 root@10.0.0.2
    /run/c.sock         /dev/nvme0n1    ssh -L /run/c.sock:/run/c.sock root@gamma
"""

import re
import shlex
import socket
from typing import NamedTuple

from sweep import paths
from sweep.errors import Misuse

_PORT = 8765
# A prompt could not be answered; a peer that is gone must be noticed.
_SSH = ("ssh", "-T", "-o", "BatchMode=yes", "-o", "ServerAliveInterval=5", "-o",
        "ServerAliveCountMax=3")


class Host(NamedTuple):
    """A line of the file."""

    # As it is written, and told apart by.
    name: str
    device: str
    command: list[str]
    # An IP address or the path of a socket, and 0.
    address: str
    port: int

    @property
    def fio(self) -> str:
        """What fio calls it: of a --server to listen on, of a --client to connect to."""
        if not self.port:
            return f"sock:{self.address}"
        return f"{'ip6' if ':' in self.address else 'ip'}:{self.address},{self.port}"


def _resolve(name: str, where: str) -> str:
    """The address, which has to be the same one for both ends: a host may call itself 127.0.1.1."""
    try:
        found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except OSError as e:
        raise Misuse(f"{where}: {name}: {e.strerror or e}; give the host's address, and how to run "
                     f"a command there after the drive, as in: ADDRESS DRIVE ssh {name}") from None
    # fio listens on what it is told alone, by IPv4 if it can be had.
    return str(min(found, key=lambda f: f[0] != socket.AF_INET)[4][0])


def _host(line: str, where: str) -> Host:
    try:
        words = shlex.split(line, comments=True)
    except ValueError as e:
        raise Misuse(f"{where}: {e}") from None
    if len(words) < 2:
        raise Misuse(f"{where}: {words[0]}: which drive? a line is ADDRESS[:PORT] DRIVE [COMMAND]")
    name, device, *command = words
    if not device.startswith("/") or "," in device:
        raise Misuse(f"{where}: {device}: is not the path of one drive, as in /dev/nvme0n1")
    if name.startswith("/"):
        if not command:
            raise Misuse(f"{where}: {name}: how is a command run there? say it after the drive, as "
                         f"in: {name} {device} ssh -L {name}:{name} HOST")
        return Host(name, device, command, name, 0)
    m = re.fullmatch(r"(?:\[([0-9A-Fa-f:]+)\]|([^:\s]+))(?::(\d+))?", name)
    port = int(m.group(3) or _PORT) if m else 0
    if not m or not 0 < port < 65536:
        raise Misuse(f"{where}: {name}: is neither ADDRESS, ADDRESS:PORT, [IPv6]:PORT nor the path "
                     "of a socket")
    plain = m.group(1) or m.group(2)
    return Host(name, device, command or [*_SSH, plain], _resolve(plain, where), port)


def read(path: str) -> list[Host]:
    """The machines of a file, in its order."""
    try:
        text = paths.read(path)
    except OSError as e:
        raise Misuse(f"--hosts {path}: {e.strerror}; name a file with a line for each host: "
                     "ADDRESS[:PORT] DRIVE [COMMAND]") from None
    found: list[Host] = []
    for n, line in enumerate(text.splitlines(), 1):
        if not shlex.split(line.partition("#")[0] or " "):
            continue
        host = _host(line, f"--hosts {path}: line {n}")
        twin = next((h for h in found if (h.address, h.port) == (host.address, host.port)), None)
        if twin:
            raise Misuse(f"--hosts {path}: line {n}: {host.name}: is {twin.name} once more; give "
                         "it another port")
        found.append(host)
    if not found:
        raise Misuse(f"--hosts {path}: names no host")
    return found


def destroyed(option: str | None, hosts: list[Host]) -> bool:
    """Whether --destroy-data names each host's drive; a Misuse where it names others."""
    if option is None:
        return False
    named = set(option.split(","))
    wanted = {f"{h.name}:{h.device}" for h in hosts}
    if named != wanted:
        wrong = sorted(named - wanted) or sorted(wanted - named)
        what = "is no HOST:DRIVE of --hosts" if named - wanted else "is left out"
        raise Misuse(f"--destroy-data {option}: {wrong[0]} {what}; say --destroy-data "
                     f"{','.join(sorted(wanted))} if that is meant")
    return True
