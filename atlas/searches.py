"""The searches of a situation: one that tunes the learning rates, and one that is judged."""

import json
import statistics
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import keras

import actsearch
from actsearch.errors import UsageError
from actsearch.ledger import FILE_NAME
from actsearch.records import Direction, SearchRecord
from actsearch.spaces import SearchSpace
from actsearch.swap import SearchedModel
from atlas.data_sets import ALL, Loaded
from atlas.networks import OPTIMIZERS, Shape, make_model, output_of
from atlas.plan import Plan, Situation, seed_of

JUDGED, TUNING, ABOUT = "judged", "tuning", "situation.json"


class ModelAtItsRate(SearchedModel):
    """A model in which each activation is trained with a learning rate of its own.

    Args:
        rates: Learning rates by the name of the activation.
        model, space: As for `SearchedModel`.
    """

    def __init__(self, model: Any, space: SearchSpace, rates: Mapping[str, float]) -> None:
        super().__init__(model, space)
        self._rates = dict(rates)

    def __call__(self, hp: Any) -> Any:
        """Builds and compiles a model for these hyperparameters."""
        model = super().__call__(hp)
        model.optimizer.learning_rate = self._rates[hp.values["activation"]]
        return model


def is_complete(directory: Path, plan: Plan) -> bool:
    """Returns whether the judged search of a situation has ended with all of its executions."""
    return _is_complete(directory / JUDGED, len(plan.content["activations"]), plan.executions)


def _is_complete(directory: Path, trials: int, executions: int) -> bool:
    if not (directory / FILE_NAME).is_file():
        return False
    record = actsearch.load_result(directory).record
    counts = [len(trial.executions) for trial in record.trials]
    return record.ended_at is not None and len(counts) == trials and min(counts) >= executions


def search_situation(plan: Plan, name: str, *, run: int, directory: Path) -> None:
    """Runs or resumes the searches of a situation; what is complete is skipped.

    Args:
        plan: The plan.
        name: Name of the situation.
        run: Number of the run: another one has other seeds and splits.
        directory: Directory of the situation.

    Raises:
        UsageError: The directory has another situation, or one of another plan.
    """
    situation = plan.situations[name]
    _claim(directory, {"name": name, "run": run, "plan": plan.hash, "situation": asdict(situation)})
    if is_complete(directory, plan):
        return
    loaded = ALL[situation.data].load(situation.num_samples)
    rates = None
    if situation.is_tuned:
        space = plan.space(situation, tuning=True)
        model = SearchedModel(_model(situation, loaded), space)
        trials = len(space.names) * len(plan.rates(situation))
        tuning = _Training(plan, situation, loaded, directory / TUNING, seed_of(name, run) + 1)
        tuning.search(model, trials=trials, executions=plan.tuning_executions)
        rates = tuned_rates(actsearch.load_result(directory / TUNING).record)
    search_judged(plan, situation, loaded, directory, rates=rates, seed=seed_of(name, run))


def search_judged(
    plan: Plan,
    situation: Situation,
    loaded: Loaded,
    directory: Path,
    *,
    rates: Mapping[str, float] | None = None,
    seed: int = 0,
) -> None:
    """Runs or resumes the search that is judged.

    Args:
        plan: The plan.
        situation: The situation.
        loaded: Its data.
        directory: Directory of the situation.
        rates: Learning rates by the name of the activation; that of the situation for all if omitted.
        seed: Seed of the search.
    """
    space = plan.space(situation, tuning=False)
    same = dict.fromkeys(space.names, plan.rates(situation)[0])
    model = ModelAtItsRate(_model(situation, loaded), space, rates or same)
    training = _Training(plan, situation, loaded, directory / JUDGED, seed)
    training.search(model, trials=len(space.names), executions=plan.executions)


def tuned_rates(record: SearchRecord) -> dict[str, float]:
    """Returns for each activation the learning rate with the best mean validation score, the first one in a tie.

    An activation whose executions all failed gets the first rate.
    """
    sign = 1 if record.objective.direction is Direction.MAX else -1
    best: dict[str, tuple[float, float]] = {}
    for trial in record.trials:
        name, rate = trial.hyperparameters["activation"], trial.hyperparameters["learning_rate"]
        scores = [each.score for each in trial.executions if each.score is not None]
        merit = sign * statistics.fmean(scores) if len(scores) == len(trial.executions) else -float("inf")
        if name not in best or merit > best[name][0]:
            best[name] = merit, rate
    return {name: rate for name, (_, rate) in best.items()}


def _claim(directory: Path, about: Mapping[str, Any]) -> None:
    path = directory / ABOUT
    if path.is_file():
        found = json.loads(path.read_text("utf-8"))
        if found != about:
            raise UsageError(
                f"{directory} is of run {found['run']} of the plan {found['plan']}, not of run {about['run']} of "
                f"{about['plan']}. Use another directory: --out."
            )
        return
    directory.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(about, indent=1), "utf-8")


def _model(situation: Situation, loaded: Loaded) -> Any:
    keras.utils.clear_session()  # so that layers have the same names in every process, and the search is resumed
    data = ALL[situation.data]
    shape = Shape(situation.depth, situation.width, situation.normalisation, situation.bias)
    output = output_of(data, loaded)
    model = make_model(situation.network, shape, loaded.x.shape[1:], text=data.kind == "text", output=output)
    model.compile(OPTIMIZERS[situation.optimizer](0.001), output.loss, metrics=list(output.metrics))
    return model


@dataclass(frozen=True)
class _Training:
    """What the searches of a situation have in common."""

    plan: Plan
    situation: Situation
    loaded: Loaded
    directory: Path
    seed: int

    def search(self, model: SearchedModel, *, trials: int, executions: int) -> None:
        """Runs or resumes a search, unless it is complete."""
        if _is_complete(self.directory, trials, executions):
            return
        data = ALL[self.situation.data]
        actsearch.search(
            model,
            self.loaded.x,
            self.loaded.y,
            epochs=self.plan.epochs(len(self.loaded.x)),
            executions=executions,
            batch_size=self.situation.batch_size,
            splits="each",
            divide="in_order" if data.in_order else None,
            objective=output_of(data, self.loaded).objective,
            seed=self.seed,
            screen="report",
            tracking=False,
            directory=self.directory,
            verbose=0,
        )
