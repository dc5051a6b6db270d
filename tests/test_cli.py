"""The command line, driven as a caller drives it: arguments in, files, sentences and exit codes out."""

import csv
import json
import os
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from wafer_core.cli import main, models
from wafer_core.decode import decode_with, verdict_titles
from wafer_core.distill.lesson import Lesson
from wafer_core.lot import NO_DIE, PASS
from wafer_core.models.card import Card
from wafer_core.models.folder import resolve
from wafer_core.novelty import UNTOLD
from wafer_core.patterns import PATTERNS
from wafer_core.readers import read_paths
from wafer_core.recognise import load_recognizer
from wafer_core.training import ordinary
from wafer_core.training.data import unlabelled_maps

COLUMNS = ["lot", "wafer", *PATTERNS, "patterns", "excluded", "margin", "novelty", "flag"]
GRADIENT_METHODS = ("gradcam", "deeplift", "integrated-gradients")
SECONDS_A_PROCESS_MAY_TAKE = 120


@pytest.fixture
def lot_file(tmp_path, disc_states, untested_states):
    """`LOT7.npz`: three wafers of 20x18, the second of them never probed."""
    maps = np.stack([disc_states(20, 18, 0.2, 1), untested_states(20, 18), disc_states(20, 18, 0.4, 2)])
    np.savez(tmp_path / "LOT7.npz", maps=maps)
    return tmp_path / "LOT7.npz"


@pytest.fixture
def die_list(tmp_path):
    """`dies.csv`: wafer 1 of lot A and wafer 1 of lot B, bins 1 (passing) and 7."""
    lines = ["lot,wafer,x,y,bin"]
    for lot in "AB":
        lines += [f"{lot},1,{x},{y},{7 if x == y else 1}" for x in range(-4, 5) for y in range(-4, 5)]
    (tmp_path / "dies.csv").write_text("\n".join(lines) + "\n")
    return tmp_path / "dies.csv"


@pytest.fixture
def run(tiny_folder, capsys):
    """`run("score", ...)`: the exit code and the lines of standard error; `MODEL`, `ONNX` and `INT8` name files."""
    names = {"MODEL": tiny_folder, "ONNX": tiny_folder / "tiny-untrained.onnx"}
    names["INT8"] = tiny_folder / "tiny-untrained.int8.onnx"

    def call(*arguments):
        code = main([str(names.get(argument, argument)) for argument in arguments])
        return code, capsys.readouterr().err.splitlines()

    return call


def rows_of(path):
    with path.open(newline="") as lines:
        return list(csv.DictReader(lines))


def refused(answer, *said):
    """Whether a call ended with exit code 2 and one line that says all of `said`."""
    code, lines = answer
    return code == 2 and len(lines) == 1 and all(word in lines[0] for word in said)


@pytest.mark.parametrize("model", ["MODEL", "ONNX", "INT8"])
def test_score_writes_one_row_a_wafer_in_order(run, lot_file, die_list, tmp_path, model):
    out = tmp_path / "scores.csv"
    code, _ = run("score", lot_file, die_list, "--model", model, "--out", out)
    assert code == 0
    rows = rows_of(out)
    assert list(rows[0]) == COLUMNS
    assert [row["lot"] for row in rows] == ["LOT7"] * 3 + ["A", "B"]
    assert [int(row["wafer"]) for row in rows] == [1, 2, 3, 1, 1]
    assert {row["patterns"] for row in rows} == {"Center+Edge-Loc", ""}
    assert {row["excluded"] for row in rows} == {"Donut", ""}


def test_a_path_that_begins_like_the_approved_student_is_a_path(
    run, lot_file, tiny_folder, tmp_path, home, monkeypatch
):
    home.mkdir()
    shutil.copytree(tiny_folder, tmp_path / "approved-once")
    monkeypatch.chdir(tmp_path)
    assert run("score", lot_file, "--model", "approved-once", "--out", "scores.csv")[0] == 0


