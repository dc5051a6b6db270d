"""How a student and its teacher agree on wafers that nothing was learned from; no label is read."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Agreement:
    """Fidelity, not accuracy: what a student's decoded answers and logits are beside the teacher's.

    A lot of normal wafers is easy to agree on; that is why those are told apart where either model
    calls a pattern.

    Args:
        wafers: how many were looked at.
        exact: on how many both named the same set of patterns.
        called: on how many either named any.
        exact_called: on how many of those both named the same set.
        logit_difference: mean absolute difference of their logits, over wafers and patterns.
    """

    wafers: int
    exact: int
    called: int
    exact_called: int
    logit_difference: float

    @classmethod
    def between(
        cls,
        teacher: NDArray[np.bool_],
        teacher_logits: NDArray[np.float32],
        student: NDArray[np.bool_],
        student_logits: NDArray[np.float32],
    ) -> Agreement:
        """Compare what two models detected, bool (n, 8), and their logits (n, 8), on the same wafers."""
        same = (teacher == student).all(axis=1)
        called = teacher.any(axis=1) | student.any(axis=1)
        difference = float(np.abs(teacher_logits - student_logits).mean()) if len(same) else 0.0
        return cls(len(same), int(same.sum()), int(called.sum()), int((same & called).sum()), difference)

    def to_json(self) -> dict[str, float]:
        """Return the fields as a JSON object."""
        return asdict(self)
