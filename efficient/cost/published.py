"""Training runs whose cost was published: what an estimator, and its arithmetic, is checked on."""

from __future__ import annotations

from dataclasses import dataclass

from efficient.cost.table import rows

#: Readings of `energy_basis` in which the kilowatt-hours are hours times a power that nobody
#: measured on that job: they check arithmetic, not a model of power.
CIRCULAR = ("nominal", "computed")


@dataclass(frozen=True)
class TrainingRun:
    """One published run. None: not published.

    params          all parameters; active_params: those that one token meets (mixtures of experts)
    samples         seen in training, in `unit` (tokens or images)
    flops           as published, a multiply-add is 2; `flops_basis` says how they counted
    chip            name in the table of chips, where that has it
    chips, wall_h   how many, and hours from start to end; chip_hours as published or their product
    peak_flops_per_s  dense, 16 bits, one chip; mfu_published: by the source, a fraction
    power_w         per chip; power_basis: measured, borrowed, sampled, nominal
    energy_kwh      of the facility where `pue` is known; energy_basis: measured, sampled, nominal,
                    computed (not printed by the source), retrospective (estimated from outside)
    carbon_tco2e    tonnes; carbon_basis: location, market, implied
    cost_usd        as quoted; cost_basis: hours and rate behind it, which may not be this row's
    year            of the publication; status: verified (read) or secondary (cited elsewhere)
    """

    id: str
    model: str
    year: int
    params: float | None
    active_params: float | None
    samples: float | None
    unit: str
    flops: float | None
    flops_basis: str
    chip: str
    chips: int | None
    wall_h: float | None
    chip_hours: float | None
    chip_hours_basis: str
    peak_flops_per_s: float | None
    mfu_published: float | None
    power_w: float | None
    power_basis: str
    pue: float | None
    gco2e_per_kwh: float | None
    energy_kwh: float | None
    energy_basis: str
    carbon_tco2e: float | None
    carbon_basis: str
    cost_usd: float | None
    cost_basis: str
    source: str
    status: str
    note: str

    @property
    def flops_6nd(self) -> float | None:
        """6 x parameters that a token meets x tokens (Kaplan et al. 2020, arXiv:2001.08361)."""
        params = self.active_params or self.params
        if params is None or self.samples is None or self.unit != "tokens":
            return None
        return 6 * params * self.samples

    @property
    def mfu_6nd(self) -> float | None:
        """`flops_6nd` / what the chip-hours could have done at the dense 16-bit peak."""
        if self.flops_6nd is None or self.chip_hours is None or self.peak_flops_per_s is None:
            return None
        return self.flops_6nd / (self.chip_hours * 3600 * self.peak_flops_per_s)


def training_costs() -> tuple[TrainingRun, ...]:
    """All published runs of the table, in its order."""
    return rows("training_costs", TrainingRun)
