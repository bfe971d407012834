"""What is shipped? Folding, packing, and the file."""

from efficient.deploy.format import ArtefactError, read, write
from efficient.deploy.pack import Packed, pack, unpack

__all__ = ["ArtefactError", "Packed", "pack", "read", "unpack", "write"]