def test_score_says_what_the_recognizer_says(run, small_lot, tiny_folder, tmp_path):
    states = [wafer.states for wafer in small_lot if wafer.frame.shape == (20, 20)]
    np.savez(tmp_path / "lot.npz", maps=np.stack(states))
    run("score", tmp_path / "lot.npz", "--model", "MODEL", "--out", tmp_path / "scores.csv")
    rows = rows_of(tmp_path / "scores.csv")
    model = resolve(str(tiny_folder))
    wafers = [wafer for wafer in small_lot if wafer.frame.shape == (20, 20)]
    verdicts = decode_with(model, load_recognizer(model).score(wafers).logits)
    written = np.array([[row[name] for name in PATTERNS] for row in rows]).astype(np.float32)
    np.testing.assert_allclose(written, verdicts.probabilities, rtol=1e-5)
    np.testing.assert_allclose([float(row["margin"]) for row in rows], verdicts.margin, rtol=1e-4)
    assert [row["patterns"] for row in rows] == verdict_titles(verdicts)


def test_a_model_learns_to_tell_novelty_and_score_tells_it(
    run, fake_data, tiny_folder, lot_file, tmp_path, monkeypatch
):
    for name in ("taught_maps", "decided_maps"):
        monkeypatch.setattr(ordinary, name, partial(getattr(ordinary, name), count=120))
    folder = shutil.copytree(tiny_folder, tmp_path / "new")
    assert run("fit-novelty", folder, "--data", fake_data) == (0, [])
    model = resolve(str(folder))
    there = len(unlabelled_maps(fake_data, "validation"))
    assert (model.card.novelty.known, model.card.novelty.ordinary) == (120, there + 120)
    assert run("score", lot_file, "--model", folder, "--out", tmp_path / "scores.csv")[0] == 0
    rows = rows_of(tmp_path / "scores.csv")
    wafers = [wafer for wafer in read_paths([lot_file]) if wafer.scorable]
    novelty = model.novelty(load_recognizer(model).score(wafers).embedding)
    assert [row["novelty"] for row in rows] == [str(novelty[0]), "", str(novelty[1])]
    assert [row["flag"] for row in rows] == ["yes" if value > 1 else "no" for value in novelty[:1]] + [""] + [
        "yes" if value > 1 else "no" for value in novelty[1:]
    ]


def test_a_model_without_a_reference_leaves_novelty_and_flag_empty(run, lot_file, tmp_path):
    assert run("score", lot_file, "--model", "INT8", "--out", tmp_path / "scores.csv")[0] == 0
    assert {(row["novelty"], row["flag"]) for row in rows_of(tmp_path / "scores.csv")} == {("", "")}


def test_novelty_is_not_fitted_without_maps(run, tiny_folder, tmp_path):
    folder = shutil.copytree(tiny_folder, tmp_path / "new")
    assert refused(run("fit-novelty", folder, "--data", tmp_path), "holds no folder wm811k")
    assert resolve(str(folder)).card.novelty is None


def test_a_wafer_nobody_probed_keeps_its_row_and_is_named(run, lot_file, tmp_path):
    code, lines = run("score", lot_file, "--model", "ONNX", "--out", tmp_path / "scores.csv")
    row = rows_of(tmp_path / "scores.csv")[1]
    assert code == 0
    assert [row[column] for column in COLUMNS[2:]] == [""] * 13
    assert any(f"{row['lot']}/{row['wafer']}" in line for line in lines)


def test_a_lot_that_nobody_probed_is_a_table_of_empty_rows(run, untested_states, tmp_path):
    np.save(tmp_path / "L.npy", np.stack([untested_states(9, 9)] * 2))
    assert run("score", tmp_path / "L.npy", "--model", "MODEL", "--out", tmp_path / "scores.csv")[0] == 0
    assert [row["patterns"] for row in rows_of(tmp_path / "scores.csv")] == ["", ""]


