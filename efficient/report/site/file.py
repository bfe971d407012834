"""The files of a site as they are written: each is whole or not there."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Files:
    """`made`: names from the root of the site, with `/`, of all that was written."""

    folder: Path
    made: set[str] = field(default_factory=set)
    _folders: set[Path] = field(default_factory=set)

    def path(self, name: str) -> Path:
        """Where a file is to be written; its folder is made."""
        path = self.folder / name
        if path.parent not in self._folders:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._folders.add(path.parent)
        self.made.add(name)
        return path

    def write(self, name: str, content: str | bytes) -> None:
        """There are thousands: none is synced to the disk but the overview, which comes last."""
        path = self.path(name)
        temporary = path.with_name(f".{os.getpid()}.tmp")
        try:
            temporary.write_bytes(content.encode() if isinstance(content, str) else content)
            temporary.replace(path)
        except OSError:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise
