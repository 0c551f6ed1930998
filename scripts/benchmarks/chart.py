"""The chart of docs/performance.md: CPU of a hit as a multiple of nginx's, as SVG by hand."""

from xml.sax.saxutils import escape

from .outcome import Outcome
from .table import figure

METRIC = "CPU per request / nginx"
LEFT, WIDTH, BAR, GAP, TOP = 250, 460, 13, 14, 48
MOST = 3.0
"""Longer bars are cut there and say what they stand for."""
# Both read on white and on black.
COLOURS = ("#2f81f7", "#8b949e", "#d29922", "#a371f7")

STYLE = """
text { font: 12px system-ui, sans-serif; fill: #1f2328; }
line { stroke: #8b949e; }
@media (prefers-color-scheme: dark) { text { fill: #e6edf3; } }
"""

type Ratios = dict[str, dict[str, float]]


def ratios(outcome: Outcome) -> Ratios:
    """By case of a hit, and by server with holdover first: CPU per request as a multiple of nginx's."""
    found: Ratios = {}
    for result in outcome.results:
        if result.scenario == "hit" and result.metric == METRIC:
            server, _, case = result.target.partition(", ")
            found.setdefault(case, {})[server] = result.value
    return {case: dict(sorted(own.items(), key=lambda item: item[0] != "holdover")) for case, own in found.items()}


def draw(outcome: Outcome) -> str:
    shown = ratios(outcome)
    servers = list(dict.fromkeys(server for own in shown.values() for server in own))
    colours = dict(zip(servers, COLOURS, strict=False))
    parts, y = list[str](), TOP
    for number, server in enumerate(servers):
        x = LEFT + 140 * number
        parts += [_bar(x, 14, 12, colours[server]), _text(x + 18, 24, server)]
    for case, own in shown.items():
        parts.append(_text(LEFT - 10, y + len(own) * BAR / 2 + 4, case, end=True))
        for server, ratio in own.items():
            length = WIDTH * min(ratio, MOST) / MOST
            parts += [_bar(LEFT, y, length, colours[server]), _text(LEFT + length + 6, y + 10, figure(ratio))]
            y += BAR
        y += GAP
    one = LEFT + WIDTH / MOST
    parts.append(f'<line x1="{one:.0f}" y1="{TOP - 6}" x2="{one:.0f}" y2="{y - 4}" stroke-dasharray="4 3"/>')
    parts.append(_text(one + 6, y, "nginx = 1"))
    title = "<title>CPU of a hit as a multiple of nginx's</title>"
    size = f'viewBox="0 0 {LEFT + WIDTH + 60} {y + 8}"'
    inside = "\n".join([title, f"<style>{STYLE}</style>", *parts])
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">\n{inside}\n</svg>\n'


def _bar(x: float, y: float, width: float, colour: str) -> str:
    return f'<rect x="{x:.0f}" y="{y:.0f}" width="{width:.0f}" height="{BAR - 2}" fill="{colour}"/>'


def _text(x: float, y: float, text: str, *, end: bool = False) -> str:
    anchor = ' text-anchor="end"' if end else ""
    return f'<text x="{x:.0f}" y="{y:.0f}"{anchor}>{escape(text)}</text>'
