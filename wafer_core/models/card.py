"""The card of a model folder: what its files are, what they were made from, what they reached."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, get_args

from wafer_core.canonical import CHANNELS
from wafer_core.errors import BrokenModel, UsageError
from wafer_core.models.fields import Fields
from wafer_core.models.groups import MOST_BYTES, check_groups, unpack_groups
from wafer_core.patterns import ALLOWED_SETS, PATTERNS
from wafer_core.whole_files import write_whole

SCHEMA = 1
"""The layout of `card.json` that this version writes and reads."""

CARD = "card.json"

Role = Literal["teacher", "student"]
Engine = Literal["torch", "onnx"]
Precision = Literal["fp32", "int8"]

MOST_EARLIER = 100
"""Runs that a card names before its own; a longer chain loses its oldest."""
MOST_SEED, MOST_STEPS = (1 << 63) - 1, 1 << 31
"""Of a run that a card can name."""

_RUN = ("sha256", "command", "seed", "steps", "teacher_sha256", "start_sha256")

_MOST_CARD_BYTES = 4 << 20
_MOST_FILE_BYTES = 1 << 30
_FILE_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}\.(safetensors|onnx)"
_REFERENCE_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}\.safetensors"
_MOST_REFERENCE_BYTES = 1 << 20
_NAME = r"[^\x00-\x1f]{1,200}"


@dataclass(frozen=True)
class FileEntry:
    """One weights file of a model folder.

    Args:
        engine: what runs it.
        precision: of its weights and activations.
        parameters: how many trained numbers the network has.
        bytes: the file's size.
        sha256: of the file.
        thresholds: (8,) probabilities in (0, 1) above which this file calls each pattern.
    """

    engine: Engine
    precision: Precision
    parameters: int
    bytes: int
    sha256: str
    thresholds: tuple[float, ...]


@dataclass(frozen=True)
class Novelty:
    """What tells wafers unlike anything known, as `wafer_core.novelty` understands it.

    Args:
        file: the reference, beside the weights.
        bytes: the file's size.
        sha256: of the file.
        limits: by weights file, the distance from the reference that 1 % of ordinary wafers pass.
        known: how many maps the reference is made from.
        ordinary: on how many others the limits were chosen.
    """

    file: str
    bytes: int
    sha256: str
    limits: dict[str, float]
    known: int
    ordinary: int


@dataclass(frozen=True)
class Figure:
    """One measured figure of one file: on which set, with which interval, by which command.

    `low` and `high` bound the 95 % interval and are both None where there is none; `n` counts wafers. `reach` is what
    was meant and `reached` whether it was; both are None where nothing was.
    """

    file: str
    set: str
    set_sha256: str
    split: str
    metric: str
    value: float
    low: float | None
    high: float | None
    n: int
    command: str
    reach: float | None = None
    reached: bool | None = None


@dataclass(frozen=True)
class Card:
    """Everything `card.json` says.

    Args:
        schema: always `SCHEMA`.
        name: what the model is called on the screen.
        role: whether it teaches or was taught.
        architecture: what `networks.build` makes.
        size: rows and columns of the canonical map it takes.
        channels: of that map.
        patterns: the order of its outputs, always `PATTERNS`.
        decoder: a key of `ALLOWED_SETS`.
        unsure_below: margin in logits under which a verdict is unsure.
        files: by file name.
        made_from: `teacher_sha256` (None for a teacher), `start_sha256` where it began with the weights of
            another model, `earlier` (the runs that led to those, oldest first, at most `MOST_EARLIER`: each the
            `sha256` of the weights it wrote, `command`, `seed`, `steps`, and `teacher_sha256` and
            `start_sha256` where they are known), `data` (a list of `name`, `sha256` or None
            where a command and a seed generate it, `labels` yes or no, `maps`, and where the data have
            a split `parts` and `groups` as `pack_groups` packs them), `seed`, `steps`, `command`.
        figures: what was measured.
        novelty: what tells wafers unlike anything known; None where nothing does.
    """

    name: str
    role: Role
    architecture: str
    size: int
    decoder: str
    unsure_below: float
    files: dict[str, FileEntry]
    made_from: dict[str, Any]
    figures: tuple[Figure, ...] = ()
    novelty: Novelty | None = None
    channels: int = CHANNELS
    patterns: tuple[str, ...] = PATTERNS
    schema: int = field(default=SCHEMA)

    @classmethod
    def read(cls, folder: Path) -> Card:
        """Return the card of a model folder.

        Raises:
            BrokenModel: there is no card, or a field of it is missing or impossible.
        """
        return cls.from_json(_load(folder), f"{folder.name}/{CARD}")

    @classmethod
    def from_json(cls, document: object, where: str = CARD) -> Card:
        """Return the card a parsed `card.json` describes, every field checked.

        Raises:
            BrokenModel: a field is missing or impossible; `where` begins the sentence.
        """
        fields = Fields(document, where)
        if (schema := fields.integer("schema", 1, 1 << 31)) != SCHEMA:
            raise fields.broken(f"schema {schema} is not {SCHEMA}, the one this version reads; update WaferDistill")
        shape = fields.inner("input")
        files = {name: _file(fields.inner("files", name)) for name in fields.keys_of("files", _FILE_NAME)}
        _check_kinds(files, fields)
        return cls(
            schema=schema,
            name=fields.text("name", _NAME),
            role=fields.choice("role", get_args(Role)),  # type: ignore[arg-type]
            architecture=fields.text("architecture", r"[a-z0-9-]{1,200}"),
            size=shape.integer("size", 8, 512),
            channels=shape.integer("channels", CHANNELS, CHANNELS),
            patterns=fields.exactly("patterns", PATTERNS),
            decoder=fields.choice("decoder", tuple(ALLOWED_SETS)),
            unsure_below=fields.number("unsure_below", 0.0, 1e6),
            files=files,
            made_from=_made_from(fields.inner("made_from")),
            figures=tuple(_figure(each, files) for each in fields.several("figures")),
            novelty=_novelty(fields.inner("novelty"), files) if fields.has("novelty") else None,
        )

    def to_json(self) -> dict[str, Any]:
        """Return what `card.json` holds."""
        document = {
            "schema": self.schema,
            "name": self.name,
            "role": self.role,
            "architecture": self.architecture,
            "input": {"size": self.size, "channels": self.channels},
            "patterns": list(self.patterns),
            "decoder": self.decoder,
            "unsure_below": self.unsure_below,
            "files": {name: asdict(entry) for name, entry in self.files.items()},
            "made_from": self.made_from,
            "figures": [_told(figure) for figure in self.figures],
        }
        return document if self.novelty is None else {**document, "novelty": asdict(self.novelty)}

    def write(self, folder: Path) -> None:
        """Write `card.json` into a model folder, after the same checks that reading makes.

        Raises:
            BrokenModel: a field is impossible.
        """
        text = json.dumps(self.to_json(), indent=2)
        Card.from_json(json.loads(text), f"{folder.name}/{CARD}")
        write_whole(folder / CARD, f"{text}\n".encode())

    def runs_until(self, sha256: str) -> list[dict[str, Any]]:
        """Return the runs that led to a weights file of the model, as `earlier` holds them, oldest first.

        Args:
            sha256: of the file, which the last of them wrote.
        """
        runs = [*(self.made_from.get("earlier") or ()), {**self.made_from, "sha256": sha256}]
        return [{key: run[key] for key in _RUN if run.get(key) is not None} for run in runs]

    def training_groups(self) -> frozenset[str]:
        """Return every group of every data set the model was made from, as far as the card names them."""
        return frozenset().union(*(unpack_groups(data.get("groups", {})) for data in self.made_from["data"]))

    def training_parts(self) -> frozenset[str]:
        """Return every part of a split (`train`, `validation`, ...) the model was made from."""
        return frozenset(part for data in self.made_from["data"] for part in data.get("parts", ()))


def replaced(folder: Path) -> Path:
    """Return where the files of a model stand while another takes their place; they stay there after a kill."""
    folder = folder.resolve()
    return folder.parent / f".{folder.name}.replaced" / folder.name


def _load(folder: Path) -> object:
    path = folder / CARD
    where = f"{folder.name}/{CARD}"
    try:
        if path.stat().st_size > _MOST_CARD_BYTES:
            raise BrokenModel(f"{where}: it is larger than any card, so it was not read.")
        document: object = json.loads(path.read_text(encoding="utf-8"), parse_constant=_refuse_constant)
    except (FileNotFoundError, NotADirectoryError) as exc:
        if (before := replaced(folder)).is_dir():
            raise BrokenModel(
                f"{where}: a command was killed while it replaced this model; repeat it, or move what "
                f"{before} holds back into {folder.name}."
            ) from exc
        raise BrokenModel(f"{where}: there is no such file, so {folder.name} is no model folder.") from exc
    except OSError as exc:
        raise BrokenModel(f"{where}: it cannot be read ({exc.strerror}).") from exc
    except (ValueError, RecursionError) as exc:
        raise BrokenModel(f"{where}: it is not valid JSON, so the model cannot be used; restore the file.") from exc
    return document


def _refuse_constant(constant: str) -> None:
    raise ValueError(constant)


def _file(fields: Fields) -> FileEntry:
    return FileEntry(
        engine=fields.choice("engine", get_args(Engine)),  # type: ignore[arg-type]
        precision=fields.choice("precision", get_args(Precision)),  # type: ignore[arg-type]
        parameters=fields.integer("parameters", 1, _MOST_FILE_BYTES),
        bytes=fields.integer("bytes", 1, _MOST_FILE_BYTES),
        sha256=fields.sha256("sha256"),
        thresholds=fields.probabilities("thresholds", len(PATTERNS)),
    )


def _check_kinds(files: Mapping[str, FileEntry], fields: Fields) -> None:
    """Refuse files whose engine contradicts their ending, and two files that would share a name."""
    if not files:
        raise fields.broken("it names no weights file")
    for name, entry in files.items():
        if name.endswith(".safetensors") != (entry.engine == "torch"):
            raise fields.broken(f"{name} cannot be run by {entry.engine}")
        if entry.engine == "torch" and entry.precision != "fp32":
            raise fields.broken(f"{name} cannot be {entry.precision}: only ONNX files are")
    if len({(entry.engine, entry.precision) for entry in files.values()}) < len(files):
        raise fields.broken("two of its files have the same engine and precision")


def _made_from(fields: Fields) -> dict[str, Any]:
    _check_run(fields)
    if fields.has("earlier"):
        _check_earlier(fields)
    bytes_left = MOST_BYTES
    for data in fields.several("data"):
        data.text("name", _NAME)
        data.integer("maps", 0, 1 << 40)
        data.boolean("labels")
        if data.has("sha256"):
            data.sha256("sha256")
        if data.has("parts"):
            data.texts("parts")
        if data.has("groups"):
            packed = data.inner("groups")
            try:
                texts = {prefix: packed.text(prefix, r"[A-Za-z0-9+/=]*") for prefix in packed.values}
                bytes_left -= check_groups(texts, bytes_left)
            except ValueError as exc:
                raise packed.broken(str(exc)) from exc
    return fields.values


def check_repeatable(seed: int, steps: int) -> None:
    """Find out before a run begins whether a card can hold its seed and its steps.

    Raises:
        UsageError: it cannot.
    """
    if not 1 <= steps <= MOST_STEPS:
        raise UsageError(f"A run takes 1 to {MOST_STEPS:,} steps, not {steps:,}.")
    if not 0 <= seed <= MOST_SEED:
        raise UsageError(f"A seed is a whole number from 0 to {MOST_SEED}, not {seed}.")


def _check_run(fields: Fields) -> None:
    for origin in ("teacher_sha256", "start_sha256"):
        if fields.has(origin):
            fields.sha256(origin)
    fields.integer("seed", 0, MOST_SEED)
    fields.integer("steps", 0, MOST_STEPS)
    fields.text("command", r"(?s).{0,2000}")


def _check_earlier(fields: Fields) -> None:
    """Refuse earlier runs that do not follow one another, or do not end where the model began."""
    earlier = fields.several("earlier")
    if not 1 <= len(earlier) <= MOST_EARLIER:
        raise fields.broken(f"'earlier' names {len(earlier)} runs, but must name 1 to {MOST_EARLIER}")
    for run in earlier:
        run.sha256("sha256")
        _check_run(run)
    for before, run in pairwise([*earlier, fields]):
        # Cards once left out what a run began with; a model with runs before it has to say.
        if (run is fields or run.has("start_sha256")) and run.values.get("start_sha256") != before.values["sha256"]:
            raise run.broken("'start_sha256' is not the sha256 of the run before it")


def _novelty(fields: Fields, files: Mapping[str, FileEntry]) -> Novelty:
    limits = fields.inner("limits")
    novelty = Novelty(
        file=fields.text("file", _REFERENCE_NAME),
        bytes=fields.integer("bytes", 1, _MOST_REFERENCE_BYTES),
        sha256=fields.sha256("sha256"),
        limits={name: limits.number(name, 1e-12, 1e12) for name in fields.keys_of("limits", _FILE_NAME)},
        known=fields.integer("known", 1, 1 << 40),
        ordinary=fields.integer("ordinary", 1, 1 << 40),
    )
    if novelty.file in files:
        raise fields.broken(f"{novelty.file} cannot be both weights and reference")
    if strangers := novelty.limits.keys() - files.keys():
        raise fields.broken(f"{min(strangers)} has a limit, but is none of the model's files")
    return novelty


def _told(figure: Figure) -> dict[str, Any]:
    """Return a figure as a card holds it: what was meant stands there where something was."""
    told = asdict(figure)
    return told if figure.reach is not None else {k: v for k, v in told.items() if k not in ("reach", "reached")}


def _figure(fields: Fields, files: Mapping[str, FileEntry]) -> Figure:
    interval = fields.has("low") or fields.has("high")
    figure = Figure(
        file=fields.choice("file", tuple(files)),
        set=fields.text("set", _NAME),
        set_sha256=fields.sha256("set_sha256"),
        split=fields.text("split", r".{0,200}"),
        metric=fields.text("metric", _NAME),
        value=fields.number("value"),
        low=fields.number("low") if interval else None,
        high=fields.number("high") if interval else None,
        n=fields.integer("n", 1, 1 << 40),
        command=fields.text("command", r"(?s).{0,2000}"),
        reach=fields.number("reach") if fields.has("reach") else None,
        reached=fields.boolean("reached") if fields.has("reach") else None,
    )
    if figure.low is not None and figure.high is not None and not figure.low <= figure.value <= figure.high:
        raise fields.broken(f"{figure.value} is not within its interval from {figure.low} to {figure.high}")
    return figure
