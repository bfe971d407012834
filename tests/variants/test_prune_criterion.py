"""Scores against their definitions, written another way; and that they are charged."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree
from scoring import IMAGES, TOKENS, begin, cut

from efficient.models.gpt import GPTSpec
from efficient.models.lenet import LeNet5Spec
from efficient.models.mlp import MLPSpec
from efficient.models.tree import flatten, nest
from efficient.variants import Prune, VariantError
from efficient.variants.prune.criterion import score
from efficient.variants.prune.pattern import parse
from efficient.variants.prune.state import mask_state

NETWORK = MLPSpec((5,))
NAMES = ["head/kernel", "hidden_0/kernel"]
FROM_LOSS = ("saliency", "snip", "grasp")


def static(criterion: str, **settings) -> Prune:
    return Prune(criterion=criterion, schedule="static", **settings)


def scores(criterion: str, pattern: str = "unstructured", batches: int = 1):
    _, work, probe = begin(static("magnitude"), NETWORK)
    found = score(criterion, parse(pattern), work, NAMES, probe, batches)
    return found, work, probe


def gated(work, probe, number: int, units):
    """Gradient of the loss on a batch with respect to a gate of 1 at every unit."""

    def loss(gates):
        flat = flatten(work.params)
        flat |= {
            name: flat[name] * jnp.broadcast_to(g, flat[name].shape) for name, g in gates.items()
        }
        return probe.loss_of(nest(flat), work.rest, probe.batch(number))

    ones = {name: jnp.ones(units(flatten(work.params)[name].shape)) for name in NAMES}
    return jax.grad(loss)(ones)


@pytest.mark.parametrize(
    "pattern, units", [("unstructured", lambda s: s), ("filter", lambda s: (1, s[1]))]
)
def test_snip_is_what_the_loss_feels_at_a_gate(pattern, units):
    found, work, probe = scores("snip", pattern, batches=2)
    gates = [gated(work, probe, number, units) for number in range(2)]
    for name in NAMES:
        wanted = jnp.abs(gates[0][name] + gates[1][name]) / 2
        np.testing.assert_allclose(found[name].ravel(), wanted.ravel(), rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize(
    "pattern, units", [("unstructured", lambda s: s), ("filter", lambda s: (1, s[1]))]
)
def test_saliency_is_the_mean_of_what_each_batch_feels(pattern, units):
    found, work, probe = scores("saliency", pattern, batches=2)
    gates = [gated(work, probe, number, units) for number in range(2)]
    for name in NAMES:
        wanted = (jnp.abs(gates[0][name]) + jnp.abs(gates[1][name])) / 2
        np.testing.assert_allclose(found[name].ravel(), wanted.ravel(), rtol=1e-4, atol=1e-7)


def test_grasp_is_weight_times_hessian_times_gradient():
    found, work, probe = scores("grasp", batches=2)
    flat = flatten(work.params)
    start, unravel = ravel_pytree({name: flat[name] for name in NAMES})

    def loss(vector):
        """Of both batches, by the plain cross-entropy of logits divided by 200."""
        batch = jax.tree.map(lambda *b: jnp.concatenate(b), probe.batch(0), probe.batch(1))
        logits = probe.apply(nest(flat | unravel(vector)), work.rest, batch.inputs)[0].logits
        chosen = jax.nn.log_softmax(logits / 200)[jnp.arange(len(logits)), batch.targets]
        return -chosen.mean()

    wanted = unravel(start * jnp.matmul(jax.hessian(loss)(start), jax.grad(loss)(start)))
    for name in NAMES:
        scale = float(jnp.abs(wanted[name]).max())
        np.testing.assert_allclose(found[name], wanted[name], rtol=1e-3, atol=1e-5 * scale)


def test_l1_and_magnitude_are_norms_of_filters():
    l1, work, _ = scores("l1", "filter")
    l2, _, _ = scores("magnitude", "filter")
    for name in NAMES:
        kernel = np.asarray(flatten(work.params)[name])
        np.testing.assert_allclose(l1[name], np.abs(kernel).sum(0), rtol=1e-5)
        np.testing.assert_allclose(l2[name], np.linalg.norm(kernel, axis=0), rtol=1e-5)


def test_random_follows_the_seed_of_the_run_and_nothing_else():
    """Also where every seed starts from the same weights, as with `--start`."""

    def masks(seed, weights):
        scene = begin(static("random", sparsity=0.5), NETWORK, seed=seed)
        begun = begin(static("random"), NETWORK, seed=weights).work.params
        work = cut(scene._replace(work=dataclasses.replace(scene.work, params=begun)))
        return mask_state(work.opt_state).masks

    one, again, other = masks(1, 1), masks(1, 2), masks(2, 1)
    for name in NAMES:
        np.testing.assert_array_equal(one[name], again[name])
        assert (one[name] != other[name]).any()


@pytest.mark.parametrize("criterion", FROM_LOSS)
def test_scores_that_are_all_equal_choose_nothing(criterion):
    """As the rounded products of `precision:dtype=int8`, which have no second derivative."""
    variant = static(criterion, sparsity=0.5)
    _, work, probe = begin(variant, NETWORK)
    flat = dataclasses.replace(work, params=jax.tree.map(jnp.zeros_like, work.params))
    with pytest.raises(VariantError, match=f"{criterion} gave every unit the same score, 0") as e:
        variant._cut(flat, probe)
    assert "\n" not in str(e.value)


def test_synflow_of_one_iteration_is_the_flow_through_each_weight():
    """Of two layers without bias, by hand: |w| times what comes in times what goes out."""
    variant = static("synflow", sparsity=0.7, scope="global", iterations=1)
    scene = begin(variant, NETWORK)
    flat, after = flatten(scene.work.params), cut(scene)
    first, last = (np.abs(np.asarray(flat[name], np.float64)) for name in NAMES[::-1])
    flow = {
        "hidden_0/kernel": first * last.sum(1)[None, :],
        "head/kernel": first.sum(0)[:, None] * last,
    }
    both = np.concatenate([flow[name].ravel() for name in NAMES])
    asked = variant.claims(scene.made.weights)["weights_asked"]
    threshold = np.sort(both)[-asked]
    for name, mask in mask_state(after.opt_state).masks.items():
        np.testing.assert_array_equal(mask, flow[name] >= threshold)


def test_synflow_leaves_no_layer_empty_where_one_removal_does():
    """Six layers, of which the first is the largest by far, share 15 weights."""
    network, sparsity = MLPSpec((8,) * 5), 0.973
    kept = {}
    for iterations in (1, 100):
        variant = static("synflow", sparsity=sparsity, scope="global", iterations=iterations)
        work = cut(begin(variant, network))
        kept[iterations] = np.asarray(mask_state(work.opt_state).kept)
    assert kept[1].sum() == kept[100].sum()
    assert kept[1].min() == 0 < kept[100].min()


@pytest.mark.parametrize("criterion", FROM_LOSS)
def test_reading_the_loss_is_charged_by_the_batch(criterion):
    spent = {}
    for batches in (1, 3):
        _, _, probe = scores(criterion, batches=batches)
        spent[batches] = probe.flops
        assert probe.clock.laps()["scoring"] > 0
    assert spent[3] == 3 * spent[1] > 0


def test_synflow_is_charged_by_the_iteration():
    """Each is a forward and a backward pass of one image: 2 FLOPs a weight, three times, less the
    gradient of the inputs."""
    spent = {}
    for iterations in (1, 10):
        variant = static("synflow", sparsity=0.5, iterations=iterations)
        scene = begin(variant, NETWORK)
        cut(scene)
        spent[iterations] = scene.probe.flops
    first, head = 36 * 5, 5 * 3
    assert spent == {1: 2 * (2 * first + 3 * head), 10: 20 * (2 * first + 3 * head)}


@pytest.mark.parametrize("criterion", ["magnitude", "random", "l1"])
def test_the_weights_alone_cost_no_data(criterion):
    pattern = "filter" if criterion == "l1" else "unstructured"
    scene = begin(static(criterion, sparsity=0.5, pattern=pattern), NETWORK)
    cut(scene)
    assert scene.probe.flops == 0 and "scoring" not in scene.probe.clock.laps()


@pytest.mark.parametrize("criterion", [*FROM_LOSS, "synflow"])
@pytest.mark.parametrize("pattern", ["unstructured", "1:4", "2x5", "filter"])
def test_every_criterion_fits_every_pattern(criterion, pattern):
    settings = {} if ":" in pattern else {"sparsity": 0.5}
    variant = static(criterion, pattern=pattern, weights="hidden*", iterations=3, **settings)
    scene = begin(variant, NETWORK)
    work = cut(scene)
    state = mask_state(work.opt_state)
    assert int(state.kept.sum()) == variant.claims(scene.made.weights)["weights_asked"]
    for name, mask in state.masks.items():
        np.testing.assert_array_equal(flatten(work.params)[name] != 0, mask)


def test_scores_that_are_not_finite_are_refused():
    variant = static("snip")
    _, work, probe = begin(variant, NETWORK)
    broken = jax.tree.map(lambda p: p * jnp.inf, work.params)
    with pytest.raises(VariantError, match="snip gave scores that are not finite"):
        variant._cut(type(work)(**{**vars(work), "params": broken}), probe)


@pytest.mark.slow
@pytest.mark.parametrize("criterion", ["magnitude", "random", *FROM_LOSS, "synflow"])
@pytest.mark.parametrize(
    "network, signature",
    [(LeNet5Spec((2, 4), (8,)), IMAGES), (GPTSpec(1, 8, heads=2, hidden=16), TOKENS)],
)
def test_convolutions_and_texts_are_scored_too(criterion, network, signature):
    variant = static(criterion, sparsity=0.8, scope="erk")
    scene = begin(variant, network, signature)
    kept = mask_state(cut(scene).opt_state).kept
    assert int(kept.sum()) == variant.claims(scene.made.weights)["weights_asked"]
    assert scene.probe.flops is not None
