import io
import zipfile

import pytest

from wafer_core.cli import main
from wafer_core.kit import kit


def test_the_command_writes_the_kit(tiny_folder, tiny_kit, tmp_path):
    assert main(["kit", "--model", str(tiny_folder), "--out", str(tmp_path / "tiny.zip")]) == 0
    assert (tmp_path / "tiny.zip").read_bytes() == tiny_kit


def test_any_file_of_a_model_names_its_kit(tiny_folder, tmp_path):
    weights = tiny_folder / "tiny-untrained.int8.onnx"
    assert main(["kit", "--model", str(weights), "--out", str(tmp_path / "tiny.zip")]) == 0
    assert (tmp_path / "tiny.zip").read_bytes() == kit(tiny_folder)


def test_the_command_writes_c_beside_a_kit(tiny_folder, tmp_path):
    out, folder = tmp_path / "tiny.zip", tmp_path / "new" / "c"
    assert main(["kit", "--model", str(tiny_folder), "--out", str(out), "--c", str(folder)]) == 0
    assert sorted(path.name for path in folder.iterdir()) == ["model.c", "model.h", "test_model.c"]
    assert zipfile.is_zipfile(io.BytesIO(out.read_bytes()))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "give --out FILE.zip, --c DIR or both"),
        (["--out", "missing/kit.zip"], "there is no folder"),
        (["--c", "file/c"], "--c {0}/file/c cannot be a folder"),
        (["--model", "nobody", "--out", "kit.zip"], "There is no model 'nobody'"),
    ],
)
def test_what_cannot_be_packed_is_one_sentence(tiny_folder, tmp_path, capsys, arguments, said):
    (tmp_path / "file").write_text("")
    given = [str(tmp_path / each) if "/" in each or each.endswith(".zip") else each for each in arguments]
    model = [] if "--model" in given else ["--model", str(tiny_folder)]
    assert main(["kit", *model, *given]) == 2
    assert said.format(tmp_path) in capsys.readouterr().err
