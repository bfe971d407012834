"""The rules of docs/architecture.md that a syntax tree can check.

A rule takes the source text of a dotted module and says, a line each, where it is broken.
"""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

#: Room -> the rooms it may import; "ledger.record" allows that module of the room only.
MAY_IMPORT = {
    "cli": (
        "board config run check experiment controls report compare deploy predict train variants"
        " models workloads benchmark data cost ledger"
    ),
    "board": (
        "config run report.number report.site deploy compare train variants models workloads"
        " benchmark.timing data cost ledger"
    ),
    "check": "config run variants workloads models train ledger cost data",
    "experiment": "config controls predict compare ledger",
    "controls": "config run data workloads deploy cost ledger",
    "run": "config data workloads models variants train deploy predict cost ledger",
    "benchmark": "data workloads models train deploy cost ledger",
    "predict": "models cost ledger",
    "report": "compare ledger",
    "compare": "ledger",
    "deploy": "models ledger",
    "config": "models variants workloads train.optimizer ledger.codec ledger.remedy",
    "train": "cost ledger",
    "variants": "models",
    "workloads": "data",
    "cost": "ledger.record ledger.bill",
    "ledger": "",
    "models": "",
    "data": "",
}
OUTSIDE = {"configs", "experiments", "scripts", "tests"}
WITHOUT_JAX = {"ledger", "compare", "report"}
ACCELERATED = {"jax", "jaxlib", "flax", "optax", "orbax"}
VARIANT_BASE = {"variant"}  # every family may import it
VARIANT_JOINTS = {"__init__", "compose"}  # may import every family
#: Whatever multiplies and adds up in jax and its neighbours, by its full name.
CONTRACTION = re.compile(
    r"^(jax|jnp|lax|np|numpy|nnx|flax|linen|nn|operator)\b.*"
    r"\.(conv|convolve|correlate|conv_\w+|dot|dot_general|dot_product_attention|einsum|inner|matmul"
    r"|matvec|multi_dot|ragged_dot\w*|scaled_matmul|tensordot|vdot|vecdot|vecmat"
    r"|Conv|ConvTranspose|Einsum|Linear|LinearGeneral|LoRA\w*|MultiHeadAttention)$"
    r"|\.dot$"
)
IMPORT_CALL = re.compile(r"(?:[\w.]+\.)?(?:import_module|__import__)\('([\w.]+)'")
EMPTY_NAMES = re.compile(r"(?:^|_)(utils?|commons?|helpers?|cores?|managers?)(?:_|$)")
MAX_LINES = 320


# -- what a file says ------------------------------------------------------------------------------


def imports(source: str, module: str) -> Iterator[tuple[int, str]]:
    """(line, dotted name) of everything imported anywhere in the source of dotted `module`.

    `from a import b` yields a.b, relative imports are resolved, and a literal name given to
    `import_module` or `__import__` counts. A package's own source has the module `....__init__`.
    """
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parents = module.split(".")[: -node.level] if node.level else []
            origin = ".".join([*parents, *filter(None, [node.module])])
            yield from ((node.lineno, f"{origin}.{alias.name}") for alias in node.names)
        elif isinstance(node, ast.Call) and (called := IMPORT_CALL.match(ast.unparse(node))):
            yield node.lineno, called[1]


def references(source: str) -> Iterator[tuple[int, str]]:
    """(line, dotted name) of every name and attribute used, with import aliases undone."""
    tree = ast.parse(source)
    origin: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            origin |= {alias.asname: alias.name for alias in node.names if alias.asname}
        elif isinstance(node, ast.ImportFrom):
            origin |= {a.asname or a.name: f"{node.module or ''}.{a.name}" for a in node.names}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute | ast.Name) and isinstance(node.ctx, ast.Load):
            first, _, rest = ast.unparse(node).partition(".")
            yield node.lineno, f"{origin.get(first, first)}{'.' * bool(rest)}{rest}"


# -- the rules -------------------------------------------------------------------------------------


