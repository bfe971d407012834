"""What there is to choose from, read from the source, so that listing it starts without jax.

The tables (`VARIANTS`, `NETWORKS`, `WORKLOADS`, `CONTROLS`) are literal, and what they name are
dataclasses: their syntax tree says everything that a list shows.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Kind:
    """A row of a table: its name, its purpose in a line, and its fields as text.

    fields: name -> (type, default), the default empty where a value is needed.
    """

    name: str
    purpose: str
    fields: dict[str, tuple[str, str]]


def presets() -> dict[str, str]:
    """What each preset is and what to expect of it, by name: its docstring without the command."""
    inside = ROOT / "presets"
    folder = inside if inside.is_dir() else ROOT.parent / "configs"
    paths = [path for path in sorted(folder.glob("*.py")) if path.stem[0] != "_"]
    return {path.stem: _preset(path) for path in paths}


def variants() -> list[Kind]:
    return _kinds("variants/__init__.py", "VARIANTS")


def networks() -> list[Kind]:
    return _kinds("models/network.py", "NETWORKS")


def workloads() -> list[Kind]:
    return _kinds("workloads/__init__.py", "WORKLOADS")


def controls() -> list[Kind]:
    return _kinds("controls/control.py", "CONTROLS")


def _kinds(file: str, table: str) -> list[Kind]:
    """The rows of a literal table of classes."""
    tree = _tree(ROOT / file)
    homes = {
        alias.asname or alias.name: node.module or ""
        for node in tree.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    found = []
    for name, kind in _table(tree, table).items():
        module, made = _definition(homes[kind], kind)
        family = (ROOT.parent / homes[kind].replace(".", "/")).is_dir()
        alone = list(homes.values()).count(homes[kind]) == 1 and not family
        purpose = _start(ast.get_docstring(module if alone else made))
        found.append(Kind(name, purpose, _fields(made)))
    return found


def _definition(module: str, kind: str) -> tuple[ast.Module, ast.ClassDef]:
    """The module that defines a class, which a package may hand on, and the class."""
    place = ROOT.parent / module.replace(".", "/")
    tree = _tree(place / "__init__.py" if place.is_dir() else place.with_suffix(".py"))
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and node.name == kind:
            return tree, node
    handed = {
        alias.asname or alias.name: node.module or ""
        for node in tree.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    return _definition(handed[kind], kind)


def _table(tree: ast.Module, name: str) -> dict[str, str]:
    """Key -> name of the class, of the dict literal assigned to `name`."""
    for node in tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        value = getattr(node, "value", None)
        named = any(isinstance(t, ast.Name) and t.id == name for t in targets)
        if named and isinstance(value, ast.Dict):
            return {
                ast.literal_eval(key): ast.unparse(entry)
                for key, entry in zip(value.keys, value.values, strict=True)
                if key is not None
            }
    raise AssertionError(f"no literal table {name}")


def _fields(made: ast.ClassDef) -> dict[str, tuple[str, str]]:
    found = {}
    for node in made.body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            kind, value = ast.unparse(node.annotation), node.value
            if not kind.startswith("ClassVar"):
                found[node.target.id] = (kind, ast.unparse(value) if value else "")
    return found


def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def _preset(path: Path) -> str:
    """Its docstring without the command, a line for each paragraph."""
    paragraphs = (ast.get_docstring(_tree(path)) or "").split("\n\n")
    lines = (" ".join(paragraph.split()) for paragraph in paragraphs)
    return "\n".join(line.removeprefix(f"efficient train {path.stem} ") for line in lines)


def _start(docstring: str | None) -> str:
    """A docstring up to its first full stop, colon or parenthesis."""
    text = " ".join((docstring or "").split())
    return re.split(r"[.:] | \(|\.$", text, maxsplit=1)[0]
