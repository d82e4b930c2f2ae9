# SPDX-License-Identifier: GPL-2.0-only
"""What can go wrong, by the exit status it leads to.

Every message is one line: the option, the object, the reason, the remedy.
"""


class Problem(Exception):
    """A run or a check failed."""

    status = 1


class Misuse(Problem):
    """Wrong use: nothing was touched."""

    status = 2


class Impossible(Problem):
    """Not possible on this machine, and why."""

    status = 77


class Interrupted(BaseException):
    """A signal asked us to stop. Not an Exception: only the way out may catch it."""

    def __init__(self, signum: int) -> None:
        super().__init__(signum)
        self.signum = signum