def wrong_arrows(source: str, module: str) -> list[str]:
    """Imports between rooms that the table does not allow."""
    room = module.split(".")[1].replace("__main__", "cli")
    if room == "__init__":  # the public names: any room, but lazily, which its own test checks
        return []
    if room not in MAY_IMPORT:
        return [f"{module}: room {room} is not in the import table"]
    allowed = {*MAY_IMPORT[room].split(), room, "__version__"}
    return [
        f"{module}:{line}: {room} may not import {name}"
        for line, name in imports(source, module)
        if name.split(".")[0] == "efficient"
        and not {*name.split(".")[1:2], ".".join(name.split(".")[1:3])} & allowed
    ]


def crossed_families(source: str, module: str) -> list[str]:
    """Imports from one family of variants into another, or of the package that joins them."""
    family = module.split(".")[2]
    if family in VARIANT_JOINTS:
        return []
    return [
        f"{module}:{line}: family {family} may not import {name}"
        for line, name in imports(source, module)
        if name.split(".")[:2] == ["efficient", "variants"]
        and not {*name.split(".")[2:3]} & {*VARIANT_BASE, family}
    ]


def bare_contractions(source: str, module: str) -> list[str]:
    """Contractions in the networks that do not go through efficient.models.layers."""
    if module.startswith("efficient.models.layers"):
        return []
    found = [(line, name) for line, name in references(source) if CONTRACTION.search(name)]
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.MatMult):
            found.append((node.lineno, "@"))
    return [f"{module}:{line}: {name} outside efficient/models/layers" for line, name in found]


def outside_imports(source: str, module: str) -> list[str]:
    """Imports of folders that use the package: they are not in its wheel."""
    return [
        f"{module}:{line}: the package may not import {name}"
        for line, name in imports(source, module)
        if name.split(".")[0] in OUTSIDE
    ]


def accelerated_imports(source: str, module: str) -> list[str]:
    """Imports of jax and what is built on it, in rooms that start without it."""
    if module.split(".")[1] not in WITHOUT_JAX:
        return []
    return [
        f"{module}:{line}: starts without jax, but imports {name}"
        for line, name in imports(source, module)
        if name.split(".")[0] in ACCELERATED
    ]


def jits(source: str) -> list[int]:
    """Lines that name a compiling transformation."""
    compiling = re.compile(r"(?:jax|nnx|jax\.experimental\.pjit)\.(?:jit|pjit|pmap)$")
    return [line for line, name in references(source) if compiling.search(name)]


def overlong(source: str, module: str) -> list[str]:
    lines = len(source.splitlines())
    return [f"{module}: {lines} lines; look for the second idea"] if lines > MAX_LINES else []


def empty_names(path: Path) -> list[str]:
    """Parts of a path that say nothing about what is inside."""
    return [f"{path}: a name that says nothing" for part in path.parts if _says_nothing(part)]


def _says_nothing(part: str) -> bool:
    return EMPTY_NAMES.search(part.split(".")[0].replace("-", "_").lower()) is not None


def loads_jax(modules: list[str], folder: Path) -> bool:
    """Whether importing these modules, found in `folder`, imports jax in a fresh interpreter."""
    program = "import importlib, sys\nfor name in sys.argv[1:]: importlib.import_module(name)\n"
    program += "sys.exit(3 * ('jax' in sys.modules))"
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    command = [sys.executable, "-c", program, *modules]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 3), done.stderr
    return done.returncode == 3


def read_table(text: str) -> dict[str, str]:
    """The import table from the first `room -> rooms` code block of a document."""
    block = re.search(r"```\n(cli +->.*?)```", text, re.DOTALL)
    assert block is not None, "docs/architecture.md has no import table"
    table: dict[str, str] = {}
    for line in block[1].splitlines():
        room, arrow, rest = line.partition("->")
        # A line without an arrow continues the room above it.
        room = room.strip() if arrow else next(reversed(table))
        table[room] = f"{table.get(room, '')} {rest if arrow else line}"
    return table
