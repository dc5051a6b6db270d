"""The sizes a student can have, by name; no torch is needed to know them."""

STUDENT_SIZES: dict[str, str] = {
    "tiny": "finest-12-24-48-48-64",
    "small": "finest-16-32-64-64-64-128",
    "base": "densest-16-32-64-64-64-64-128-128",
}
"""The students a user can choose between, by name, with their architectures as `networks.build` knows them."""

GROWS_FROM: dict[str, str] = {"base": "small"}
"""Sizes that begin with the trained weights of another one, to which their networks add layers."""


def begins_as(size: str) -> dict[str, str]:
    """Return the sizes whose trained weights a student can begin with, its own first, and their architectures."""
    names = [size, *([GROWS_FROM[size]] if size in GROWS_FROM else [])]
    return {name: STUDENT_SIZES[name] for name in names}
