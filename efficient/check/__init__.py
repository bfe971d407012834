"""Does a technique keep the contracts of its seams?"""

from efficient.check.contract import BrokenError
from efficient.check.examination import Finding, check

__all__ = ["BrokenError", "Finding", "check"]
