"""The project keeps the rules of docs/architecture.md, and each rule is shown able to fail."""

from __future__ import annotations

from pathlib import Path

import pytest
from architecture import (
    MAX_LINES,
    MAY_IMPORT,
    WITHOUT_JAX,
    accelerated_imports,
    bare_contractions,
    crossed_families,
    empty_names,
    jits,
    loads_jax,
    outside_imports,
    overlong,
    read_table,
    wrong_arrows,
)

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "efficient"

RULES = [
    wrong_arrows, crossed_families, bare_contractions, outside_imports, accelerated_imports,
    overlong,
]  # fmt: skip
ROOMS = {crossed_families: "variants", bare_contractions: "models"}


def sources(room: str = "") -> dict[str, str]:
    """Dotted module -> source of every file of the package, or of one room."""
    files = sorted((PACKAGE / room).rglob("*.py"))
    return {".".join(f.relative_to(ROOT).with_suffix("").parts): f.read_text() for f in files}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_project_keeps_the_rule(rule):
    files = sources(ROOMS.get(rule, ""))
    assert files
    assert [offence for module, text in files.items() for offence in rule(text, module)] == []


def test_training_compiles_in_one_place():
    counts = {module: len(jits(text)) for module, text in sources("train").items()}
    assert {module: count for module, count in counts.items() if count} == {
        "efficient.train.loop": 1
    }


def test_names_say_something():
    kept = ("efficient", "tests", "configs", "experiments", "scripts", "docs")
    paths = [path.relative_to(ROOT) for folder in kept for path in (ROOT / folder).rglob("*")]
    assert [offence for path in paths for offence in empty_names(path)] == []


def test_importing_the_package_does_not_import_jax():
    assert not loads_jax(["efficient"], ROOT)


def test_ledger_compare_and_report_start_without_jax():
    modules = [module for room in sorted(WITHOUT_JAX) for module in sources(room)]
    assert not loads_jax([module.removesuffix(".__init__") for module in modules], ROOT)


def test_document_shows_the_table_that_is_enforced():
    written = read_table((ROOT / "docs" / "architecture.md").read_text())
    assert {room: set(rooms.split()) for room, rooms in written.items()} == {
        room: set(rooms.split()) for room, rooms in MAY_IMPORT.items()
    }


def test_table_has_no_circle():
    below: dict[str, set[str]] = {}
    for room in reversed(MAY_IMPORT):
        targets = {target.split(".")[0] for target in MAY_IMPORT[room].split()}
        assert targets <= set(below), f"{room} points up or sideways: {targets - set(below)}"
        below[room] = targets


# -- and each of them can fail ---------------------------------------------------------------------

