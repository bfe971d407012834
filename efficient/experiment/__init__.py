"""Plans many runs, starts each as a process of its own, and skips what is finished.

An experiment is a Python file with an `experiment`. An arm's teacher or reference is another arm,
which is trained first as a run with its own record and bill.
"""

from efficient.experiment.definition import Arm as Arm
from efficient.experiment.definition import Experiment as Experiment
from efficient.experiment.definition import ExperimentError as ExperimentError
from efficient.experiment.definition import load as load
from efficient.experiment.fairness import with_budgets as with_budgets
from efficient.experiment.fairness import with_equal as with_equal
from efficient.experiment.fairness import with_trials as with_trials
from efficient.experiment.planning import Planned as Planned
from efficient.experiment.planning import plan as plan
from efficient.experiment.process import Terms as Terms
from efficient.experiment.process import run as run
from efficient.experiment.space import Choice as Choice
from efficient.experiment.space import LogUniform as LogUniform
from efficient.experiment.space import SpaceError as SpaceError
from efficient.experiment.space import Uniform as Uniform
