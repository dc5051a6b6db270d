"""The worker's bench: the lots and loaded models it has at hand, kept warm between jobs."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

from wafer_core.lot import Lot
from wafer_core.models.folder import ModelFile
from wafer_core.recognise import Recognizer, load_recognizer
from wafer_core.workspace import Workspace

THREADS = 1
"""A worker takes one core and leaves the others to the server."""

T = TypeVar("T")


class Bench:
    """A workspace opened by its worker, with the last few lots and models in memory."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self._lots: Recent[Lot] = Recent(4)
        self._recognizers: Recent[Recognizer] = Recent(8)

    def lot(self, lot_id: str) -> Lot:
        """Return a lot of the workspace."""
        return self._lots.get(lot_id, lambda: self.workspace.lot(lot_id))

    def model(self, sha256: str) -> ModelFile:
        """Return the model file that a job was asked of, whatever its name means by now."""
        return self.workspace.model_of(sha256)

    def recognizer(self, sha256: str) -> Recognizer:
        """Return a loaded model by the sha256 of its weights."""
        return self._recognizers.get(sha256, lambda: load_recognizer(self.model(sha256), threads=THREADS))


class Recent(Generic[T]):
    """The `most` things last used, by key."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: OrderedDict[str, T] = OrderedDict()

    def get(self, key: str, make: Callable[[], T]) -> T:
        """Return what is kept under `key`, making it first where it is not there."""
        if key not in self._kept:
            self._kept[key] = make()
            if len(self._kept) > self._most:
                self._kept.popitem(last=False)
        self._kept.move_to_end(key)
        return self._kept[key]