def test_scoring_an_onnx_model_imports_neither_torch_nor_pandas(tiny_folder, lot_file, tmp_path):
    arguments = ["score", str(lot_file), "--model", str(tiny_folder / "tiny-untrained.int8.onnx")]
    script = (
        "import sys; from wafer_core.cli import main\n"
        f"assert main({[*arguments, '--out', str(tmp_path / 'scores.csv')]!r}) == 0\n"
        "print([name for name in ('torch', 'captum', 'pandas', 'streamlit') if name in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


def test_a_question_of_the_reader_is_answered_by_an_option(run, tmp_path):
    rows = ["0,1,1,0", "1,2,1,1", "1,1,2,1", "0,1,1,0"]
    (tmp_path / "grid.csv").write_text("\n".join(rows) + "\n")
    scoring = ("score", tmp_path / "grid.csv", "--model", "ONNX", "--out", tmp_path / "scores.csv")
    assert refused(run(*scoring), "grid.csv", "--cells")
    assert not (tmp_path / "scores.csv").exists()
    assert run(*scoring, "--cells", "states", "--lot", "N 1")[0] == 0
    assert rows_of(tmp_path / "scores.csv")[0]["lot"] == "N 1"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--pass-bins", "9"), ("bin 9", "bins 1, 7", "--pass-bins")),
        (("--pass-bins", str(10**22)), ("Bins run from 0",)),
        (("--pass-bins=-1,1",), ("Bins run from 0",)),
        (("--pass-bins", "1", "--cells", "states"), ("die states", "bins")),
        (("--cells", "states"), ("value 7", "--cells bins")),
    ],
)
def test_reading_options_that_cannot_be_meant_are_refused(run, die_list, tmp_path, options, said):
    out = tmp_path / "scores.csv"
    assert refused(run("score", die_list, "--model", "ONNX", "--out", out, *options), *said)
    assert not out.exists()


def test_a_file_whose_name_is_no_text_is_scored_like_any_other(run, lot_file, tmp_path):
    odd = lot_file.rename(tmp_path / os.fsdecode(b"A\xff.npz"))
    out = tmp_path / os.fsdecode(b"scores\xff.csv")
    assert run("score", odd, "--lot", os.fsdecode(b"A\xff"), "--model", "ONNX", "--out", out)[0] == 0
    assert run("score", odd, "--model", "ONNX", "--out", out)[0] == 0
    assert {row["lot"] for row in rows_of(out)} == {"A\ufffd"}


def test_a_path_that_is_no_text_can_be_said(monkeypatch, capsys):
    monkeypatch.setattr(models, "run", lambda arguments: print(os.fsdecode(b"student\xff")))
    assert main(["models"]) == 0
    assert capsys.readouterr().out == "student\\udcff\n"


def test_a_broken_file_is_named_and_the_others_are_scored(run, lot_file, tmp_path):
    (tmp_path / "broken.npz").write_bytes(b"PK\x03\x04 not really")
    answer = run("score", tmp_path / "broken.npz", lot_file, "--model", "ONNX", "--out", tmp_path / "scores.csv")
    assert answer[0] == 2
    assert "broken.npz" in answer[1][-1]
    assert len(rows_of(tmp_path / "scores.csv")) == 3


@pytest.mark.parametrize("method", [*GRADIENT_METHODS, "occlusion"])
def test_explain_writes_the_detected_patterns_on_the_wafers_own_dies(run, lot_file, disc_states, tmp_path, method):
    out = tmp_path / "without-suffix"
    code, _ = run("explain", lot_file, "--wafer", "LOT7/01", "--model", "MODEL", "--method", method, "--out", out)
    assert code == 0
    with np.load(out, allow_pickle=False) as found:
        assert sorted(found) == ["attributions", "dies", "patterns"]
        np.testing.assert_array_equal(found["dies"], disc_states(20, 18, 0.2, 1))
        assert found["patterns"].tolist() == ["Center", "Edge-Loc"]
        assert found["attributions"].dtype == np.float32
        assert found["attributions"].shape == (2, 20, 18)
        assert np.isfinite(found["attributions"]).all()
        assert found["attributions"].any()
        assert not found["attributions"][:, found["dies"] == 0].any()


def test_explain_takes_named_patterns_and_an_orientation(run, lot_file, disc_states, tmp_path):
    out = tmp_path / "out.npz"
    asked = ("--patterns", "Scratch,Center", "--orientation", "rotate-90")
    run("explain", lot_file, "--wafer", "03", "--model", "ONNX", "--method", "occlusion", *asked, "--out", out)
    with np.load(out, allow_pickle=False) as found:
        assert found["patterns"].tolist() == ["Scratch", "Center"]
        np.testing.assert_array_equal(found["dies"], np.rot90(disc_states(20, 18, 0.4, 2), -1))
        assert found["attributions"].shape == (2, 18, 20)


