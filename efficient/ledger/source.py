"""What code it was: the package's own files, and the commit where they are a checkout."""

from __future__ import annotations

import functools
import hashlib
import subprocess
from pathlib import Path

from efficient import __version__
from efficient.ledger.record import Source


@functools.cache
def source() -> Source:
    """Digest of the package's own files, and the commit where they are a checkout."""
    root = Path(__file__).parents[1]
    sha = hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        sha.update(str(path.relative_to(root)).encode() + b"\0" + path.read_bytes() + b"\0")
    commit = _git(root, "rev-parse", "HEAD")
    changes = _git(root, "status", "--porcelain", "--", str(root)) if commit else None
    dirty = None if changes is None else bool(changes)
    return Source(__version__, sha.hexdigest(), commit, dirty)


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments],
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
