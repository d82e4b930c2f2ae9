# SPDX-License-Identifier: GPL-2.0-only
"""How fast the processors' clocks run and how warm the drives are, where that can be read."""

import glob
import re
from collections.abc import Sequence

from sweep import paths

_POLICIES = "/sys/devices/system/cpu/cpufreq/policy*/scaling_cur_freq"
_CPUINFO = "/proc/cpuinfo"
# An NVMe controller's sensor, and a SCSI drive's.
_SENSORS = ("/sys/class/block/{}/device/hwmon*/temp1_input",
            "/sys/class/block/{}/device/hwmon/hwmon*/temp1_input")


def _read(pattern: str) -> list[float]:
    """The numbers in files that can be read."""
    texts = (paths.read(path, "") for path in glob.glob(pattern))
    return [float(text) for text in texts if re.fullmatch(r"-?\d+", text)]


def cpu_mhz(policies: str = _POLICIES, cpuinfo: str = _CPUINFO) -> float | None:
    """The mean clock of the processors, in MHz; None where nobody says."""
    found = [khz / 1000 for khz in _read(policies)]
    if not found:
        found = [float(mhz) for mhz in re.findall(r"^cpu MHz\s*: (\d+\.?\d*)$",
                                                  paths.read(cpuinfo, ""), re.M)]
    return sum(found) / len(found) if found else None


def drive_celsius(names: Sequence[str], sensors: Sequence[str] = _SENSORS) -> float | None:
    """The temperature of the warmest of these drives; None where one has no sensor."""
    each = [[t / 1000 for sensor in sensors for t in _read(sensor.format(name))] for name in names]
    return max(map(max, each)) if each and all(each) else None
