"""Text made fit for HTML, SVG and a plain line: everything that comes from users passes through here.

Names, reprs, output and tracebacks may hold anything: markup, control characters that XML forbids even escaped, lone
surrogates that cannot be encoded, overrides of the direction of text, terminal colours, progress bars that rewrite
their line.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

_ENTITIES = {ord("&"): "&amp;", ord("<"): "&lt;", ord(">"): "&gt;", ord('"'): "&quot;", ord("'"): "&#39;"}
_UNFIT = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]|[\u202d\u202e]")
_TERMINAL = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\^_])")


def clean(text: str) -> str:
    """`text` with U+FFFD for each character that XML 1.0 forbids, and for those that turn round what comes after them.

    The latter are the two overrides of direction; text that runs from right to left by itself needs none.
    """
    return _UNFIT.sub("\ufffd", text)


def escape(text: object) -> str:
    """`text`, safe in HTML and SVG, as content and within quoted attributes."""
    return clean(str(text)).translate(_ENTITIES)


def one_line(text: str, limit: int = 120) -> str:
    """`text` on one line of at most `limit` characters, runs of white space made one blank."""
    text = " ".join(clean(text[: limit * 8]).split())
    return text if len(text) <= limit else text[: limit - 1] + "…"


def short_id(id: str, limit: int = 72) -> str:
    """A call's id, at most `limit` characters: of the path of a deeply nested one, the middle is left out."""
    id = clean(id)
    if len(id) <= limit:
        return id
    end = limit // 2
    return f"{id[: limit - end - 1]}…{id[-end:]}"


def plain_output(text: str) -> str:
    r"""What a terminal would still show of `text`: no colour codes, and of a line rewritten by ``\r`` the last state.

    Example:
        >>> plain_output("10 %\r20 %\n\x1b[31mred\x1b[0m")
        '20 %\nred'
    """
    text = _TERMINAL.sub("", text).replace("\r\n", "\n")
    if "\r" not in text:
        return text
    # What is before the last return goes, unless nothing came after it to take its place.
    return "\n".join(line[line.rfind("\r", 0, len(line) - 1) + 1 :] for line in text.split("\n"))


def attributes(pairs: Mapping[str, object]) -> str:
    """`pairs` as attributes, each with a blank before it; those that are None are left out."""
    return "".join(f' {name}="{escape(value)}"' for name, value in pairs.items() if value is not None)


def element(tag: str, content: str = "", /, **pairs: object) -> str:
    """An element with `content`, which is markup already; an attribute's ``_`` becomes ``-``, ``class_`` is ``class``.

    Example:
        >>> element("span", escape("a < b"), class_="x", aria_label="less")
        '<span class="x" aria-label="less">a &lt; b</span>'
    """
    named = {name.rstrip("_").replace("_", "-"): value for name, value in pairs.items()}
    return f"<{tag}{attributes(named)}>{content}</{tag}>"


def seconds(value: float) -> str:
    """A length of time for people, in three digits or so.

    Example:
        >>> seconds(0.00042), seconds(0.0513), seconds(1.016), seconds(75), seconds(4000)
        ('0.42 ms', '51 ms', '1.02 s', '1 min 15 s', '1 h 06 min')
    """
    value = max(value, 0.0) if math.isfinite(value) else 0.0
    if value < 0.01:
        return f"{value * 1000:.2f} ms" if value else "0 s"
    if value < 0.9995:
        return f"{value * 1000:.0f} ms"
    if value < 59.95:
        return f"{value:.2f} s" if value < 9.995 else f"{value:.1f} s"
    whole = round(value)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """A number with its noun: ``1 call``, ``12 calls``, ``10 000 calls`` (with narrow blanks)."""
    return f"{grouped(number)} {noun if number == 1 else plural or noun + 's'}"


def size_text(size: int) -> str:
    """A number of bytes for people.

    Example:
        >>> size_text(900), size_text(122739), size_text(3_500_000_000)
        ('900 B', '123 kB', '3.5 GB')
    """
    value = float(size)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 999.5:
            return f"{value:.0f} {unit}" if value >= 99.5 or unit == "B" else f"{value:.3g} {unit}"
        value /= 1000
    return f"{value:.3g} TB"


def grouped(number: int) -> str:
    """A whole number with its digits in groups of three: ``10 000`` (narrow no-break blanks)."""
    return f"{number:,}".replace(",", "\u202f")
