"""Which trial gets the next execution: all the same number, the survivors of a race, or the better half at each rung.

An allocation knows no Keras: it is asked for a trial and the number of an execution, and told the score.
"""

from actsearch.analysis.results import Action, Decision
from actsearch.tuning.allocation.base import Allocation
from actsearch.tuning.allocation.strategies import Fixed, Halving, Race, make_allocation

__all__ = ["Action", "Allocation", "Decision", "Fixed", "Halving", "Race", "make_allocation"]
