"""Invented but plausible records: two workloads, four arms and their teachers, three seeds.

Of digits no energy is known; the language model's processor and memory have counters, its region
and its price are given.
"""

from __future__ import annotations

import dataclasses
import random

from billing import estimate, metered, unmetered

from efficient.compare.column import OF_PARENTS
from efficient.compare.spread import spread
from efficient.compare.summary import Row, rows
from efficient.ledger.bill import Cost, Process
from efficient.ledger.record import (
    FINISHED,
    LAPS,
    SCHEMA,
    DataFacts,
    File,
    Machine,
    Parent,
    Point,
    Record,
    Score,
    Source,
    SplitFacts,
)

MACHINE = Machine(
    platform="cpu",
    device_kind="cpu",
    devices=1,
    cpu="AMD EPYC 9R14",
    cpu_features=("avx512f", "amx_bf16"),
    cores=2,
    memory_bytes=16_000_000_000,
    host="nine",
)
DIGITS = DataFacts(
    name="digits",
    version="1.0.0",
    fingerprint="d1" * 32,
    splits={"train": SplitFacts(1257, "aa" * 32), "test": SplitFacts(360, "bb" * 32)},
    overlap=0,
    unit="image",
)
SHAKESPEARE = DataFacts(
    name="shakespeare",
    version="1.0.0",
    fingerprint="5a" * 32,
    splits={"train": SplitFacts(1_003_854, "cc" * 32), "test": SplitFacts(55_770, "dd" * 32)},
    overlap=0,
    unit="token",
    details={"unit": "byte"},
)

# arm: quality, executed, effective, teacher's forward, seconds, bytes, nonzero fraction
_IMAGE = {
    "teacher": (0.9831, 9.6e12, 9.6e12, 0, 41.0, 9_583_000, 1.0),
    "baseline": (0.9742, 9.6e11, 9.6e11, 0, 8.2, 1_067_400, 1.0),
    "pruned": (0.9724, 9.6e11, 3.61e11, 0, 8.6, 214_900, 0.1),
    "quantized": (0.9739, 9.6e11, 9.6e11, 0, 9.9, 273_500, 1.0),
    "distilled": (0.9790, 4.16e12, 4.16e12, 3.2e12, 19.3, 1_067_400, 1.0),
}
_TEXT = {
    "teacher": (2.02, 8.1e13, 8.1e13, 0, 610.0, 21_400_000, 1.0),
    "baseline": (2.231, 1.27e13, 1.27e13, 0, 148.0, 3_260_000, 1.0),
    "pruned": (2.262, 1.27e13, 6.9e12, 0, 151.0, 1_120_000, 0.25),
    "quantized": (2.238, 1.27e13, 1.27e13, 0, 171.0, 910_000, 1.0),
    "distilled": (2.196, 3.97e13, 3.97e13, 2.7e13, 352.0, 3_260_000, 1.0),
}
_WORKLOADS = {"digits": (DIGITS, _IMAGE, "lenet300"), "shakespeare": (SHAKESPEARE, _TEXT, "gpt4")}
_PARAMS = {"lenet300": 266_610, "gpt4": 812_032}


def records(seeds: tuple[int, ...] = (0, 1, 2)) -> list[Record]:
    """Twenty-six finished runs and one that was interrupted."""
    made = []
    for workload, (_, arms, _) in _WORKLOADS.items():
        for arm in arms:
            chosen = seeds[:1] if arm == "teacher" else seeds
            made += [record(workload, arm, seed) for seed in chosen]
    stopped = record("shakespeare", "baseline", 3)
    return [*made, dataclasses.replace(stopped, status="interrupted", scores={}, steps=410)]


def record(workload: str = "digits", arm: str = "baseline", seed: int = 0) -> Record:
    """One finished run; the same arguments give the same record."""
    data, arms, network = _WORKLOADS[workload]
    quality, executed, effective, teacher, seconds, stored, density = arms[arm]
    noise = random.Random(f"{workload}{arm}{seed}")
    model = f"{network}-wide" if arm == "teacher" else network
    variants = () if arm in ("teacher", "baseline") else (_variant(arm),)
    run_id = f"{workload}-{arm}-s{seed}-{_hex(workload, arm, seed)}-0001"
    parents = _parents(workload, arm)
    return Record(
        schema=SCHEMA,
        run_id=run_id,
        request=_hex(workload, arm, seed) * 8,
        status=FINISHED,
        preset=f"{workload}_{network}",
        arm=arm,
        workload=workload,
        model=model,
        variants=variants,
        seed=seed,
        config=_config(workload, arm, seed, model, parents),
        started_utc=f"2025-03-0{seed + 1}T10:00:00Z",
        finished_utc=f"2025-03-0{seed + 1}T10:09:00Z",
        steps=1200,
        steps_planned=1200,
        params_digest="77" * 32,
        input_shape=(8, 8, 1) if data.unit == "image" else (64,),
        classes=10 if data.unit == "image" else 256,
        data=data,
        machine=MACHINE,
        versions={"python": "3.12.8", "jax": "0.10.2", "flax": "0.12.8"},
        source=Source("0.1.0", "5e" * 32, "ab" * 20, False),
        select="final",
        scores=_scores(data, quality, noise, arm),
        points=(_point(seconds),),
        cost=_cost(workload, model, executed, effective, teacher, seconds, stored, density, noise),
        evidence=_evidence(arm, noise),
        parents=parents,
        files={"model.safetensors": File("ef" * 32, stored)},
    )


