import ast
import csv
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from wafer_core.cli import main
from wafer_core.kit.vectors import die_list
from wafer_core.novelty import Reference, reference_bytes
from wafer_core.readers.lotfile import write_lot
from wafer_core.recognise import BATCH
from wafer_core.synthesis.views import with_untested_rows

ROOT = Path(__file__).resolve().parents[2]

ISOLATED = """
import atexit, runpy, sys
sys.path.append(sys.argv.pop(1))
atexit.register(lambda: print("loaded", *sorted({name.partition(".")[0] for name in sys.modules}), file=sys.stderr))
sys.argv.pop(0)
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """A function that runs a Python file where nothing but NumPy and ONNX Runtime can be imported."""
    site = tmp_path_factory.mktemp("site")
    for package in ("numpy", "onnxruntime"):
        place = Path(find_spec(package).origin).parent
        for found in (place, place.with_name(f"{package}.libs")):
            if found.is_dir():
                (site / found.name).symlink_to(found)

    def run(*arguments):
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        command = [sys.executable, "-I", "-S", "-c", ISOLATED, site, *arguments]
        return subprocess.run(command, cwd="/", env=kept, capture_output=True, check=False)

    return run


def score(lot, *options, model="student-int8"):
    out = lot[0].with_suffix(".verdicts.csv") if isinstance(lot, list) else lot.with_suffix(".verdicts.csv")
    files = lot if isinstance(lot, list) else [lot]
    assert main(["score", *map(str, files), *options, "--model", model, "--out", str(out)]) == 0
    return out.read_bytes()


def only(folder, pattern):
    """The one file of a folder that fits; looked for to the end, so that no look-up is left open."""
    [found] = folder.glob(pattern)
    return found


def grid_text(states):
    return "\n".join(",".join(map(str, row)) for row in states.tolist()) + "\n"


@pytest.fixture
def files(tmp_path, small_lot, disc_states, untested_states, lot_of):
    """One lot file of every kind a tool may meet, by what is particular about it."""
    partly = [with_untested_rows(disc_states(31, 27, 0.2, seed), 0.3) for seed in range(2)]
    whole = [disc_states(31, 27, 0.1, seed) for seed in range(2, 5)]
    mixed = lot_of([*partly, *whole, untested_states(31, 27)], lot="P7")
    list_text = die_list(small_lot).decode()
    states = np.stack([disc_states(24, 30, 0.1 * i, i) for i in range(3)])
    soft = list_text.replace("lot,wafer,x,y,bin", "Lot ID;Wafer;DieX;DieY;Soft Bin").replace(",", ";")
    made = {
        "die list.csv": list_text.encode(),
        "partly tested.csv": die_list(mixed),
        "other names.csv": soft.encode(),
        "retested.csv": (list_text + "\n".join(list_text.splitlines()[1:40]).replace(",5", ",1") + "\n").encode(),
        "A12_07.csv": "\n".join(line.split(",", 2)[2] for line in list_text.splitlines()[:300]).encode(),
        "états.csv": list_text.replace("L1", 'Lé "1"'.replace('"', "")).encode("latin-1"),
        "grid.csv": grid_text(states[1]).encode(),
        "lot.npz": write_lot(mixed),
    }
    for name, data in made.items():
        (tmp_path / name).write_bytes(data)
    np.save(tmp_path / "maps.npy", states)
    np.save(tmp_path / "one.npy", states[2])
    np.savez(tmp_path / "named.npz", maps=states, lot=["X", "X", "Y"], wafer=[3, 1, 2])
    np.save(tmp_path / "many.npy", np.stack([disc_states(16, 16, i / BATCH, i) for i in range(BATCH + 2)]))
    pd.read_csv(io.StringIO(list_text), dtype={"wafer": str}).to_parquet(tmp_path / "die list.parquet")
    np.savez(tmp_path / "bins.npz", maps=np.where(states == 2, 7, states.astype(np.int16)))
    return tmp_path


@pytest.mark.parametrize(
    ("names", "options"),
    [
        (["die list.csv"], []),
        (["partly tested.csv"], []),
        (["other names.csv"], ["--pass-bins", "1,3"]),
        (["retested.csv"], ["--lot", "Z"]),
        (["A12_07.csv"], []),
        (["états.csv"], []),
        (["grid.csv"], ["--cells", "states"]),
        (["grid.csv"], ["--pass-bins", "2"]),
        (["maps.npy"], ["--orientation", "rotate-90"]),
        (["one.npy"], []),
        (["named.npz"], []),
        (["bins.npz"], []),
        (["lot.npz"], []),
        (["many.npy"], []),
        (["die list.parquet"], []),
        (["die list.csv", "maps.npy", "die list.csv"], ["--lot", "ALL"]),
    ],
)
@pytest.mark.parametrize("fp32", [False, True], ids=["int8", "fp32"])
def test_the_runner_says_what_score_says_byte_for_byte(files, recognise, capsysbinary, names, options, fp32):
    lots = [files / name for name in names]
    expected = score(lots, *options, model="student-onnx" if fp32 else "student-int8")
    assert recognise.main([*map(str, lots), *options, *["--fp32"] * fp32]) == 0
    assert capsysbinary.readouterr().out == expected
    assert expected.count(b"\n") > 1


@pytest.mark.parametrize("model", ["student-int8", "student-onnx"])
def test_what_is_compared_has_every_kind_of_answer_and_more_wafers_than_are_asked_at_once(files, model):
    rows = list(csv.DictReader(score(files / "many.npy", model=model).decode().splitlines()))
    assert len(rows) > BATCH
    assert all(row["patterns"] for row in rows)
    assert {row["flag"] for row in rows} == {"yes", "no"}
    assert any(row["excluded"] for row in rows)
    assert any("+" in row["patterns"] for row in rows)


@pytest.mark.parametrize("name", ["partly tested.csv", "named.npz"])
def test_it_needs_nothing_but_numpy_and_onnx_runtime(files, unpacked, alone, name):
    ran = alone(unpacked / "recognise.py", files / name)
    *remarks, last = ran.stderr.decode().splitlines()
    assert ran.returncode == 0, remarks
    assert ran.stdout == score(files / name)
    loaded = set(last.split())
    assert {"loaded", "numpy", "onnxruntime"} <= loaded
    assert not loaded & {"wafer_core", "torch", "pandas", "streamlit", "onnx", "pyarrow", "scipy"}


def test_it_answers_shipped_wafers_as_score_does_on_its_own(unpacked, alone, tmp_path):
    lot = shutil.copy(ROOT / "assets" / "lots" / "lot18905.npz", tmp_path)
    ran = alone(unpacked / "recognise.py", lot, "--out", tmp_path / "out.csv")
    assert (ran.returncode, ran.stdout) == (0, b"")
    assert (tmp_path / "out.csv").read_bytes() == score(Path(lot))


@pytest.mark.parametrize("fp32", [False, True], ids=["int8", "fp32"])
def test_it_answers_the_test_vectors_as_score_does(unpacked, recognise, capsys, tmp_path, fp32):
    kind = "fp32" if fp32 else "int8"
    vectors = Path(shutil.copy(unpacked / "vectors.csv", tmp_path))
    expected = (unpacked / f"expected-{kind}.csv").read_bytes()
    assert score(vectors, model="student-onnx" if fp32 else "student-int8") == expected
    assert recognise.main(["--check", *["--fp32"] * fp32]) == 0
    assert "answered as expected, byte for byte" in capsys.readouterr().out


@pytest.fixture
def copied(unpacked, tmp_path):
    """A copy of the kit that may be damaged, and a function that runs its `load`."""
    return Path(shutil.copytree(unpacked, tmp_path / "copied"))


def _other_card(copied, change):
    card = json.loads((copied / "card.json").read_text())
    change(card)
    (copied / "card.json").write_text(json.dumps(card))


def _other_weights(copied):
    file = only(copied, "*.int8.onnx")
    file.write_bytes(file.read_bytes()[:-1] + b"\0")


def _no_weights(copied):
    only(copied, "*.int8.onnx").unlink()


def _swapped_weights(copied):
    """Put other weights in place, with a card that agrees with them in everything but the map's size."""
    _other_card(copied, lambda card: card["input"].update(size=51))


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (_other_weights, "its sha256 is not the one its card states"),
        (_no_weights, "cannot be read"),
        (_swapped_weights, "another graph"),
        (lambda copied: (copied / "card.json").unlink(), "card.json: it cannot be read"),
        (lambda copied: (copied / "card.json").write_text("{"), "no card"),
        (lambda copied: (copied / "card.json").write_text("[]"), "no card"),
        (lambda copied: (copied / "card.json").write_text("[" * 100_000), "no card"),
        (lambda copied: _other_card(copied, lambda card: card.pop("decoder")), "no card"),
        (lambda copied: _other_card(copied, lambda card: card.update(patterns=[])), "another graph"),
    ],
)
def test_a_damaged_kit_answers_nothing(copied, recognise, damage, said):
    damage(copied)
    with pytest.raises(recognise.BrokenModel, match=said):
        recognise.load(copied, "int8")


