"""The int8 student as C99 for a machine with nothing on it: no library, no heap, static buffers only."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from pathlib import Path
from textwrap import fill

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wafer_core.canonical import CHANNELS
from wafer_core.decode import logit, smallest_first
from wafer_core.kit.bare.arena import plan
from wafer_core.kit.bare.layers import Addition, Convolution, IntegerGraph, Layer, integer_graph
from wafer_core.lot import FAIL, NO_DIE, PASS, UNTESTED
from wafer_core.models.folder import ModelFile
from wafer_core.models.turns import TURNS, unfolding
from wafer_core.patterns import ALLOWED_SETS, PATTERNS
from wafer_core.readers.limits import MAX_SIDE

_KERNELS = Path(__file__).with_name("kernels.c")
HEADER, MADE_FROM = "model.h", "Made from the ONNX graph with sha256"
"""The header's name, and how the line begins by which it is known again."""
_MOST_SHIFT = 62
_WIDTH = 120
_AT_A_TIME = 4
"""Outputs that kernels.c works on together in a dense convolution."""


def c_source(model: ModelFile) -> dict[str, str]:
    """Return `model.h` and `model.c` of a model's int8 graph, decoder and thresholds included.

    Raises:
        BrokenModel: the file is no int8 graph, or one that there is no C for.
    """
    graph = integer_graph(model.read(), f"{model.folder.name}/{model.file}")
    return {"model.h": _header(model, graph), "model.c": _implementation(model, graph)}


def _header(model: ModelFile, graph: IntegerGraph) -> str:
    return f"""/* {_one_line(model.label)}: names the defect patterns of wafer maps. Needs nothing but a C99 compiler.
 * {MADE_FROM} {model.sha256}. */
#ifndef MODEL_H
#define MODEL_H
#include <stdint.h>

#ifdef __cplusplus
extern "C" {{
#endif

#define MODEL_SIZE {graph.size} /* rows and columns of the canonical map */
#define MODEL_CHANNELS {CHANNELS} /* of it: fraction of passing dies, fraction of failing dies */
#define MODEL_PATTERNS {len(PATTERNS)}
#define MODEL_MOST_SIDE {MAX_SIDE} /* rows or columns of a grid of die states */

/* Die states. */
enum {{ MODEL_NO_DIE = {NO_DIE}, MODEL_PASS = {PASS}, MODEL_FAIL = {FAIL}, MODEL_UNTESTED = {UNTESTED} }};

struct model_answer {{
    float logits[MODEL_PATTERNS];
    float margin;      /* how much the answer is worth more than the second best, in logits */
    uint8_t detected;  /* bit p: model_patterns[p] is on the wafer; 0: Normal */
    uint8_t excluded;  /* bit p: above its threshold, but not with the patterns detected */
    uint8_t unsure;    /* 1: the margin is among the smallest the model gives */
}};

extern const char *const model_patterns[MODEL_PATTERNS];

/* Die states of a grid, the top row first. The grid is the box around all dies of the product, the same for each of
 * its wafers: no blank rows or columns around it, for they make a wafer smaller than those that were learned from, and
 * a die that nobody tested is MODEL_UNTESTED, not left out. Returns 0, and no answer, where no die was tested or the
 * grid has no side from 1 to MODEL_MOST_SIDE. */
int model_states(const uint8_t *states, int rows, int columns, struct model_answer *answer);
/* A canonical map, [MODEL_CHANNELS][MODEL_SIZE][MODEL_SIZE], as fractions or in 255ths. */
void model_map(const float *map, struct model_answer *answer);
void model_map_255(const uint8_t *map, struct model_answer *answer);
/* One answer at a time: the buffers are static. */

#ifdef __cplusplus
}}
#endif
#endif
"""


