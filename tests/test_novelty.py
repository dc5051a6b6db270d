"""Novelty: the distance, its limit, and the file it is kept in."""

import json

import numpy as np
import pytest
from safetensors.numpy import load

from wafer_core.errors import BrokenModel
from wafer_core.novelty import (
    FEWEST,
    Reference,
    limit_of,
    read_reference,
    reference_bytes,
    reference_of,
)

RANDOM = np.random.default_rng(0)
SPREAD = np.array([20.0, 5.0, *[1.0] * 38])


def drawn(count: int, seed: int = 1) -> np.ndarray:
    """Embeddings that vary far along two of forty directions, around 3."""
    return (3 + np.random.default_rng(seed).normal(size=(count, 40)) * SPREAD).astype(np.float32)


@pytest.fixture(scope="module")
def reference() -> Reference:
    return reference_of(drawn(4000))


def test_a_step_is_far_where_nothing_varies_and_near_where_all_does(reference: Reference) -> None:
    steps = reference.centre + 10 * np.eye(40, dtype=np.float32)[[0, 1, 30]]
    along, across, astray = reference.distances(steps)
    assert along < across < astray
    assert reference.distances(reference.centre[None])[0] == 0


def test_a_direction_nobody_ever_left_says_little() -> None:
    """Along directions that vary it is still some way, however sure it is that others never do."""
    embedding = np.zeros((500, 40), np.float32)
    embedding[:, :4] = drawn(500)[:, :4]
    reference = reference_of(embedding)
    along, dead = reference.distances(reference.centre + np.eye(40, dtype=np.float32)[[0, 30]])
    assert 0.01 * dead < along < dead


def test_every_variance_gains_a_tenth_of_the_mean_one() -> None:
    deviations = np.diag([20.0, 5.0, *[1.0] * 10, *[0.0] * 28])
    embedding = np.concatenate([deviations, -deviations] * 5).astype(np.float32)
    variances = np.var(embedding, axis=0, ddof=1)
    gain = 0.1 * variances.mean()
    reference = reference_of(embedding)
    steps = np.eye(40, dtype=np.float32)[[0, 1, 30]]
    assert reference.distances(steps) == pytest.approx(np.sqrt(gain / (variances[[0, 1, 30]] + gain)), rel=1e-5)


def test_sixteen_directions_are_kept_of_as_many_as_have_as_many_again(reference: Reference) -> None:
    assert reference.axes.shape == (16, 40)
    assert reference_of(drawn(200)[:, :20]).axes.shape == (10, 20)


def test_the_limit_leaves_the_share_of_ordinary_ones_it_promises(reference: Reference) -> None:
    limit = limit_of(reference.distances(drawn(5000, seed=2)))
    novelty = reference.novelty(drawn(20_000, seed=3), limit)
    assert novelty.dtype == np.float32
    assert np.mean(novelty > 1) == pytest.approx(0.01, abs=0.005)


@pytest.mark.parametrize("width", [8, 40, 128])
def test_a_wafers_novelty_does_not_depend_on_its_company(width: int) -> None:
    embedding = RANDOM.normal(size=(700, width)).astype(np.float32)
    reference = reference_of(embedding)
    whole = reference.distances(embedding)
    alone = np.concatenate([reference.distances(row[None]) for row in embedding])
    thirds = np.concatenate([reference.distances(rows) for rows in np.split(embedding, [11, 300])])
    assert np.array_equal(whole, alone)
    assert np.array_equal(whole, thirds)


def test_a_missing_embedding_has_no_novelty(reference: Reference) -> None:
    embedding = drawn(3)
    embedding[1] = np.nan
    assert np.isnan(reference.novelty(embedding, 2.0)).tolist() == [False, True, False]
    with pytest.raises(ValueError, match="embeddings are"):
        reference.distances(embedding[:, :7])


def test_what_is_too_little_to_tell_is_refused() -> None:
    with pytest.raises(ValueError, match="fewer"):
        reference_of(drawn(FEWEST - 1))
    with pytest.raises(ValueError, match="alike"):
        reference_of(np.ones((FEWEST, 5), np.float32))
    with pytest.raises(ValueError, match="no limit"):
        limit_of(np.ones(FEWEST - 1))
    with pytest.raises(ValueError, match="no limit"):
        limit_of(np.zeros(FEWEST))


def test_a_reference_is_kept_as_safetensors_and_read_without_the_library(reference: Reference) -> None:
    data = reference_bytes(reference)
    assert set(load(data)) == {"centre", "axes"}
    assert len(data) < 20_000
    again = read_reference(data, "x")
    assert np.array_equal(again.centre, reference.centre)
    assert np.array_equal(again.axes, reference.axes)


def _with_header(change: dict[str, object]) -> bytes:
    data = reference_bytes(reference_of(drawn(200)))
    start = 8 + int.from_bytes(data[:8], "little")
    header = json.dumps({**json.loads(data[8:start]), **change}).encode()
    return len(header).to_bytes(8, "little") + header + data[start:]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x05" + b"\0" * 7 + b"[1,2]",
        b"\xff" * 40,
        (100_000).to_bytes(8, "little") + b"[" * 100_000,
        reference_bytes(Reference(np.full(4, np.nan, np.float32), np.ones((2, 4), np.float32))),
        reference_bytes(Reference(np.ones(4, np.float32), np.ones((2, 5), np.float32))),
        _with_header({"axes": None}),
        _with_header({"axes": {"dtype": "F32", "shape": [7, 7], "data_offsets": [0, 8]}}),
        _with_header({"centre": {"dtype": "F64", "shape": [2], "data_offsets": [0, 8]}}),
    ],
)
def test_what_is_no_reference_is_a_sentence(data: bytes) -> None:
    with pytest.raises(BrokenModel, match=r"student/x: it"):
        read_reference(data, "student/x")


def test_numbers_of_another_kind_are_no_reference_though_their_shape_fits() -> None:
    data = _with_header({"centre": {"dtype": "F64", "shape": [40], "data_offsets": [0, 160]}})
    with pytest.raises(BrokenModel, match="it is no reference"):
        read_reference(data, "student/x")
