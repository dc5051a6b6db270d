"""How the worker's memory is read."""

import os

import numpy as np

from measurements.worker import peak_kilobytes


def test_the_peak_remembers_what_was_let_go():
    held = np.ones(40_000_000, dtype=np.uint8)
    while_held = peak_kilobytes(os.getpid())
    del held
    assert peak_kilobytes(os.getpid()) >= while_held > 40_000
