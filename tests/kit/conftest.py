"""What the tests of kits share: one packed from the shipped student and unpacked, one of an untrained model."""

import importlib.util
import io
import shutil
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from wafer_core.kit import kit
from wafer_core.models.folder import resolve
from wafer_core.models.reference import fit_novelty


@pytest.fixture(scope="session")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the shipped student's kit unpacks to."""
    parent = tmp_path_factory.mktemp("kits")
    with zipfile.ZipFile(io.BytesIO(kit(resolve("student")))) as archive:
        archive.extractall(parent)
    return parent / "student"


@pytest.fixture(scope="session")
def tiny_kit(tiny_folder: Path) -> bytes:
    """The kit of an untrained model."""
    return kit(tiny_folder)


@pytest.fixture(scope="session")
def knowing_folder(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """That model after it learned to tell wafers unlike anything known."""
    folder = Path(shutil.copytree(tiny_folder, tmp_path_factory.mktemp("knowing") / "tiny-untrained"))
    maps = np.random.default_rng(0).random((300, 2, 16, 16)).astype(np.float32)
    assert fit_novelty(folder, maps[:150], maps[150:]) is not None
    return folder


@pytest.fixture(scope="session")
def knowing_kit(knowing_folder: Path) -> bytes:
    """The kit of the model that knows what it was taught on."""
    return kit(knowing_folder)


@pytest.fixture(scope="session")
def recognise(unpacked: Path) -> Iterator[ModuleType]:
    """The runner of the unpacked kit, as a module of this process."""
    spec = importlib.util.spec_from_file_location("recognise", unpacked / "recognise.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["recognise"] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["recognise"]
