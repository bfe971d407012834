"""Units of a network that can go, and the arrays of the smaller network without them.

A unit is a channel, a neuron, a head or a whole layer; a group holds those that are alike. What is
in no group always stays: inputs, logits, and the residual streams, which all layers share.

`Spec.groups(signature)` lists the groups of a network and `Spec.shrink(keep)` gives the sizes of
the smaller one; `keep` names the units that stay, by group, as rising numbers. A group that it
does not name keeps all of its units.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from efficient.models.signature import SpecError
from efficient.models.transformer import BlockSizes

#: Of units inside a layer, and of layers.
WIDTHS, LAYER = ("channel", "neuron", "head"), "layer"

Keep = Mapping[str, Sequence[int]]


@dataclass(frozen=True)
class Member:
    """An array that holds something of every unit of a group.

    Attributes:
        path: its name; of layers, with `*` for the unit's number.
        axis: the one of `outer * size * inner` entries, where a unit has `inner` neighbours in
            each of `outer` places; None where every unit has an array of its own.
        outer: places, such as the pixels of a flattened image.
        inner: neighbours, such as the width of a head.
    """

    path: str
    axis: int | None = None
    outer: int = 1
    inner: int = 1

    def positions(self, units: np.ndarray, size: int) -> np.ndarray:
        """Indices along the axis that belong to these of `size` units."""
        places = np.arange(self.outer)[:, None, None] * size + units[None, :, None]
        return (places * self.inner + np.arange(self.inner)).ravel()


@dataclass(frozen=True)
class Group:
    """Units of which any may go as long as one stays.

    Attributes:
        name: path of what holds them; of layers, how their own paths begin.
        kind: "channel", "neuron", "head" or "layer".
        size: number of units.
        incoming: arrays that compute what the units give.
        outgoing: arrays that read it. With these at zero, a unit might as well be gone.
    """

    name: str
    kind: str
    size: int
    incoming: tuple[Member, ...]
    outgoing: tuple[Member, ...]

    def sums(self, arrays: Mapping[str, Any], members: Sequence[Member]) -> Any:
        """(size,): the sum of all entries of each unit, over the members that are in `arrays`."""
        found = []
        for member in members:
            if member.axis is None:
                names = [member.path.replace("*", str(unit)) for unit in range(self.size)]
                if names[0] in arrays:
                    found.append(jnp.stack([arrays[name].sum() for name in names]))
            elif member.path in arrays:
                array = arrays[member.path]
                before = math.prod(array.shape[: member.axis])
                parts = array.reshape(before, member.outer, self.size, -1)
                found.append(parts.sum((0, 1, 3)))
        return sum(found[1:], found[0])


# -- cutting ---------------------------------------------------------------------------------------


def cut(tree: Any, groups: Sequence[Group], keep: Keep) -> Any:
    """The tree with only the units of `keep`; the very tree where all of them stay.

    tree: any nesting with arrays whose names end like those of the parameters: parameters, running
    statistics, an optimizer's moments, or masks by joined name. What is left of a layer keeps its
    values; layers that follow a removed one move up in number.

    Raises:
        SpecError: an unknown group, units that are not there, or an array of another size.
    """
    chosen = _check(groups, keep)
    places: dict[str, list[tuple[Member, int, np.ndarray]]] = {}
    for group, units in chosen:
        for member in (*group.incoming, *group.outgoing) if group.kind != LAYER else ():
            places.setdefault(member.path, []).append((member, group.size, units))
    if places:
        tree = jax.tree_util.tree_map_with_path(lambda path, x: _take(path, x, places), tree)
    for group, units in chosen:
        if group.kind == LAYER:
            tree = _renumber(tree, group.name, {int(old): new for new, old in enumerate(units)})
    return tree


def _check(groups: Sequence[Group], keep: Keep) -> list[tuple[Group, np.ndarray]]:
    """The groups that lose units, with those that stay."""
    known = {group.name: group for group in groups}
    found = []
    for name, numbers in keep.items():
        if name not in known:
            raise SpecError(f"keep names group {name!r}: there are {', '.join(known) or 'none'}")
        units, size = np.asarray(numbers, np.int64), known[name].size
        inside = len(units) > 0 and units[0] >= 0 and units[-1] < size
        if not inside or (np.diff(units) <= 0).any():
            raise SpecError(
                f"keep of {name} is {units.tolist()}: give rising numbers from 0 to {size - 1}"
            )
        if len(units) < size:
            found.append((known[name], units))
    return found


def _take(path: Any, array: Any, places: dict[str, list[tuple[Member, int, np.ndarray]]]) -> Any:
    name = jax.tree_util.keystr(path, simple=True, separator="/")
    for tail in _tails(name):
        for member, size, units in places.get(tail, ()):
            axis, length = member.axis or 0, member.outer * size * member.inner
            if not array.ndim:  # one number for all units, such as the step of a whole kernel
                continue
            if axis >= array.ndim or array.shape[axis] != length:
                raise SpecError(
                    f"{name} has shape {array.shape}: it needs {length} entries along axis {axis} "
                    "to be cut"
                )
            array = jnp.asarray(np.asarray(array).take(member.positions(units, size), axis))
    return array


def _tails(name: str) -> Iterator[str]:
    """`a/b/c`, `b/c`, `c`."""
    parts = name.split("/")
    return ("/".join(parts[start:]) for start in range(len(parts)))


def _renumber(tree: Any, name: str, numbers: dict[int, int]) -> Any:
    """Drops the entries of layers that are gone from every dict, and renames the others."""
    pattern = re.compile(rf"{re.escape(name)}_(\d+)((?:/.*)?)")

    def rename(node: Any) -> Any:
        if not isinstance(node, dict):
            return node
        renamed = {}
        for key, value in node.items():
            found = pattern.fullmatch(str(key))
            if found is None:
                renamed[key] = _renumber(value, name, numbers)
            elif int(found[1]) in numbers:
                renamed[f"{name}_{numbers[int(found[1])]}{found[2]}"] = value
        return renamed

    return jax.tree.map(rename, tree, is_leaf=lambda node: isinstance(node, dict))


# -- groups that several networks have -------------------------------------------------------------


def left(keep: Keep, name: str, size: int) -> int:
    """Number of units that stay in a group of `size`."""
    return len(keep[name]) if name in keep else size


def outputs(path: str, axis: int, inner: int = 1) -> tuple[Member, ...]:
    """The arrays of a layer along its outputs, those that it has; axis: of its kernel."""
    others = ("bias", "scale", "mean", "variance", "slots/kernel_step", "slots/projection")
    return (
        Member(f"{path}/kernel", axis, inner=inner),
        *(Member(f"{path}/{other}", 0, inner=inner) for other in others),
    )


def channels(path: str, size: int, reader: str, pixels: int = 0) -> Group:
    """Outputs of a convolution that another reads, or after flattening `pixels` a linear layer."""
    kernel = f"{reader}/kernel"
    read = Member(kernel, 0, outer=pixels) if pixels else Member(kernel, 2)
    return Group(path, "channel", size, outputs(path, 3), (read,))


def hidden_neurons(hidden: Sequence[int]) -> tuple[Group, ...]:
    """Of linear layers `hidden_0`, `hidden_1` and so on before the `head`."""
    names = [*(f"hidden_{number}" for number in range(len(hidden))), "head"]
    return tuple(
        Group(name, "neuron", size, outputs(name, 1), (Member(f"{reader}/kernel", 0),))
        for size, (name, reader) in zip(hidden, itertools.pairwise(names), strict=True)
    )


def hidden_left(hidden: Sequence[int], keep: Keep) -> tuple[int, ...]:
    """Sizes of the layers of `hidden_neurons` that stay."""
    return tuple(left(keep, f"hidden_{number}", size) for number, size in enumerate(hidden))


def block_groups(blocks: Sequence[BlockSizes]) -> tuple[Group, ...]:
    """Heads and neurons of every block of a transformer, and the blocks."""
    found = []
    for number, sizes in enumerate(blocks):
        attention, perceptron = f"block_{number}/attention", f"block_{number}/perceptron"
        width = sizes.head_width
        parts = [outputs(f"{attention}/{x}", 1, width) for x in ("query", "key", "value")]
        reader = Member(f"{attention}/project/kernel", 0, inner=width)
        incoming = tuple(itertools.chain(*parts))
        found.append(Group(attention, "head", sizes.heads, incoming, (reader,)))
        reader = Member(f"{perceptron}/project/kernel", 0)
        incoming = outputs(f"{perceptron}/expand", 1)
        found.append(Group(perceptron, "neuron", sizes.hidden, incoming, (reader,)))
    inside = [f"attention/{name}" for name in ("query", "key", "value")] + ["perceptron/expand"]
    last = itertools.product(("attention", "perceptron"), ("kernel", "bias"))
    incoming = tuple(Member(f"block_*/{path}/kernel") for path in inside)
    outgoing = tuple(Member(f"block_*/{part}/project/{name}") for part, name in last)
    return (*found, Group("block", LAYER, len(blocks), incoming, outgoing))


def blocks_left(blocks: Sequence[BlockSizes], keep: Keep) -> dict[str, Any]:
    """Fields of the smaller transformer: depth, layer_heads, hidden and layer_hidden."""
    stay = [int(number) for number in keep.get("block", range(len(blocks)))]
    heads = tuple(left(keep, f"block_{n}/attention", blocks[n].heads) for n in stay)
    hidden = tuple(left(keep, f"block_{n}/perceptron", blocks[n].hidden) for n in stay)
    full = blocks[0].width // blocks[0].head_width
    return {
        "depth": len(stay),
        "layer_heads": () if set(heads) == {full} else heads,
        "hidden": max(hidden),
        "layer_hidden": () if len(set(hidden)) == 1 else hidden,
    }
