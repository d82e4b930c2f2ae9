# SPDX-License-Identifier: GPL-2.0-only
"""`make docs`: what the README shows, from the sample run and from nothing else.

results/sample/ keeps one real run of `make demo` and one of `make bench`: their tables, without raw
files and logs. The figures beside them and the README's tables are made from those; `make docs
SAMPLE=results/demo-...`, or the folder of a bench, takes another run first.
"""

import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator

from plot import draw, sections
from sweep import bench, cost, paths, store, sweep, verify
from sweep.errors import Misuse, Problem

README = os.path.join(paths.TOP, "README.md")
SAMPLE = os.path.join(paths.RESULTS, "sample")
# What is kept of each run of a demo, and of a bench.
_KEPT = {"sweep": ("env.json", "plan.json", "points.csv", "summary.csv"),
         "cost": ("env.json", "runs.csv", "cost.csv"), "verify": ("env.json", "verify.csv")}
_BENCH = {"bench": ("env.json", "runs.csv", "bench.csv")}
# Where the repository was is nobody's business.
_PLACE = re.compile(r'(init=\\")[^"]*/(?=kernel/init)')
_BEGIN = "<!-- {}: from results/sample/, by make docs -->\n"
_END = "<!-- to here -->\n"


def _indented(*texts: str) -> str:
    return "".join(f"    {line}".rstrip() + "\n" for text in texts for line in text.split("\n"))


def _demo(sample: str) -> str:
    run = {name: store.Folder.open(os.path.join(sample, name), "docs") for name in _KEPT}
    said = sweep.headline(run["sweep"], store.summary(run["sweep"].rows()))
    runs = run["cost"].rows("runs.csv")
    cost.check_regime(runs)
    return _indented(
        "Throughput in the VM (an emulated drive: compare the rows, not with hardware):", said, "",
        "Cost of one read, in instructions of the whole guest:", cost.show(cost.summary(runs)), "",
        verify.report(run["verify"].rows("verify.csv")).rpartition("\n")[2])


def _bench(sample: str) -> str:
    return _indented(bench.report(store.Folder.open(os.path.join(sample, "bench"), "docs")))


def _with_tables(readme: str, sample: str) -> str:
    """README with its tables as they should be: what the commands print of the sample."""
    text = paths.read(readme) + "\n"
    for name, table in (("demo", _demo), ("bench", _bench)):
        before, begin, rest = text.partition(_BEGIN.format(name))
        _, end, after = rest.partition(_END)
        if not begin or not end:
            raise Problem(f"docs: {readme}: has not one line {_BEGIN.format(name).strip()} and "
                          f"after it {_END.strip()}")
        text = before + begin + table(sample) + end + after
    return text


def _drawn(sample: str) -> Iterator[tuple[str, draw.Figure]]:
    """(run, figure): the first figure of each, which is its report's too."""
    with tempfile.TemporaryDirectory() as tmp:
        for name in ("sweep", "cost"):
            # A report writes into the folder.
            copy = os.path.join(tmp, name)
            shutil.copytree(os.path.join(sample, name), copy,
                            ignore=shutil.ignore_patterns("figures"))
            yield name, sections.of_folder(copy)[2][0]


def stale(readme: str = README, sample: str = SAMPLE) -> list[str]:
    """What is not as the sample has it. Only what does not depend on gnuplot's version: a figure's
    data and title."""
    out = []
    if paths.read(readme) + "\n" != _with_tables(readme, sample):
        out.append(readme)
    for name, figure in _drawn(sample):
        base = os.path.join(sample, name, "figures", figure.name)
        if paths.read(base + ".dat", "").split("\n") != figure.data:
            out.append(base + ".dat")
        if f"<title>{figure.title}</title>" not in paths.read(base + ".svg", ""):
            out.append(base + ".svg")
    return out


def make(readme: str = README, sample: str = SAMPLE) -> None:
    """Draws the figures and writes the tables."""
    for name, figure in _drawn(sample):
        folder = store.Folder(os.path.join(sample, name))
        shutil.rmtree(folder.file("figures"), ignore_errors=True)
        draw.draw(folder, [figure])
        os.unlink(folder.file("figures", figure.name + ".png"))
    text = _with_tables(readme, sample)
    with open(readme, "w", encoding="utf-8") as f:
        f.write(text)


def take(run: str, sample: str = SAMPLE) -> None:
    """Keeps a run of `make demo`, or of `make bench`, as the sample."""
    if os.path.exists(os.path.join(run, "bench.csv")):
        kept, where, what = _BENCH, {"bench": run}, "bench"
    else:
        kept, where, what = _KEPT, {name: os.path.join(run, name) for name in _KEPT}, "demo"
    for name, files in kept.items():
        for file in files:
            path = os.path.join(where[name], file)
            if not os.path.exists(path):
                raise Misuse(f"docs: {run}: is no run of make {what}: no "
                             f"{os.path.relpath(path, run)}")
    bad = [r for r in store.Folder(where["sweep"]).rows() if r["status"] != "ok"] \
        if "sweep" in where else []
    if bad:
        raise Misuse(f"docs: {run}: {len(bad)} void repeats ({bad[0]['reason']}); take another")
    for name, files in kept.items():
        shutil.rmtree(os.path.join(sample, name), ignore_errors=True)
        os.makedirs(os.path.join(sample, name))
        for file in files:
            text = paths.read(os.path.join(where[name], file)) + "\n"
            with open(os.path.join(sample, name, file), "w", encoding="utf-8") as f:
                f.write(_PLACE.sub(r"\1", text))


def main(run: str) -> int:
    """Everything anew; RUN is one of `make demo` or of `make bench`, or nothing."""
    try:
        if run:
            take(run)
        make()
    except Problem as e:
        sys.stderr.write(f"{e}\n")
        return e.status
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else ""))