def test_explain_all_numbers_its_keys_in_row_order(run, lot_file, tmp_path):
    out = tmp_path / "out.npz"
    answer = run("explain", lot_file, "--wafer", "all", "--model", "MODEL", "--method", "gradcam", "--out", out)
    with np.load(out, allow_pickle=False) as found:
        assert sorted(found) == sorted(f"{key}_{i}" for key in ("dies", "patterns", "attributions") for i in range(3))
        assert [found[f"attributions_{i}"].shape for i in range(3)] == [(2, 20, 18), (0, 20, 18), (2, 20, 18)]
    assert answer[0] == 0
    assert any("LOT7/02" in line for line in answer[1])


def test_explain_says_which_wafers_had_no_pattern_to_explain(run, untested_states, tmp_path):
    normal = np.where(untested_states(20, 18) == NO_DIE, NO_DIE, PASS)
    np.savez(tmp_path / "LOT8.npz", maps=normal[None])
    asked = ("--wafer", "01", "--model", "student", "--method", "gradcam", "--out", tmp_path / "out.npz")
    code, lines = run("explain", tmp_path / "LOT8.npz", *asked)
    assert code == 0
    assert "LOT8/01: the model names no pattern, so nothing was explained; name some with --patterns." in lines
    with np.load(tmp_path / "out.npz", allow_pickle=False) as found:
        assert found["attributions"].shape == (0, 20, 18)


@pytest.mark.parametrize("method", GRADIENT_METHODS)
@pytest.mark.parametrize("model", ["ONNX", "INT8"])
def test_a_gradient_method_on_onnx_names_occlusion(run, lot_file, tmp_path, model, method):
    asked = ("--wafer", "01", "--model", model, "--method", method, "--out", tmp_path / "out.npz")
    assert refused(run("explain", lot_file, *asked), "occlusion")
    assert not (tmp_path / "out.npz").exists()


@pytest.mark.parametrize(("wafer", "said"), [("1", ("A/1", "B/1")), ("9", ("'9'", "A/1")), ("C/1", ("C/1", "A/1"))])
def test_a_wafer_that_is_not_one_lists_the_choices(run, die_list, tmp_path, wafer, said):
    asked = ("--wafer", wafer, "--model", "MODEL", "--method", "gradcam", "--out", tmp_path / "out.npz")
    assert refused(run("explain", die_list, *asked), *said)


def test_a_wafer_nobody_probed_cannot_be_explained(run, lot_file, tmp_path):
    asked = ("--wafer", "02", "--model", "MODEL", "--method", "gradcam", "--out", tmp_path / "out.npz")
    assert refused(run("explain", lot_file, *asked), "LOT7/02")


