import sys

import pytest
import torch

from measurements import finer_maps
from measurements.finer_maps import decoded_by, finer
from wafer_core.models.folder import files_of
from wafer_core.models.networks import build, parameter_count
from wafer_core.training.validation import examples


@pytest.mark.parametrize("architecture", ["residual-8-2-2", "finest-8-16-16-24"])
def test_at_every_second_cell_the_finer_maps_say_what_the_network_says(architecture):
    torch.manual_seed(0)
    network = build(architecture).eval()
    spread = finer(network)
    maps = torch.rand(3, 2, 52, 52)
    with torch.inference_mode():
        said, finely = network.evidence(maps), spread.evidence(maps)
    assert finely.shape == (3, 8, 26, 26)
    assert torch.allclose(finely[:, :, ::2, ::2], said, atol=1e-5)
    assert parameter_count(spread) == parameter_count(network)


def test_a_model_is_decoded_by_the_thresholds_of_its_network(tiny_folder):
    model = files_of(tiny_folder)[0]
    cuts = (0.25,) * 8
    assert decoded_by(model, cuts).entry.thresholds == cuts
    assert model.entry.thresholds != cuts


def test_the_table_has_both_networks_beside_what_they_began_with(fake_data, tiny_folder, tmp_path, monkeypatch, capsys):
    def few(data, size):
        return {one.name: one for one in examples(data, "validation", size, overlays=4, simulated=4)}

    monkeypatch.setattr(finer_maps, "validation_sets", few)
    run = ["--steps", "1", "--batch", "4", "--seeds", "3", "--wafers", "4", "--threads", "1"]
    model = str(files_of(tiny_folder)[0].path)
    monkeypatch.setattr(
        sys, "argv", ["finer", "--data", str(fake_data), "--out", str(tmp_path), "--model", model, *run]
    )
    finer_maps.main()
    rows = capsys.readouterr().out.splitlines()
    assert [row.split("  ")[0] for row in rows] == ["network", "as it came", "as it is, seed 3", "finer, seed 3"]
    assert "real overlays: pointing" in rows[0]
