"""A kit comes back: its card and what that names become a model folder, and nothing else of it is kept."""

from __future__ import annotations

import io
import re
import shutil
import stat
import zipfile
from collections.abc import Collection
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from wafer_core.canonical import CHANNELS
from wafer_core.errors import BrokenModel
from wafer_core.kit.graph_check import check_graph
from wafer_core.models.card import CARD
from wafer_core.models.folder import APPROVED, NAME, ModelFile, files_of, names_of, shipped_models
from wafer_core.models.session import GraphSession
from wafer_core.whole_files import partial_of, settle

MOST_BYTES = 256 << 20
"""Of a kit, packed and unpacked; a teacher of a million parameters takes 6 MB."""
MOST_MEMBERS = 100
_MOST_CARD_BYTES = 4 << 20

_MOST_SWAY = 0.1
"""How far an answer may lie from that to the map alone, in distances of two maps' answers; rounding makes 0.00001."""


def import_kit(data: bytes, parent: Path, taken: Collection[str] = ()) -> Path:
    """Write the model of a kit into a new folder under `parent` and return that folder.

    Only the card, the weights and the novelty reference that it names are taken, each checked against
    the size and sha256 that the card states, and loaded once. No code of the kit is kept or run. A
    folder that exists is never touched: a second kit of one name gets `-2` behind it.

    Args:
        data: the zip.
        parent: where the folder goes.
        taken: what the files of other models are called, whatever their folders are.

    Raises:
        BrokenModel: it is no kit, or one that is damaged, too large or contradicts itself.
    """
    with _opened(data) as archive:
        _check_members(archive)
        return _imported(archive, parent, taken)


def _imported(archive: zipfile.ZipFile, parent: Path, taken: Collection[str]) -> Path:
    card = _card_of(archive)
    stage = partial_of(parent / "kit")
    home = stage / (card.filename.rpartition("/")[0] or "kit")
    home.mkdir(parents=True)
    try:
        (home / CARD).write_bytes(_content(archive, card, _MOST_CARD_BYTES))
        for file in files_of(home):
            file.path.write_bytes(_named(archive, card, file.file, file.entry.bytes))
            _check_loads(file)
        _take_reference(archive, card, home)
        for path in home.iterdir():
            settle(path)
        return _moved(home, parent, taken)
    finally:
        shutil.rmtree(stage, ignore_errors=True)


def _opened(data: bytes) -> zipfile.ZipFile:
    """Return the archive, for the caller to close."""
    if len(data) > MOST_BYTES:
        raise BrokenModel(f"The kit has {len(data):,} bytes, more than any kit; give the zip that was downloaded.")
    try:
        # Of a zip of a later version than it reads, zipfile raises a kind of RuntimeError.
        return zipfile.ZipFile(io.BytesIO(data))
    except (zipfile.BadZipFile, ValueError, RuntimeError, OSError) as exc:
        raise BrokenModel("The kit is no zip archive, or one that was cut short; download it again.") from exc


def _check_members(archive: zipfile.ZipFile) -> None:
    """Look at what the archive claims to hold before anything of it is unpacked."""
    members = archive.infolist()
    if len(members) > MOST_MEMBERS or sum(member.file_size for member in members) > MOST_BYTES:
        raise BrokenModel("The kit would unfold to more than any kit holds, so it was not opened.")
    names = [member.filename for member in members]
    if len(set(names)) < len(names):
        raise BrokenModel("The kit holds two files of one name, so it was not opened.")
    for member in members:
        _check_name(member)
        _check_packing(member)


def _check_name(member: zipfile.ZipInfo) -> None:
    path = PurePosixPath(member.filename)
    outside = path.is_absolute() or ".." in path.parts or re.search(r"[\\:\x00-\x1f]", member.filename)
    if outside or stat.S_ISLNK(member.external_attr >> 16):
        raise BrokenModel(f"The kit holds {member.filename!r}, which leads out of its folder, so it was not opened.")


def _check_packing(member: zipfile.ZipInfo) -> None:
    if member.flag_bits & 1:
        raise BrokenModel("The kit is encrypted; unlock it and pack it again.")
    # Of other ways zipfile unfolds a whole member before it looks at the size.
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise BrokenModel("The kit is packed in a way kits are not; unpack it and pack it again as an ordinary zip.")


