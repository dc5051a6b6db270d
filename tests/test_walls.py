"""The walls that bear load: floors, no streamlit below ui, distillation that cannot see a label, a product alone."""

import ast
import hashlib
import json
import re
import subprocess
import sys
from dataclasses import replace
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = "wafer_core"

FLOORS: tuple[tuple[str, ...], ...] = (
    ("readers", "lot", "canonical", "known_wafers", "held_out", "patterns", "errors", "whole_files", "console"),
    ("recognise", "decode", "models", "novelty", "synthesis"),
    ("workspace", "compare", "explain", "distill", "training", "verdicts_csv", "kit"),
    ("jobs", "distill_lot", "distill_shipped", "benchmark", "charts", "trust"),
    ("ui", "cli", "__main__"),
)
"""The rooms of `wafer_core`, from the ground up. A room rests on lower floors, or on its own without a circle."""


UI: dict[str, set[str]] = {
    "components": set(),
    "shared": {"components"},
    "lot": {"components", "shared"},
    "wafer": {"components", "shared", "lot"},
    "compare": {"shared"},
    "distill": {"shared", "compare"},
}
"""The rooms of `wafer_core.ui`, from the ground up, each with those it may rest on beside itself."""


def modules() -> dict[str, Path]:
    """Every module of the package by its dotted name."""
    found = {}
    for path in sorted((ROOT / PACKAGE).rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES = modules()


@cache
def tree(module: str) -> ast.Module:
    return ast.parse(MODULES[module].read_text())


@cache
def imports(module: str) -> frozenset[str]:
    """Dotted names a module imports anywhere in it; of the package, the modules that get loaded."""
    names: set[str] = set()
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} imports relatively; write the whole name"
            names.add(node.module)
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return frozenset(name for name in names if not name.startswith(PACKAGE) or name in MODULES)


def room(module: str) -> str:
    return module.split(".")[1] if "." in module else ""


def reachable(start: str) -> set[str]:
    """The package's modules that importing and calling everything in the room `start` can load."""
    waiting = [module for module in MODULES if room(module) == start]
    seen: set[str] = set()
    while waiting:
        module = waiting.pop()
        if module not in seen:
            seen.add(module)
            waiting += [name for name in imports(module) if name in MODULES]
    return seen


def rooms_used(module: str) -> set[str]:
    return {room(name) for name in imports(module) if name in MODULES} - {room(module), ""}


def test_every_room_has_a_floor():
    assert {room(module) for module in MODULES} - {""} <= {name for floor in FLOORS for name in floor}


@pytest.mark.parametrize("module", sorted(MODULES))
def test_a_room_rests_on_lower_floors(module):
    level = {name: number for number, floor in enumerate(FLOORS) for name in floor}
    above = {used for used in rooms_used(module) if level[used] > level.get(room(module), -1)}
    assert not above, f"{module} imports {', '.join(sorted(above))} from a floor above it"


@pytest.mark.parametrize("floor", FLOORS, ids=lambda floor: floor[0])
def test_the_rooms_of_a_floor_form_no_circle(floor):
    uses = {
        name: {used for module in MODULES if room(module) == name for used in rooms_used(module) & set(floor)}
        for name in floor
    }
    try:
        TopologicalSorter(uses).prepare()
    except CycleError as error:
        pytest.fail(f"these rooms import each other in a circle: {error.args[1]}")


def test_the_readme_lists_the_floors_as_they_are():
    listed = (ROOT / "README.md").read_text().partition("## How it is built")[2].split("```")[1]
    told = [
        {
            name.strip("/")
            for names in re.findall(rf"^{PACKAGE}/(.+?)(?:  .*)?$", floor, re.M)
            for name in names.split(", ")
        }
        for floor in re.split(r"^-+$", listed, flags=re.M)
    ]
    assert told[::-1] == [set(floor) - {"__main__"} for floor in FLOORS]


def ui_room(module: str) -> str:
    """The room of `wafer_core.ui` that a module is in, or nothing where it is in none."""
    first, *inner = module.removeprefix(f"{PACKAGE}.").split(".")
    return inner[0] if first == "ui" and inner else ""


IN_UI = sorted(module for module in MODULES if ui_room(module))


def test_the_rooms_of_the_pages_are_ordered():
    """Data flows one way: a room rests on those before it, so none can come back to itself."""
    assert {ui_room(module) for module in IN_UI} == set(UI)
    names = list(UI)
    for place, name in enumerate(names):
        assert UI[name] <= set(names[:place]), name


def test_every_module_of_the_pages_is_in_a_room():
    assert [path.name for path in (ROOT / PACKAGE / "ui").glob("*.py")] == ["__init__.py"]


@pytest.mark.parametrize("module", IN_UI)
def test_a_room_of_the_pages_rests_on_those_before_it(module):
    used = {ui_room(name) for name in imports(module)} - {ui_room(module), ""}
    assert used <= UI[ui_room(module)], f"{module} imports from {', '.join(sorted(used - UI[ui_room(module)]))}"


def test_the_modules_of_the_pages_form_no_circle():
    try:
        TopologicalSorter({module: imports(module) & set(IN_UI) - {module} for module in IN_UI}).prepare()
    except CycleError as error:
        pytest.fail(f"these modules import each other in a circle: {error.args[1]}")


