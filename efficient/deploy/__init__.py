"""What is shipped? Packing, the files, and the function that runs without this package."""

from efficient.deploy.artefact import Artefact, load, locate
from efficient.deploy.error import ArtefactError
from efficient.deploy.format import read, write
from efficient.deploy.pack import Packed, install, pack, unpack

__all__ = [
    "Artefact",
    "ArtefactError",
    "Packed",
    "install",
    "load",
    "locate",
    "pack",
    "read",
    "unpack",
    "write",
]
