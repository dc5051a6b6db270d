"""The C, compiled and asked; a missing compiler fails."""

import subprocess

import numpy as np
import pytest
import torch
from torch import nn

from measurements.compiled import CompiledModel, compile_c, sizes, written
from tests.untrained import untrained_model
from wafer_core.canonical import canonical_states
from wafer_core.decode import decode_with
from wafer_core.kit.bare.trial import TOLERANCE, exact_logits
from wafer_core.lot import Frame, Lot, Wafer
from wafer_core.models.folder import resolve
from wafer_core.models.networks import build
from wafer_core.recognise import load_recognizer
from wafer_core.synthesis.simulator import mixed_map

CLOSE_CALL = 0.5
"""Of answers whose margin is smaller, in logits, an overflow inside ONNX Runtime may decide."""


@pytest.fixture(scope="module")
def student():
    return resolve("student-int8")


@pytest.fixture(scope="module")
def source(student, tmp_path_factory):
    return written(student, tmp_path_factory.mktemp("student"))


@pytest.fixture(scope="module")
def compiled(source):
    return CompiledModel(source, "-O2")


@pytest.fixture(scope="module")
def lot():
    random = np.random.default_rng(17)
    grids = [np.ascontiguousarray(mixed_map(random)) for _ in range(60)]
    return Lot("S", tuple(Wafer("S", f"{i}", Frame(*states.shape), states) for i, states in enumerate(grids)))


def test_the_test_program_finds_every_vector_answered_as_expected(source, tmp_path):
    program = tmp_path / "program"
    compile_c([source / "model.c", source / "test_model.c"], program, "-O2")
    ran = subprocess.run([program], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout
    assert ran.stdout.endswith("8 of 8 test vectors answered as expected.\n")


def test_the_test_program_notices_another_model(source, tmp_path):
    text = (source / "model.c").read_text()
    changed = text.replace(
        "static const float head_bias[8] = {\n    ", "static const float head_bias[8] = {\n    9.0f + "
    )
    assert changed != text
    (tmp_path / "model.c").write_text(changed)
    for name in ("model.h", "test_model.c"):
        (tmp_path / name).write_text((source / name).read_text())
    compile_c([tmp_path / "model.c", tmp_path / "test_model.c"], tmp_path / "program", "-O2")
    ran = subprocess.run([tmp_path / "program"], capture_output=True, text=True, check=False)
    assert ran.returncode == 8
    assert ran.stdout.count("NOT AS EXPECTED") == 8


def test_it_answers_as_onnx_runtime_does(compiled, student, lot):
    answers = [compiled.states(wafer.states) for wafer in lot]
    mine = np.stack([answer.logits for answer in answers])
    theirs = exact_logits(student, lot)
    assert np.abs(mine - theirs).max() < TOLERANCE
    assert np.abs(mine - theirs).mean() < TOLERANCE / 10
    assert np.median(np.abs(mine - theirs).max(axis=1)) < TOLERANCE / 1000
    decoded = decode_with(student, mine)
    assert np.array_equal([answer.detected for answer in answers], decoded.detected)
    assert np.array_equal([answer.excluded for answer in answers], decoded.excluded)
    np.testing.assert_allclose([answer.margin for answer in answers], decoded.margin, atol=1e-4)


def test_it_detects_what_the_product_detects(compiled, student, lot):
    said = decode_with(student, load_recognizer(student).score(lot.wafers).logits)
    clear = said.margin > CLOSE_CALL
    detected = np.stack([compiled.states(wafer.states).detected for wafer in lot])
    assert clear.mean() > 0.25
    assert np.array_equal(detected[clear], said.detected[clear])


def test_a_canonical_map_is_answered_as_the_dies_it_was_made_from(compiled, student, lot):
    for wafer in lot.wafers[:10]:
        by_dies = compiled.states(wafer.states).logits
        canonical = canonical_states(wafer.states[None], student.card.size)[0]
        np.testing.assert_allclose(compiled.map(canonical).logits, by_dies, atol=TOLERANCE)
        coarse = np.rint(255 * canonical).astype(np.uint8)
        np.testing.assert_allclose(compiled.map_255(coarse).logits, by_dies, atol=2 * TOLERANCE)


@pytest.mark.parametrize("shape", [(1, 1), (3, 200), (52, 52), (113, 40), (300, 301)])
def test_any_grid_is_answered(compiled, student, disc_states, shape):
    states = disc_states(*shape, failing=0.3)
    states[0, 0] = 2
    canonical = canonical_states(states[None], student.card.size)[0]
    np.testing.assert_allclose(compiled.states(states).logits, compiled.map(canonical).logits, atol=TOLERANCE)


@pytest.mark.parametrize("shape", [(1, 4097), (4097, 1), (0, 5), (5, 0)])
def test_a_grid_beyond_what_the_header_says_has_no_answer(compiled, shape):
    assert compiled.states(np.ones(shape, np.uint8)) is None


def test_a_wafer_nobody_tested_has_no_answer(compiled, untested_states):
    assert compiled.states(untested_states(20, 20)) is None


def test_it_takes_less_than_a_small_machine_has(source, student):
    """64 KiB of RAM and 256 KiB of flash are an ordinary microcontroller's."""
    found = sizes(source, "-Os", "-fno-pie")
    assert student.entry.parameters < found.flash < 256 << 10
    assert 0 < found.ram < 64 << 10
    assert 0 < found.stack < 4 << 10


@pytest.mark.parametrize("architecture", ["residual-8-1-1", "separable-5-7-9-9", "finer-5-7-9-9", "turning-3x1-5-5-7"])
def test_other_architectures_answer_alike(tmp_path, lot, disc_states, architecture):
    """Teachers have shortcuts at stride 2; widths need not be multiples of what is computed at once; some turn."""
    torch.manual_seed(3)
    network = build(architecture)
    for values in network.state_dict().values():
        if values.ndim == 1 and values.dtype.is_floating_point:
            # Fresh ones are zero or one, and nobody would miss them.
            nn.init.uniform_(values, 0.2, 0.8)
    maps = canonical_states(np.stack([disc_states(24, 24, 0.05 * i, i) for i in range(16)]), 24)
    files = untrained_model(tmp_path / "model", architecture, maps, network.eval())
    int8 = next(file for file in files if file.entry.precision == "int8")
    source = written(int8, tmp_path)
    for level in ("-Os", "-O2", "-O3"):
        # Every level warns of other things, and warnings are errors.
        compile_c([source / "model.c"], tmp_path / "model.o", level, "-c")
    compiled = CompiledModel(source, "-O1")
    mine = np.stack([compiled.states(wafer.states).logits for wafer in lot])
    theirs = exact_logits(int8, lot)
    apart = np.abs(mine - theirs) / theirs.std(axis=0)
    assert apart.mean() < 0.01
    assert apart.max() < 0.5


def test_a_missing_compiler_is_said_in_a_sentence(source, tmp_path):
    with pytest.raises(FileNotFoundError, match="No C compiler called nowhere-gcc is installed"):
        compile_c([source / "model.c"], tmp_path / "model.o", "-c", compiler="nowhere-gcc")
