"""What if it were not deep? Models without a network, as runs on the same workloads.

`control.py` says what a run of one is, `run.py` makes its record, and each family has a file.
"""

from efficient.controls.control import CONTROLS as CONTROLS
from efficient.controls.control import Control as Control
from efficient.controls.control import digest as digest
from efficient.controls.control import from_json as from_json
from efficient.controls.control import to_json as to_json
from efficient.controls.fitted import ControlError as ControlError
