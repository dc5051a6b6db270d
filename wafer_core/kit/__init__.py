"""Kits: a model as it goes to an inspection tool, and back again.

A kit is a zip with the int8 and the fp32 ONNX graph, their card, a runner that needs only NumPy and
ONNX Runtime, and test vectors; for a machine with neither, `kit.bare` gives C.

The canonical grid, the decoder and the thresholds travel in the runner. Drawn into the graphs they
would be a little smaller (2.0 kB in each of two, 1.1 kB zipped; as Python 6.8 kB once, 2.6 kB zipped)
and no slower (175 to 230 microseconds a wafer of 41 x 37 dies, in Python 215 to 230). But there floats
are rounded in another order, which moves probabilities by up to 0.01: the CSV could not be `score`'s
byte for byte, and the graphs not the files whose hashes and figures the card states.
`python -m measurements.kit_graph` measures both.
"""

from __future__ import annotations

from wafer_core.kit.pack import kit
from wafer_core.kit.unpack import import_kit

__all__ = ["import_kit", "kit"]
