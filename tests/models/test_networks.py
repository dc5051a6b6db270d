import pytest
import torch
from torch import nn

from wafer_core.models.networks import build, parameter_count
from wafer_core.models.sizes import STUDENT_SIZES

SMALL = [
    "residual-16-1-1",
    "residual-8-2-3",
    "separable-4-8-8",
    "separable-4-8-8-8-12",
    "finer-4-8-8",
    "finest-4-8-8",
    "densest-4-8-8",
    "turning-2x1-4-4-6",
]
WIDTHS = {
    "residual-16-1-1": 32,
    "residual-8-2-3": 16,
    "separable-4-8-8": 8,
    "separable-4-8-8-8-12": 12,
    "finer-4-8-8": 8,
    "finest-4-8-8": 8,
    "densest-4-8-8": 8,
    "turning-2x1-4-4-6": 6,
}


@pytest.fixture(scope="module", params=SMALL)
def network(request):
    torch.manual_seed(0)
    return request.param, build(request.param).eval()


def maps(size=16, count=3):
    return torch.rand(count, 2, size, size, generator=torch.Generator().manual_seed(1))


@torch.no_grad()
@pytest.mark.parametrize("size", [16, 20, 52])
def test_every_network_answers_in_the_same_shapes(network, size):
    name, net = network
    features = net.features(maps(size))
    assert features.shape == (3, WIDTHS[name], size // 4, size // 4)
    assert net.embed(maps(size)).shape == (3, WIDTHS[name])
    assert net(maps(size)).shape == (3, 8)
    assert net.class_maps(features).shape == (3, 8, size // 4, size // 4)


@torch.no_grad()
def test_class_maps_average_to_the_logits(network):
    _, net = network
    places = net.class_maps(net.features(maps()))
    torch.testing.assert_close(places.mean(dim=(2, 3)) + net.head.bias, net(maps()), atol=1e-5, rtol=1e-4)


@torch.no_grad()
def test_one_pass_gives_logits_and_embedding(network):
    _, net = network
    logits, embedding = net.logits_and_embedding(maps())
    assert torch.equal(logits, net(maps()))
    assert torch.equal(embedding, net.embed(maps()))


@torch.no_grad()
def test_every_activation_is_a_module_used_once(network):
    """DeepLift keeps inputs by module: a reused one makes it raise, a functional one makes it silently wrong."""
    _, net = network
    uses = {module: 0 for module in net.modules() if isinstance(module, nn.ReLU)}

    def count(module, *_):
        uses[module] += 1

    for module in uses:
        module.register_forward_hook(count)
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
        net(maps())
    called = sum(event.count for event in profile.key_averages() if event.key in ("aten::relu", "aten::relu_"))
    assert set(uses.values()) == {1}
    assert called == len(uses)


@torch.no_grad()
def test_gradcam_hangs_on_the_last_grid(network):
    _, net = network
    seen = []
    hook = net.gradcam_layer.register_forward_hook(lambda module, inputs, output: seen.append(output))
    features = net.features(maps())
    hook.remove()
    assert torch.equal(seen[0], features)


@pytest.mark.parametrize("architecture", STUDENT_SIZES.values(), ids=STUDENT_SIZES)
def test_students_are_small_and_differ_in_size(architecture):
    with torch.device("meta"):
        assert parameter_count(build(architecture)) < 150_000


def test_sizes_run_from_small_to_large():
    with torch.device("meta"):
        counts = [parameter_count(build(architecture)) for architecture in STUDENT_SIZES.values()]
    assert counts == sorted(counts)


def test_parameters_are_counted():
    assert parameter_count(nn.Linear(5, 8)) == 48


@pytest.mark.parametrize(
    "architecture",
    [
        "",
        "residual",
        "residual-0-1-1",
        "residual-1-1-1",
        "residual-16-0-1",
        "residual-16-1-0",
        "residual-9999-1-1",
        "residual-16-1",
        "residual-16-1-1-1",
        "separable-4-8",
        "separable-4-0-8",
        "separable-4-8-1000",
        "separable-" + "-".join(["8"] * 13),
        "separable-4-8-8\n",
        "coarser-4-8-8",
        "turning-4-8-8",
        "turning-0x1-8-8",
        "turning-4x1-8",
        "turning-4x12-8-8",
        "turning-4x1-8-0",
        "turning-4x1-" + "-".join(["8"] * 12),
        "resnet-16-1-1",
    ],
)
def test_other_names_are_no_architecture(architecture):
    with pytest.raises(ValueError, match="is no architecture this version can build"):
        build(architecture)