SCORE = ("score", "LOT", "--model", "ONNX", "--out", "OUT")
TRAIN = ("--out", "OUT", "--data", "FOLDER")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), ("COMMAND",)),
        (("sing",), ("'sing'", "score")),
        (("score",), ("LOT", "--model", "--out")),
        ((*SCORE, "--loud"), ("--loud",)),
        ((*SCORE, "--pass-bins", "1,two"), ("--pass-bins", "1,two")),
        ((*SCORE, "--pass-bins", "1_0"), ("--pass-bins", "1_0")),
        ((*SCORE, "--out", ""), ("--out", "it is empty")),
        (("kit", "--model", "student", "--c", ""), ("--c", "it is empty")),
        (("distill", "LOT", "--out", "/"), ("--out /", "name a folder in it")),
        (("train-student", *TRAIN, "--batch", "0"), ("--batch", "0 is less than 1")),
        (("train-student", *TRAIN, "--workers", "-1"), ("--workers", "-1 is less than 0")),
        (("train-teacher", *TRAIN, "--rate", "nan"), ("--rate", "nan is not a positive number")),
        ((*SCORE, "--cells", "dies"), ("--cells", "states", "bins")),
        ((*SCORE, "--orientation", "sideways"), ("--orientation", "rotate-90")),
        (("score", "missing.npz", *SCORE[2:]), ("missing.npz", "no such file")),
        (("score", "FOLDER", *SCORE[2:]), ("folder",)),
        (("score", "LOT", "--model", "nobody", "--out", "OUT"), ("nobody", "approved")),
        ((*SCORE[:-1], "FOLDER"), ("--out", "folder")),
        ((*SCORE[:-1], "FOLDER/none/out.csv"), ("--out", "no folder")),
        ((*SCORE[:-1], "LOT"), ("overwrite",)),
        ((*SCORE[:-1], "/dev/full"), ("/dev/full", "no space")),
        (("explain", "LOT", "--wafer", "1", "--method", "gradcam", *SCORE[2:], "--patterns", "Ring"), ("'Ring'",)),
        (("explain", "LOT", "--wafer", "1", "--method", "shap", *SCORE[2:]), ("shap", "occlusion")),
        (("distill", "LOT", "--out", "OUT", "--budget", "-1"), ("--budget", "positive")),
        (("distill", "LOT", "--out", "OUT", "--budget", "nan"), ("--budget", "positive")),
        (("distill", "LOT", "--out", "OUT", "--steps", "0"), ("--steps",)),
        (("distill", "LOT", "--out", "OUT", "--seed", "x"), ("--seed", "whole")),
        (("distill", "LOT", "--out", "OUT", "--teacher", "MODEL", "--size", "vast"), ("vast", "small")),
        (("distill", "LOT", "--out", "LOT", "--teacher", "MODEL"), ("--out",)),
        (("distill", "LOT", "--out", "OUT", "--teacher", "MODEL", "--pool", "lots"), ("'lots'", "at least one")),
        (("distill", "LOT", "--out", "OUT", "--teacher", "MODEL", "--without", "9"), ("'9'",)),
        (("distill", "LOT", "--out", "OUT", "--teacher", "MODEL", "--pool-lot", "NONE"), ("NONE", "no such file")),
        (("distill", "LOT", "--out", "OUT", "--teacher", "MODEL", "--start", "nobody"), ("nobody",)),
        (("benchmark", "--out", "FOLDER"), ("--out", "folder")),
        (("train-teacher", "--out", "OUT"), ("--data",)),
        (("train-teacher", "--out", "OUT", "--data", "FOLDER", "--seed", "-1"), ("seed", "-1")),
        (("train-student", "--out", "OUT", "--data", "FOLDER", "--steps", "0"), ("steps", "not 0")),
        (("distill", "LOT", "--out", "OUT", "--seed", str(2**64)), ("seed", str(2**64))),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_what_the_caller_can_mend_is_one_sentence_and_exit_code_2(run, lot_file, tmp_path, arguments, said):
    places = {"LOT": str(lot_file), "OUT": str(tmp_path / "out"), "FOLDER": str(tmp_path)}
    before = lot_file.read_bytes()
    given = [str(places.get(a, a.replace("FOLDER", str(tmp_path)))) for a in arguments]
    assert refused(run(*given), *said)
    assert lot_file.read_bytes() == before
    assert not (tmp_path / "out").exists()


def test_a_failed_run_leaves_the_old_result(run, lot_file, die_list, tmp_path):
    out = tmp_path / "out.npz"
    out.write_bytes(b"the old one")
    run("explain", die_list, "--wafer", "1", "--model", "MODEL", "--method", "gradcam", "--out", out)
    assert out.read_bytes() == b"the old one"
    run("explain", lot_file, "--wafer", "01", "--model", "MODEL", "--method", "gradcam", "--out", out)
    assert out.read_bytes() != b"the old one"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["LOT7.npz", "dies.csv", "out.npz"]


def test_a_link_keeps_pointing_at_what_was_replaced(run, lot_file, tmp_path):
    (tmp_path / "out.csv").symlink_to(tmp_path / "real.csv")
    run("score", lot_file, "--model", "ONNX", "--out", tmp_path / "out.csv")
    assert (tmp_path / "out.csv").is_symlink()
    assert len(rows_of(tmp_path / "real.csv")) == 3


def test_models_lists_every_file_as_json(capsys):
    assert main(["models", "--json"]) == 0
    for entry in json.loads(capsys.readouterr().out):
        assert list(entry) == ["name", "role", "engine", "parameters", "bytes", "path", "sha256", "runs"]
        assert Path(entry["path"]).stat().st_size == entry["bytes"]


def test_models_tells_every_run_that_led_to_a_file(capsys):
    main(["models", "--json"])
    for entry in json.loads(capsys.readouterr().out):
        card = resolve(entry["name"]).card
        *earlier, last = entry["runs"]
        assert earlier == card.made_from["earlier"]
        assert (last["sha256"], last["command"]) == (entry["sha256"], card.made_from["command"])
        assert last["start_sha256"] == earlier[-1]["sha256"]


