"""What trials are called in tables and pictures."""

from collections.abc import Sequence

from actsearch.records import SearchRecord, TrialRecord


def trial_label(search: SearchRecord, trial: TrialRecord) -> str:
    """The activation; where it has several settings, also the values that tell them apart."""
    same = [t.hyperparameters for t in search.trials if t.activation == trial.activation]
    names = [n for n in trial.hyperparameters if len({repr(values.get(n)) for values in same}) > 1]
    values = ", ".join(f"{n}={_value(trial.hyperparameters[n])}" for n in names)
    return f"{trial.activation} ({values})" if values else trial.activation


def number_range(numbers: Sequence[int]) -> str:
    """Numbers of executions in words.

    Example:

    >>> number_range([1, 2, 3]), number_range([1, 3, 4, 7])
    ('1-3', '1, 3-4, 7')
    """
    parts = list[list[int]]()
    for number in numbers:
        if parts and number == parts[-1][-1] + 1:
            parts[-1] = [parts[-1][0], number]
        else:
            parts.append([number])
    return ", ".join("-".join(map(str, part)) for part in parts)


def _value(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
