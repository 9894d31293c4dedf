"""The seed of each execution."""

import numpy as np


def execution_seed(seed: int, execution: int) -> int:
    """The seed of an execution: from the search's seed and the execution's number, never from the trial.

    Trials are compared in pairs by it: the same draw of weights up to their scale, the same order of the data.

    Example:

    >>> execution_seed(0, 1) == execution_seed(0, 1) != execution_seed(0, 2)
    True
    """
    return int(np.random.SeedSequence([seed, execution]).generate_state(1)[0] >> 1)
