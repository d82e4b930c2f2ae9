# SPDX-License-Identifier: GPL-2.0-only
"""Running the bundled job files as they are, but for how long they run and where they count."""

import json
import re
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from fio import TOP, config, environment

JOBS = sorted((TOP / "jobs").glob("*.fio"))
# In the place of what takes its time, wherever it is in a file.
SHORT = {"runtime": "100ms", "ramp_time": "0", "number_ios": "1000", "size": "1m"}


def sections(text: str) -> list[str]:
    """The jobs of a file, in order."""
    return [name for name in re.findall(r"^\[([^]]+)\]$", text, re.MULTILINE) if name != "global"]


def changed(text: str, values: dict[str, str | None]) -> str:
    """A job file with other values for keys that it has; None takes them out."""
    for key, value in values.items():
        line = "" if value is None else f"{key}={value}"
        text = re.sub(rf"^{key}=.*$", line, text, flags=re.MULTILINE)
    return text


def run(job: Path, device: str, values: dict[str, str | None] | None = None,
        prefix: tuple[str, ...] = ()) -> list[dict[str, Any]]:
    """Runs a job file, shortened, from where a user would; each of its jobs has to do I/O, and
    without an error. Return: the engine's counters, a line for each job that is ours."""
    text = job.read_text()
    with tempfile.TemporaryDirectory(dir="/var/tmp", prefix="fio-dmabuf-jobs-") as tmp:
        file, out, counters = (Path(tmp, n) for n in (job.name, "json", "counters"))
        file.write_text(changed(text, {**SHORT, "counters": str(counters), **(values or {})}))
        done = subprocess.run(
            [*prefix, config()["FIO"], "--eta=never", "--output-format=json", f"--output={out}",
             file], cwd=TOP, env={**environment(), "DEVICE": device}, text=True, timeout=300,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        said = out.read_text() if out.exists() else ""
        assert done.returncode == 0 and "got signal" not in done.stdout, (job.name, done, said)
        found = json.JSONDecoder().raw_decode(said[said.index("{\n"):])[0]["jobs"]
        names = [j["jobname"] for j in found]
        assert names == sections(text), (job.name, names)
        for j in found:
            ios = sum(j[d]["total_ios"] for d in ("read", "write", "trim"))
            assert ios > 0 and j["error"] == 0, (job.name, j["jobname"], ios, j["error"])
        lines = [json.loads(x) for x in counters.read_text().splitlines()] \
            if counters.exists() else []
        assert bool(lines) == ("counters=" in text), (job.name, lines)
        for x in lines:
            assert x["ios"] > 0 and x["errors"] == x["mismatches"] == 0, (job.name, x)
        print(f"{job.name}: {', '.join(names)}", flush=True)
        return lines
