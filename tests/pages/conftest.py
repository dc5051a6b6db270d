"""Pages under test: the whole app on a workspace of its own, with answers laid ready in the store."""

import json
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from wafer_core import jobs
from wafer_core.benchmark import BenchmarkSet
from wafer_core.decode import logit
from wafer_core.lot import Lot
from wafer_core.models.folder import ModelFile
from wafer_core.patterns import flags
from wafer_core.readers.lotfile import write_lot
from wafer_core.recognise import Scores
from wafer_core.ui.compare import comparison
from wafer_core.workspace import Workspace

GUARDED = 400
"""Wafers of the guard set that pages under test stand on: two lost ones are within what is allowed."""
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def fresh_server() -> Iterator[None]:
    """A server keeps its workspace between reruns; a test must not meet another test's."""
    st.cache_resource.clear()
    yield
    st.cache_resource.clear()


@pytest.fixture(autouse=True)
def small_guard(tmp_path: Path, lot_of, disc_states, monkeypatch: pytest.MonkeyPatch) -> BenchmarkSet:
    """A guard set of 400 wafers, every second a Center, in the place of the shipped one."""
    grids = [disc_states(8, 8, 0.05 + 0.002 * i, seed=1000 + i) for i in range(GUARDED)]
    named = [flags(["Center"] if i % 2 else []) for i in range(GUARDED)]
    wafers = lot_of(grids, "G", "Guard set: small").wafers
    labelled = tuple(replace(wafer, labels=labels) for wafer, labels in zip(wafers, named, strict=True))
    path = tmp_path / "guard.npz"
    path.write_bytes(write_lot(Lot("Guard set: small", labelled)))
    found = BenchmarkSet(path)
    monkeypatch.setattr(comparison, "guard_set", lambda: found)
    return found


@pytest.fixture
def nobody_works(monkeypatch: pytest.MonkeyPatch) -> None:
    """A queue that nobody serves: what a run does is not what such tests are about."""
    monkeypatch.setattr(jobs, "ensure_worker", lambda store: False)


@pytest.fixture
def store(home: Path) -> Workspace:
    """The workspace the pages of this test open too."""
    return Workspace(home)


@pytest.fixture
def visit() -> Callable[..., AppTest]:
    """Open a page of the app at an address: `visit("wafer", lot=lot_id, wafer="02")`."""

    def open_page(page: str = "lot", /, **address: str) -> AppTest:
        app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=120)
        for name, value in address.items():
            app.query_params[name] = value
        if page != "lot":
            app.switch_page(f"pages/{page}.py")
        return app.run()

    return open_page


@pytest.fixture
def drawn() -> Callable[[AppTest], dict[str, dict[str, Any]]]:
    """What the page's own elements were given to draw: `drawn(app)["overlays"]`."""

    def elements(app: AppTest) -> dict[str, dict[str, Any]]:
        return {element.key: json.loads(element.proto.json) for element in app.get("bidi_component")}

    return elements


@pytest.fixture
def answer(store: Workspace) -> Callable[..., None]:
    """Lay a model's verdicts on a lot ready: `answer(lot, model, ["Center", "Normal", "Loc+Scratch"])`.

    Every wafer is as ordinary as can be, but for those at the positions of `unlike`.
    """

    def lay(lot: Lot, model: ModelFile, sets: Sequence[str], margin: float = 4.0, unlike: Collection[int] = ()) -> None:
        wanted = np.array([flags(name.split("+")) for name in sets])
        logits = logit(np.array(model.entry.thresholds)) + np.where(wanted, margin, -margin)
        maps = [wafer.map_hash for wafer in lot]
        store.put_scores(
            model.sha256,
            maps,
            Scores(logits.astype(np.float32), _embedding(model, len(maps), unlike), model.sha256),
        )

    return lay


def _embedding(model: ModelFile, count: int, unlike: Collection[int]) -> np.ndarray:
    """Embeddings at the middle of what the model knows, and far from it at the positions of `unlike`."""
    known = model.known()
    embedding = np.repeat((known[0].centre if known else np.zeros(4, np.float32))[None], count, axis=0)
    embedding[list(unlike)] += 100.0
    return embedding
