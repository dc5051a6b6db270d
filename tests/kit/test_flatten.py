import subprocess
import sys

import pytest

from wafer_core.kit.flatten import flatten

SCALES = '''"""Scales."""
from functools import cache

STEP = 2
"""What a step is worth."""

UNUSED = "nobody asks for this"


def _scaled(value: int) -> int:
    return STEP * value


@cache
def area(side: int) -> int:
    # A remark that stays.
    return _scaled(side) * side
'''

SHAPES = '''"""Shapes."""
from typing import TYPE_CHECKING

import math
from house import scales
from house.scales import area as surface

if TYPE_CHECKING:
    from decimal import Decimal

STEP = 30
KNOWN = {"square": surface}
for _shape in KNOWN.values():
    assert _shape(1)


class Shape:
    """A shape."""

    def __init__(self, side: "Decimal | int") -> None:
        self.side = side

    def size(self) -> int:
        return KNOWN["square"](self.side) + scales.STEP + STEP + math.floor(0.5)


def _scaled(value: int) -> int:
    return value + 1
'''

ENTRY = '''"""Says how large a shape is."""
import sys

from house.shapes import Shape, _scaled

if __name__ == "__main__":
    print(Shape(_scaled(int(sys.argv[1]))).size())
'''


@pytest.fixture
def house(tmp_path):
    """A small package, whose modules use two names for different things."""
    folder = tmp_path / "house"
    folder.mkdir()
    for name, text in {"__init__": "", "scales": SCALES, "shapes": SHAPES, "entry": ENTRY}.items():
        (folder / f"{name}.py").write_text(text)
    return folder


def test_the_flat_file_does_what_the_package_does(house, tmp_path):
    flat = tmp_path / "flat.py"
    flat.write_text(flatten("house.entry", house))
    packaged = [sys.executable, "-m", "house.entry", "3"]
    by_package = subprocess.run(packaged, cwd=tmp_path, capture_output=True, text=True, check=True)
    alone = subprocess.run([sys.executable, "-I", flat, "3"], capture_output=True, text=True, check=True)
    assert alone.stdout == by_package.stdout == "64\n"


def test_only_what_is_used_is_taken_with_its_remarks(house):
    text = flatten("house.entry", house)
    assert text.startswith('"""Says how large a shape is."""\n')
    assert "# A remark that stays." in text
    assert '"""What a step is worth."""' in text
    assert "for _shape in KNOWN.values():" in text
    assert "nobody asks for this" not in text


def test_names_that_two_modules_share_get_their_modules_before_them(house):
    text = flatten("house.entry", house)
    assert "SCALES_STEP = 2" in text
    assert "SHAPES_STEP = 30" in text
    assert "def _shapes_scaled" in text
    assert "return SCALES_STEP * value" in text


SHADOWED = """
from house import scales
STEP = 1
class Shape:
    STEP = 3
    kinds = [STEP, scales.STEP]
"""


@pytest.mark.parametrize(
    ("shapes", "reason"),
    [
        ("def Shape(x):\n    from house.scales import area\n    return area(x)\n", "inside a function"),
        ("from house.scales import nothing as Shape\n", "house.scales defines no nothing"),
        ("from house.nowhere import Shape\n", "house.shapes defines no Shape"),
        ("from json import dumps as sys\ndef Shape(x):\n    return sys(x)\n", "sys means"),
        (SHADOWED, "STEP is both a local name"),
    ],
)
def test_what_cannot_be_moved_is_refused(house, shapes, reason):
    (house / "shapes.py").write_text(f"{shapes}\ndef _scaled(x):\n    return x\n")
    with pytest.raises(ValueError, match=reason):
        flatten("house.entry", house)


def test_an_entry_that_does_not_exist_is_refused(house):
    with pytest.raises(ValueError, match="no module"):
        flatten("house.missing", house)


def test_the_runner_names_nothing_of_the_package_and_misses_nothing(unpacked):
    runner = unpacked / "recognise.py"
    imported = [line for line in runner.read_text().splitlines() if line.lstrip().startswith(("import ", "from "))]
    assert not [line for line in imported if "wafer_core" in line]
    subprocess.run([sys.executable, "-m", "ruff", "check", "--isolated", "--select", "F", runner], check=True)
