"""Which trial gets the next execution: all the same number, the survivors of a race, or the better half at each rung.

An allocation knows no Keras: it is asked for a trial and the number of an execution, and told the score.
"""

from actsearch.analysis.outcomes import Action, Decision
from actsearch.search.allocation.base import Allocation
from actsearch.search.allocation.by_name import make_allocation
from actsearch.search.allocation.fixed import Fixed
from actsearch.search.allocation.halving import Halving
from actsearch.search.allocation.race import Race

__all__ = ["Action", "Allocation", "Decision", "Fixed", "Halving", "Race", "make_allocation"]
