"""The cost columns of a comparison: a literal table of name, title, unit and meaning.

Less is better in all of them but utilisation. `plotted` columns are drawn against quality.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Column:
    """`key` is the field of `ledger.record.Cost`, or one of `OF_PARENTS`.

    `unit` is `flop`, `s`, `byte`, `count`, `bitop`, `j`, `g` (of CO2e), `usd` or `fraction`.
    """

    key: str
    title: str
    unit: str
    meaning: str
    plotted: bool = False


COLUMNS = (
    Column(
        "flops_executed",
        "executed training FLOPs",
        "flop",
        "Multiply-adds counted as 2 over the programs that ran, on the branch of this machine, "
        "without padding, repeated work and a teacher's forward inside the steps included.",
        plotted=True,
    ),
    Column(
        "flops_effective",
        "effective training FLOPs",
        "flop",
        "The model's training FLOPs with each weight's contractions scaled by its density at that "
        "step. What a machine that skips every zero would execute; no machine here does.",
        plotted=True,
    ),
    Column(
        "flops_model",
        "model training FLOPs",
        "flop",
        "The dense training FLOPs by the forward rule, padding counted: the same integer on every "
        "machine.",
    ),
    Column(
        "flops_teacher",
        "teacher forward in the steps",
        "flop",
        "The teachers' forward passes inside the training steps; a part of the executed FLOPs.",
    ),
    Column(
        "flops_parents",
        "training of the parents",
        "flop",
        "Executed FLOPs of the runs this one needed (teacher, start), and of theirs, charged in "
        "full to every run; in no other column.",
    ),
    Column(
        "train_s_parents",
        "training seconds of the parents",
        "s",
        "Seconds the parents spent in training steps; in no other column.",
    ),
    Column(
        "total_s_parents",
        "total seconds of the parents",
        "s",
        "Wall time of the parents' processes; in no other column.",
    ),
    Column(
        "energy_j_parents",
        "energy of the parents",
        "j",
        "What the parents' runs used; in no other column.",
    ),
    Column(
        "flops_scoring",
        "scoring FLOPs",
        "flop",
        "Probes of a variant between the phases of a run.",
    ),
    Column(
        "flops_eval",
        "evaluation FLOPs",
        "flop",
        "Evaluation on the validation and test splits.",
    ),
    Column(
        "train_s",
        "train seconds",
        "s",
        "Wall time of the training steps alone; compilation, evaluation and checkpoints have laps "
        "of their own.",
        plotted=True,
    ),
    Column(
        "total_s",
        "total seconds",
        "s",
        "Wall time from the start of the process to the written record, over all processes of the "
        "run.",
        plotted=True,
    ),
    Column(
        "stored_bytes",
        "stored bytes",
        "byte",
        "Size of the file that is shipped.",
        plotted=True,
    ),
    Column(
        "stored_weight_bytes",
        "stored weight bytes",
        "byte",
        "The part of that file that holds weights.",
    ),
    Column(
        "flops_inference",
        "inference FLOPs",
        "flop",
        "Forward of one example through the shipped model, padding counted. Zeros and narrow "
        "integers do not lower it.",
        plotted=True,
    ),
    Column(
        "bit_operations",
        "bit operations of inference",
        "bitop",
        "The products of that forward, each weighted by the bits of its two operands.",
    ),
    Column("params_total", "parameters", "count", "Trained parameters."),
    Column("params_nonzero", "nonzero parameters", "count", "Those that are not exactly 0."),
    Column(
        "memory_peak_bytes",
        "peak memory",
        "byte",
        "The most memory in use during the run, by the source the record names.",
    ),
    Column("memory_weights_bytes", "memory of the weights", "byte", "Trained arrays of the state."),
    Column(
        "memory_optimizer_bytes",
        "memory of the optimizer",
        "byte",
        "Moments, masks and whatever else the optimizer's state holds.",
    ),
    Column(
        "memory_activation_bytes",
        "memory of the activations",
        "byte",
        "Temporaries of the compiled training program, as the compiler plans them.",
    ),
    Column(
        "memory_static_bytes",
        "planned memory",
        "byte",
        "Arguments, outputs and temporaries of the compiled training program, without what it "
        "reuses.",
    ),
    Column(
        "energy_j",
        "energy",
        "j",
        "Of the computer alone, over the parts that could be read or modelled. Grade A: metered "
        "at the plug, B: hardware counter, C: sampled power, D: modelled from a published power.",
        plotted=True,
    ),
    Column(
        "carbon_gco2e",
        "carbon",
        "g",
        "Operational CO2e: energy, times the building's overhead, times the grid's intensity. "
        "Making the hardware is not counted.",
    ),
    Column("cost_usd", "money", "usd", "Total seconds at the price a provider bills for them."),
    Column(
        "mfu",
        "model FLOPs utilisation",
        "fraction",
        "Model training FLOPs over what the devices could do in the train seconds.",
    ),
    Column(
        "hfu",
        "hardware FLOPs utilisation",
        "fraction",
        "Executed training FLOPs over what the devices could do in the train seconds.",
    ),
)

#: A cost of training -> the column of what the parents spent of it.
OF_PARENTS = {
    "flops_executed": "flops_parents",
    "train_s": "train_s_parents",
    "total_s": "total_s_parents",
    "energy_j": "energy_j_parents",
}

BY_KEY = {column.key: column for column in COLUMNS}
PLOTTED = tuple(column for column in COLUMNS if column.plotted)