def arm(label: str, values: dict[int, float], **costs: float | tuple[float, ...]) -> Row:
    """A row with these accuracies by seed, and these costs: by seed, or the same for every seed.

    It has no parents, so theirs cost nothing.
    """
    (template,) = rows([record()])
    costs = dict.fromkeys(OF_PARENTS.values(), 0.0) | costs
    by_seed = {
        key: cost if isinstance(cost, tuple) else (cost,) * len(values)
        for key, cost in costs.items()
    }
    return dataclasses.replace(
        template,
        arm=label,
        label=label,
        seeds=tuple(values),
        quality=spread(values.values()),
        costs={key: spread(cost) for key, cost in by_seed.items()},
        unknown={},
    )


def _point(seconds: float) -> Point:
    half = seconds / 2
    return Point(600, "train", 0.31, Score(0.2, 0.95, 180), half, seconds, 10**11, 600, half)


def _variant(arm: str) -> str:
    return {"pruned": "prune", "quantized": "quantize", "distilled": "distill"}[arm]


def _hex(*parts: object) -> str:
    return f"{random.Random(repr(parts)).getrandbits(32):08x}"


def _parents(workload: str, arm: str) -> tuple[Parent, ...]:
    if arm not in ("baseline", "distilled"):
        return ()
    role = "teacher" if arm == "distilled" else "reference"
    digest = _hex(workload, "teacher", 0)
    return (Parent(role, f"{workload}-teacher-s0-{digest}-0001", digest * 8),)


def _config(workload, arm, seed, model, parents) -> dict:
    options = {
        "pruned": {"sparsity": 0.9, "schedule": "cubic"},
        "quantized": {"bits": 8},
        "distilled": {"temperature": 4.0, "weight": 0.9, "teacher": [p.run_id for p in parents]},
    }
    variants = [{"name": _variant(arm), **options[arm]}] if arm in options else []
    train = {"steps": 1200, "batch": 128, "lr": 0.001}
    return {
        "seed": seed,
        "workload": workload,
        "model": {"name": model, "widths": [300, 100]},
        "train": train,
        "variants": variants,
    }


def _scores(data: DataFacts, quality: float, noise: random.Random, arm: str) -> dict[str, Score]:
    units = data.splits["test"].examples
    if data.unit == "image":
        got = quality + noise.gauss(0, 0.0016)
        test = Score(0.11, got, units)
        shipped = Score(0.11, got - (0.0004 if arm == "quantized" else 0), units)
    else:
        got = (quality + noise.gauss(0, 0.006)) * 0.6931471805599453
        test = Score(got, 0.57, units)
        shipped = Score(got + (0.002 if arm == "quantized" else 0), 0.57, units)
    return {"validation": test, "test": test, "artefact": shipped}


def _cost(workload, model, executed, effective, teacher, seconds, stored, density, noise) -> Cost:
    total = _PARAMS.get(model, 2_395_210)
    train_s = seconds * (1 + noise.gauss(0, 0.02))
    laps = dict.fromkeys(LAPS, 0.21) | {"train": train_s, "compile": 2.4, "start": 1.3}
    total_s = sum(laps.values())
    return Cost(
        flops_model=int(executed - teacher),
        flops_executed=int(executed),
        flops_effective=int(effective),
        flops_teacher=int(teacher),
        flops_scoring=0,
        flops_eval=int(executed / 40),
        flops_inference=2 * total,
        train_s=train_s,
        total_s=total_s,
        laps=laps,
        params_total=total,
        params_nonzero=int(total * density),
        stored_bytes=stored,
        stored_weight_bytes=int(stored * 0.98),
        memory_peak_bytes=None,
        memory_source="unknown",
        examples_seen=153_600,
        examples_unique=1257,
        labels_used=1257,
        processes=(
            Process(
                number=1,
                outcome=FINISHED,
                steps=1200,
                total_s=total_s,
                laps=laps,
                flops_executed=int(executed),
                flops_eval=int(executed / 40),
                flops_scoring=0,
            ),
        ),
        flops_by_dtype={"f32": int(executed)},
        flops_by_phase={
            "forward": int(executed / 3),
            "backward": int(executed) - int(executed / 3),
        },
        bit_operations=2 * total * 32 * 32,
        xla_flops_ratio=1.004,
        memory_weights_bytes=4 * total,
        memory_optimizer_bytes=8 * total,
        memory_activation_bytes=3_100_000,
        memory_static_bytes=12 * total + 3_100_000,
        dispatch_floor_s=0.00021,
        estimate=estimate(executed, train_s),
        **(metered if workload == "shakespeare" else unmetered)(
            executed, teacher, train_s, total_s
        ),
    )


def _evidence(arm: str, noise: random.Random) -> dict[str, float | int | str]:
    return {
        "teacher": {},
        "baseline": {"reference_divergence": 0.112 + noise.uniform(-0.01, 0.01)},
        "pruned": {
            "weights_prunable": 266_200,
            "weights_kept": 26_661,
            "weights_asked": 26_661,
            "weights_removed_nonzero": 0,
        },
        "quantized": {"integer_arrays": 3, "weight_bytes_ratio": 0.256},
        "distilled": {"reference_divergence": 0.031 + noise.uniform(-0.004, 0.004)},
    }[arm]
