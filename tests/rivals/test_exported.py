import numpy as np
import pytest
import torch

from rivals.exported import exported, write_graph
from rivals.features import LogisticRegression
from rivals.networks import RIVALS
from rivals.shelf import Made, Rival
from wafer_core.models.asking import network_logits
from wafer_core.models.export import export_onnx
from wafer_core.models.networks import build
from wafer_core.models.session import GraphSession
from wafer_core.recognise import load_recognizer

SIZE = 16
NETWORKS = {**RIVALS, "student-soft": lambda: build("finest-4-8-8-16")}


def maps(n, seed=0):
    return np.random.default_rng(seed).random((n, 2, SIZE, SIZE), dtype=np.float32)


def rival(method, network):
    return Rival(Made(method, 1, 7, SIZE, "free", (0.3,) * 8, "f" * 64), network)


@pytest.fixture(scope="module", params=NETWORKS)
def asked(request, tmp_path_factory):
    """A rival whose normalisations have seen maps, and its two files."""
    torch.manual_seed(0)
    network = NETWORKS[request.param]().train()
    for seed in range(20):
        network(torch.from_numpy(maps(16, seed)))
    one = rival(request.param, network.eval())
    return one, exported(tmp_path_factory.mktemp("exported"), one, maps(32))


def test_a_rivals_files_answer_as_it_does(asked):
    one, (whole, small) = asked
    said, expected = load_recognizer(whole).score_maps(maps(7, 3)), network_logits(one.network, maps(7, 3))
    assert np.abs(said.logits - expected).max() < 1e-4
    with torch.inference_mode():
        embedding = one.network.embed(torch.from_numpy(maps(7, 3))).numpy()
    assert np.abs(said.embedding - embedding).max() < 1e-4
    off = np.abs(load_recognizer(small).score_maps(maps(7, 3)).logits - expected).mean()
    assert 0 < off < 0.5 * np.abs(expected).mean()


def test_a_rivals_card_says_what_it_was_made_from(asked):
    one, (whole, small) = asked
    assert (whole.engine, whole.entry.precision, small.entry.precision) == ("onnx", "fp32", "int8")
    assert whole.entry.parameters == small.entry.parameters == one.parameters
    assert small.entry.bytes < whole.entry.bytes == whole.path.stat().st_size
    assert whole.entry.thresholds == one.made.thresholds
    assert whole.card.made_from["teacher_sha256"] == one.made.teacher_sha256
    assert (whole.card.made_from["seed"], whole.card.made_from["steps"]) == (1, 7)


def test_exporting_leaves_the_network_in_its_mode(asked):
    one, _ = asked
    assert not any(module.training for module in one.network.modules())


def test_a_student_is_drawn_as_the_shipped_one_is(tmp_path):
    network = build("finest-4-8-8-16").eval()
    write_graph(network, SIZE, tmp_path / "a.onnx")
    export_onnx(network, SIZE, tmp_path / "b.onnx")
    assert (tmp_path / "a.onnx").read_bytes() == (tmp_path / "b.onnx").read_bytes()


def test_a_network_with_other_layers_takes_any_number_of_maps(tmp_path):
    write_graph(RIVALS["wafersegclassnet-like"]().eval(), SIZE, tmp_path / "a.onnx")
    session = GraphSession((tmp_path / "a.onnx").read_bytes(), "a.onnx")
    assert [len(session.run(maps(n))[0]) for n in (1, 2, 5)] == [1, 2, 5]


def test_features_have_no_graph(tmp_path):
    assert exported(tmp_path, rival("logistic-regression", LogisticRegression()), maps(4)) == ()
    assert not list(tmp_path.iterdir())
