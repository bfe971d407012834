"""What the files of a site are called: names from strangers become names of files, and no more."""

from __future__ import annotations

import hashlib
import re

_PLAIN = re.compile(r"[a-z0-9][a-z0-9_-]*(\.[a-z0-9_-]+)*")
_LONGEST = 120


def stem(name: str) -> str:
    """The name of the file of a run or a comparison, without its ending.

    A plain name stands as it is. Any other keeps what is plain of it and gets a digest of all after
    a `~`, which no plain name has: no two names share a file, also where a disk does not tell
    capitals from small letters, and none leaves its folder.
    """
    if len(name) <= _LONGEST and _PLAIN.fullmatch(name):
        return name
    kept = re.sub(r"[^a-z0-9_-]+", "-", name[:_LONGEST].lower()).strip("-")[:60].rstrip("-")
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:32]
    return f"{kept or 'name'}~{digest}"


def run_page(run_id: str) -> str:
    """From the root of the site."""
    return f"runs/{stem(run_id)}.html"


def comparison_page(workload: str) -> str:
    """From the root of the site."""
    return f"comparisons/{stem(workload)}.html"


def anchor(label: str) -> str:
    """Of an arm on the page of its comparison."""
    return f"arm-{stem(label)}"