def test_a_kit_of_a_card_without_novelty_leaves_it_and_the_flag_empty(copied, recognise, files):
    lot = recognise.read_paths([files / "named.npz"])
    *_, novelty, flag = recognise.load(copied, "int8").answer(lot).splitlines()[1].split(",")
    assert (float(novelty) > 1) == (flag == "yes")
    _other_card(copied, lambda card: card.pop("novelty"))
    assert recognise.load(copied, "int8").answer(lot).splitlines()[1].endswith(",,")


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda path: path.unlink(), "the card names this file"),
        (lambda path: path.write_bytes(path.read_bytes()[:-1] + b"\1"), "its sha256 is not"),
    ],
)
def test_a_damaged_reference_answers_nothing(copied, recognise, damage, said):
    damage(only(copied, "*.novelty.safetensors"))
    with pytest.raises(recognise.BrokenModel, match=said):
        recognise.load(copied, "int8")


def test_a_reference_of_another_graph_answers_nothing(copied, recognise):
    data = reference_bytes(Reference(np.zeros(4, np.float32), np.zeros((2, 4), np.float32)))
    only(copied, "*.novelty.safetensors").write_bytes(data)
    _other_card(copied, lambda card: card["novelty"].update(sha256=hashlib.sha256(data).hexdigest()))
    with pytest.raises(recognise.BrokenModel, match="the reference of another graph"):
        recognise.load(copied, "int8")


