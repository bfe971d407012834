"""MODEL of `efficient flops`: a name from the command line to a program that can be counted."""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from efficient.cli.failure import UsageError
from efficient.cli.output import quiet_stdout
from efficient.cli.selection import load, select
from efficient.config import Config, ConfigError, nearest, presets, search_here
from efficient.models.outline import outline
from efficient.models.reference import REFERENCES, reference
from efficient.models.signature import Signature, SpecError

#: Classes of a user's own network where `--classes` does not say.
CLASSES = 10


@dataclass(frozen=True)
class Subject:
    """What is counted, as shapes: `apply(params, rest, *inputs)`.

    params is None where nobody said what is trained; config and dataset are those of a run.
    """

    name: str
    apply: Callable[..., Any]
    params: Any
    rest: Any
    inputs: tuple[jax.ShapeDtypeStruct, ...]
    input_shape: tuple[Any, ...]
    batch: int | None
    config: Config | None = None
    dataset: Any = None

    def loss(self, params: Any, rest: Any, *inputs: Any) -> jax.Array:
        """A number to differentiate: the sum of all outputs."""
        leaves = jax.tree.leaves(self.apply(params, rest, *inputs))
        return jnp.stack([leaf.sum() for leaf in leaves]).sum()


def subject(arguments: argparse.Namespace) -> Subject:
    """The network of a reference's name or of a config, or a user's own `module:attribute`.

    Raises:
        UsageError: an option that this MODEL does not have, or a shape that does not fit it.
        ConfigError: no MODEL of that name; the nearest is named.
    """
    name = arguments.config
    if name is None:
        raise UsageError("MODEL is missing: a network, a config, a run or your module:function")
    if name in REFERENCES:
        return _of_reference(arguments)
    if arguments.shortcut:
        raise UsageError(f"--shortcut is of resnet20_cifar and its family; {name} has one kind")
    if ":" in name:
        return _of_own(arguments)
    return _of_config(arguments)


def is_config(name: str) -> bool:
    """Whether MODEL has fields to override."""
    return name not in REFERENCES and ":" not in name


def _of_reference(arguments: argparse.Namespace) -> Subject:
    _refuse_overrides(arguments)
    try:
        found = reference(arguments.config, arguments.shortcut)
    except SpecError as error:
        raise UsageError(str(error)) from None
    own = found.signature
    return _of_spec(arguments, found.spec, own.input_shape, own.classes, own.kind)


def _of_own(arguments: argparse.Namespace) -> Subject:
    """A Spec, a network or any function of a module that the current folder sees."""
    _refuse_overrides(arguments)
    found = _attribute(arguments.config)
    if not arguments.input_shape:
        raise UsageError(f"{arguments.config} needs --input-shape, once for each of its inputs")
    if isinstance(found, type) and hasattr(found, "build"):
        found = found()
    if hasattr(found, "build"):
        kind = "text" if len(arguments.input_shape[0]) == 1 else "image"
        return _of_spec(arguments, found, (), CLASSES, kind)
    if isinstance(found, nnx.Module):
        graph, params, rest = nnx.split(found, nnx.Param, ...)
        trees = nnx.to_pure_dict(params), nnx.to_pure_dict(rest)
        return _traceable(arguments, lambda p, r, *x: nnx.merge(graph, p, r)(*x), *trees)
    if not callable(found):
        raise UsageError(f"{arguments.config} is no function, network or Spec: {type(found)}")
    return _traceable(arguments, lambda p, r, *x: found(*x), None, None)


def _of_config(arguments: argparse.Namespace) -> Subject:
    from efficient.data import load as load_dataset
    from efficient.run.lesson import Teachers
    from efficient.variants import compose

    config = _select(arguments)
    with quiet_stdout():
        dataset = load_dataset(config.workload.data, arguments.data_dir)
    shape, classes = own = config.workload.signature(dataset)
    signature = _signature(arguments, shape, classes, dataset.kind)
    with _fitting(arguments.config, signature.input_shape):
        model = nnx.eval_shape(lambda: config.model.build(signature, nnx.Rngs(0)))
    made = compose(
        config.variants,
        model,
        config.label_smoothing,
        Teachers(Path(arguments.out), signature, config.workload, dataset),
    )

    def apply(params: Any, rest: Any, inputs: Any) -> Any:
        return made.apply(params, rest, inputs)[0].logits

    found = _traceable(arguments, apply, made.params, made.rest, signature)
    is_as_trained = (signature.input_shape, signature.classes) == own
    return replace(found, config=config, dataset=dataset) if is_as_trained else found