def _implementation(model: ModelFile, graph: IntegerGraph) -> str:
    offsets, arena = plan(graph.layers)
    last = graph.layers[-1].out
    stem = graph.layers[0]
    assert isinstance(stem, Convolution)
    convolutions = [layer for layer in graph.layers[1:] if isinstance(layer, Convolution)]
    turned = {_where(each): (each.weights.shape[2], each.kept.turns) for each in convolutions if each.kept.turns}
    names = ", ".join(f'"{pattern}"' for pattern in PATTERNS)
    sets = smallest_first(ALLOWED_SETS[model.card.decoder]) @ (1 << np.arange(len(PATTERNS)))
    parts = [
        '#include "model.h"',
        "#include <string.h>",
        "",
        f"const char *const model_patterns[MODEL_PATTERNS] = {{{names}}};",
        "",
        *_defines(
            LAYERS=len(graph.layers),
            ARENA=arena,
            WIDEST=max(layer.out.channels for layer in graph.layers) + _AT_A_TIME - 1,
            STEM_KERNEL=stem.weights.shape[2],
            STEM_SCALE=_float(stem.out.scale),
            FEATURES=graph.head.shape[1],
            FEATURE_SCALE=_float(last.scale),
            FEATURE_ZERO=last.zero,
            PLACES=last.side**2 * last.channels // graph.head.shape[1],
            SETS=len(sets),
            UNSURE_BELOW=_float(model.card.unsure_below),
            **({"TURNS": TURNS} if turned else {}),
        ),
        "",
        _array("float", "cuts", logit(model.entry.thresholds)),
        _array("uint8_t", "sets", sets),
        _array("float", "head_weights", graph.head),
        _array("float", "head_bias", graph.bias),
        _array("float", "stem_weights", stem.weights),
        _array("float", "stem_bias", stem.bias),
        *(_array("uint16_t", name, unfolding(*shape)) for name, shape in turned.items()),
        *(_constants(i, layer, graph.layers) for i, layer in enumerate(graph.layers[1:], start=1)),
        _STRUCT,
        "static const struct layer layers[LAYERS] = {",
        *(_row(i, layer, graph.layers, offsets) for i, layer in enumerate(graph.layers)),
        "};",
        "",
        _KERNELS.read_text(encoding="utf-8"),
    ]
    return "\n".join(parts)


_STRUCT = """
enum kind { STEM, DENSE, TURNED, DEPTHWISE, ADD };
struct layer {
    enum kind kind;
    int32_t in, other, out; /* places in the arena; out is -1 where only sums over all places are kept */
    int16_t side, out_side, inputs, outputs, kernel, stride, pad;
    int16_t own;                /* outputs with weights and bias of their own; the others are turns of them */
    uint8_t zero, low;
    const int8_t *weights;      /* dense: output, row, column, input; depthwise: row, column, channel;
                                 * turned: output, turn, row, column, input of one turn */
    const uint16_t *where;      /* turn, place: the place in the first turn's kernel; 0 where there are no turns */
    const int32_t *bias;        /* of an addition: the zeros of both inputs */
    const int32_t *multiplier;  /* times 2^-shift: what a step of the sum is worth in steps of the output */
    const uint8_t *shift;
};
"""


def _constants(number: int, layer: Layer, layers: Sequence[Layer]) -> str:
    """Return a layer's arrays: weights in the order they are read in, int32 bias, multipliers and shifts."""
    if isinstance(layer, Addition):
        inputs = [layers[i].out for i in layer.sources]
        multipliers, shift = common_multipliers([each.scale / layer.out.scale for each in inputs])
        zeros = [each.zero for each in inputs]
        return "\n".join(
            [
                _array("int32_t", f"bias{number}", zeros),
                _array("int32_t", f"multiplier{number}", multipliers),
                _array("uint8_t", f"shift{number}", [shift]),
            ]
        )
    assert layer.source is not None
    weights = layer.kept.weights.transpose(0, 2, 1)
    own = len(weights)
    worth = layers[layer.source].out.scale * layer.scales[:own]
    pairs = [multiplier(float(each)) for each in worth / layer.out.scale]
    bias = np.clip(np.rint(layer.bias[:own] / worth), -(2.0**31), 2.0**31 - 1).astype(np.int64)
    if layer.groups > 1:
        weights = weights.transpose(1, 0, 2)
    else:
        rest = -own % _AT_A_TIME
        weights, bias = np.pad(weights, ((0, rest), (0, 0), (0, 0))), np.pad(bias, (0, rest))
    return "\n".join(
        [
            _array("int8_t", f"weights{number}", weights),
            _array("int32_t", f"bias{number}", bias),
            _array("int32_t", f"multiplier{number}", [pair[0] for pair in pairs]),
            _array("uint8_t", f"shift{number}", [pair[1] for pair in pairs]),
        ]
    )