@pytest.mark.parametrize("page", sorted((ROOT / "pages").glob("*.py")), ids=lambda page: page.stem)
def test_a_page_is_laid_out_from_its_own_room_and_what_is_shared(page):
    nodes = ast.walk(ast.parse(page.read_text()))
    used = {ui_room(node.module) for node in nodes if isinstance(node, ast.ImportFrom) and node.module}
    assert used - {""} == {page.stem, "shared"}


@pytest.mark.parametrize("module", sorted(MODULES))
def test_the_product_stands_without_what_measures_it(module):
    """What measures it, and what it is held against, may use the product; never the other way round."""
    beside = {"measurements", "rivals", "scripts", "tests"}
    assert not [name for name in imports(module) if name.split(".")[0] in beside]


@pytest.mark.parametrize("module", sorted(name for name in MODULES if room(name) != "ui"))
def test_nothing_below_ui_imports_streamlit(module):
    assert not [name for name in imports(module) if name.split(".")[0] == "streamlit"]


def test_distillation_reaches_neither_trainer_nor_judge():
    assert not {room(module) for module in reachable("distill")} & {"training", "compare", "benchmark"}


def test_distillation_knows_neither_lot_nor_store():
    for module in MODULES:
        if room(module) == "distill":
            assert not rooms_used(module) & {"lot", "readers", "workspace", "jobs"}, module


def test_neither_distillation_nor_its_join_to_lots_reads_labels():
    for module in MODULES:
        if room(module) in ("distill", "distill_lot", "distill_shipped"):
            named = [node for node in ast.walk(tree(module)) if _names_labelled(node) or _reads_labels(node)]
            assert not named, f"{module}, line {named[0].lineno}"


def test_neither_join_of_distillation_to_wafers_compares_with_labels():
    """`labels_of` gives labels away, and a score against them tells what they are."""
    for module in MODULES:
        if room(module) in ("distill_lot", "distill_shipped"):
            assert "compare" not in rooms_used(module), module
            named = [node for node in ast.walk(tree(module)) if _names(node, "labels_of")]
            assert not named, f"{module}, line {getattr(named[0], 'lineno', '?')}"


def test_nothing_distillation_reaches_uses_a_labelled_function():
    """A module within reach may define `labelled_*`, and use it there; nothing else may name it."""
    for module in reachable("distill"):
        inside_labelled = {
            inner
            for node in ast.walk(tree(module))
            if isinstance(node, ast.FunctionDef) and node.name.startswith("labelled_")
            for inner in ast.walk(node)
        }
        for node in ast.walk(tree(module)):
            if node not in inside_labelled:
                assert not _names_labelled(node), f"{module}, line {getattr(node, 'lineno', '?')}"


def _names_labelled(node: ast.AST) -> bool:
    return _names(node, "labelled_")


def _names(node: ast.AST, beginning: str) -> bool:
    """Whether a node reads a name, an attribute, an import or a whole string that begins so."""
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name) | ast.alias(name=name):
            return name.startswith(beginning)
        case ast.Constant(value=str(text)):
            return text.startswith(beginning) and text.isidentifier()
    return False


def _reads_labels(node: ast.AST) -> bool:
    return isinstance(node, ast.Attribute) and node.attr in ("labels", "labelled")


def test_loading_distillation_loads_no_trainer_no_judge_and_no_streamlit():
    script = (
        f"import sys, {', '.join(name for name in MODULES if room(name) == 'distill')}\n"
        "walled = ('streamlit', 'wafer_core.training', 'wafer_core.compare', 'wafer_core.readers')\n"
        "print([name for name in sys.modules if name.startswith(walled)])"
    )
    ran = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


def test_labels_leave_no_trace_in_what_is_written(small_lot, tiny_folder, tmp_path):
    from wafer_core.distill.settings import Settings
    from wafer_core.distill_lot.distil import distil_lot
    from wafer_core.models.folder import resolve

    true = np.random.default_rng(0).random((len(small_lot), 8)) < 0.3
    lots = {
        "true": _labelled(small_lot, true),
        "shuffled": _labelled(small_lot, np.roll(true, 1, axis=0)),
        "none": small_lot,
    }
    weights, said = {}, {}
    for name, lot in lots.items():
        out = tmp_path / name / "student"
        settings = Settings(size="tiny", budget=600.0, seed=5, steps=3)
        for _ in distil_lot([lot], resolve(str(tiny_folder)), out, settings):
            pass
        files = sorted(out.glob("student*"))
        weights[name] = [(file.name, hashlib.sha256(file.read_bytes()).hexdigest()) for file in files]
        said[name] = _said(out)
    assert len(weights["none"]) == 4  # weights, both graphs, and what tells novelty
    assert {"files", "unsure_below", "novelty", "agreement"} <= said["none"].keys()
    for name in ("true", "shuffled"):
        assert weights[name] == weights["none"]
        assert said[name] == said["none"]


def _said(folder):
    """Everything that the texts beside the weights say, thresholds and agreement among it, but what a clock says."""
    card, record = (json.loads((folder / name).read_text()) for name in ("card.json", "run.json"))
    clocks = {"plan", "seconds_until_writing", "history"}
    return card | {name: value for name, value in record.items() if name not in clocks}


def _labelled(lot, labels):
    wafers = (replace(wafer, labels=row.copy()) for wafer, row in zip(lot, labels, strict=True))
    return replace(lot, wafers=tuple(wafers))
