"""`explanations.json`, beside a model's card: how far its explanations can be trusted, for a page to quote."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from wafer_core.errors import BrokenModel
from wafer_core.explain import METHODS
from wafer_core.models.card import Card
from wafer_core.models.fields import Fields
from wafer_core.models.folder import ModelFile
from wafer_core.patterns import PATTERNS
from wafer_core.trust.tally import BETTER, Reached
from wafer_core.whole_files import write_whole

RECORD = "explanations.json"

SCHEMA = 2
"""The layout that this version writes; it reads the one before too, which had one command for all figures."""

SIMULATED, OVERLAYS = "simulated mixes", "real overlays"
"""The sets that are scored, the headline first."""

BY_PATTERN = ("pointing", "pointing, unshared", "own/other", "removal")
"""The scores that are kept for each pattern; all are kept pooled."""

_MOST_BYTES = 4 << 20
_NAME = r"[^\x00-\x1f]{1,200}"
_DIGITS = 4


@dataclass(frozen=True)
class MadeSet:
    """A set of constructed wafers: its name, the sha256 of maps and regions, how many wafers, from which seed."""

    name: str
    sha256: str
    wafers: int
    seed: int


@dataclass(frozen=True)
class Kept:
    """One figure of one method on one weights file, and what repeats it.

    Agreement is that with the teacher by the same method.
    """

    sha256: str
    method: str
    set: str
    reached: Reached
    command: str

    @property
    def what(self) -> tuple[str, ...]:
        """What the figure is of, whatever its value."""
        return self.sha256, self.method, self.set, self.reached.score, self.reached.pattern or ""


@dataclass(frozen=True)
class Record:
    """Everything `explanations.json` says.

    Args:
        sets: what was measured on.
        figures: what methods reached.
    """

    sets: tuple[MadeSet, ...] = ()
    figures: tuple[Kept, ...] = ()

    @classmethod
    def read(cls, folder: Path) -> Record:
        """Return the record of a model folder, an empty one where nothing was measured.

        Raises:
            BrokenModel: the file cannot be read, or a field of it is missing or impossible.
        """
        path, where = folder / RECORD, f"{folder.name}/{RECORD}"
        try:
            if path.stat().st_size > _MOST_BYTES:
                raise BrokenModel(f"{where}: it is larger than any such file, so it was not read.")
            document: object = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return cls()
        except OSError as exc:
            raise BrokenModel(f"{where}: it cannot be read ({exc.strerror}).") from exc
        except (ValueError, RecursionError) as exc:
            raise BrokenModel(f"{where}: it is not valid JSON; measure the explanations again.") from exc
        return cls.from_json(document, where)

    @classmethod
    def from_json(cls, document: object, where: str = RECORD) -> Record:
        """Return the record a parsed file describes, every field checked.

        Files of older versions hold times as well, which nothing reads.

        Raises:
            BrokenModel: a field is missing or impossible; `where` begins the sentence.
        """
        fields = Fields(document, where)
        if (schema := fields.integer("schema", 1, 1 << 31)) > SCHEMA:
            raise fields.broken(
                f"schema {schema} is newer than {SCHEMA}, which this version reads; update WaferDistill"
            )
        sets = tuple(_set(each) for each in fields.several("sets"))
        told_once = schema == 1
        told = [fields] if told_once else fields.several("commands")
        commands = [each.text("command", r"(?s).{0,2000}") for each in told]
        lines = fields.several("figures")
        if lines and not commands:
            raise fields.broken("'commands' is empty, but there are figures that one of them repeats")
        names = [one.name for one in sets]
        return cls(sets, tuple(_kept(each, names, commands, told_once) for each in lines))

    def to_json(self) -> dict[str, Any]:
        """Return what the file holds."""
        commands = list(dict.fromkeys(each.command for each in self.figures))
        return {
            "schema": SCHEMA,
            "commands": [{"command": command} for command in commands],
            "sets": [asdict(each) for each in self.sets],
            "figures": [_line(each, commands) for each in self.figures],
        }

    def write(self, folder: Path) -> None:
        """Write the file into a model folder, one figure a line, after the same checks that reading makes.

        Raises:
            BrokenModel: a field is impossible.
        """
        document = self.to_json()
        Record.from_json(document, f"{folder.name}/{RECORD}")
        write_whole(folder / RECORD, _text(document).encode())

    def joined(self, newer: Record, weights: Collection[str]) -> Record:
        """Return a newer record with whatever of this one it does not replace.

        What stays is about one of `weights`, was not measured again, and not on a set of which the
        newer record has another of the same name.
        """
        again = {each.what for each in newer.figures}
        remade = {each.name for each in newer.sets if each not in self.sets}
        figures = [
            each
            for each in self.figures
            if each.sha256 in weights and each.set not in remade and each.what not in again
        ]
        sets = [each for each in self.sets if each not in newer.sets and each.name in {one.set for one in figures}]
        return Record((*newer.sets, *sets), (*newer.figures, *figures))

    def figure(self, sha256: str, method: str, score: str, set_name: str, pattern: str | None = None) -> Reached | None:
        """Return one figure, or None where it was not measured.

        Args:
            sha256: of the weights.
            method: a key of `METHODS`.
            score: a key of `BETTER`.
            set_name: one of the record's sets.
            pattern: whose; None for all patterns pooled.
        """
        for each in self.figures:
            if (each.sha256, each.method, each.set) == (sha256, method, set_name):
                found = each.reached
                if (found.score, found.pattern) == (score, pattern):
                    return found
        return None


def keep(folder: Path, newer: Record) -> None:
    """Put what was measured of a folder's weights, if anything, into its record, in place of what it said before.

    Raises:
        BrokenModel: the card or the record is broken.
    """
    ours = {entry.sha256 for entry in Card.read(folder).files.values()}
    mine = replace(newer, figures=tuple(each for each in newer.figures if each.sha256 in ours))
    if mine.figures:
        Record.read(folder).joined(mine, ours).write(folder)


def quotable(model: ModelFile, method: str, set_name: str, reached: Sequence[Reached], command: str) -> list[Kept]:
    """Return of a method's figures those that are worth keeping: all pooled, a few by pattern, none by pair."""
    return [
        Kept(model.sha256, method, set_name, each, command)
        for each in reached
        if each.other is None and (each.pattern is None or each.score in BY_PATTERN)
    ]