OFFENCES = [
    (wrong_arrows, "efficient.train.step", "import efficient.models.mlp"),
    (wrong_arrows, "efficient.train.step", "from efficient.variants import prune"),
    (wrong_arrows, "efficient.train.step", "from efficient import config"),
    (wrong_arrows, "efficient.train.step", "from efficient.compare import summary"),
    (wrong_arrows, "efficient.train.step", "import efficient"),
    (wrong_arrows, "efficient.train.step", "from .. import data"),
    (wrong_arrows, "efficient.train.__init__", "from ..workloads.workload import Workload"),
    (wrong_arrows, "efficient.compare.table", "def show():\n    from ..report import plot"),
    (wrong_arrows, "efficient.data.split", "importlib.import_module('efficient.config')"),
    (wrong_arrows, "efficient.config", "from .run import run"),
    (wrong_arrows, "efficient.attic.box", "x = 1"),
    (crossed_families, "efficient.variants.prune", "from efficient.variants import distill"),
    (crossed_families, "efficient.variants.prune", "from .quantize import Quantize"),
    (crossed_families, "efficient.variants.prune", "from efficient.variants import Variant"),
    (crossed_families, "efficient.variants.prune.mask", "from ..distill.loss import divergence"),
    (bare_contractions, "efficient.models.mlp", "nnx.Linear(2, 3, rngs=rngs)"),
    (bare_contractions, "efficient.models.mlp", "from flax.nnx import Conv as C\nC(1, 2)"),
    (bare_contractions, "efficient.models.mlp", "from flax import nnx as n\nn.Einsum('ij')"),
    (bare_contractions, "efficient.models.mlp", "import jax.numpy as np\nnp.einsum('ij', x)"),
    (bare_contractions, "efficient.models.mlp", "from jax.lax import dot_general as d\nd(x, y)"),
    (bare_contractions, "efficient.models.mlp", "lax.conv_general_dilated(x, y)"),
    (bare_contractions, "efficient.models.mlp", "x.dot(y)"),
    (bare_contractions, "efficient.models.mlp", "z = x @ y"),
    (bare_contractions, "efficient.models.mlp", "x @= y"),
    (bare_contractions, "efficient.models.mlp", "jax.nn.dot_product_attention(q, k, v)"),
    (outside_imports, "efficient.cli", "def f():\n    from configs import digits_mlp"),
    (outside_imports, "efficient.cli", "import experiments.quickstart"),
    (accelerated_imports, "efficient.report.plot", "def f():\n    import jax.numpy as jnp"),
    (accelerated_imports, "efficient.ledger.store", "from flax import nnx"),
    (overlong, "efficient.cli", "\n" * (MAX_LINES + 1)),
]  # fmt: skip

PERMITTED = [
    (wrong_arrows, "efficient.train.loop", "from efficient.ledger.record import Point"),
    (wrong_arrows, "efficient.train.loop", "from efficient.ledger import record"),
    (wrong_arrows, "efficient.train.loop", "from .step import train_step"),
    (wrong_arrows, "efficient.train.loop", "from efficient import __version__, cost"),
    (wrong_arrows, "efficient.data.split", "import numpy, efficiently"),
    (crossed_families, "efficient.variants.prune.mask", "from efficient.variants.prune import x"),
    (crossed_families, "efficient.variants.prune", "from efficient.variants.variant import Plan"),
    (crossed_families, "efficient.variants.compose", "from efficient.variants import prune"),
    (bare_contractions, "efficient.models.layers.linear", "z = x @ y"),
    (bare_contractions, "efficient.models.mlp", "layers.Linear(2, 3)\n@property\ndef f(x): ..."),
    (bare_contractions, "efficient.models.mlp", "self.inner(x); layers.einsum(x)"),
    (accelerated_imports, "efficient.cost.flops", "import jax"),
    (overlong, "efficient.cli", "\n" * MAX_LINES),
]


@pytest.mark.parametrize(("rule", "module", "source"), OFFENCES)
def test_rule_finds_the_offence(rule, module, source):
    assert rule(source, module)


@pytest.mark.parametrize(("rule", "module", "source"), PERMITTED)
def test_rule_leaves_the_rest_alone(rule, module, source):
    assert rule(source, module) == []


@pytest.mark.parametrize(
    "source",
    ["jax.jit(f)", "@jax.jit\ndef f(): ...", "from jax import jit as j\nj(f)", "nnx.jit(f)",
     "functools.partial(jax.jit, donate_argnums=0)"],
)  # fmt: skip
def test_every_spelling_of_jit_is_counted(source):
    assert len(jits(source)) == 1


@pytest.mark.parametrize(
    "name", ["data/utils.py", "core/x.py", "test_helpers.py", "run-Manager.md"]
)
def test_empty_names_are_found(name):
    assert empty_names(Path(name))
    assert not empty_names(Path("commonsense/scores.py"))


def test_loading_jax_is_found(tmp_path):
    (tmp_path / "jax.py").touch()
    (tmp_path / "heavy.py").write_text("import jax")
    assert loads_jax(["heavy"], tmp_path)
    assert not loads_jax(["json"], tmp_path)


def test_another_table_is_found():
    assert read_table("```\ncli  -> run\n        data\nrun ->\n```") == {
        "cli": "  run         data",
        "run": " ",
    }
