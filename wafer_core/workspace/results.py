"""The result shelf: logits, embeddings and attributions by weights and map; they last."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from wafer_core.patterns import PATTERNS
from wafer_core.workspace.shelf import Shelf

if TYPE_CHECKING:
    from wafer_core.recognise import Scores

KEYS_A_QUERY = 8_000
"""Well below SQLite's limit of bound values."""
MAPS_A_QUERY = 256
"""Attributions are larger than keys: so many wafers' are in memory at once."""
REMEMBERED = 16
"""Complete answers kept in memory, the last used: two models on several lots and altered wafers."""

Asked = tuple[str, tuple[str, ...]]


class StoredScores(NamedTuple):
    """What the store holds for a list of maps.

    `logits` is float32 (n, 8), NaN where nothing is stored and where a wafer cannot be scored;
    `present` is bool (n,), whether the store has an answer.
    """

    logits: NDArray[np.float32]
    present: NDArray[np.bool_]


class ResultShelf(Shelf):
    """Results, keyed by the sha256 of weights and the hash of a map; both are hexadecimal text."""

    def put_scores(self, model: str, maps: Sequence[str], scores: Scores) -> None:
        """Keep scores; what is already stored stays, for the same key has the same answer.

        Args:
            model: sha256 of the weights.
            maps: n map hashes.
            scores: logits (n, 8) and embedding (n, E); NaN logits say "cannot be scored".
        """
        weights = bytes.fromhex(model)
        keys = [bytes.fromhex(key) for key in maps]
        logits = np.ascontiguousarray(scores.logits, dtype="<f4")
        embeddings = np.ascontiguousarray(scores.embedding, dtype="<f4")
        with self.database.transaction() as connection:
            connection.executemany(
                "INSERT OR IGNORE INTO scores VALUES (?, ?, ?, ?)",
                (
                    (weights, key, said.tobytes(), seen.tobytes())
                    for key, said, seen in zip(keys, logits, embeddings, strict=True)
                ),
            )

    def scores(self, model: str, maps: Sequence[str]) -> StoredScores:
        """Return the stored logits of n maps, in their order; the arrays are read-only."""
        asked = (model, tuple(maps))
        if (known := self._complete.pop(asked, None)) is not None:
            self._remember(asked, known)
            return known
        stored = self._blobs("logits", model, maps)
        present = np.fromiter((key in stored for key in maps), dtype=bool, count=len(maps))
        logits = np.full((len(maps), len(PATTERNS)), np.nan, dtype=np.float32)
        if stored:
            found = b"".join(stored[key] for key in maps if key in stored)
            logits[present] = np.frombuffer(found, dtype="<f4").reshape(-1, len(PATTERNS))
        for array in (logits, present):
            array.setflags(write=False)
        answer = StoredScores(logits, present)
        if present.all():
            self._remember(asked, answer)
        return answer

    def scored(self, model: str, maps: Sequence[str]) -> NDArray[np.bool_]:
        """Return bool (n,): which of the maps the store has an answer for."""
        if (known := self._complete.get((model, tuple(maps)))) is not None:
            return known.present
        stored = self._blobs("map", model, maps)
        return np.fromiter((key in stored for key in maps), dtype=bool, count=len(maps))

    def embeddings(self, model: str, maps: Sequence[str]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Return embeddings float32 (n, E), NaN where missing, and bool (n,) what is present; E is 0 without any."""
        stored = self._blobs("embedding", model, maps)
        present = np.fromiter((key in stored for key in maps), dtype=bool, count=len(maps))
        width = len(next(iter(stored.values()))) // 4 if stored else 0
        embeddings = np.full((len(maps), width), np.nan, dtype=np.float32)
        if width:
            found = b"".join(stored[key] for key in maps if key in stored)
            embeddings[present] = np.frombuffer(found, dtype="<f4").reshape(-1, width)
        return embeddings, present

    def put_attributions(
        self, model: str, map_hash: str, method: str, patterns: Sequence[int], attributions: NDArray[np.float32]
    ) -> None:
        """Keep attributions float32 (patterns, rows, columns) of one wafer by one method."""
        rows = attributions.shape[1]
        with self.database.transaction() as connection:
            connection.executemany(
                "INSERT OR IGNORE INTO attributions VALUES (?, ?, ?, ?, ?, ?)",
                (
                    (bytes.fromhex(model), bytes.fromhex(map_hash), method, int(pattern), rows, _pack(dies))
                    for pattern, dies in zip(patterns, attributions, strict=True)
                ),
            )

    def attributions(
        self, model: str, map_hash: str, method: str, patterns: Sequence[int]
    ) -> dict[int, NDArray[np.float32]]:
        """Return what is stored of the patterns asked for: pattern to float32 (rows, columns)."""
        found = self.database.rows(
            "SELECT pattern, rows, dies FROM attributions WHERE model = ? AND map = ? AND method = ?",
            (bytes.fromhex(model), bytes.fromhex(map_hash), method),
        )
        wanted = set(patterns)
        return {row["pattern"]: _unpack(row["dies"], row["rows"]) for row in found if row["pattern"] in wanted}

    def attributed(self, model: str, maps: Sequence[str], method: str) -> set[tuple[str, int]]:
        """Return which attributions of these maps are stored, as pairs of map hash and pattern."""
        found: set[tuple[str, int]] = set()
        for keys, marks in _portions(maps, KEYS_A_QUERY):
            query = f"SELECT map, pattern FROM attributions WHERE model = ? AND method = ? AND map IN ({marks})"
            rows = self.database.rows(query, (bytes.fromhex(model), method, *keys))
            found.update((row["map"].hex(), row["pattern"]) for row in rows)
        return found

    def all_attributions(
        self, model: str, maps: Sequence[str], method: str
    ) -> Iterator[tuple[str, int, NDArray[np.float32]]]:
        """Yield every stored attribution of these maps: map hash, pattern, float32 (rows, columns)."""
        for keys, marks in _portions(maps, MAPS_A_QUERY):
            query = (
                f"SELECT map, pattern, rows, dies FROM attributions WHERE model = ? AND method = ? AND map IN ({marks})"
            )
            for row in self.database.rows(query, (bytes.fromhex(model), method, *keys)):
                yield row["map"].hex(), row["pattern"], _unpack(row["dies"], row["rows"])

    def _remember(self, asked: Asked, answer: StoredScores) -> None:
        """Keep a complete answer as the last used: it never changes, and a page asks for it at every rerun."""
        self._complete[asked] = answer
        for oldest in list(self._complete)[:-REMEMBERED]:
            self._complete.pop(oldest, None)

    @cached_property
    def _complete(self) -> dict[Asked, StoredScores]:
        return {}

    def _blobs(self, column: str, model: str, maps: Sequence[str]) -> dict[str, bytes]:
        weights = bytes.fromhex(model)
        stored: dict[str, bytes] = {}
        for keys, marks in _portions(maps, KEYS_A_QUERY):
            query = f"SELECT map, {column} FROM scores WHERE model = ? AND map IN ({marks})"
            stored.update((key.hex(), blob) for key, blob in self.database.rows(query, (weights, *keys)))
        return stored


def _portions(maps: Sequence[str], most: int) -> Iterator[tuple[list[bytes], str]]:
    """Yield distinct map hashes in portions that one query can hold, each with its question marks."""
    distinct = list(dict.fromkeys(maps))
    for start in range(0, len(distinct), most):
        keys = [bytes.fromhex(key) for key in distinct[start : start + most]]
        yield keys, ",".join("?" * len(keys))


def _pack(dies: NDArray[np.float32]) -> bytes:
    """Most of a map is no die or a die that says nothing: light compression halves it at little cost."""
    return zlib.compress(np.ascontiguousarray(dies, dtype="<f4").tobytes(), level=1)


def _unpack(blob: bytes, rows: int) -> NDArray[np.float32]:
    return np.frombuffer(zlib.decompress(blob), dtype="<f4").reshape(rows, -1).astype(np.float32)
