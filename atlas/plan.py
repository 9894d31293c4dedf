"""The plan of the atlas: which activations are searched in which situations."""

import hashlib
import itertools
import json
import math
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from actsearch.errors import UnknownNameError, UsageError
from actsearch.spaces import SearchSpace
from atlas.data_sets import ALL, MAX_SAMPLES

PLAN = Path(__file__).with_name("plan.yaml")
TUNED, CENTRE = "tuned", "centre"
TRAINING_SHARE = 0.6  # of the samples, in a search that holds out a fifth for validation and a fifth for the test


@dataclass(frozen=True)
class Situation:
    """The factors that activations are compared in; the plan explains each.

    Args:
        axis: The axis of the plan that it belongs to; `centre` for the centre itself.
    """

    axis: str
    data: str
    network: str
    depth: int
    width: int
    normalisation: str
    initializer: str
    bias: float
    optimizer: str
    learning_rate: float | str
    batch_size: int
    samples: int | str

    @property
    def factors(self) -> dict[str, Any]:
        """All factors by name."""
        return {name: value for name, value in asdict(self).items() if name != "axis"}

    @property
    def is_tuned(self) -> bool:
        """Whether each activation gets a learning rate of its own."""
        return self.learning_rate == TUNED

    @property
    def num_samples(self) -> int | None:
        """Number of samples that are taken of the data set; None for all."""
        return None if self.samples == "all" else int(self.samples)

    def like(self, centre: "Situation") -> "Situation":
        """Returns the situation with the same cost that has as few factors of its own as possible."""
        kept = ["network", "depth", "normalisation", "batch_size"] + ["data"] * (self.network != centre.network)
        return replace(centre, **{name: self.factors[name] for name in kept})

    def differing(self, other: "Situation") -> dict[str, Any]:
        """Returns the factors in which it differs from another."""
        return {name: value for name, value in self.factors.items() if value != other.factors[name]}


@dataclass(frozen=True)
class Plan:
    """A plan as it is written in YAML; `load_plan` reads one.

    Args:
        content: What the file says, with all defaults.
    """

    content: Mapping[str, Any]

    @property
    def hash(self) -> str:
        """Twelve digits that change with anything that the plan says."""
        return hashlib.sha256(json.dumps(self.content, sort_keys=True).encode()).hexdigest()[:12]

    @property
    def executions(self) -> int:
        """Executions of an activation that are judged."""
        return int(self.content["executions"])

    @property
    def tuning_executions(self) -> int:
        """Executions of each learning rate that are not judged."""
        return int(self.content["tuning"]["executions"])

    def rates(self, situation: Situation) -> tuple[float, ...]:
        """Returns the learning rates that are tried, or the one that is given."""
        if not situation.is_tuned:
            return (float(situation.learning_rate),)
        return tuple(map(float, self.content["tuning"]["rates"][situation.optimizer]))

    @cached_property
    def centre(self) -> Situation:
        """The situation around which the others vary."""
        return Situation(CENTRE, **self.content["centre"])

    @cached_property
    def situations(self) -> dict[str, Situation]:
        """All situations by name, the centre first."""
        found = {CENTRE: self.centre}
        for axis, grids in self.content["axes"].items():
            for factors in itertools.chain.from_iterable(map(_crossed, grids)):
                situation = replace(self.centre, axis=axis, **factors)
                differing = situation.differing(self.centre)
                if differing:
                    name = named(differing)
                    if name in found:
                        raise UsageError(f"The plan has the situation {name} in {found[name].axis} and in {axis}.")
                    found[name] = situation
        return found

    def space(self, situation: Situation, *, tuning: bool) -> SearchSpace:
        """Returns the search space of a situation, with the learning rates if they are to be tuned."""
        return SearchSpace(
            name="atlas",
            activations=self.content["activations"],
            matching=situation.initializer == "matched",
            hyperparameters={"learning_rate": list(self.rates(situation))} if tuning else {},
        )

    def epochs(self, num_samples: int) -> int:
        """Returns the epochs that take about the planned number of steps of 32 samples: at least 5, at most 200."""
        steps = max(num_samples * TRAINING_SHARE / 32, 1)
        return min(max(math.ceil(self.content["steps"] / steps), 5), 200)

    def num_executions(self, situation: Situation) -> int:
        """Returns the number of executions of all searches of a situation."""
        tuning = len(self.rates(situation)) * self.tuning_executions if situation.is_tuned else 0
        return len(self.content["activations"]) * (tuning + self.executions)


def seed_of(situation: str, run: int) -> int:
    """Returns the seed of a situation's searches in a run: situations have independent seeds and splits."""
    return zlib.crc32(f"{run}:{situation}".encode()) % 2**30


def named(factors: Mapping[str, Any]) -> str:
    """Returns the name of the situation that differs from the centre in these factors."""
    return ",".join(f"{factor}={value}" for factor, value in factors.items()) or CENTRE


def _crossed(grid: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for values in itertools.product(*grid.values()):
        yield dict(zip(grid, values, strict=True))


def load_plan(path: Path = PLAN) -> Plan:
    """Reads a plan.

    Raises:
        UnknownNameError: A factor or a data set is unknown.
    """
    content = yaml.safe_load(path.read_text("utf-8"))
    known = [field.name for field in fields(Situation) if field.name != "axis"]
    for grids in content["axes"].values():
        for factor in itertools.chain.from_iterable(grids):
            if factor not in known:
                raise UnknownNameError("factor", factor, known, str(path))
    plan = Plan(content)
    for situation in plan.situations.values():
        if situation.data not in ALL:
            raise UnknownNameError("data set", situation.data, list(ALL), str(path))
        if situation.num_samples is not None and situation.num_samples > MAX_SAMPLES:
            raise UsageError(f"{path}: samples may be at most {MAX_SAMPLES}, not {situation.samples}.")
    return plan
