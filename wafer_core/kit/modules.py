"""A package's modules as definitions and the uses they make of each other, read from text and never run."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
_SCOPES = (ast.ClassDef, *_FUNCTIONS, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


class Key(NamedTuple):
    """A definition: the module it stands in and its name there; a whole module where the name is empty."""

    module: str
    name: str


class Use(NamedTuple):
    """One use of a name: of a definition of the package, or of an import from outside, which has no key.

    `text` is what stands at `line` (from 1) and `column` (from 0, in bytes).
    """

    key: Key | None
    text: str
    line: int
    column: int


@dataclass(eq=False)
class Statement:
    """A statement at a module's top, from its first line to its last, with the names it defines."""

    node: ast.stmt
    first: int
    last: int
    names: tuple[str, ...]


@dataclass(eq=False)
class Module:
    """A module's text and statements, and what the names it imports stand for.

    `outside` holds an import line a name, `typing_only` which of those only annotations need, and
    `inside` what the name means within the package.
    """

    name: str
    lines: list[bytes]
    docstring: str
    statements: list[Statement] = field(default_factory=list)
    outside: dict[str, str] = field(default_factory=dict)
    typing_only: set[str] = field(default_factory=set)
    inside: dict[str, Key] = field(default_factory=dict)

    def defining(self, name: str) -> Statement | None:
        """Return the statement that defines a name."""
        return next((each for each in self.statements if name in each.names), None)

    def has_module(self, name: str) -> bool:
        """Whether a name stands for a whole module of the package."""
        return name in self.inside and not self.inside[name].name


