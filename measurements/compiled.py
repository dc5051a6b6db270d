"""A model's C, compiled on this machine: its size by `size`, and its answers through `ctypes`."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wafer_core.kit.bare import bare_metal
from wafer_core.models.folder import ModelFile
from wafer_core.patterns import PATTERNS

STRICT = ("-std=c99", "-pedantic", "-Wall", "-Wextra", "-Werror")


class _Answer(ctypes.Structure):
    """`struct model_answer` of model.h."""

    _fields_ = (
        ("logits", ctypes.c_float * len(PATTERNS)),
        ("margin", ctypes.c_float),
        ("detected", ctypes.c_uint8),
        ("excluded", ctypes.c_uint8),
        ("unsure", ctypes.c_uint8),
    )


@dataclass(frozen=True, eq=False)
class Answer:
    """What the C model says of one wafer: logits float32 (8,), sets bool (8,), margin in logits."""

    logits: NDArray[np.float32]
    detected: NDArray[np.bool_]
    excluded: NDArray[np.bool_]
    margin: float
    unsure: bool


@dataclass(frozen=True)
class Sizes:
    """Bytes: `flash` for code and constants, `ram` for static buffers, `stack` at most beside them."""

    flash: int
    ram: int
    stack: int


class CompiledModel:
    """The C of a model as a library of this process."""

    def __init__(self, source: Path, *flags: str) -> None:
        library = source / f"model{''.join(flags)}.so".replace("=", "_")
        compile_c([source / "model.c"], library, *flags, "-shared", "-fPIC")
        self._library = ctypes.CDLL(str(library))

    def states(self, states: NDArray[np.uint8]) -> Answer | None:
        """Answer die states (rows, columns); None where no die was tested."""
        return self._asked("model_states", np.ascontiguousarray(states), *states.shape)

    def map(self, canonical: NDArray[np.float32]) -> Answer | None:
        """Answer a canonical map float32 (2, S, S)."""
        return self._asked("model_map", np.ascontiguousarray(canonical))

    def map_255(self, canonical: NDArray[np.uint8]) -> Answer | None:
        """Answer a canonical map uint8 (2, S, S) in 255ths."""
        return self._asked("model_map_255", np.ascontiguousarray(canonical))

    def _asked(self, function: str, array: NDArray[np.generic], *shape: int) -> Answer | None:
        said = _Answer()
        given = self._library[function](array.ctypes.data_as(ctypes.c_void_p), *shape, ctypes.byref(said))
        if function == "model_states" and not given:
            return None
        logits = np.array(said.logits, dtype=np.float32)
        return Answer(logits, _set(said.detected), _set(said.excluded), said.margin, bool(said.unsure))


def written(model: ModelFile, folder: Path) -> Path:
    """Write a model's C files into a folder and return it."""
    for name, text in bare_metal(model).items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def compile_c(sources: Sequence[Path], target: Path, *flags: str, compiler: str = "gcc") -> None:
    """Compile C with every warning an error.

    Raises:
        FileNotFoundError: there is no such compiler.
        subprocess.CalledProcessError: it finds fault with the sources, which it has told standard error.
    """
    if shutil.which(compiler) is None:
        raise FileNotFoundError(f"No C compiler called {compiler} is installed; apt-get install gcc libc6-dev.")
    subprocess.run([compiler, *STRICT, *flags, "-o", target, *sources], cwd=target.parent, check=True)


def sizes(source: Path, *flags: str, compiler: str = "gcc") -> Sizes:
    """Return what the model takes of a machine, the test program left out.

    The stack is the sum over all functions, which none can exceed because none calls itself.
    """
    compile_c([source / "model.c"], source / "model.o", *flags, "-c", "-fstack-usage", compiler=compiler)
    tool = f"{compiler.removesuffix('gcc')}size"
    said = subprocess.run([tool, source / "model.o"], check=True, capture_output=True, text=True).stdout
    text, data, zeroed = map(int, said.splitlines()[1].split()[:3])
    usage = (source / "model.su").read_text().splitlines()
    return Sizes(flash=text + data, ram=data + zeroed, stack=sum(int(line.split("\t")[1]) for line in usage))


def _set(code: int) -> NDArray[np.bool_]:
    return np.array([code >> place & 1 for place in range(len(PATTERNS))], dtype=bool)
