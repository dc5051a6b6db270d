"""Novelty: how far a wafer lies from all that its model was taught on, measured in the model's own embedding.

The distance is Mahalanobis', with a covariance of a few leading directions and one variance for all
others (a probabilistic PCA: Tipping and Bishop 1999; as an alarm for inputs unlike the training set:
Lee et al. 2018, arXiv 1807.03888). It is told in units of a limit that 1 % of ordinary wafers pass.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save

from wafer_core.errors import BrokenModel

FLAGGED_ABOVE = 1.0
"""The novelty above which a wafer is flagged as unlike anything known."""

ORDINARY = 0.99
"""The share of ordinary wafers that lie within the limit."""

FEWEST = 100
"""Maps below which neither a covariance nor a limit can be told."""

UNTOLD = (
    f"Fewer than {FEWEST} wafers were held out, too few to tell novelty: it flags no wafer as unlike anything known."
)
"""What there is to say of a new student that has no reference."""

_DIRECTIONS = 16
"""Leading directions kept; 8 to 64 found held-out patterns alike on validation, and each costs its bytes."""

_RIDGE = 0.1
"""What is added to every variance, as a share of the mean one: a direction nobody ever left says little."""


@dataclass(frozen=True, eq=False)
class Reference:
    """What a model was taught on, as its embedding sees it.

    Args:
        centre: float32 (E,), the mean embedding.
        axes: float32 (r, E), leading directions; each as long as its share of a deviation along it
            that is to be expected.
    """

    centre: NDArray[np.float32]
    axes: NDArray[np.float32]

    def distances(self, embedding: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return how far embeddings (n, E) lie from the centre, (n,), at least 0; NaN where one is missing.

        The distance of a wafer does not depend, to the last bit, on those it is asked with.

        Raises:
            ValueError: the embeddings are of another width.
        """
        if embedding.shape[1:] != self.centre.shape:
            raise ValueError(f"embeddings are {embedding.shape}, not (n, {len(self.centre)})")
        apart = embedding.astype(np.float64) - self.centre
        # Not a matrix product, whose sums depend on how many rows it is given.
        expected = np.einsum("ne,re->nr", apart, self.axes.astype(np.float64))
        squared = np.einsum("ne,ne->n", apart, apart) - np.einsum("nr,nr->n", expected, expected)
        distances: NDArray[np.float64] = np.sqrt(np.maximum(squared, 0.0))
        return distances

    def novelty(self, embedding: NDArray[np.float32], limit: float) -> NDArray[np.float32]:
        """Return distances in units of `limit`, float32 (n,); NaN where an embedding is missing."""
        return (self.distances(embedding) / limit).astype(np.float32)


def reference_of(embedding: NDArray[np.float32]) -> Reference:
    """Return the reference of embeddings (n, E) of what a model was taught on; no label is read.

    Raises:
        ValueError: they are fewer than `FEWEST`, or all alike.
    """
    if len(embedding) < FEWEST:
        raise ValueError(f"{len(embedding)} embeddings are fewer than {FEWEST}")
    values = embedding.astype(np.float64)
    variances, directions = np.linalg.eigh(np.cov(values.T))
    variances, directions = variances[::-1], directions.T[::-1]
    if variances[0] <= 0:
        raise ValueError("all embeddings are alike")
    kept = min(_DIRECTIONS, len(variances) // 2)
    variances = variances + _RIDGE * variances.mean()
    # The distance is squared length less what is expected: 1 along a direction that varies without end,
    # 0 along one that varies as little as the rest.
    lengths = np.sqrt(1.0 - variances[kept:].mean() / variances[:kept])
    return Reference(values.mean(axis=0).astype(np.float32), (lengths[:, None] * directions[:kept]).astype(np.float32))


def limit_of(distances: NDArray[np.float64]) -> float:
    """Return the distance that `ORDINARY` of the ordinary wafers' distances, (n,), stay within.

    Raises:
        ValueError: they are fewer than `FEWEST`, or the limit would be no positive number.
    """
    limit = float(np.quantile(distances, ORDINARY)) if len(distances) >= FEWEST else 0.0
    if not (np.isfinite(limit) and limit > 0):
        raise ValueError(f"{len(distances)} distances give no limit")
    return limit


def reference_bytes(reference: Reference) -> bytes:
    """Return a reference as the bytes of a safetensors file."""
    return save({"centre": np.ascontiguousarray(reference.centre), "axes": np.ascontiguousarray(reference.axes)})


def read_reference(data: bytes, where: str) -> Reference:
    """Return the reference that a safetensors file holds, read with NumPy alone.

    Raises:
        BrokenModel: it holds none; `where` begins the sentence.
    """
    try:
        start = 8 + int.from_bytes(data[:8], "little")
        header = json.loads(data[8:start])
        centre, axes = (_tensor(data[start:], header[name]) for name in ("centre", "axes"))
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as exc:
        raise BrokenModel(f"{where}: it is no reference for novelty; restore the file.") from exc
    if centre.ndim != 1 or axes.ndim != 2 or axes.shape[1:] != centre.shape:
        raise BrokenModel(f"{where}: its centre and its axes do not belong together; restore the file.")
    return Reference(centre, axes)


def _tensor(body: bytes, entry: dict[str, Any]) -> NDArray[np.float32]:
    first, last = entry["data_offsets"]
    values = np.frombuffer(body[first:last], dtype="<f4").reshape(entry["shape"])
    if entry["dtype"] != "F32" or not np.isfinite(values).all():
        raise ValueError("finite numbers of 32 bits are expected")
    return values