def test_distill_leaves_a_model_that_scores(run, lot_file, tmp_path):
    out = tmp_path / "students" / "mine"
    settings = ("--budget", "60", "--size", "tiny", "--steps", "2", "--seed", "3", "--teacher", "MODEL")
    assert run("distill", lot_file, "--out", out, *settings)[0] == 0
    left = {"student.safetensors", "student.onnx", "student.int8.onnx", "card.json", "run.json"}
    left.add("student.novelty.safetensors")
    assert {path.name for path in out.iterdir()} == left
    assert json.loads((out / "card.json").read_text())["made_from"]["seed"] == 3
    for model in (out, out / "student.int8.onnx"):
        assert run("score", lot_file, "--model", model, "--out", tmp_path / "scores.csv")[0] == 0


@pytest.mark.parametrize(("pool", "untold"), [("shipped", False), ("none", True)])
def test_distill_says_whether_its_student_can_flag(lot_file, tiny_folder, tmp_path, capsys, pool, untold):
    settings = ("--size", "tiny", "--steps", "1", "--teacher", str(tiny_folder), "--pool", pool)
    assert main(["distill", str(lot_file), "--out", str(tmp_path / "mine"), *settings]) == 0
    assert (UNTOLD in capsys.readouterr().out.splitlines()) == untold
    assert (Card.read(tmp_path / "mine").novelty is None) == untold


def test_distill_removes_no_folder_but_its_own(run, lot_file, tmp_path):
    mine = tmp_path / "mine.run" / "thesis.txt"
    mine.parent.mkdir()
    mine.write_text("years of work")
    settings = ("--size", "tiny", "--steps", "1", "--teacher", "MODEL")
    assert refused(run("distill", lot_file, "--out", tmp_path / "mine", *settings), "thesis.txt")
    assert mine.read_text() == "years of work"


def test_what_is_told_of_the_files_that_were_read_is_told_beside_a_refused_one(run, die_list, tmp_path):
    bad = tmp_path / "bad.csv"
    bad.write_text("nothing of use\n")
    _, alone = run("score", die_list, "--model", "MODEL", "--out", tmp_path / "a.csv")
    code, said = run("score", die_list, bad, "--model", "MODEL", "--out", tmp_path / "b.csv")
    assert code == 2
    assert "bad.csv" in said[-1]
    assert alone
    assert set(alone) <= set(said)


def test_no_c_of_somebody_else_is_overwritten(run, tmp_path):
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "model.c").write_text("int years_of_work;\n")
    assert refused(run("kit", "--model", "student", "--c", mine), "holds a model.c that was not made here")
    assert (mine / "model.c").read_text() == "int years_of_work;\n"
    for _ in range(2):
        assert run("kit", "--model", "student", "--c", tmp_path / "made")[0] == 0


