"""Quantization: weights and activations on a grid of few numbers, while training or after it.

Weights and activations are symmetric integers times a step: of a weight one per output channel or
one in all, of an activation one per example and position or, static, one per layer.

- `qat`: the forward pass rounds and the gradient passes straight through (Jacob et al. 2018,
  arXiv 1712.05877).
- `lsq`: the steps are trained too (Esser et al. 2020, arXiv 1902.08153).
- `ptq`: training is the baseline's, and the weights are rounded at its end (as in Krishnamoorthi
  2018, arXiv 1806.08342).

In training the numbers stay floats on the grid of the integers, so executed FLOPs do not fall and
time rises; the artefact holds the integers and multiplies them as such.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Container
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from flax import nnx

from efficient.models.clip import clipped_scale, is_clip
from efficient.models.grid import GRIDS, INPUT_STEP, KERNEL_STEP, mean_magnitude, shared_axes
from efficient.models.layers import Storage, follow_inputs, read_slots, weighted_layers
from efficient.models.operand import wrap
from efficient.models.tree import flatten
from efficient.variants.quantize.calibration import calibrate, slot_name
from efficient.variants.quantize.rounding import (
    FLOAT_BITS,
    Calibrated,
    LearnedRounding,
    Rounding,
    Running,
    Started,
    first_step,
)
from efficient.variants.variant import (
    Enter,
    Phase,
    Plan,
    Probe,
    Variant,
    VariantError,
    Work,
    matching,
    steps_of,
    weight_table,
)

KINDS = ("linear", "convolution", "embedding", "position")
METHODS = ("qat", "lsq", "ptq")
GRANULARITIES = ("channel", "tensor")
#: The phase in which `ptq` rounds.
CONVERT = "convert"
#: Bits of a stored weight of the grids that are no integers of `bits` bits.
BITS = {"ternary": 2, "binary": 1}


@dataclass(frozen=True)
class Quantize(Variant):
    """Compute on a grid of few numbers; ship integers.

    bits: of the weights, 2 to 8, or 32 for none; activations: bits of the layers' inputs,
    likewise; weights: shell pattern over layer paths; method: qat, lsq or ptq; grid: integer, or
    ternary or binary in the place of `bits`; clip: how far the grid of a weight reaches: absmax,
    mse or a percentage such as 99.9%; granularity: one step per channel or per tensor; static:
    one step for all inputs of a layer, followed in qat and calibrated in ptq (always so in lsq);
    input_clip: of static inputs, absmax or a percentage; keep: shell patterns of layers that keep
    `keep_bits` bits, of which 32 are float32; batches: read to calibrate inputs.
    """

    #: Above those that mask and cut: what is measured is what they leave.
    rank: ClassVar[int] = 50
    family: ClassVar[str] = "grid"

    bits: int = 8
    activations: int = 8
    weights: str = "*"
    method: str = "qat"
    grid: str = "integer"
    clip: str = "absmax"
    granularity: str = "channel"
    static: bool = False
    input_clip: str = "absmax"
    keep: tuple[str, ...] = ()
    keep_bits: int = 8
    batches: int = 8

    def __post_init__(self) -> None:
        for name in ("bits", "activations", "keep_bits"):
            bits = getattr(self, name)
            if bits != FLOAT_BITS and not 2 <= bits <= 8:
                raise VariantError(
                    f"quantize {name} {bits} is out of range; choose 2 to 8, or 32 for none"
                )
        _choose("method", self.method, METHODS)
        _choose("grid", self.grid, GRIDS)
        _choose("granularity", self.granularity, GRANULARITIES)
        for name, clip in (("clip", self.clip), ("input_clip", self.input_clip)):
            if not is_clip(clip) or (name, clip) == ("input_clip", "mse"):
                ways = "absmax, mse" if name == "clip" else "absmax"
                raise VariantError(
                    f"quantize {name} {clip!r} is unknown; choose {ways} or a percentage as 99.9%"
                )
        if self.batches < 1:
            raise VariantError(f"quantize batches {self.batches} must be at least 1")
        self._check_together()

    def _check_together(self) -> None:
        learned = self.method == "lsq"
        if self.bits == FLOAT_BITS and self.activations != FLOAT_BITS:
            raise VariantError("quantize activations without weights is not shipped; set bits too")
        if learned and self.grid != "integer":
            raise VariantError(f"quantize lsq learns no {self.grid} grid; choose method qat or ptq")
        if self.clip != "absmax" and (learned or self.grid != "integer"):
            what = "lsq" if learned else f"grid {self.grid}"
            raise VariantError(f"quantize clip {self.clip!r} has no say with {what}; leave it out")
        if self.static and self.activations == FLOAT_BITS:
            raise VariantError("quantize static needs quantized inputs; set activations to 2 to 8")
        if self.input_clip != "absmax" and (learned or not self.static):
            raise VariantError(
                f"quantize input_clip {self.input_clip!r} is of static inputs in qat and ptq; "
                "set static=true"
            )

    @property
    def neutral(self) -> bool:
        return self.bits == FLOAT_BITS

    @property
    def since(self) -> str:
        return CONVERT if self.method == "ptq" and not self.neutral else ""

    def phases(self, plan: Plan) -> Plan:
        if self.neutral:
            return plan
        if self.method == "qat":
            if self.static and not steps_of(plan):
                raise VariantError("quantize static in qat needs steps; choose method=ptq")
            return plan
        if self.method == "ptq":
            return (*plan, Phase(CONVERT, 0, self._calibrate))
        return (replace(plan[0], enter=partial(self._begin, plan[0].enter)), *plan[1:])

    def rewrite(self, model: nnx.Module) -> nnx.Module:
        if self.neutral:
            return model
        able = matching(weight_table(model), self.weights, KINDS)
        for pattern in self.keep:
            matching(able, pattern, KINDS)
        chosen = {weight.path for weight in able}
        for path, layer in weighted_layers(model).items():
            storage = self._storage(path, layer) if path in chosen else None
            if storage and not _is_stored(layer, storage):
                layer.storage = storage
                rounding = LearnedRounding if self.method == "lsq" else Rounding
                wrap(layer, partial(rounding, storage=storage))
                self._add_slots(layer)
        return model

    def _storage(self, path: str, layer: Any) -> Storage | None:
        """How a layer is kept; None where it stays in float32."""
        kept = any(fnmatch.fnmatchcase(path, pattern) for pattern in self.keep)
        if kept and self.keep_bits == FLOAT_BITS:
            return None
        grid = "integer" if kept else self.grid
        bits = self.keep_bits if kept else BITS.get(grid, self.bits)
        rounded = self.activations != FLOAT_BITS and layer.kind != "position"
        inputs = FLOAT_BITS if not rounded else self.keep_bits if kept else self.activations
        axis = layer.output_axis if self.granularity == "channel" else None
        static = rounded and (self.static or self.method == "lsq")
        return Storage("int8", bits, axis, inputs, grid, static, self.clip)

    def _add_slots(self, layer: Any) -> None:
        storage, slot = layer.storage, nnx.Param if self.method == "lsq" else nnx.Variable
        if _has_step(layer, self.method):
            # Their values come with the phase; shapes are enough here, as in an estimate.
            kernel = jax.ShapeDtypeStruct(layer.kernel.shape, jnp.float32)
            step = jax.eval_shape(lambda kernel: self._kernel_step(kernel, layer), kernel)
            layer.slots[KERNEL_STEP] = slot(jnp.ones(step.shape))
        if not storage.static:
            return
        if self.method == "qat":
            rule = Running(storage.activations, self.input_clip)
            follow_inputs(layer, INPUT_STEP, jnp.zeros(()), rule)
        else:
            layer.slots[INPUT_STEP] = slot(first_step(jnp.ones(()), storage.activations))

    def _begin(self, earlier: Enter | None, work: Work, probe: Probe) -> Work:
        """Learned steps before the first step: of what `earlier` leaves, unless a start has some.

        They are measured before `earlier` as well, which may read the loss.
        """
        flat, fresh = flatten(work.params), _steps(self._layers(work))
        same = {name for name, step in fresh.items() if jnp.array_equal(flat[name], step)}
        work = self._calibrate(work, probe, same)
        return self._calibrate(earlier(work, probe), probe, same) if earlier else work

    def _calibrate(self, work: Work, probe: Probe, only: Container[str] | None = None) -> Work:
        """Steps of the weights as they are, and of the inputs where they have a slot.

        only: names of the slots that are set, instead of all.
        """
        layers = self._layers(work)
        chosen = {n for n in _steps(layers) if only is None or n in only}
        rules = {
            path: Started(layer.storage.activations)
            if self.method == "lsq"
            else Calibrated(layer.storage.activations, self.input_clip)
            for path, layer in layers.items()
            if slot_name(path, INPUT_STEP) in chosen
        }
        stepped = {p: layer for p, layer in layers.items() if slot_name(p, KERNEL_STEP) in chosen}
        join = jnp.max if self.method == "ptq" and self.input_clip == "absmax" else jnp.mean
        return calibrate(work, probe, stepped, self._kernel_step, rules, self.batches, join)

    def _layers(self, work: Work) -> dict[str, Any]:
        """Those of a new network, rewritten: their steps are not measured yet."""
        return weighted_layers(self.rewrite(work.spec.build(work.signature, nnx.Rngs(0))))

    def _kernel_step(self, kernel: jax.Array, layer: Any) -> jax.Array:
        """(outputs,) or () float32, from a kernel."""
        storage = layer.storage
        axes = shared_axes(kernel.ndim, storage.scale_axis)
        if self.method == "lsq":
            step = first_step(mean_magnitude(kernel, axes), storage.bits)
        else:
            step = clipped_scale(kernel, storage.bits, axes, storage.clip)
        return step.reshape(() if storage.scale_axis is None else (-1,))


def _steps(layers: dict[str, Any]) -> dict[str, jax.Array]:
    """Every step that is a slot, by its name in the flat parameters or the rest."""
    return {
        slot_name(path, name): step
        for path, layer in layers.items()
        for name, step in read_slots(layer.slots).items()
    }


def _is_stored(layer: Any, storage: Storage) -> bool:
    """Whether the layer is rounded to these very integers already, by training in int8.

    Raises:
        VariantError: to others. Rounded twice, it would not be trained as it ships.
    """
    if layer.storage.dtype == "int8" and layer.storage != storage:
        raise VariantError(
            f"quantize would round {layer.path} again, which precision int8 rounds to 8 bits; "
            "leave it to one of them (weights), or quantize in a run of its own with --start"
        )
    return layer.storage == storage


def _has_step(layer: Any, method: str) -> bool:
    """Whether the step of the kernel is a slot: it is learned, or was calibrated."""
    return method != "qat" and layer.storage.grid == "integer"


def _choose(name: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise VariantError(f"quantize {name} {value!r} is unknown; choose {', '.join(known)}")
