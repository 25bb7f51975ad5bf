"""The picture on the page: microseconds a call for each engine in each pattern, on a logarithmic scale, as SVG.

Hand-written, so that it needs nothing installed; its colours follow the reader's light or dark theme.
"""

from __future__ import annotations

import math
from html import escape

_LEFT, _RIGHT, _TOP, _ROW, _GAP = 170, 30, 46, 17, 26
_WIDTH = 820
_STYLE = """
  text { font: 12px system-ui, sans-serif; fill: #333; }
  .title { font-weight: 600; }
  .tick { stroke: #ddd; }
  .ours { fill: #0b7a75; }
  .peer { fill: #8a93a2; }
  .figure { font-size: 11px; }
  @media (prefers-color-scheme: dark) {
    text { fill: #ddd; }
    .tick { stroke: #444; }
    .ours { fill: #3fd0c9; }
  }
"""


def _three_digits(figure: float) -> str:
    rounded = float(f"{figure:.3g}")
    return f"{rounded:g}" if rounded < 1000 else f"{rounded:,.0f}".replace(",", " ")


def bars(groups: dict[str, dict[str, float]], ours: str, unit: str) -> str:
    """An SVG drawing: for each group a title and a bar for each name, the shortest first.

    Args:
        groups: positive figures by name, by title.
        ours: the name whose bars are emphasised.
        unit: of the figures.
    """
    figures = [figure for group in groups.values() for figure in group.values()]
    low = math.floor(math.log10(min(figures)))
    high = math.ceil(math.log10(max(figures)) + 0.35)  # room for the figure behind the longest bar

    def x(figure: float) -> float:
        return _LEFT + (math.log10(figure) - low) / (high - low) * (_WIDTH - _LEFT - _RIGHT)

    height = _TOP + sum(_GAP + _ROW * len(group) for group in groups.values()) + 10
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img">',
        f"<title>{escape(unit)}</title><style>{_STYLE}</style>",
        f'<text x="{_LEFT}" y="16">{escape(unit)}</text>',
    ]
    for power in range(low, high + 1):
        at = x(10.0**power)
        parts += [
            f'<line class="tick" x1="{at:.1f}" x2="{at:.1f}" y1="{_TOP - 8}" y2="{height - 6}"/>',
            f'<text x="{at:.1f}" y="{_TOP - 14}" text-anchor="middle">{10**power:,}</text>'.replace(",", " "),
        ]
    y = _TOP
    for title, group in groups.items():
        parts.append(f'<text class="title" x="8" y="{y + 14}">{escape(title)}</text>')
        y += _GAP - 6
        for name, figure in sorted(group.items(), key=lambda item: item[1]):
            kind = "ours" if name == ours else "peer"
            parts += [
                f'<text x="{_LEFT - 8}" y="{y + 11}" text-anchor="end">{escape(name)}</text>',
                f'<rect class="{kind}" x="{_LEFT}" y="{y + 2}" width="{x(figure) - _LEFT:.1f}" height="{_ROW - 5}"/>',
                f'<text class="figure" x="{x(figure) + 5:.1f}" y="{y + 11}">{_three_digits(figure)}</text>',
            ]
            y += _ROW
        y += 6
    return "\n".join([*parts, "</svg>\n"])