def test_a_card_cannot_name_a_file_elsewhere(copied, recognise):
    weights = only(copied, "*.int8.onnx")
    shutil.copy(weights, copied.parent / "outside.onnx")
    entry = {"engine": "onnx", "precision": "int8", "thresholds": [0.5] * 8}
    entry["sha256"] = hashlib.sha256(weights.read_bytes()).hexdigest()
    _other_card(copied, lambda card: card.update(files={"../outside.onnx": entry}))
    with pytest.raises(recognise.BrokenModel, match="not beside it"):
        recognise.load(copied, "int8")


def test_the_check_notices_a_model_that_answers_otherwise(copied, recognise):
    def lower(card):
        for entry in card["files"].values():
            entry["thresholds"] = [0.001] * 8

    assert "answered as expected" in recognise.check(copied, "int8")
    _other_card(copied, lower)
    with pytest.raises(recognise.BrokenModel, match="other patterns"):
        recognise.check(copied, "int8")


def _expecting(copied, change):
    """Change the rows of the answers expected of the int8 graph."""
    path = copied / "expected-int8.csv"
    rows = list(csv.DictReader(path.read_text().splitlines()))
    change(rows)
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _moved_by(far):
    """Move the last probability of the last wafer, which may be the only one that differs."""

    def move(rows):
        value = float(rows[-1]["Random"])
        rows[-1]["Random"] = value + (far if value < 0.5 else -far)

    return move


def _renamed(rows):
    rows[0]["wafer"] = "other"


def _one_less(rows):
    rows.pop()


def test_the_check_passes_over_what_rounding_explains(copied, recognise):
    _expecting(copied, _moved_by(0.09))
    assert recognise.check(copied, "int8") == "8 test vectors answered as expected, probabilities within 0.09."


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_moved_by(0.11), r"a probability differs by 0\.11;"),
        (_moved_by(0.2), r"not answered as expected: a probability differs by 0\.2; do not use the model here"),
        (_renamed, "are not of one kit"),
        (_one_less, "are not of one kit"),
    ],
)
def test_the_check_notices_answers_that_are_not_those_expected(copied, recognise, change, said):
    _expecting(copied, change)
    with pytest.raises(recognise.BrokenModel, match=said):
        recognise.check(copied, "int8")


@pytest.mark.parametrize(
    ("raised", "code", "said"),
    [
        (KeyboardInterrupt(), 130, "Interrupted."),
        (MemoryError(), 2, "There is not enough memory for this; give fewer or smaller files at once."),
        (ZeroDivisionError("why"), 1, "failed on its own account, please report it: ZeroDivisionError('why')."),
    ],
)
def test_whatever_ends_it_is_one_sentence_and_an_exit_code(files, recognise, capsys, monkeypatch, raised, code, said):
    def read_paths(*_):
        raise raised

    monkeypatch.setattr(recognise, "read_paths", read_paths)
    assert recognise.main([str(files / "maps.npy")]) == code
    answered = capsys.readouterr()
    assert answered.out == ""
    assert answered.err.count("\n") == 1
    assert said in answered.err


