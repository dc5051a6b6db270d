"""How numbers are written on the screen: short, with their unit, the same everywhere."""

from __future__ import annotations

UNLIKE = "Unlike anything known"
"""What a wafer is called that is farther from all a model was taught on than ordinary wafers are."""


def percent(fraction: float | None, digits: int = 1) -> str:
    """Return `0.831` as `83.1 %`, and nothing tested as a dash."""
    return "–" if fraction is None else f"{100 * fraction:.{digits}f} %"


def count(number: int, thing: str) -> str:
    """Return `23 wafers`, `1 wafer`, `2.9 M parameters`."""
    return f"{human_count(number)} {thing}{'' if number == 1 else 's'}"


def human_count(number: int) -> str:
    """Return a count in at most four characters beyond ten thousand: `1,853`, `61 k`, `2.9 M`."""
    if number < 10_000:
        return f"{number:,}"
    if number < 1_000_000:
        return f"{number / 1_000:.0f} k"
    return f"{number / 1_000_000:.1f} M"


def human_bytes(size: int) -> str:
    """Return a size on disk in decimal units: `84 kB`, `11.5 MB`."""
    if size < 1_000:
        return f"{size} B"
    if size < 1_000_000:
        return f"{size / 1_000:.0f} kB"
    return f"{size / 1_000_000:.1f} MB"


def times(factor: float) -> str:
    """Return how many times: `9.7`, `10` where it is whole, `120` where a tenth would be noise."""
    return f"{factor:.0f}" if factor >= 99.95 else f"{factor:.1f}".removesuffix(".0")


def probability(p: float) -> str:
    """Return a probability of chance: `0.457`, and `< 0.001` where three digits would say that there is none."""
    return f"{p:.3f}" if p >= 0.001 else "< 0.001"


def duration(seconds: float) -> str:
    """Return seconds as an engineer says them: `38 s`, `1 min 30 s`, `2 h 5 min`."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min" + (f" {whole % 60} s" if whole % 60 else "")
    return f"{whole // 3600} h" + (f" {whole % 3600 // 60} min" if whole % 3600 // 60 else "")


def shortened(text: str, most: int) -> str:
    """Return a text of at most `most` letters; a longer one ends in dots where it was cut."""
    return text if len(text) <= most else f"{text[: most - 1].rstrip(' ,;:(')}…"


def unmarked(text: object) -> str:
    """Escape what would make a link, a picture, a formula or other type of a sentence that quotes a file or address."""
    escaped = "".join("\\" + sign if sign in r"\`*_[]<$~" else sign for sign in str(text))
    # An address makes a link of itself.
    return escaped.replace("://", r":\//").replace("www.", r"www\.")


def plain(text: str) -> str:
    """Escape what Markdown would read as markup, because names and ids come from files."""
    return "".join("\\" + sign if sign in r"\`*_{}[]()#+-.!|~$:<>" else sign for sign in text)