class Package:
    """The modules of one package, each read once.

    Args:
        folder: the package's own, whose name is the package's.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: dict[str, Module] = {}

    def module(self, name: str) -> Module:
        """Return a module by its dotted name.

        Raises:
            ValueError: there is none of this name.
        """
        if name not in self._known:
            path = self._path(name)
            if path is None:
                raise ValueError(f"{name} is no module of {self._folder.name}")
            self._known[name] = self._read(name, path)
        return self._known[name]

    def in_import_order(self, entry: str, seen: set[str] | None = None) -> Iterator[str]:
        """Yield the modules an entry rests on, each after those that it imports, the entry last."""
        known = set() if seen is None else seen
        if entry not in known:
            known.add(entry)
            for key in self.module(entry).inside.values():
                yield from self.in_import_order(key.module, known)
            yield entry

    def uses(self, module: Module, statement: Statement) -> Iterator[Use]:
        """Yield every use of a name of the module's own or of its imports, definitions included.

        Raises:
            ValueError: a function imports from the package, or a name stands for nothing.
        """
        dotted = {each.value for each in ast.walk(statement.node) if isinstance(each, ast.Attribute)}
        for each in ast.walk(statement.node):
            match each:
                case ast.Attribute(value=ast.Name(id=name), attr=attribute) if module.has_module(name):
                    key = self._resolved(Key(module.inside[name].module, attribute))
                    yield Use(key, f"{name}.{attribute}", each.lineno, each.col_offset)
                case ast.Name(id=name) if name in module.outside:
                    yield Use(None, name, each.lineno, each.col_offset)
                case ast.Name(id=name) if not (each in dotted and module.has_module(name)):
                    if name in module.inside or module.defining(name):
                        yield Use(self._resolved(Key(module.name, name)), name, each.lineno, each.col_offset)
                case ast.FunctionDef(name=name) | ast.ClassDef(name=name) if each is statement.node:
                    keyword = "class " if isinstance(each, ast.ClassDef) else "def "
                    yield Use(Key(module.name, name), name, each.lineno, len(keyword))
                case ast.ImportFrom(module=str(source)) if self._path(source):
                    where = f"{module.name}, line {each.lineno}"
                    raise ValueError(f"{where}: an import of {source} inside a function cannot be flattened")

    def _resolved(self, key: Key) -> Key:
        """Follow a name through the modules that hand it on to the one that defines it."""
        module = self.module(key.module)
        if module.defining(key.name):
            return key
        if key.name not in module.inside:
            raise ValueError(f"{key.module} defines no {key.name}")
        return self._resolved(module.inside[key.name])

    def _path(self, name: str) -> Path | None:
        """Return where a module of the package lives; None for anything else."""
        first, *parts = name.split(".")
        place = self._folder.joinpath(*parts)
        candidates = (place.with_suffix(".py"), place / "__init__.py")
        return next((path for path in candidates if first == self._folder.name and path.is_file()), None)

    def _read(self, name: str, path: Path) -> Module:
        data = path.read_bytes()
        tree = ast.parse(data)
        module = Module(name, data.splitlines(), ast.get_docstring(tree, clean=False) or "")
        for node in tree.body:
            match node:
                case ast.Import() | ast.ImportFrom():
                    self._take_import(module, node)
                case ast.If(test=ast.Name(id="TYPE_CHECKING")):
                    for inner in node.body:
                        self._take_import(module, inner, typing_only=True)
                case ast.Expr(value=ast.Constant(value=str())):
                    if module.statements:
                        module.statements[-1].last = node.end_lineno or node.lineno  # what a constant means
                case _:
                    module.statements.append(_statement(module, node))
        return module

    def _take_import(self, module: Module, node: ast.stmt, typing_only: bool = False) -> None:
        match node:
            case ast.ImportFrom(module=str(source), names=aliases) if source != "__future__":
                for alias in aliases:
                    whole = f"{source}.{alias.name}"
                    if self._path(source) is None:
                        _from_outside(module, alias, f"from {source} import {ast.unparse(alias)}", typing_only)
                    elif not typing_only:
                        key = Key(whole, "") if self._path(whole) else Key(source, alias.name)
                        module.inside[alias.asname or alias.name] = key
            case ast.Import(names=aliases):
                for alias in aliases:
                    _from_outside(module, alias, f"import {ast.unparse(alias)}", typing_only)


def local_names(statement: Statement) -> set[str]:
    """Return every name that a class, function or comprehension within a statement makes for itself."""
    found: set[str] = set()
    for scope in ast.walk(statement.node):
        if not isinstance(scope, _SCOPES):
            continue
        if isinstance(scope, _FUNCTIONS):
            found |= {each.arg for each in ast.walk(scope.args) if isinstance(each, ast.arg)}
        for inner in ast.walk(scope):
            match inner:
                case ast.Name(id=name, ctx=ast.Store()):
                    found.add(name)
                case ast.FunctionDef(name=name) | ast.ClassDef(name=name) if inner is not scope:
                    found.add(name)
                case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
                    found.add(name)
                case ast.alias(name=name, asname=other):
                    found.add(other or name.partition(".")[0])
    return found


def _statement(module: Module, node: ast.stmt) -> Statement:
    """Return a statement with the decorators and remarks that stand on it."""
    decorators = node.decorator_list if isinstance(node, ast.FunctionDef | ast.ClassDef) else []
    first = min([node.lineno, *(each.lineno for each in decorators)])
    while first > 1 and module.lines[first - 2].startswith(b"#"):
        first -= 1
    return Statement(node, first, node.end_lineno or node.lineno, _defined(node))


def _defined(node: ast.stmt) -> tuple[str, ...]:
    match node:
        case ast.FunctionDef(name=name) | ast.ClassDef(name=name) | ast.AnnAssign(target=ast.Name(id=name)):
            return (name,)
        case ast.Assign(targets=targets):
            return tuple(each.id for target in targets for each in ast.walk(target) if isinstance(each, ast.Name))
    return ()


def _from_outside(module: Module, alias: ast.alias, line: str, typing_only: bool) -> None:
    name = alias.asname or alias.name.partition(".")[0]
    module.outside[name] = line
    if typing_only:
        module.typing_only.add(name)
