"""One site of invented records for all tests of this folder, and one of records by a stranger."""

from __future__ import annotations

import dataclasses

import pytest
from fabrication import record, records

from efficient.compare.comparison import compare
from efficient.compare.summary import rows
from efficient.report.site.build import Site, build

COMPLAINT = "a/record.json: damaged <b>badly</b>"
#: Ends tags and scripts, leaves folders, turns the direction of writing, has no UTF-8.
HOSTILE = (
    "</script><script>window.harmed=1</script><img src=x onerror=window.harmed=1>"
    "\"'`${window.harmed=1}&amp; ../../up \u202egnp.exe\u2028\ud800 \x00"
)


@pytest.fixture(scope="session")
def site(tmp_path_factory):
    """The folder of a site of everything that `fabrication` invents."""
    folder = tmp_path_factory.mktemp("site")
    found = records()
    latencies = {("digits", "baseline"): 0.0021, ("digits", found[1].run_id): 0.0017}
    made = Site(found, compare(rows(found), found), "Four <arms>", (COMPLAINT,), latencies)
    build(made, folder)
    return folder


@pytest.fixture(scope="session")
def hostile_site(tmp_path_factory):
    """The folder of a site whose every text is hostile."""
    folder = tmp_path_factory.mktemp("hostile") / "site"
    found = [hostile("1", "baseline"), hostile("2", HOSTILE), hostile("3", HOSTILE, status=HOSTILE)]
    build(Site(found, compare(rows(found), found), HOSTILE, (HOSTILE,)), folder)
    return folder


def hostile(number: str, arm: str, status: str = "finished"):
    """A record by a stranger; every free text of it is hostile."""
    made = record(arm="pruned")
    return dataclasses.replace(
        made,
        run_id=f"{HOSTILE}{number}",
        arm=arm,
        preset=HOSTILE,
        workload=HOSTILE,
        model=HOSTILE,
        variants=(HOSTILE,),
        status=status,
        config={HOSTILE: {"__proto__": {HOSTILE: [HOSTILE]}}, "arm": arm},
        notes=(HOSTILE, "x" * 100_000),
        evidence={HOSTILE: HOSTILE},
        versions={HOSTILE: HOSTILE},
        parents=tuple(dataclasses.replace(p, run_id=HOSTILE, role=HOSTILE) for p in _parent()),
        files={HOSTILE: made.files["model.safetensors"]},
        machine=dataclasses.replace(made.machine, cpu=HOSTILE, host=HOSTILE),
        data=dataclasses.replace(
            made.data, name=HOSTILE, version=HOSTILE, splits={HOSTILE: made.data.splits["test"]}
        ),
        cost=dataclasses.replace(
            made.cost, flops_executed=None, unknown={"flops_executed": HOSTILE}
        ),
    )


def _parent():
    return record(arm="distilled").parents