def _select(arguments: argparse.Namespace) -> Config:
    """The config of that name; a name that is none may be meant as a network's."""
    try:
        load(arguments.config, Path(arguments.out))
    except ConfigError as error:
        if "does not exist" not in str(error) or Path(arguments.config).suffix:
            raise UsageError(str(error)) from None
        out = Path(arguments.out)
        runs = [path.name for path in out.iterdir() if path.is_dir()] if out.is_dir() else []
        remedy = nearest(arguments.config, [*presets(), *runs, *REFERENCES])
        raise UsageError(f"model {arguments.config!r} does not exist; {remedy}") from None
    return select(arguments)


def _of_spec(
    arguments: argparse.Namespace, spec: Any, shape: tuple[int, ...], classes: int, kind: str
) -> Subject:
    signature = _signature(arguments, shape, classes, kind)
    with _fitting(arguments.config, signature.input_shape):
        graph, params, rest = outline(spec, signature)

    def apply(params: Any, rest: Any, inputs: Any) -> Any:
        return nnx.merge(graph, params, rest)(inputs)

    return _traceable(arguments, apply, params, rest, signature)


def _signature(
    arguments: argparse.Namespace, shape: tuple[int, ...], classes: int, kind: str
) -> Signature:
    """A network's own inputs and classes, or the ones that were asked for."""
    shapes = arguments.input_shape or [shape]
    if len(shapes) > 1:
        raise UsageError(f"{arguments.config} has one input: give --input-shape once")
    with _fitting(arguments.config, shapes[0]):
        return Signature(tuple(shapes[0]), arguments.classes or classes, kind)


@contextmanager
def _fitting(name: str, shape: Sequence[int]) -> Iterator[None]:
    """A network that cannot be made for inputs of `shape` is one line."""
    try:
        yield
    except (TypeError, ValueError, ZeroDivisionError) as error:
        raise UsageError(f"{name} does not take inputs {_size(shape)}: {_line(error)}") from None


def _traceable(
    arguments: argparse.Namespace,
    apply: Callable[..., Any],
    params: Any,
    rest: Any,
    signature: Signature | None = None,
) -> Subject:
    """The subject with inputs that it takes.

    A network's shapes are of one example, and the batch stands in front. A function may not want
    that axis: without `--batch` its shapes are tried as they were given, too.
    """
    shapes = [signature.input_shape] if signature else list(map(tuple, arguments.input_shape))
    dtypes = ["int32"] if signature and signature.kind == "text" else _dtypes(arguments, shapes)
    batches = [arguments.batch or 1]
    if signature is None and not arguments.batch:
        batches.append(None)
    complaint = ""
    for batch in batches:
        front = () if batch is None else (batch,)
        pairs = zip(shapes, dtypes, strict=True)
        inputs = tuple(jax.ShapeDtypeStruct((*front, *s), jnp.dtype(d)) for s, d in pairs)
        try:
            jax.eval_shape(apply, params, rest, *inputs)
        except (TypeError, ValueError, IndexError, ZeroDivisionError) as error:
            complaint = complaint or _line(error)
            continue
        shape = shapes[0] if len(shapes) == 1 else tuple(shapes)
        return Subject(arguments.config, apply, params, rest, inputs, shape, batch)
    sizes = " and ".join(map(_size, shapes))
    raise UsageError(f"{arguments.config} does not take inputs {sizes}: {complaint}")


def _dtypes(arguments: argparse.Namespace, shapes: Sequence[Any]) -> list[str]:
    given = arguments.dtype or ["float32"]
    for name in given:
        if not hasattr(jnp, name) or not isinstance(getattr(jnp, name), type(jnp.float32)):
            raise UsageError(f"--dtype {name!r} is unknown; use float32, bfloat16, int8, ...")
    if len(given) not in (1, len(shapes)):
        raise UsageError(f"--dtype stands {len(given)} times; once, or for each of {len(shapes)}")
    return given * (len(shapes) if len(given) == 1 else 1)


def _attribute(name: str) -> Any:
    module, _, attribute = name.partition(":")
    search_here()
    try:
        found = importlib.import_module(module)
    except (ImportError, SyntaxError, NameError, TypeError, ValueError, AttributeError) as error:
        raise UsageError(f"{name!r} cannot be loaded: {_line(error)}") from None
    if not hasattr(found, attribute):
        known = [known for known in vars(found) if not known.startswith("_")]
        raise UsageError(f"{module} has no {attribute!r}; {nearest(attribute, known)}")
    return getattr(found, attribute)


def _refuse_overrides(arguments: argparse.Namespace) -> None:
    given = [*arguments.overrides, *(["--variants"] if arguments.variants else [])]
    if given:
        raise UsageError(f"{given[0]} belongs to a config; {arguments.config} is a network")


def _size(shape: Sequence[int]) -> str:
    return " x ".join(map(str, shape))


def _line(error: Exception) -> str:
    """The first line of what somebody else's code says."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