def test_a_pipe_is_said_to_be_one(run, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    said = run("score", tmp_path / "pipe", "--model", "MODEL", "--out", tmp_path / "out.csv")
    assert refused(said, "is no file but a pipe; save it first")


@pytest.mark.parametrize(
    "command",
    [
        ("score", "LOT", "--model", "MODEL"),
        ("explain", "LOT", "--wafer", "01", "--model", "MODEL", "--method", "gradcam"),
        ("kit", "--model", "MODEL"),
        ("benchmark",),
    ],
    ids=lambda command: command[0],
)
@pytest.mark.parametrize("ending", [".json", ".onnx"])
def test_no_file_of_a_model_is_overwritten(run, lot_file, tiny_folder, tmp_path, command, ending):
    folder = shutil.copytree(tiny_folder, tmp_path / "mine")
    (target, *_) = folder.glob(f"*{ending}")
    before = target.read_bytes()
    given = [str(lot_file) if word == "LOT" else word for word in command]
    assert refused(run(*given, "--out", target), "would overwrite a file of the model")
    assert target.read_bytes() == before


def test_a_run_whose_words_are_damaged_says_what_to_remove(run, lot_file, tmp_path):
    (tmp_path / "mine.run").mkdir()
    (tmp_path / "mine.run" / "asked.json").write_text('{"lots": [')
    settings = ("--size", "tiny", "--steps", "1", "--teacher", "MODEL")
    said = run("distill", lot_file, "--out", tmp_path / "mine", *settings)
    assert refused(said, f"cannot go on; start it again. Remove {tmp_path / 'mine.run'} first.")


@pytest.mark.parametrize(
    "command",
    [
        ("distill", "LOT", "--size", "tiny", "--steps", "1", "--teacher", "MODEL"),
        ("train-student", "--data", "DATA"),
        ("train-teacher", "--data", "DATA"),
    ],
    ids=lambda command: command[0],
)
def test_what_makes_a_model_replaces_none(run, lot_file, tmp_path, command):
    out = tmp_path / "mine"
    out.mkdir()
    (out / "card.json").write_text("{}")
    given = [str(lot_file) if word == "LOT" else word for word in command]
    assert refused(run(*given, "--out", out), "holds a model already")
    assert [path.name for path in out.iterdir()] == ["card.json"]


def test_a_distillation_that_was_killed_once_all_was_written_goes_on(run, lot_file, tmp_path, monkeypatch):
    out, settings = tmp_path / "mine", ("--size", "tiny", "--steps", "1", "--teacher", "MODEL")
    with monkeypatch.context() as patch:
        patch.setattr("wafer_core.cli.distill.shutil", None)  # with which the state is cleared away
        assert run("distill", lot_file, "--out", out, *settings)[0] == 1
    assert (out / "card.json").exists()
    assert run("distill", lot_file, "--out", out, *settings)[0] == 0
    assert not (tmp_path / "mine.run").exists()


def test_a_distillation_that_was_interrupted_goes_on_and_writes_the_same_weights(
    run, lot_file, die_list, tmp_path, monkeypatch
):
    """The real thing is killed by `measurements.faults`; here a step is interrupted as Ctrl-C would."""
    settings = ("--size", "tiny", "--steps", "6", "--teacher", "MODEL", "--pool", "lots", "--pool-lot", die_list)
    assert run("distill", lot_file, "--out", tmp_path / "whole", *settings)[0] == 0
    advance, taken = Lesson.advance, []

    def interrupted(lesson):
        taken.append(lesson.step)
        if len(taken) == 4:
            raise KeyboardInterrupt
        return advance(lesson)

    monkeypatch.setattr(Lesson, "advance", interrupted)
    assert run("distill", lot_file, "--out", tmp_path / "broken", *settings)[0] == 130
    assert (tmp_path / "broken.run").is_dir()
    assert refused(run("distill", lot_file, "--out", tmp_path / "broken", *settings, "--seed", "1"), "broken.run")
    assert run("distill", lot_file, "--out", tmp_path / "broken", *settings)[0] == 0
    assert taken[4] > 0, "it began anew"
    whole, broken = ((tmp_path / name / "student.safetensors").read_bytes() for name in ("whole", "broken"))
    assert broken == whole
    assert not (tmp_path / "broken.run").exists()


def test_a_fault_of_ours_is_a_sentence_too(monkeypatch, capsys):
    def stumble(arguments):
        raise ZeroDivisionError("division\nby zero")

    monkeypatch.setattr(models, "run", stumble)
    assert main(["models"]) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "ZeroDivisionError: division by zero" in said


def test_help_is_no_failure(capsys):
    assert main(["score", "--help"]) == 0
    assert "--pass-bins" in capsys.readouterr().out


def process(*arguments, **options):
    """Run the command line as its own process."""
    command = [sys.executable, "-m", "wafer_core", *map(str, arguments)]
    return subprocess.run(command, stderr=subprocess.PIPE, timeout=SECONDS_A_PROCESS_MAY_TAKE, text=True, **options)


def test_a_closed_pipe_is_no_traceback():
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as closed:
        ran = process("models", "--json", stdout=closed)
    assert ran.returncode == 2
    assert ran.stderr == "Standard output was closed before everything was written.\n"


def test_the_process_says_one_sentence_and_exits_with_2(lot_file, tiny_folder, tmp_path):
    model = tiny_folder / "tiny-untrained.onnx"
    asked = ("--wafer", "01", "--method", "deeplift", "--model", model, "--out", tmp_path / "out.npz")
    ran = process("explain", lot_file, *asked)
    assert ran.returncode == 2
    assert ran.stderr.count("\n") == 1
    assert "occlusion" in ran.stderr


def test_the_process_scores_in_place_of_a_device(lot_file, tiny_folder):
    ran = process("score", lot_file, "--model", tiny_folder, "--out", "/dev/stdout", stdout=subprocess.PIPE)
    assert ran.returncode == 0
    assert next(csv.reader(ran.stdout.splitlines())) == COLUMNS
