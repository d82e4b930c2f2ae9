# SPDX-License-Identifier: GPL-2.0-only
"""fio's ways to pace a job, to order it, and to end it before its time, on a block device."""

from typing import Any

from fio import KIB, MIB, Result, bad, good, run

# Each with its data verified.
SHAPES: tuple[dict[str, Any], ...] = (
    {"bssplit": "4k/30:16k/40:64k/30", "fsync": 5, "end_fsync": 1},
    {"bsrange": "4k-64k", "blockalign": "4k", "fdatasync": 3, "iodepth_batch_submit": 8},
    {"serialize_overlap": 1, "norandommap": 1},
    {"thinktime": 1000, "thinktime_blocks": 64},
    {"zonemode": "zbd", "zonesize": MIB, "bs": "16k"},
    {"loops": 2, "bs": "16k"},
)


def sound(result: Result) -> Result:
    """Whose counters agree with fio's."""
    assert result.counter("errors") == result.counter("mismatches") == 0, result
    assert result.counter("bytes") == sum(result.total(d, "io_bytes") for d in ("read", "write"))
    return result


def ended(expect: str, **options: Any) -> None:
    """By fio, with its reason, and after some I/O."""
    result = run(**options)
    assert not result.crashed and result.status == 1 and expect in result.stderr, result
    assert result.counter("ios") > 0, result


def check(arm: str, device: str) -> None:
    """All of them; writes to the device's first 4 MiB."""
    job = {"arm": arm, "filename": device, "size": 4 * MIB, "iodepth": 16, "direct": 1}
    for more in SHAPES:
        result = sound(good(**{**job, "rw": "randwrite", "verify": "crc32c", "bs": "4k", **more}))
        assert result.total("write", "io_bytes") >= 4 * MIB, result
    # paced: no faster than was asked for
    result = sound(good(rw="randrw", bs="4k", rate_iops="250,250", io_size=512 * KIB, **job))
    assert result.total("read", "io_bytes") + result.total("write", "io_bytes") == 512 * KIB, result
    assert all(j[d]["iops"] < 500 for j in result.jobs for d in ("read", "write")), result
    sound(good(rw="randread", bs="4k", rate="4m", rate_process="poisson", io_size=MIB, **job))
    # which starts fio's count again whenever it takes another depth
    result = good(rw="randread", bs="4k", latency_target="50ms", latency_window="100ms",
                  latency_percentile=90, time_based=1, runtime=1, **job)
    assert all(1 <= j["latency_depth"] <= 16 for j in result.jobs), result
    assert result.counter("bytes") >= result.total("read", "io_bytes"), result
    assert not result.counter("errors"), result
    result = sound(good(rw="read", bs="16k", zonemode="strided", zonesize="64k", zoneskip="64k",
                        io_size=2 * MIB, **job))
    assert result.total("read", "io_bytes") == 2 * MIB, result
    sound(good(rw="randtrim", bs="64k", thread=1, **job))
    # ended
    ended("exceeds specified max", rw="randread", bs="4k", max_latency=1, **job)
    ended("not met", rw="randread", bs="4k", rate_iops="200000000", rate_iops_min="100000000",
          ratecycle=200, time_based=1, runtime=30, **job)
    for thread in (0, 1):
        bad("counters=/dev/full: write: No space left on device", rw="randread", bs="4k",
            thread=thread, **{**job, "counters": "/dev/full"})
