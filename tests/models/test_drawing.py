import pytest
import torch
from torch import nn

from wafer_core.models.drawing import Drawing


@pytest.mark.parametrize(
    "body",
    [
        nn.Sequential(nn.Conv2d(2, 4, 3), nn.Sigmoid()),
        nn.Sequential(nn.Conv2d(2, 4, 3, dilation=2)),
        nn.Sequential(nn.Conv2d(2, 4, 3, padding="same")),
        nn.Sequential(nn.Conv2d(2, 4, 3, padding=1, padding_mode="circular")),
        nn.Sequential(nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4)),
    ],
    ids=["sigmoid", "dilated", "same", "circular", "normalised"],
)
def test_what_cannot_be_drawn_is_refused_and_not_drawn_as_something_else(body):
    with pytest.raises(TypeError, match="has no drawing as ONNX"):
        Drawing().body(body, "map")


class Doubled(nn.Module):
    def forward(self, grid):
        return torch.mul(grid, 2)


def test_an_operation_that_cannot_be_drawn_is_refused():
    with pytest.raises(TypeError, match="mul has no drawing"):
        Drawing().body(nn.Sequential(Doubled()), "map")


def test_a_body_is_drawn_in_the_order_of_its_layers():
    drawing = Drawing()
    drawing.body(nn.Sequential(nn.Conv2d(2, 4, 3, stride=2, padding=1, groups=2), nn.Identity(), nn.ReLU()), "map")
    model = drawing.model({"map": [2, 8, 8]}, {"v1": [4, 4, 4]})
    first, second = model.graph.node
    assert (first.op_type, second.op_type, second.input[0]) == ("Conv", "Relu", first.output[0])
    assert {each.name: list(each.ints) or each.i for each in first.attribute} == {
        "group": 2,
        "pads": [1, 1, 1, 1],
        "strides": [2, 2],
    }
