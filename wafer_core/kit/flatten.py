"""Modules of this package as one flat Python file: what an entry module needs, and nothing else.

The runner in a kit has to read files and decode exactly as the product does. So it is the product's
own text, definition by definition, and not a second telling of it.
"""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from pathlib import Path

from wafer_core.kit.modules import Key, Module, Package, Statement, local_names

PACKAGE = Path(__file__).resolve().parents[1]


def flatten(entry: str, package: Path = PACKAGE, first: str = "") -> str:
    """Return the text of one file that does what running the module `entry` does.

    Every definition that `entry` can reach is taken over word for word; where two modules use one
    name for different things, the module's own name is put before it. The modules may import each
    other at their tops, and whatever is installed where the file will run anywhere.

    Args:
        entry: a module's dotted name.
        package: the folder of the package that it belongs to.
        first: statements that run before anything is imported.

    Raises:
        ValueError: a definition cannot be moved to one flat file; the message says which and why.
    """
    return _Flat(Package(package), entry).text(first)


class _Flat:
    """What is kept of each module, and what it is called in the flat file."""

    def __init__(self, package: Package, entry: str) -> None:
        self._package = package
        self._entry = entry
        self._kept: dict[str, set[Statement]] = defaultdict(set)
        self._outside: dict[str, tuple[str, bool]] = {}
        for statement in package.module(entry).statements:
            if not statement.names:
                self._keep(package.module(entry), statement)
        self._keep_finishing()
        self._names = self._final_names()

    def text(self, first: str) -> str:
        """Return the whole file: the entry's docstring, what comes first, imports, then module after module."""
        modules = (self._package.module(name) for name in self._package.in_import_order(self._entry))
        sections = [self._section(module) for module in modules if self._kept[module.name]]
        about = self._package.module(self._entry).docstring
        head = [f'"""{about}"""\n', "from __future__ import annotations\n", first, self._imports()]
        return "\n".join([*head, *sections])

    def _keep(self, module: Module, statement: Statement) -> None:
        """Keep a statement and all that it uses."""
        if statement in self._kept[module.name]:
            return
        self._kept[module.name].add(statement)
        for use in self._package.uses(module, statement):
            if use.key is None:
                self._keep_import(module, use.text)
                continue
            other = self._package.module(use.key.module)
            if (found := other.defining(use.key.name)) is not None:
                self._keep(other, found)

    def _keep_import(self, module: Module, name: str) -> None:
        line, typing_only = module.outside[name], name in module.typing_only
        known, known_typing = self._outside.get(name, (line, True))
        if known != line:
            raise ValueError(f"{name} means {known!r} in one module and {line!r} in {module.name}")
        self._outside[name] = line, typing_only and known_typing

    def _keep_finishing(self) -> None:
        """Keep statements that define nothing but work on what is kept, such as sealing an array."""
        for module in [self._package.module(name) for name in self._kept]:
            mine = {name for each in self._kept[module.name] for name in each.names}
            for statement in (each for each in module.statements if not each.names):
                used = {use.key.name for use in self._package.uses(module, statement) if use.key}
                if used and used <= mine:
                    self._keep(module, statement)

    def _final_names(self) -> dict[Key, str]:
        """Return what every kept definition is called in the flat file."""
        keys = [Key(module, name) for module, kept in self._kept.items() for each in kept for name in each.names]
        counts: dict[str, int] = defaultdict(int, dict.fromkeys(self._outside, 1))
        for key in keys:
            counts[key.name] += 1
        final = {key: _prefixed(key) if counts[key.name] > 1 else key.name for key in keys}
        if len({*final.values(), *self._outside}) < len(final) + len(self._outside):
            raise ValueError("two definitions would share a name even with their modules' names before it")
        return final

    def _imports(self) -> str:
        now = sorted({line for line, typing_only in self._outside.values() if not typing_only})
        later = sorted({line for line, typing_only in self._outside.values() if typing_only})
        if later:
            now.append("from typing import TYPE_CHECKING")
        guarded = ["", "if TYPE_CHECKING:", *(f"    {line}" for line in later)] if later else []
        return "\n".join([*_merged(now), *guarded, ""])

    def _section(self, module: Module) -> str:
        about = module.docstring.partition("\n")[0]
        parts = [f"\n# {module.name.replace('.', '/')}: {about}\n"]
        before = 0
        for statement in sorted(self._kept[module.name], key=lambda each: each.first):
            block = isinstance(statement.node, ast.FunctionDef | ast.ClassDef)
            parts.append("\n\n" if block else "" if statement.first == before + 1 else "\n")
            parts.append(self._rewritten(module, statement) + "\n")
            before = statement.last
        return "".join(parts)

    def _rewritten(self, module: Module, statement: Statement) -> str:
        """Return a statement's text with every name changed to what it is called in the flat file."""
        lines = list(module.lines[statement.first - 1 : statement.last])
        uses = set(self._package.uses(module, statement))
        changed = [use for use in uses if use.key and self._names[use.key] != use.text]
        local = local_names(statement) if changed else set()
        for use in sorted(changed, key=lambda each: (each.line, each.column), reverse=True):
            if use.text.partition(".")[0] in local:
                raise ValueError(f"{module.name}: {use.text} is both a local name and one that has to change")
            assert use.key is not None
            row, old, new = use.line - statement.first, use.text.encode(), self._names[use.key].encode()
            before, found = lines[row][: use.column], lines[row][use.column :]
            if not found.startswith(old):
                raise ValueError(f"{module.name}, line {use.line}: {use.text} was not found where it is used")
            lines[row] = before + new + found[len(old) :]
        return b"\n".join(lines).decode()


def _prefixed(key: Key) -> str:
    """Put the module's name before a definition's, in the case and privacy the latter has."""
    stem, bare = key.module.rpartition(".")[2], key.name.lstrip("_")
    before = f"{stem.upper()}_" if bare.isupper() else stem.title() if bare[:1].isupper() else f"{stem}_"
    return "_" * (len(key.name) - len(bare)) + before + bare


def _merged(lines: list[str]) -> list[str]:
    """Join imports from one module: plain ones first, then the others by module."""
    plain = [line for line in lines if line.startswith("import ")]
    taken: dict[str, set[str]] = defaultdict(set)
    for line in lines:
        if match := re.fullmatch(r"from (\S+) import (.+)", line):
            taken[match[1]].add(match[2])
    return [*plain, *(f"from {source} import {', '.join(sorted(taken[source]))}" for source in sorted(taken))]