def _line(kept: Kept, commands: Sequence[str]) -> dict[str, Any]:
    reached = kept.reached
    numbers = {name: _rounded(getattr(reached, name)) for name in ("value", "low", "high", "chance")}
    where = {"sha256": kept.sha256, "method": kept.method, "set": kept.set}
    what = {"score": reached.score, "pattern": reached.pattern, **numbers, "n": reached.n}
    return {**where, **what, "run": commands.index(kept.command)}


def _rounded(number: float) -> float:
    return float(f"{number:.{_DIGITS}g}")


def _text(document: dict[str, Any]) -> str:
    parts = []
    for key, value in document.items():
        if isinstance(value, list):
            lines = ",\n".join(f"    {json.dumps(each, allow_nan=False)}" for each in value)
            parts.append(f'  "{key}": [\n{lines}\n  ]' if value else f'  "{key}": []')
        else:
            parts.append(f'  "{key}": {json.dumps(value)}')
    return "{\n" + ",\n".join(parts) + "\n}\n"


def _set(fields: Fields) -> MadeSet:
    return MadeSet(
        fields.text("name", _NAME),
        fields.sha256("sha256"),
        fields.integer("wafers", 1, 1 << 31),
        fields.integer("seed", 0, 1 << 63),
    )


def _kept(fields: Fields, sets: Sequence[str], commands: Sequence[str], told_once: bool) -> Kept:
    reached = Reached(
        score=fields.choice("score", tuple(BETTER)),
        pattern=fields.choice("pattern", PATTERNS) if fields.has("pattern") else None,
        other=None,
        value=fields.number("value"),
        low=fields.number("low"),
        high=fields.number("high"),
        chance=fields.number("chance"),
        n=fields.integer("n", 1, 1 << 40),
    )
    if not reached.low <= reached.value <= reached.high:
        raise fields.broken(f"{reached.value} is not within its interval from {reached.low} to {reached.high}")
    run = 0 if told_once else fields.integer("run", 0, len(commands) - 1)
    return Kept(
        fields.sha256("sha256"), fields.choice("method", METHODS), fields.choice("set", sets), reached, commands[run]
    )
