"""The account: sums of what is known, products of stated factors, and a reason for the rest."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from efficient.cost.account import Account, account, merge
from efficient.cost.carbon import NO_REGION, CarbonError
from efficient.cost.chip import chip
from efficient.cost.site import Site
from efficient.ledger.bill import GRADES, Cost, EnergyPart

H100 = chip("H100-SXM")
FRANCE = Site(region="FRA")
WHY = "no counter here"


def part(name="accelerator", joules=100.0, source="nvml_counter", grade="B", window_s=10.0, **more):
    return EnergyPart(name, joules, source, grade, window_s, **more)


def unread(name="cpu", reason=WHY):
    return EnergyPart(name, None, "none", "", 10.0, reason=reason)


SOURCES = {"nvml_counter": "B", "nvml_power": "C", "rapl": "B", "published_power": "D"}


@st.composite
def known_parts(draw):
    name = draw(st.sampled_from(["accelerator", "cpu", "dram"]))
    source = draw(st.sampled_from(sorted(SOURCES)))
    joules, window_s = draw(st.floats(0, 1e12)), draw(st.floats(0.1, 1e6))
    return EnergyPart(name, joules, source, SOURCES[source], window_s)


PARTS = st.lists(known_parts(), min_size=1, max_size=5)


def test_the_account_fills_fields_of_the_bill():
    names = {field.name for field in dataclasses.fields(Account)}
    assert names <= {field.name for field in dataclasses.fields(Cost)}


def test_everything_known():
    parts = (part(joules=3.0e6), part("cpu", 0.6e6, "rapl"))
    bill = account(parts, 7200.0, Site("FRA", pue=1.5, usd_per_chip_hour=2.0), H100, 4)
    assert bill.energy == parts
    assert (bill.energy_j, bill.energy_grade) == (3.6e6, "B")
    assert (bill.pue, bill.pue_source) == (1.5, "given by the user")
    assert bill.energy_facility_kwh == pytest.approx(1.5)
    assert bill.grid is not None and bill.carbon_gco2e == pytest.approx(1.5 * 56.039)
    assert bill.price is not None and bill.cost_usd == pytest.approx(2 * 4 * 2.0)
    assert bill.unknown == {}


def test_pue_is_one_unless_said():
    bill = account([part(joules=3.6e6)], 1.0, Site(), None, 1)
    assert bill.pue == 1.0 and bill.energy_facility_kwh == 1.0
    assert bill.pue_source == "default: the energy of the computer alone"


def test_what_is_unknown_has_its_reason():
    bill = account([unread("accelerator"), unread("cpu", "another reason")], 10.0, Site(), None, 1)
    assert bill.energy_j is bill.energy_facility_kwh is bill.carbon_gco2e is None
    assert bill.price is bill.cost_usd is bill.grid is None
    assert bill.energy_grade == ""
    both = f"accelerator: {WHY}; cpu: another reason"
    assert bill.unknown["energy_j"] == bill.unknown["energy_facility_kwh"] == both
    assert bill.unknown["carbon_gco2e"] == f"{both}; {NO_REGION}"
    assert bill.unknown["grid"] == NO_REGION
    assert "--usd-per-chip-hour" in bill.unknown["cost_usd"] == bill.unknown["price"]


def test_every_none_has_a_reason_and_no_number_has_one():
    for parts in ([], [part()], [unread()], [part(), unread()]):
        for site in (Site(), FRANCE, Site(usd_per_chip_hour=1.0)):
            for known in (None, H100):
                bill = account(parts, 5.0, site, known, 1)
                values = dataclasses.asdict(bill)
                for name in set(values) - {"energy", "unknown"}:
                    assert (values[name] is None) == (name in bill.unknown), name
                    assert bill.unknown.get(name, "words")


def test_a_partial_sum_says_what_it_leaves_out():
    bill = account([part(joules=5.0), unread("cpu")], 10.0, FRANCE, H100, 1)
    assert bill.energy_j == 5.0
    assert bill.unknown["energy"] == f"cpu: {WHY}" and "energy_j" not in bill.unknown


def test_the_machine_holds_its_parts():
    parts = [part(joules=100.0), part("machine", 300.0, "user", "D"), unread("cpu")]
    bill = account(parts, 10.0, FRANCE, H100, 1)
    assert (bill.energy_j, bill.energy_grade) == (300.0, "D")
    assert "energy" not in bill.unknown


def test_the_site_says_how_many_chips_are_paid():
    bill = account([part()], 3600.0, Site(usd_per_chip_hour=1.0, chips=8), H100, 1)
    assert bill.cost_usd == pytest.approx(8.0)


def test_a_region_that_is_not_known_is_an_error():
    with pytest.raises(CarbonError, match="Atlantis"):
        account([part()], 10.0, Site(region="Atlantis"), H100, 1)


@given(PARTS)
def test_the_grade_is_the_worst(parts):
    bill = account(parts, 10.0, Site(), None, 1)
    order = list(GRADES)
    assert order.index(bill.energy_grade) == max(order.index(part.grade) for part in parts)


@given(PARTS, st.floats(0, 1e4), st.floats(1, 4), st.floats(0.1, 1e7))
def test_the_account_is_linear_in_its_joules_and_seconds(parts, factor, pue, total_s):
    site = Site("FRA", pue=pue, usd_per_chip_hour=3.0)
    scaled = [dataclasses.replace(p, joules=(p.joules or 0.0) * factor) for p in parts]
    one, many = account(parts, total_s, site, H100, 2), account(scaled, total_s * 2, site, H100, 2)
    for name in ("energy_j", "energy_facility_kwh", "carbon_gco2e"):
        assert getattr(many, name) == pytest.approx(factor * getattr(one, name))
    assert many.cost_usd == pytest.approx(2 * one.cost_usd)


@given(PARTS, st.floats(1, 4))
def test_pue_multiplies_the_building_and_not_the_computer(parts, pue):
    plain = account(parts, 1.0, FRANCE, None, 1)
    bill = account(parts, 1.0, dataclasses.replace(FRANCE, pue=pue), None, 1)
    assert bill.energy_j == plain.energy_j
    assert bill.energy_facility_kwh == pytest.approx(pue * plain.energy_facility_kwh)
    assert bill.carbon_gco2e == pytest.approx(pue * plain.carbon_gco2e)


# -- several processes -----------------------------------------------------------------------------


def test_joules_and_windows_are_added_by_part_and_source():
    first = (part(joules=10.0, idle_w=50.0), part("cpu", 1.0, "rapl"))
    second = (
        part(joules=20.0, window_s=30.0, idle_w=90.0),
        part("cpu", 2.0, "published_power", "D"),
    )
    assert merge([first, second]) == (
        part(joules=30.0, window_s=40.0, idle_w=80.0),
        part("cpu", 1.0, "rapl"),
        part("cpu", 2.0, "published_power", "D"),
    )


def test_one_unknown_poisons_its_part_alone():
    killed = (unread("accelerator", "killed before it was read"), part("cpu", 2.0, "rapl"))
    merged = merge([(part(joules=10.0), part("cpu", 1.0, "rapl")), killed])
    assert merged[0].joules is None and merged[0].window_s == 20.0 and merged[0].grade == ""
    assert merged[0].reason == "process 2 of 2: killed before it was read"
    assert merged[1].joules == 3.0


def test_a_process_that_says_nothing_is_unknown():
    merged = merge([(part(),), ()])
    assert merged[0].joules is None and "process 2 of 2" in merged[0].reason
    assert account(merged, 10.0, Site(), None, 1).energy_j is None


def test_idle_power_needs_every_process():
    merged = merge([(part(idle_w=50.0),), (part(),)])
    assert merged[0].joules == 200.0 and merged[0].idle_w is None


def test_no_process_has_no_parts():
    assert merge([]) == merge([(), ()]) == ()


@given(PARTS, PARTS)
def test_a_sum_over_processes_is_the_sum_of_the_processes(first, second):
    for name in {p.part for p in first} ^ {p.part for p in second}:
        zero = EnergyPart(name, 0.0, "rapl", "B", 1.0)
        first, second = [*first, zero], [*second, zero]
    merged = merge([first, second])
    assert len({(p.part, p.source) for p in merged}) == len(merged)
    total = sum(account(parts, 1.0, Site(), None, 1).energy_j or 0.0 for parts in (first, second))
    assert account(merged, 1.0, Site(), None, 1).energy_j == pytest.approx(total)
    assert {p.part for p in merged} == {p.part for p in (*first, *second)}
    assert sum(p.window_s for p in merged) == pytest.approx(
        sum(p.window_s for p in (*first, *second))
    )


@given(PARTS, known_parts())
def test_an_unknown_stays_unknown(parts, other):
    merged = merge([parts, [dataclasses.replace(other, joules=None, reason=WHY)]])
    for found in merged:
        assert found.joules is None and found.reason
    assert account(merged, 1.0, FRANCE, H100, 1).energy_j is None
