import pytest

from wafer_core.charts.curves import DASHES, Curve, learning_curves


@pytest.mark.parametrize(("what", "scale"), [("agreement", 100.0), ("loss", 1.0)])
def test_every_run_is_a_line_of_its_own_colour_and_dash(what, scale):
    curves = tuple(Curve(f"run {i}", ((1.0, 0.1 * i), (2.0, 0.2))) for i in range(len(DASHES)))
    figure = learning_curves(curves, what, "light")
    assert [trace.name for trace in figure.data] == [curve.name for curve in curves]
    assert len({(trace.line.color, trace.line.dash) for trace in figure.data}) == len(curves)
    assert len({trace.line.color for trace in figure.data}) == len({trace.line.dash for trace in figure.data})
    assert list(figure.data[1].y) == pytest.approx([0.1 * scale, 0.2 * scale])
    assert figure.layout.showlegend


def test_agreement_is_drawn_from_below_its_lowest():
    figure = learning_curves((Curve("a", ((1.0, 0.3),)), Curve("b", ())), "agreement", "dark")
    assert figure.layout.yaxis.range[0] == pytest.approx(26.0)