def test_what_was_assumed_of_a_file_is_said_beside_its_answers(files, recognise, capsys):
    lot = recognise.read_paths([files / "bins.npz"])
    assert recognise.main([str(files / "bins.npz")]) == 0
    assert "bins.npz: Bin 1 passes and every other bin fails (2 bins found)." in (said := capsys.readouterr().err)
    assert said.splitlines() == [f"{note.file}: {note.text}" for note in lot.notes]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "No lot was named"),
        (["--bogus"], "unrecognized arguments: --bogus"),
        (["missing.csv"], "missing.csv: it cannot be opened: no such file"),
        (["grid.csv"], "State it with --cells."),
        (["grid.csv", "--pass-bins", "one"], "not a list of whole numbers"),
        (["list.parquet"], "needs pyarrow"),
        (["words.csv"], "names no columns x and y"),
        (["grid.csv", "--cells", "states", "--out", "nowhere/out.csv"], "No such file or directory"),
        (["grid.csv", "--cells", "states", "--out", "grid.csv"], "would overwrite"),
    ],
)
def test_what_the_caller_can_mend_is_one_sentence_and_exit_code_2(files, unpacked, alone, arguments, said):
    (files / "words.csv").write_text("a,b\nc,d\n")
    (files / "list.parquet").write_bytes(b"PAR1 whatever PAR1")
    given = [files / each if "." in each else each for each in arguments]
    ran = alone(unpacked / "recognise.py", *given)
    *lines, _ = ran.stderr.decode().splitlines()
    assert (ran.returncode, ran.stdout) == (2, b"")
    assert len(lines) == 1
    assert said.lower() in lines[0].lower()


@pytest.mark.parametrize("version", [(3, 8), (3, 9), (3, 10)])
def test_an_older_python_reads_as_far_as_the_sentence_on_its_age(unpacked, version):
    ast.parse((unpacked / "recognise.py").read_text(), feature_version=version)


@pytest.mark.parametrize(
    ("before", "said"),
    [
        ("import sys; sys.version_info = (3, 9, 2)", "needs Python 3.11 or later; this is 3.9."),
        ("import sys; sys.modules['numpy'] = None", "pip install numpy onnxruntime"),
        ("import sys; sys.modules['onnxruntime'] = None", "pip install numpy onnxruntime"),
    ],
)
def test_what_a_machine_lacks_is_one_sentence_and_exit_code_2(unpacked, before, said):
    script = f"{before}; sys.argv[:] = ['recognise.py', '--help']; exec(open('recognise.py').read())"
    command = [sys.executable, "-I", "-c", script]
    ran = subprocess.run(command, cwd=unpacked, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert said in ran.stderr
    assert ran.stderr.count("\n") == 1


def test_the_runtime_leaves_nothing_to_report_to_its_maker(unpacked, tmp_path):
    """Where it does not hear otherwise before it is loaded it keeps an id of its user and calls home."""
    command = [sys.executable, "-I", "recognise.py", "--check"]
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("XDG", "ORT"))}
    ran = subprocess.run(command, cwd=unpacked, env={**kept, "HOME": str(tmp_path)}, capture_output=True, check=True)
    assert b"answered as expected" in ran.stdout
    assert list(tmp_path.iterdir()) == []


def test_a_file_left_out_is_reported_after_the_others_are_answered(files, recognise, capsys):
    (files / "empty.csv").write_bytes(b"")
    assert recognise.main([str(files / "one.npy"), str(files / "empty.csv")]) == 2
    said = capsys.readouterr()
    assert said.out.count("\n") == 2
    assert "empty.csv" in said.err


def test_a_wafer_nobody_tested_has_an_empty_row_and_a_remark(tmp_path, recognise, lot_of, untested_states, capsys):
    lot = lot_of([untested_states(20, 20)])
    (tmp_path / "lot.npz").write_bytes(write_lot(replace(lot, title="untested")))
    assert recognise.main([str(tmp_path / "lot.npz")]) == 0
    said = capsys.readouterr()
    assert said.out.splitlines()[1] == "L1,01" + 13 * ","
    assert "L1/01: no die was tested" in said.err
