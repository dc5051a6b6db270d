import pytest
import torch

from wafer_core.distill.lesson import MEMORY, Lesson, Recipe
from wafer_core.distill.memory import Memory
from wafer_core.models.networks import build


def random(seed=0):
    return torch.Generator().manual_seed(seed)


def marked(first, count, size):
    """Square grids that hold their number everywhere, and ten times it in one corner."""
    grids = torch.arange(first, first + count, dtype=torch.float32)[:, None, None, None].repeat(1, 2, size, size)
    grids[..., 0, 0] *= 10
    return grids


def test_an_answer_comes_back_with_its_view_and_turned_like_it():
    memory = Memory(6)
    memory.keep(marked(1, 6, 4), marked(1, 6, 2))
    maps, answers = memory.recall(32, random())
    corners = (0, 0), (0, -1), (-1, 0), (-1, -1)
    for view, answer in zip(maps, answers, strict=True):
        assert view.min() == answer.min()
        assert [view[0, r, c] for r, c in corners] == [answer[0, r, c] for r, c in corners]
    assert len({tuple(float(view[0, r, c] / view.min()) for r, c in corners) for view in maps}) == 4


def test_the_oldest_views_are_forgotten_first():
    memory = Memory(4)
    for first in (1, 3, 5):
        memory.keep(marked(first, 2, 4), marked(first, 2, 2))
    assert len(memory) == 4
    assert set(memory.recall(64, random())[0].amin(dim=(1, 2, 3)).tolist()) == {3.0, 4.0, 5.0, 6.0}


def test_nothing_can_be_recalled_from_an_empty_memory():
    with pytest.raises(ValueError, match="nothing was kept"):
        Memory(4).recall(1, random())


def test_a_teacher_is_asked_about_as_many_views_as_the_looks_leave():
    drawn = []

    def draw(count, generator):
        drawn.append(count)
        return torch.rand(count, 2, 16, 16, generator=generator)

    torch.manual_seed(0)
    lesson = Lesson(build("residual-16-1-1"), build("separable-4-8-8-8"), draw, Recipe(steps=3, batch=8, looks=4))
    for _ in range(3):
        lesson.advance()
    assert drawn == [2] * (MEMORY + 2)
