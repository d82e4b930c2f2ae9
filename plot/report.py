# SPDX-License-Identifier: GPL-2.0-only
"""`fio-dmabuf report`: figures, report.md and report.html, from run folders alone."""

import os

from plot import draw, mail, page, sections, words
from plot.blocks import Block, Heading
from sweep.errors import Misuse


def main(runs: list[str]) -> int:
    """A report in each run folder; the first one's covers all of them."""
    try:
        return _write(runs)
    except OSError as e:
        raise Misuse(f"report: {e.filename}: {e.strerror}; a report is written into the run's "
                     "folder: copy it to where you may write") from None


def _write(runs: list[str]) -> int:
    told = [sections.of_folder(r) for r in runs]
    for folder, _, drawn, _ in told:
        draw.draw(folder, drawn)
    for i, (folder, headline, drawn, own) in enumerate(told):
        some = told if i == 0 else told[i:i + 1]
        blocks: list[Block] = []
        for other, title, _, more in some:
            blocks += [Heading(title)] if other is not folder else []
            blocks += more
        if any("sweep" in other.kinds for other, *_ in some):
            blocks += sections.published()
        for other, *_ in some:
            blocks += sections.provenance(other)
        env = folder.env()
        about = "  ·  ".join((words.drive(env), words.machine(env), str(env.get("started", ""))))
        for name, text in (("report.md", mail.markdown(headline, blocks, folder)),
                           ("report.html", page.page(headline, about, blocks))):
            with open(folder.file(name), "w", encoding="utf-8") as f:
                f.write(text)
        print(folder.file("report.html"))
        if drawn:
            print(folder.file("figures", drawn[0].name + ".png"))
        if len(drawn) > 1:
            print(f"{os.path.join(folder.path, 'figures', '')} has {len(drawn) - 1} more")
    return 0
