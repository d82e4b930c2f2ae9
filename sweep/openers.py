# SPDX-License-Identifier: GPL-2.0-only
"""Who has a drive open without having claimed it: dd, fio, a database on the bare drive.

The kernel keeps such apart from nobody: opened with O_EXCL, they are not seen. So all descriptors
of all processes are looked at. What a process has open in io_uring's file table alone, or mapped,
or in another PID namespace that we do not see into, is not found.
"""

import os
import stat
import time

from sweep import paths

# What looks at a drive that is new, or now and then, has let go of it after this long.
_MOMENT = 3.0
_POLL = 0.1


def _once(numbers: dict[str, str]) -> str:
    """A process that has one of these drives open, in words."""
    for pid in os.listdir("/proc"):
        if not pid.isdigit() or int(pid) == os.getpid():
            continue
        for fd in paths.listdir(f"/proc/{pid}/fd"):
            link = f"/proc/{pid}/fd/{fd}"
            try:
                # Not a look at files of a server that does not answer.
                if not os.readlink(link).startswith("/dev/"):
                    continue
                st = os.stat(link)
            except OSError:
                continue
            name = numbers.get(f"{os.major(st.st_rdev)}:{os.minor(st.st_rdev)}")
            if name and stat.S_ISBLK(st.st_mode):
                return (f"{name} is open in process {pid} "
                        f"({paths.read(f'/proc/{pid}/comm', '?')})")
    return ""


def found(numbers: dict[str, str]) -> str:
    """Who has one of these, {major:minor: name}, open for more than a moment, in words; nothing
    when nobody does."""
    deadline = time.monotonic() + _MOMENT
    while user := _once(numbers):
        if time.monotonic() > deadline:
            return user
        time.sleep(_POLL)
    return ""
