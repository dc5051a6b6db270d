import io
import json
import shutil
import zipfile
from hashlib import sha256

import numpy as np
import onnx
import pytest

from wafer_core.errors import BrokenModel
from wafer_core.kit import import_kit, unpack
from wafer_core.models.folder import files_of, resolve

NAME = "tiny-untrained"


def changed(data, changes, packing=zipfile.ZIP_DEFLATED):
    """A kit with members replaced, added or, where the new content is None, left out."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w", packing) as new:
        for member in old.namelist():
            if member not in changes:
                new.writestr(member, old.read(member))
        for member, content in changes.items():
            if content is not None:
                new.writestr(member, content)
    return out.getvalue()


def member(data, name):
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return archive.read(f"{NAME}/{name}")


def with_weights(data, file, weights):
    """A kit whose card agrees with other weights."""
    card = json.loads(member(data, "card.json"))
    card["files"][file] |= {"bytes": len(weights), "sha256": sha256(weights).hexdigest()}
    return changed(data, {f"{NAME}/{file}": weights, f"{NAME}/card.json": json.dumps(card)})


def test_what_was_packed_comes_back(tiny_kit, tiny_folder, tmp_path):
    folder = import_kit(tiny_kit, tmp_path / "students")
    assert folder == tmp_path / "students" / NAME
    mine = {file.file: file for file in files_of(folder)}
    theirs = {file.file: file for file in files_of(tiny_folder) if file.engine == "onnx"}
    assert {name: file.read() for name, file in mine.items()} == {name: file.read() for name, file in theirs.items()}
    assert {file.entry for file in mine.values()} == {file.entry for file in theirs.values()}


def test_what_tells_novelty_comes_back(knowing_kit, tmp_path):
    folder = import_kit(knowing_kit, tmp_path)
    files = files_of(folder)
    assert files[0].reference_bytes() == member(knowing_kit, f"{NAME}.novelty.safetensors")
    assert {*files[0].card.novelty.limits} == {file.file for file in files}
    assert (files[0].novelty(np.full((2, 8), 9, np.float32)) > 1).all()


@pytest.mark.parametrize("content", [None, b"", b"x" * 300])
def test_a_kit_whose_reference_is_not_the_cards_is_refused(knowing_kit, tmp_path, content):
    with pytest.raises(BrokenModel, match="novelty"):
        import_kit(changed(knowing_kit, {f"{NAME}/{NAME}.novelty.safetensors": content}), tmp_path)
    assert [path.name for path in tmp_path.iterdir() if path.name != "home"] == []


def test_no_code_and_no_stranger_is_kept(tiny_kit, tmp_path):
    folder = import_kit(changed(tiny_kit, {f"{NAME}/weights.pkl": b"\x80", f"{NAME}/run.sh": b"#!/bin/sh"}), tmp_path)
    assert sorted(path.name for path in folder.iterdir()) == ["card.json", f"{NAME}.int8.onnx", f"{NAME}.onnx"]
    assert [path.name for path in tmp_path.iterdir() if path.name != "home"] == [NAME]


def test_a_second_kit_of_a_name_stands_beside_the_first(tiny_kit, tmp_path):
    assert [import_kit(tiny_kit, tmp_path).name for _ in range(3)] == [NAME, f"{NAME}-2", f"{NAME}-3"]


def test_a_kit_of_a_shipped_model_does_not_take_its_name(tiny_kit, tmp_path):
    card = member(tiny_kit, "card.json").decode()
    moved = {f"student/{file}": member(tiny_kit, file) for file in (f"{NAME}.onnx", f"{NAME}.int8.onnx")}
    data = changed(tiny_kit, {f"{NAME}/card.json": None, "student/card.json": card, **moved})
    assert import_kit(data, tmp_path).name == "student-2"
    assert resolve("student").folder != tmp_path / "student-2"


@pytest.mark.parametrize("other", [f"{NAME}-int8", f"{NAME}-onnx"])
def test_a_kit_does_not_take_a_name_under_which_a_file_of_it_would_be_another_model(tiny_kit, tmp_path, other):
    assert import_kit(tiny_kit, tmp_path, taken=[other]).name == f"{NAME}-2"


def test_trained_weights_come_back_too(tiny_kit, tiny_folder, tmp_path):
    weights = (tiny_folder / f"{NAME}.safetensors").read_bytes()
    whole = {f"{NAME}/card.json": (tiny_folder / "card.json").read_bytes(), f"{NAME}/{NAME}.safetensors": weights}
    folder = import_kit(changed(tiny_kit, whole), tmp_path)
    assert (folder / f"{NAME}.safetensors").read_bytes() == weights


@pytest.mark.parametrize(("inside", "home"), [("", "kit"), ("card.json/", "card.json")])
def test_a_kit_without_a_folder_or_with_any_inside_is_read_too(tiny_kit, tmp_path, inside, home):
    moved = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(tiny_kit)) as old, zipfile.ZipFile(moved, "w") as new:
        for name in old.namelist():
            new.writestr(inside + name.partition("/")[2], old.read(name))
    assert import_kit(moved.getvalue(), tmp_path).name == home


def _link():
    info = zipfile.ZipInfo(f"{NAME}/link")
    info.external_attr = 0o120777 << 16
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(info, "/etc/passwd")
    return out.getvalue()


def _twice():
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("card.json", "{}")
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("card.json", "{}")
    return out.getvalue()


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "no zip archive"),
        (b"PK\x03\x04 and so on", "no zip archive"),
        (_link(), "leads out of its folder"),
        (_twice(), "two files of one name"),
    ],
)
def test_what_is_no_kit_is_refused(tmp_path, data, said):
    with pytest.raises(BrokenModel, match=said):
        import_kit(data, tmp_path / "students")
    assert not (tmp_path / "students").exists()


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("../card.json", b"{}", "leads out of its folder"),
        (f"{NAME}/../../x", b"", "leads out of its folder"),
        ("/etc/passwd", b"", "leads out of its folder"),
        ("C:\\x", b"", "leads out of its folder"),
        ("other/card.json", b"{}", "holds 2 card.json"),
        (f"{NAME}/card.json", None, "holds no card.json"),
        (f"{NAME}/card.json", b"{", "not valid JSON"),
        (f"{NAME}/card.json", b"{}", "'schema' is missing"),
        (f"{NAME}/card.json", b"[" * (5 << 20), "more bytes than it may"),
        (f"{NAME}/{NAME}.onnx", None, "does not hold it"),
        (f"{NAME}/{NAME}.onnx", b"x", "has 1 bytes and its card says"),
        (f"{NAME}/{NAME}.onnx", bytes(1 << 20), "more bytes than it may"),
    ],
)
def test_a_hostile_member_is_refused_and_leaves_nothing(tiny_kit, tmp_path, name, content, said):
    with pytest.raises(BrokenModel, match=said):
        import_kit(changed(tiny_kit, {name: content}), tmp_path / "students")
    assert not list(tmp_path.glob("students/*"))


@pytest.mark.parametrize("file", [f"{NAME}.onnx", "../evil.onnx", "evil.pkl", "evil.safetensors"])
def test_a_card_that_names_other_files_is_refused(tiny_kit, tmp_path, file):
    card = json.loads(member(tiny_kit, "card.json"))
    card["files"] = {file: {**card["files"][f"{NAME}.onnx"], "sha256": "0" * 64}}
    with pytest.raises(BrokenModel, match=r"sha256|can stand here|cannot be run"):
        import_kit(changed(tiny_kit, {f"{NAME}/card.json": json.dumps(card)}), tmp_path)


def one_row(inner, outer):
    return [onnx.helper.make_node("ReduceMean", [inner, "first axis"], [outer])]


def every_row_twice(inner, outer):
    return [onnx.helper.make_node("Concat", [inner, inner], [outer], axis=0)]


def beside_the_mean(inner, outer):
    return [*one_row(inner, f"{outer}.mean"), onnx.helper.make_node("Add", [inner, f"{outer}.mean"], [outer])]


def boundless(inner, outer):
    large, larger = f"{outer}.large", f"{outer}.larger"
    return [
        onnx.helper.make_node("Mul", [inner, "huge"], [large]),
        onnx.helper.make_node("Mul", [large, "huge"], [larger]),
        onnx.helper.make_node("Identity", [larger], [outer]),
    ]


def ending_in(nodes):
    """What changes a graph into one whose outputs go through further operations."""

    def change(model):
        graph = model.graph
        for end in graph.output:
            for node in graph.node:
                for names in (node.input, node.output):
                    names[:] = [f"{name}.inner" if name == end.name else name for name in names]
            end.type.tensor_type.shape.dim[0].Clear()
        for end in graph.output:
            graph.node.extend(nodes(f"{end.name}.inner", end.name))
        for name, values in (("first axis", np.array([0])), ("huge", np.array([3e38], np.float32))):
            graph.initializer.append(onnx.numpy_helper.from_array(values, name))
        return model.SerializeToString()

    return change


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda model: b"not a graph", "no ONNX file"),
        (lambda model: _elsewhere(model), "keeps weights in another file"),
        (lambda model: _renamed(model), "a model takes"),
        (lambda model: _with_a_weight_of_nan(model), "weights that are no numbers"),
        (ending_in(one_row), "logits and an embedding of its own"),
        (ending_in(every_row_twice), "logits and an embedding of its own"),
        (ending_in(beside_the_mean), "depends on the wafers asked about with it"),
        (ending_in(boundless), "not a number"),
    ],
)
def test_weights_that_are_no_model_are_refused_though_their_hash_is_right(tiny_kit, tmp_path, change, said):
    weights = change(onnx.load_model_from_string(member(tiny_kit, f"{NAME}.onnx")))
    with pytest.raises(BrokenModel, match=said):
        import_kit(with_weights(tiny_kit, f"{NAME}.onnx", weights), tmp_path / "students")
    assert not list(tmp_path.glob("students/*"))


def _elsewhere(model):
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "/etc/passwd"
    return model.SerializeToString()


def _with_a_weight_of_nan(model):
    tensor = next(each for each in model.graph.initializer if each.data_type == onnx.TensorProto.FLOAT)
    values = onnx.numpy_helper.to_array(tensor).copy()
    values.flat[0] = np.nan
    tensor.CopyFrom(onnx.numpy_helper.from_array(values, tensor.name))
    return model.SerializeToString()


def _renamed(model):
    model.graph.input[0].name = "picture"
    for node in model.graph.node:
        for i, name in enumerate(node.input):
            if name == "map":
                node.input[i] = "picture"
    return model.SerializeToString()


def test_weights_of_another_size_than_the_card_says_are_refused(tiny_kit, tmp_path):
    card = json.loads(member(tiny_kit, "card.json"))
    card["input"]["size"] = 24
    with pytest.raises(BrokenModel, match="another size"):
        import_kit(changed(tiny_kit, {f"{NAME}/card.json": json.dumps(card)}), tmp_path)


@pytest.mark.parametrize("claim", ["members", "packed", "unpacked"])
def test_a_bomb_is_not_opened(tiny_kit, tmp_path, monkeypatch, claim):
    if claim == "members":
        data = changed(tiny_kit, {f"{NAME}/{i}": b"" for i in range(200)})
    elif claim == "packed":
        monkeypatch.setattr(unpack, "MOST_BYTES", len(tiny_kit) - 1)
        data = tiny_kit
    else:
        monkeypatch.setattr(unpack, "MOST_BYTES", 4 << 20)
        data = changed(tiny_kit, {f"{NAME}/zeros": bytes(5 << 20)})
    with pytest.raises(BrokenModel, match="more than any kit"):
        import_kit(data, tmp_path / "students")


def test_a_member_that_claims_to_be_small_is_read_no_further_than_it_may(tiny_kit, tmp_path):
    """Write a bomb whose sizes are understated in every header."""
    name = f"{NAME}/{NAME}.onnx"
    stated = len(member(tiny_kit, f"{NAME}.onnx"))
    bomb = bytearray(changed(tiny_kit, {name: bytes(64 << 20)}))
    while (place := bomb.find((64 << 20).to_bytes(4, "little"))) >= 0:
        bomb[place : place + 4] = stated.to_bytes(4, "little")
    with pytest.raises(BrokenModel, match=r"damaged|sha256|more bytes"):
        import_kit(bytes(bomb), tmp_path / "students")


@pytest.mark.parametrize("packing", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_packing_that_unfolds_without_bound_is_not_opened(tiny_kit, tmp_path, packing):
    with pytest.raises(BrokenModel, match="pack it again as an ordinary zip"):
        import_kit(changed(tiny_kit, {}, packing), tmp_path / "students")
    assert not (tmp_path / "students").exists()


def test_a_kit_packed_without_compression_is_read(tiny_kit, tmp_path):
    assert import_kit(changed(tiny_kit, {}, zipfile.ZIP_STORED), tmp_path).name == NAME


def test_a_kit_packed_by_hand_is_read(unpacked, tmp_path):
    packed = shutil.make_archive(str(tmp_path / "again"), "zip", unpacked.parent, unpacked.name)
    with open(packed, "rb") as file:
        assert import_kit(file.read(), tmp_path / "students").name == "student-2"
