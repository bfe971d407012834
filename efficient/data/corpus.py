"""The standard library of the running Python as a corpus of source bytes.

Real text of a few megabytes that is on every machine: nothing is downloaded. Two Pythons have two
corpora, so the version and a digest over all files name the prepared copy and enter the
fingerprint.
"""

from __future__ import annotations

import functools
import hashlib
import os
import platform
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

from efficient.data.error import DataError

#: Folders that are not the library's own code, or are tables and prose rather than code.
EXCLUDED = frozenset(
    {
        "__pycache__",
        "dist-packages",
        "encodings",
        "idlelib",
        "pydoc_data",
        "site-packages",
        "test",
        "tests",
    }
)
#: Upper ends of train and validation on the line [0, 1) that a file's digest falls on.
BOUNDS = {"train": 0.90, "validation": 0.95, "test": 1.0}


@dataclass(frozen=True)
class File:
    """One source file: its path below the library, and the sha256 of its content."""

    path: str
    sha256: str

    @property
    def split(self) -> str:
        """The split, a function of the content alone: equal files never part."""
        position = int(self.sha256[:16], 16) / 16**16
        return next(name for name, bound in BOUNDS.items() if position < bound)


@dataclass(frozen=True)
class Corpus:
    """All files, sorted by path; `digest` covers every path and content."""

    root: Path
    files: tuple[File, ...]
    digest: str
    python: str

    @property
    def config(self) -> str:
        """The TFDS config that names this very corpus."""
        return f"{sys.implementation.name}-{self.python}-{self.digest[:12]}"

    @property
    def details(self) -> dict[str, str]:
        """What the fingerprint has to know about the origin."""
        return {
            "python": f"{sys.implementation.name} {self.python}",
            "corpus_sha256": self.digest,
            "files": str(len(self.files)),
        }


@functools.cache
def standard_library() -> Corpus:
    """The corpus of the running Python; empty files and generated build data are left out.

    Raises:
      DataError: the library has no source files (a zipped or frozen Python).
    """
    root = Path(sysconfig.get_path("stdlib"))
    files = tuple(_files(root))
    if not files:
        raise DataError(f"pystdlib: no .py files below {root}: use a Python installed with them")
    lines = "".join(f"{file.sha256} {file.path}\n" for file in files)
    digest = hashlib.sha256(lines.encode()).hexdigest()
    return Corpus(root, files, digest, platform.python_version())


def _files(root: Path) -> list[File]:
    found = []
    for folder, folders, names in os.walk(root):
        folders[:] = set(folders) - EXCLUDED
        for name in names:
            if not name.endswith(".py") or name.startswith("_sysconfigdata"):
                continue
            file = Path(folder, name)
            if content := file.read_bytes():
                digest = hashlib.sha256(content).hexdigest()
                found.append(File(file.relative_to(root).as_posix(), digest))
    return sorted(found, key=lambda file: file.path)
