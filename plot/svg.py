# SPDX-License-Identifier: GPL-2.0-only
"""What is done to gnuplot's SVG: its title, fonts that are there elsewhere, and a third of its
size, which a page of many figures feels."""

import html
import re

# What stands in for gnuplot's font where that is not installed; Verdana runs as wide.
_FONTS = "DejaVu Sans,Verdana,Helvetica,Arial,sans-serif"
# Without effect: the defaults, no text, nothing in a group.
_DEFAULTS = re.compile(r' stroke-linecap="butt" stroke-linejoin="miter"|(?<=<tspan) (?=>)')
_NO_TEXT = re.compile(r"<text>\s*</text>")
_EMPTY = re.compile(r"<g [^>]*>(<title>[^<]*</title>)?\s*</g>")
_COLOUR = re.compile(r"rgb\( *(\d+), *(\d+), *(\d+)\)")


def tidy(svg: str, title: str) -> str:
    """The figure, with the title that viewers show and read out."""
    svg = svg.replace("<title>Gnuplot</title>", f"<title>{html.escape(title)}</title>", 1)
    svg = re.sub(r' font-family="[^"]*" ?', " ", svg)
    svg = svg.replace("<svg", f'<svg font-family="{_FONTS}"', 1)
    svg = _DEFAULTS.sub("", svg)
    svg = _COLOUR.sub(lambda m: "#" + "".join(f"{int(v):02x}" for v in m.groups()), svg)
    svg = _NO_TEXT.sub("", svg)
    while _EMPTY.search(svg):
        svg = _EMPTY.sub("", svg)
    return re.sub(r"\s*\n\s*", "\n", svg)


def inline(svg: str, title: str, tag: str) -> str:
    """The element for a page, its ids made unique there by TAG; those that nothing needs go."""
    svg = svg[svg.index("<svg"):]
    svg = re.sub(r' id="[^"]*"', "", svg)
    svg = re.sub(r"\bid='([^']+)'", rf"id='{tag}_\1'", svg)
    svg = re.sub(r"url\(#([^)]+)\)", rf"url(#{tag}_\1)", svg)
    svg = re.sub(r"href='#([^']+)'", rf"href='#{tag}_\1'", svg)
    return svg.replace("<svg", f'<svg role="img" aria-label="{html.escape(title)}"', 1)
