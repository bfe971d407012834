"""What GPT-3 cost to train, three times over: one estimate and two that do not fit together.

Often quoted together: 190,000 kWh, 85,000 kg of CO2 and 4.6 million dollars. The dollars are
Lambda's of 2020, which take a V100 to compute 28 TFLOP/s. The energy is an estimate from outside
(of the authors of Carbontracker, as The Register reported it on 2020-11-04), whose inputs we have
not read; it is what V100s would need at their full peak. Patterson et al. 2021 (arXiv 2104.10350,
table 4) have OpenAI's measured power and speed: 1,287 MWh and 552 t.
"""

from __future__ import annotations

from dataclasses import dataclass

from efficient.cost.chip import chip
from efficient.cost.published import TrainingRun, training_costs
from efficient.cost.site import Site
from efficient.ledger.bill import Range
from efficient.predict.assumption import assume, peak_16
from efficient.predict.estimate import EstimateError, Forecast, exactly, forecast
from efficient.predict.language import training_flops

#: Of one V100, FLOP/s: measured by OpenAI (Patterson et al. 2021), and taken by Lambda 2020.
MEASURED_FLOPS_PER_S, LAMBDA_FLOPS_PER_S = 24.6e12, 28e12
LAMBDA_USD = 1.50


@dataclass(frozen=True)
class Telling:
    """One account of the training of GPT-3.

    quoted: what is told, by field of the forecast; forecast: what its assumptions give.
    """

    name: str
    reading: str
    quoted: dict[str, float]
    forecast: Forecast

    @property
    def errors(self) -> dict[str, float]:
        """computed / quoted - 1 by field."""
        return {name: self.value(name) / told - 1 for name, told in self.quoted.items()}

    def value(self, field: str) -> float:
        """Of the forecast, where it has one value and no range."""
        found: Range = getattr(self.forecast, field)
        return found.central


def tellings() -> tuple[Telling, Telling, Telling]:
    """Measured power, Lambda's price, and the quoted energy."""
    runs = {run.id: run for run in training_costs()}
    measured, quoted = runs["gpt3-175b-patterson"], runs["gpt3-175b-carbontracker"]
    return _measured(measured), _priced(measured, quoted), _quoted(quoted)


def verdict(told: tuple[Telling, Telling, Telling]) -> str:
    """Why the quoted three numbers cannot be of one training run, in words with numbers."""
    measured, priced, quoted = told
    hours, full = priced.value("chip_hours"), quoted.value("chip_hours")
    energy = quoted.quoted["energy_kwh"]
    rated = _known(chip("V100-SXM2").tdp_w)
    return (
        f"The often quoted trio ({energy:,.0f} kWh, {quoted.quoted['carbon_kgco2e']:,.0f} kg, "
        f"${priced.quoted['cost_usd'] / 1e6:.1f}M) mixes assumptions that do not fit together: "
        f"its dollars pay for {hours / 1e6:.2f} million V100-hours, its energy is used up after "
        f"{full / 1e6:.2f} million at the full peak. {energy:,.0f} kWh over the hours that were "
        f"paid for are {1000 * energy / hours:.0f} W a V100, which is rated {rated:g} W; even at "
        f"the full peak {rated:g} W make {full * rated / 1000:,.0f} kWh. With measured power it is "
        f"{measured.value('energy_kwh'):,.0f} kWh and "
        f"{measured.value('carbon_kgco2e') / 1000:,.0f} t: "
        f"{measured.value('energy_kwh') / energy:.1f} and "
        f"{measured.value('carbon_kgco2e') / quoted.quoted['carbon_kgco2e']:.1f} times as much."
    )


def _measured(run: TrainingRun) -> Telling:
    site = Site(
        power_w=run.power_w,
        pue=run.pue,
        gco2e_per_kwh=run.gco2e_per_kwh,
        usd_per_chip_hour=LAMBDA_USD,
    )
    reading = "speed and power of a V100 as OpenAI measured them"
    found = _forecast(run, MEASURED_FLOPS_PER_S, site)
    return Telling("measured power", reading, _energy(run), found)


def _priced(run: TrainingRun, quoted: TrainingRun) -> Telling:
    site = _site(quoted, chip(run.chip).tdp_w)
    told = {"cost_usd": _known(run.cost_usd)}
    reading = "28 TFLOP/s a V100 at $1.50 an hour (Lambda 2020); energy at the rated power"
    return Telling("Lambda's price", reading, told, _forecast(run, LAMBDA_FLOPS_PER_S, site))


def _quoted(run: TrainingRun) -> Telling:
    """The power is solved for: what the quoted energy leaves a V100 at its full peak."""
    peak = _known(run.peak_flops_per_s)
    hours = training_flops(_known(run.params), _known(run.samples)) / peak / 3600
    power = round(1000 * _known(run.energy_kwh) / hours)
    reading = f"full peak of a V100 and the {power} W that the quoted energy leaves it there"
    found = _forecast(run, peak, _site(run, power))
    return Telling("quoted energy", reading, _energy(run), found)


def _energy(run: TrainingRun) -> dict[str, float]:
    """What is told of a run's energy, in the units of a forecast."""
    return {
        "energy_kwh": _known(run.energy_kwh),
        "carbon_kgco2e": 1000 * _known(run.carbon_tco2e),
    }


def _site(run: TrainingRun, power_w: float | None) -> Site:
    """No overhead of a building; carbon as the quoted figures imply; Lambda's price."""
    grid, price = run.gco2e_per_kwh, LAMBDA_USD
    return Site(power_w=power_w, pue=1.0, gco2e_per_kwh=grid, usd_per_chip_hour=price)


def _forecast(run: TrainingRun, flops_per_s: float, site: Site) -> Forecast:
    part, peak = chip(run.chip), _known(run.peak_flops_per_s)
    flops = training_flops(_known(run.params), _known(run.samples))
    given = exactly(flops, "FLOP", f"6 N D of {run.model}")
    share = flops_per_s / peak
    return forecast(assume(given, site, part, peak_16(part), mfu=share, goodput=1.0))


def _known(value: float | None) -> float:
    """A cell of the table that these three accounts are made of."""
    if value is None:
        raise EstimateError("the table of published runs lacks a number of GPT-3; restore it")
    return value
