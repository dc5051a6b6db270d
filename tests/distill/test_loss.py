import pytest
import torch

from wafer_core.distill.loss import DistillationLoss
from wafer_core.models.networks import build

ARCHITECTURE = "separable-4-8-8-8"


def network(seed, spread=5.0):
    torch.manual_seed(seed)
    made = build(ARCHITECTURE).eval()
    with torch.no_grad():
        made.head.weight.mul_(spread)
    return made


def maps():
    return torch.rand(12, 2, 16, 16, generator=torch.Generator().manual_seed(0))


def between(loss, teacher, student):
    with torch.no_grad():
        wanted = teacher.evidence(maps())
    return loss(wanted, student.evidence(maps()))


def test_evidence_has_the_logits_as_its_mean():
    torch.testing.assert_close(network(0).evidence(maps()).mean(dim=(2, 3)), network(0)(maps()))


@torch.no_grad()
def test_nothing_is_left_to_learn_from_ones_own_answers():
    teacher = network(0)
    soft = between(DistillationLoss(logits=0.0, maps=0.0), teacher, teacher)
    p = teacher(maps()).sigmoid()
    torch.testing.assert_close(soft, torch.nn.functional.binary_cross_entropy(p, p))
    assert between(DistillationLoss(answers=0.0), teacher, teacher) == pytest.approx(0.0, abs=1e-9)


@torch.no_grad()
@pytest.mark.parametrize("weights", [(1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0), (1.0, 0.05, 0.1)])
def test_every_part_says_how_far_a_student_is_off(weights):
    teacher, other = network(0), network(1)
    loss = DistillationLoss(*weights)
    assert between(loss, teacher, other) > between(loss, teacher, teacher)


@pytest.mark.parametrize(("fine", "coarse"), [(4, 2), (13, 6)])
def test_a_coarser_student_is_asked_for_the_mean_of_the_places_it_covers(fine, coarse):
    random = torch.Generator().manual_seed(0)
    wanted = torch.rand(3, 8, fine, fine, generator=random)
    only_maps = DistillationLoss(answers=0.0, logits=0.0, maps=1.0)
    alike = torch.nn.functional.adaptive_avg_pool2d(wanted, coarse)
    assert only_maps(wanted, alike) == 0.0
    assert only_maps(wanted, alike + 0.1) > 0.0


@torch.no_grad()
def test_saturated_logits_are_alike():
    teacher, student = network(0), network(0)
    for one, bias in ((teacher, 50.0), (student, 90.0)):
        one.head.bias.fill_(bias)
    assert between(DistillationLoss(answers=0.0, maps=0.0), teacher, student) == 0.0


@torch.no_grad()
def test_class_maps_are_weighed_in_the_teachers_own_spread():
    teacher, student = network(0), network(1)
    small = between(DistillationLoss(answers=0.0, logits=0.0), teacher, student)
    for one in (teacher, student):
        one.head.weight.mul_(10)
        one.head.bias.mul_(10)
    torch.testing.assert_close(
        between(DistillationLoss(answers=0.0, logits=0.0), teacher, student), small, rtol=1e-3, atol=0
    )


def test_only_the_student_is_asked_to_change():
    teacher, student = network(0), network(1)
    between(DistillationLoss(), teacher, student).backward()
    assert all(weight.grad is None for weight in teacher.parameters())
    assert all(weight.grad is not None for weight in student.parameters())