def _where(layer: Convolution) -> str:
    """Return the name of where a layer's weights lie in all turns, which all kernels of its shape share."""
    return f"where{layer.weights.shape[2]}x{layer.kept.turns}"


def multiplier(factor: float) -> tuple[int, int]:
    """Return whole numbers below 2^31 and from 1 to 62 with `factor` as near as can be to m * 2^-s."""
    fraction, exponent = math.frexp(factor)
    shift = min(31 - exponent, _MOST_SHIFT)
    whole = round(math.ldexp(factor, shift)) if fraction else 0
    return (whole >> 1, shift - 1) if whole >= 1 << 31 else (whole, shift)


def common_multipliers(factors: Sequence[float]) -> tuple[list[int], int]:
    """Return whole numbers for several factors that share one shift."""
    shift = min(multiplier(factor)[1] for factor in factors)
    return [min(round(math.ldexp(factor, shift)), (1 << 31) - 1) for factor in factors], shift


def _row(number: int, layer: Layer, layers: Sequence[Layer], offsets: Sequence[int]) -> str:
    """Return a layer's entry in the table of layers; what is left out is zero."""
    fields: dict[str, object] = {"kind": _kind(layer)}
    if isinstance(layer, Addition):
        fields |= {"in": offsets[layer.sources[0]], "other": offsets[layer.sources[1]]}
    else:
        fields |= {"kernel": layer.weights.shape[2], "stride": layer.stride, "pad": layer.pad}
        if layer.source is not None:
            given = layers[layer.source].out
            fields |= {"in": offsets[layer.source], "side": given.side, "inputs": given.channels}
            fields |= {"weights": f"weights{number}", "own": len(layer.kept.weights)}
            fields |= {"where": _where(layer)} if layer.kept.turns else {}
    if fields["kind"] != "STEM":
        fields |= {name: f"{name}{number}" for name in ("bias", "multiplier", "shift")}
    fields |= {"out": offsets[number], "out_side": layer.out.side, "outputs": layer.out.channels}
    fields |= {"zero": layer.out.zero, "low": layer.low}
    # What is joined by a tilde stays on one line.
    listing = ", ".join(f".{name}~=~{value}" for name, value in fields.items())
    return fill(f"{{{listing}}},", _WIDTH, initial_indent="    ", subsequent_indent="     ").replace("~", " ")


def _kind(layer: Layer) -> str:
    if isinstance(layer, Addition):
        return "ADD"
    if layer.source is None:
        return "STEM"
    if layer.groups > 1:
        return "DEPTHWISE"
    return "TURNED" if layer.kept.turns else "DENSE"


def _defines(**values: object) -> list[str]:
    return [f"#define {name} {value}" for name, value in values.items()]


def _array(kind: str, name: str, values: ArrayLike) -> str:
    flat: NDArray[np.generic] = np.asarray(values).ravel()
    texts = map(_float, flat.tolist()) if kind == "float" else map(str, flat.tolist())
    listing = fill(", ".join(texts), _WIDTH, initial_indent="    ", subsequent_indent="    ")
    return f"static const {kind} {name}[{flat.size}] = {{\n{listing}\n}};"


def _float(value: float) -> str:
    """Return a float32 as C writes it, with as many digits as read back to the same number."""
    text = f"{np.float32(value):.9g}"
    return f"{text}f" if set(text) & set(".e") else f"{text}.0f"


def _one_line(text: str) -> str:
    """Return a text that cannot end the remark it stands in, whatever a preprocessor makes of it."""
    return " ".join(re.sub(r"[^\w.,:()+-]", " ", text).split())
