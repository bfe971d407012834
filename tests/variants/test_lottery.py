"""Lottery tickets: the ladder of sparsities, the way back, and the two controls."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx
from hypothesis import given
from hypothesis import strategies as st

from efficient.models.mlp import MLPSpec
from efficient.models.signature import Signature
from efficient.models.tree import flatten, nest
from efficient.train.optimizer import Optimizer
from efficient.variants import Phase, VariantError, Work
from efficient.variants.prune.lottery import Lottery
from efficient.variants.prune.state import MaskState, mask_state
from efficient.variants.variant import steps_of, weight_table

SPEC, SIGNATURE = MLPSpec((12, 8)), Signature((4, 4, 1), 5, "image")
LENET = {"hidden_0/kernel": 235_200, "hidden_1/kernel": 30_000, "head/kernel": 1_000}
#: Weights left after each round, in percent: Frankle and Carbin (2019), LeNet-300-100.
LADDER = {0: 100, 1: 80.0, 3: 51.3, 7: 21.1, 9: 13.5, 15: 3.58, 18: 1.85, 20: 1.19}


def model(seed: int):
    return SPEC.build(SIGNATURE, nnx.Rngs(seed))


TABLE = weight_table(model(0))
NAMES = [w.kernel for w in TABLE]


def walk(variant: Lottery, steps: int = 26, seed: int = 0, save=lambda work: work, inner=None):
    """Train on random gradients; the work at the start and the end of every phase, by name."""
    plan = variant.phases((Phase("train", steps),))
    tx = variant.extend(inner or optax.adam(0.05), TABLE, plan)
    params = nnx.to_pure_dict(nnx.state(model(seed), nnx.Param))
    rest, key = {"noise": jnp.zeros(2, jnp.uint32)}, jnp.array([0, seed], jnp.uint32)
    work = Work(SPEC, SIGNATURE, params, rest, tx.init(params), {}, {}, {}, key)
    update, rng, seen = jax.jit(tx.update), np.random.default_rng(3), {}
    for phase in plan:
        work = phase.enter(work, None) if phase.enter else work
        begun = work = save(work)
        params, opt_state = work.params, work.opt_state
        for _ in range(phase.steps):
            slopes = jax.tree.map(
                lambda p: jnp.asarray(rng.normal(size=p.shape), jnp.float32), params
            )
            updates, opt_state = update(slopes, opt_state, params)
            params = optax.apply_updates(params, updates)
        rest = {"noise": work.rest["noise"] + phase.steps}
        work = Work(SPEC, SIGNATURE, params, rest, opt_state, {}, {}, work.kept, key)
        seen[phase.name] = begun, work
    return seen


def same(one, two) -> None:
    assert jax.tree.structure(one) == jax.tree.structure(two)
    for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(two), strict=True):
        np.testing.assert_array_equal(a, b)


def bare(state: MaskState):
    return state.count, state.inner


def test_the_ladder_of_lenet_is_that_of_the_paper():
    left = (265_200 * 0.8**20 + 1_000 * 0.9**20) / 266_200
    variant = Lottery(sparsity=1 - left, rounds=20)
    for number, percent in LADDER.items():
        kept = variant.kept(LENET, number)
        assert 100 * kept.sum() / 266_200 == pytest.approx(percent, abs=0.05)
        assert kept.tolist() == [
            round(1_000 * 0.9**number),
            round(235_200 * 0.8**number),
            round(30_000 * 0.8**number),
        ]


@given(
    st.floats(0.01, 0.9),
    st.integers(1, 30),
    st.sampled_from(["uniform", "global"]),
    st.floats(0.5, 1),
)
def test_the_last_round_keeps_what_was_asked(sparsity, rounds, scope, output_share):
    variant = Lottery(sparsity, rounds, scope, output_share=output_share)
    counts = [variant.kept(LENET, i).sum() for i in range(rounds + 1)]
    assert counts[0] == 266_200
    assert sorted(counts, reverse=True) == counts
    assert abs(counts[-1] - (1 - sparsity) * 266_200) <= 2
    if scope == "global":
        assert counts[-1] == round((1 - sparsity) * 266_200)


@given(st.integers(31, 10_000), st.integers(1, 30), st.floats(0, 0.99))
def test_the_steps_are_divided_and_none_is_added(steps, rounds, rewind):
    variant = Lottery(0.5, rounds, rewind=rewind)
    try:
        plan = variant.phases((Phase("train", steps), Phase("convert", 0)))
    except VariantError:
        assert rewind > 0
        return
    assert steps_of(plan) == steps
    first, trainings = (plan[0].steps, plan[1:]) if plan[0].name == "start" else (0, plan)
    assert [p.name for p in trainings] == [*(f"round_{i}" for i in range(rounds + 1)), "convert"]
    lengths = [p.steps for p in trainings[:-1]]
    assert max(lengths) - min(lengths) <= 1
    assert variant.horizon(steps) == first + max(lengths)
    assert abs(first - rewind * variant.horizon(steps)) <= 2


@pytest.mark.parametrize("scope", ["uniform", "global"])
def test_every_round_starts_from_the_first_weights_under_a_smaller_mask(scope):
    variant = Lottery(0.8, rounds=3, scope=scope)
    seen = walk(variant)
    assert list(seen) == ["round_0", "round_1", "round_2", "round_3"]
    origin = seen["round_0"][0]
    sizes = {w.kernel: w.size for w in TABLE}
    for number in range(1, 4):
        before, (begun, ended) = seen[f"round_{number - 1}"][1], seen[f"round_{number}"]
        old, new = mask_state(before.opt_state).masks, mask_state(begun.opt_state)
        trained, start, now = (flatten(w.params) for w in (before, origin, begun))
        asked = variant.kept(sizes, number)
        found = new.kept if scope == "uniform" else new.kept.sum(keepdims=True)
        assert found.tolist() == asked.tolist()
        for name in set(start) - set(NAMES):
            np.testing.assert_array_equal(now[name], start[name])
        gone, left = [], []
        for name in NAMES:
            mask = np.asarray(new.masks[name])
            assert not (mask & ~np.asarray(old[name])).any()
            np.testing.assert_array_equal(now[name], np.where(mask, start[name], 0))
            assert not np.asarray(flatten(ended.params)[name])[~mask].any()
            sized = np.abs(trained[name])
            gone.append(sized[np.asarray(old[name]) & ~mask].max(initial=0))
            left.append(sized[mask].min(initial=9))
            assert gone[-1] <= left[-1]
        assert scope == "uniform" or max(gone) <= min(left)
        same(bare(begun.opt_state), bare(origin.opt_state))
        same(begun.rest, origin.rest)
    assert variant.claims(TABLE) == {
        "weights_prunable": sum(sizes.values()),
        "weights_asked": int(mask_state(seen["round_3"][1].opt_state).kept.sum()),
    }


def test_with_rewinding_every_round_starts_from_where_the_first_stood_then():
    variant = Lottery(0.5, rounds=2, rewind=0.4)
    seen = walk(variant, steps=22)
    lengths = [
        (name, ended.opt_state.count - begun.opt_state.count)
        for name, (begun, ended) in seen.items()
    ]
    assert lengths == [("start", 4), ("round_0", 6), ("round_1", 6), ("round_2", 6)]
    assert variant.horizon(22) == 10
    reached = seen["start"][1]
    for number in range(3):
        begun, ended = seen[f"round_{number}"]
        kept = flatten(begun.params)
        for name, weight in flatten(reached.params).items():
            mask = mask_state(begun.opt_state).masks.get(name, True)
            np.testing.assert_array_equal(kept[name], np.where(mask, weight, 0))
        same(bare(begun.opt_state), bare(reached.opt_state))
        assert begun.rest["noise"].tolist() == [4, 4]
        assert int(ended.opt_state.count) == 10


def test_every_round_has_the_whole_schedule_of_the_learning_rate():
    variant = Lottery(0.5, rounds=2)
    inner = Optimizer("sgd", lr=1.0, momentum=0.0).build(variant.horizon(24))
    for begun, ended in walk(variant, steps=24, inner=inner).values():
        counts = [int(optax.tree.get(w.opt_state.inner, "count")) for w in (begun, ended)]
        assert counts == [0, 8]


def test_reinit_trains_the_mask_of_the_ticket_from_other_weights():
    ticket, control = (walk(Lottery(0.6, 2, control=c))["round_2"][0] for c in ("", "reinit"))
    same(mask_state(ticket.opt_state).masks, mask_state(control.opt_state).masks)
    same(bare(ticket.opt_state), bare(control.opt_state))
    for name, mask in mask_state(ticket.opt_state).masks.items():
        one, two = (np.asarray(flatten(w.params)[name]) for w in (ticket, control))
        mask = np.asarray(mask)
        assert not two[~mask].any()
        assert (one[mask] != two[mask]).all()
        assert np.std(two[mask]) == pytest.approx(np.std(one[mask]), rel=0.5)


def test_shuffle_trains_the_first_weights_at_as_many_other_places():
    seen = walk(Lottery(0.6, 2, control="shuffle"))
    ticket, control = walk(Lottery(0.6, 2))["round_2"][0], seen["round_2"][0]
    start = flatten(seen["round_0"][0].params)
    for name in NAMES:
        one, two = (np.asarray(mask_state(w.opt_state).masks[name]) for w in (ticket, control))
        assert one.sum() == two.sum()
        assert (one != two).any()
        np.testing.assert_array_equal(flatten(control.params)[name], np.where(two, start[name], 0))


@pytest.mark.parametrize("control", ["reinit", "shuffle"])
def test_a_control_is_another_for_another_seed_and_only_then(control):
    def digest(seed, run_seed):
        begun = walk(Lottery(0.6, 1, control=control, seed=seed), 2, run_seed)["round_1"][0]
        if control == "reinit":
            return np.unique(flatten(begun.params)["hidden_0/kernel"]).tolist()
        return np.asarray(mask_state(begun.opt_state).masks["hidden_0/kernel"]).tolist()

    assert digest(0, 0) == digest(0, 0)
    assert digest(0, 0) != digest(1, 0)
    assert digest(0, 0) != digest(0, 1)


@pytest.mark.parametrize("rewind", [0.0, 0.3])
def test_all_that_a_round_needs_is_in_the_checkpoint(rewind):
    """Names and arrays alone, as a checkpoint keeps them."""

    def save(work):
        kept = nest({name: np.asarray(leaf) for name, leaf in flatten(work.kept).items()})
        state = (work.params, work.rest, work.opt_state, kept)
        params, rest, opt_state, kept = jax.tree.map(lambda x: jnp.asarray(np.array(x)), state)
        return Work(SPEC, SIGNATURE, params, rest, opt_state, {}, {}, kept)

    variant = Lottery(0.7, rounds=2, rewind=rewind)
    one, two = (walk(variant, save=s)["round_2"][1] for s in (lambda work: work, save))
    same((one.params, one.opt_state), (two.params, two.opt_state))


def test_a_network_that_changed_its_sizes_is_refused():
    variant = Lottery(0.5, rounds=1)
    _, ended = walk(variant)["round_0"]
    plan = variant.phases((Phase("train", 26),))
    ended.params["head"]["bias"] = jnp.zeros(3)
    with pytest.raises(VariantError, match="another shape"):
        plan[1].enter(ended, None)


def test_an_enter_that_is_there_already_comes_first():
    def mark(work, probe):
        return Work(SPEC, SIGNATURE, {"head": {"bias": jnp.ones(3)}}, {}, (), {}, {})

    for rewind in (0.0, 0.5):
        plan = Lottery(0.5, 2, rewind=rewind).phases((Phase("train", 30, mark),))
        made = plan[0].enter(None, None)
        assert made.params["head"]["bias"].tolist() == [1, 1, 1]
        assert bool(made.kept) is (rewind == 0)


def test_no_sparsity_is_the_baseline():
    tx, plan, variant = optax.sgd(0.1), (Phase("train", 3),), Lottery(0.0)
    assert variant.extend(tx, TABLE, plan) is tx
    assert variant.phases(plan) is plan
    assert variant.claims(TABLE) == {}
    assert variant.horizon(3) == 3


@pytest.mark.parametrize(
    "settings, words",
    [
        (dict(sparsity=1.0), "sparsity 1.0"),
        (dict(rounds=0), "rounds 0"),
        (dict(scope="erk"), "scope 'erk'"),
        (dict(rewind=1.0), "rewind 1.0"),
        (dict(output_share=0.0), "output_share 0.0"),
        (dict(control="random"), "control 'random'"),
        (dict(control="reinit", rewind=0.1), "rewind 0.1"),
    ],
)
def test_settings_out_of_range_are_refused(settings, words):
    with pytest.raises(VariantError, match=words):
        Lottery(**settings)


def test_what_does_not_fit_the_run_is_refused():
    with pytest.raises(VariantError, match="3 steps among 4 trainings"):
        Lottery().phases((Phase("train", 3),))
    with pytest.raises(VariantError, match="this one has dense, finetune"):
        Lottery().phases((Phase("dense", 30), Phase("finetune", 30)))
    with pytest.raises(VariantError, match=r"out of reach in 1 rounds at output_share 0\.5"):
        Lottery(0.999, rounds=1).kept(LENET, 1)
    plan = (Phase("whole", 10), Phase("smaller", 10, resizes=True))
    with pytest.raises(VariantError, match=r"'smaller' cuts the network at step 10; cut it first"):
        Lottery().extend(optax.sgd(0.1), TABLE, plan)
    with pytest.raises(VariantError, match="matches no layer"):
        Lottery(weights="block_7*").extend(optax.sgd(0.1), TABLE, (Phase("train", 10),))