def _card_of(archive: zipfile.ZipFile) -> zipfile.ZipInfo:
    """Return the one card, which stands at the top or in the one folder."""
    cards = [each for each in archive.infolist() if PurePosixPath(each.filename).name == CARD]
    if len(cards) != 1:
        raise BrokenModel(f"The kit holds {len(cards) or 'no'} {CARD}, so it is no kit of one model.")
    folder = cards[0].filename.rpartition("/")[0]
    if folder and not re.fullmatch(NAME, folder):
        raise BrokenModel(f"The kit calls its model {folder[:80]!r}, which is no name of a folder; rename it.")
    return cards[0]


def _take_reference(archive: zipfile.ZipFile, card: zipfile.ZipInfo, home: Path) -> None:
    """Take what tells wafers unlike anything known, where the card names it, and load it once."""
    first = files_of(home)[0]
    if first.card.novelty is not None:
        known = first.card.novelty
        (home / known.file).write_bytes(_named(archive, card, known.file, known.bytes))
        first.known()


def _named(archive: zipfile.ZipFile, card: zipfile.ZipInfo, file: str, size: int) -> bytes:
    """Return a file that the card names and that has the size it states; its sha256 is checked when it is loaded."""
    wanted = card.filename.removesuffix(CARD) + file
    try:
        member = archive.getinfo(wanted)
    except KeyError as exc:
        raise BrokenModel(f"The kit's card names {file}, but the kit does not hold it; download it again.") from exc
    return _content(archive, member, size)


def _content(archive: zipfile.ZipFile, member: zipfile.ZipInfo, most: int) -> bytes:
    """Return what a member unfolds to, reading no more than it may; what it claims is a claim."""
    try:
        with archive.open(member) as packed:
            data = packed.read(most + 1)
    except Exception as exc:  # zipfile raises from a dozen unrelated trees on hostile bytes
        raise BrokenModel(f"The kit's {member.filename} is damaged; download the kit again.") from exc
    if len(data) > most:
        raise BrokenModel(f"The kit's {member.filename} has more bytes than it may; download the kit again.")
    return data


def _check_loads(file: ModelFile) -> None:
    """Load a weights file as whoever uses it will.

    Raises:
        BrokenModel: it is not what its card says.
    """
    data, where = file.read(), f"{file.folder.name}/{file.file}"
    if file.engine == "onnx":
        check_graph(data, where)
        graph = GraphSession(data, where, threads=1)
        if graph.size != file.card.size:
            raise BrokenModel(f"{where}: its graph takes maps of another size than its card says.")
        _check_answers(graph)
    else:
        # Here and not above, because a kit usually holds ONNX alone and must not wait for torch.
        from wafer_core.models.weights import load_network

        load_network(file)


def _check_answers(graph: GraphSession) -> None:
    """Ask about two maps, one by one and at once.

    Raises:
        BrokenModel: an answer is no number, or depends on what else was asked with it.
    """
    maps = np.zeros((2, CHANNELS, graph.size, graph.size), dtype=np.float32)
    maps[0, 0] = 1
    maps[1, 0, :, : graph.size // 2] = 1
    maps[1, 1, :, graph.size // 2 :] = 1
    first, second = (graph.run(each[None]) for each in maps)
    for alone, together in zip(map(np.concatenate, zip(first, second, strict=True)), graph.run(maps), strict=True):
        if not (np.isfinite(alone).all() and np.isfinite(together).all()):
            raise BrokenModel(f"{graph.where}: it answers with something that is not a number; restore the file.")
        if not _alike(alone, together):
            raise BrokenModel(f"{graph.where}: what it says of a wafer depends on the wafers asked about with it.")


def _alike(alone: NDArray[np.float32], together: NDArray[np.float32]) -> bool:
    """Whether answers (2, k) to two maps are those given to each alone, but for rounding."""
    apart, rounding = np.abs(alone[0] - alone[1]).max(), 1e-6 * np.abs(alone).max()
    return bool(np.abs(together - alone).max() <= _MOST_SWAY * apart + rounding)


def _moved(home: Path, parent: Path, taken: Collection[str]) -> Path:
    """Put a complete folder under the first name by which no file of another model is called."""
    reserved = {model.name for model in shipped_models()} | set(APPROVED) | set(taken)
    number = 1
    while True:
        target = parent / (home.name if number == 1 else f"{home.name}-{number}")
        if reserved.isdisjoint(names_of(target.name)) and not target.exists():
            try:
                return home.rename(target)
            except OSError:
                if not target.exists():
                    raise
        number += 1
