"""Typed, bounded reading of one JSON object; whatever is missing or impossible becomes a sentence."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

from wafer_core.errors import BrokenModel


class Fields:
    """The fields of a JSON object from a file nobody has to trust.

    Args:
        document: the parsed object.
        where: what begins every sentence, such as `student/card.json`.
        path: the field that holds this object, empty for the whole document.

    Every method raises `BrokenModel` where the field is missing or not what it must be.
    """

    def __init__(self, document: object, where: str, path: str = "") -> None:
        self.where, self.path = where, path
        if not isinstance(document, dict):
            raise self.broken("it must be an object with named fields")
        self.values: dict[str, Any] = document

    def broken(self, what: str) -> BrokenModel:
        """Return the error that says what is wrong and where."""
        return BrokenModel(f"{self.where}: {f'in {self.path}, ' if self.path else ''}{what}.")

    def has(self, key: str) -> bool:
        """Return whether the field is there and not null."""
        return self.values.get(key) is not None

    def text(self, key: str, pattern: str) -> str:
        """Return a text that the regular expression matches as a whole."""
        value = self._get(key)
        if not isinstance(value, str) or re.fullmatch(pattern, value) is None:
            raise self._impossible(key, "a text of the expected form")
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        """Return a list of texts."""
        value = self._list(key)
        if not all(isinstance(each, str) for each in value):
            raise self._impossible(key, "a list of texts")
        return tuple(value)

    def choice(self, key: str, choices: Sequence[str]) -> str:
        """Return a text that is one of `choices`."""
        value = self._get(key)
        if not isinstance(value, str) or value not in choices:
            raise self._impossible(key, f"one of {', '.join(choices)}")
        return value

    def exactly(self, key: str, expected: Sequence[str]) -> tuple[str, ...]:
        """Return a list of texts that must be `expected`, in that order."""
        if self._list(key) != list(expected):
            raise self._impossible(key, f"exactly {', '.join(expected)}")
        return tuple(expected)

    def boolean(self, key: str) -> bool:
        """Return true or false."""
        value = self._get(key)
        if not isinstance(value, bool):
            raise self._impossible(key, "true or false")
        return value

    def integer(self, key: str, low: int, high: int) -> int:
        """Return a whole number from `low` to `high`."""
        value = self._get(key)
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            expected = f"{low}" if low == high else f"a whole number from {low} to {high}"
            raise self._impossible(key, expected)
        return value

    def number(self, key: str, low: float = -math.inf, high: float = math.inf) -> float:
        """Return a finite number from `low` to `high`."""
        value = self._get(key)
        if not _is_finite(value) or not low <= value <= high:
            raise self._impossible(key, "a finite number" if math.isinf(low) else f"a number from {low:g} to {high:g}")
        return float(value)

    def probabilities(self, key: str, count: int) -> tuple[float, ...]:
        """Return `count` numbers between 0 and 1, both ends excluded."""
        value = self._list(key)
        if len(value) != count or not all(_is_finite(each) and 0 < each < 1 for each in value):
            raise self._impossible(key, f"{count} numbers between 0 and 1")
        return tuple(float(each) for each in value)

    def sha256(self, key: str) -> str:
        """Return a sha256 as 64 hexadecimal digits."""
        value = self._get(key)
        if not isinstance(value, str) or re.fullmatch(r"[0-9a-f]{64}", value) is None:
            raise self._impossible(key, "a sha256 of 64 hexadecimal digits")
        return value

    def inner(self, *keys: str) -> Fields:
        """Return the object that stands under `keys`, one within the other."""
        fields = self
        for key in keys:
            path = f"{fields.path}.{key}" if fields.path else key
            fields = Fields(fields._get(key), self.where, path)
        return fields

    def several(self, key: str) -> list[Fields]:
        """Return the objects of a list."""
        path = f"{self.path}.{key}" if self.path else key
        return [Fields(each, self.where, f"{path}[{i}]") for i, each in enumerate(self._list(key))]

    def keys_of(self, key: str, pattern: str) -> tuple[str, ...]:
        """Return the keys of the object under `key`, each matched as a whole by the regular expression."""
        fields = self.inner(key)
        for name in fields.values:
            if re.fullmatch(pattern, name) is None:
                raise fields.broken(f"{_shown(name)} is not a name that can stand here")
        return tuple(fields.values)

    def _list(self, key: str) -> list[Any]:
        value = self._get(key)
        if not isinstance(value, list):
            raise self._impossible(key, "a list")
        return value

    def _get(self, key: str) -> Any:  # noqa: ANN401 - JSON can hold anything, and every caller checks
        if key not in self.values:
            raise self.broken(f"{key!r} is missing")
        return self.values[key]

    def _impossible(self, key: str, expected: str) -> BrokenModel:
        return self.broken(f"{key!r} is {_shown(self.values[key])}, but must be {expected}")


def _is_finite(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def _shown(value: object, most: int = 60) -> str:
    text = repr(value)
    return text if len(text) <= most else text[:most] + "..."
