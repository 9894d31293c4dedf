"""Whether training is hopeless, read from the model at initialisation on the data, before any is done."""

from dataclasses import dataclass
from typing import Any

import keras

from actsearch._text_tables import html_list
from actsearch.diagnostics.diagnosis import Diagnosis, without_nan
from actsearch.diagnostics.health import MAX_SAMPLES, HealthProbe
from actsearch.diagnostics.issues import Issue, Severity


@dataclass(frozen=True, repr=False)
class Screening:
    """What the model at initialisation says of its training.

    Args:
        diagnosis: All figures.
    """

    diagnosis: Diagnosis

    @property
    def hopeless(self) -> bool:
        """Whether it will not learn."""
        return bool(self.reasons)

    @property
    def reasons(self) -> tuple[Issue, ...]:
        """Why it will not; empty where it may."""
        return tuple(issue for issue in self.diagnosis.issues if issue.severity is Severity.ERROR)

    @property
    def figures(self) -> dict[str, float]:
        """The figures it rests on: the gradient's ratio, and the largest share of dead units of any site."""
        ratio = self.diagnosis.gradient_ratio
        dead = max((site.dead for site in self.diagnosis.sites), default=0.0)
        return {"largest_dead": dead} | ({} if ratio is None else {"gradient_ratio": ratio})

    def to_dict(self) -> dict[str, Any]:
        """All of it for JSON."""
        figures: dict[str, Any] = without_nan(self.figures)
        return {"hopeless": self.hopeless, "figures": figures, "diagnosis": self.diagnosis.to_dict()}

    def __repr__(self) -> str:
        return f"<Screening: {'hopeless' if self.hopeless else 'no obstacle to training found'}>"

    def _repr_html_(self) -> str:
        return html_list(str(self).splitlines())

    def __str__(self) -> str:
        """The reasons, or that there is none."""
        if self.hopeless:
            return "\n".join(f"Training is hopeless. {reason.message} {reason.fix}" for reason in self.reasons)
        figures = ", ".join(f"{name} {value:.2g}" for name, value in self.figures.items())
        return f"No obstacle to training found ({figures})."


def screen(
    model: keras.Model, x: Any, y: Any, *, sample_weight: Any = None, max_samples: int = MAX_SAMPLES
) -> Screening:
    """Whether a model that is not trained yet will learn from these data.

    It is hopeless where every unit of a site is dead, so that no gradient passes; where the samples differ at the last
    site by less than 1e-13 of the mean square; where the gradient at the first site is below 1e-11 of that at the last;
    where none comes back from the loss; or where a number is not finite.

    The two limits are measured (`benchmarks/screening.py`): networks of 3 to 20 layers with several activations and
    initializers, trained on digits. All beyond a limit stayed at chance level, with Adam and with SGD. They are on the
    cautious side: Adam still learned something at a ratio of 2e-8, from weights that were far too small. Differences
    between samples are rounded away in single precision where their square is below 1e-14, and a gradient that is much
    below Adam's ε of 1e-7 moves no weight.

    Args:
        model: A compiled model with its initial weights. It is not changed.
        x, y, sample_weight, max_samples: The probe, as in `HealthProbe`.

    Returns:
        The screening; print it for its reason in words.

    Raises:
        ModelError, DataError: As `HealthProbe`.

    Example:

    >>> keras.utils.set_random_seed(0)
    >>> def network(depth):
    ...     hidden = [keras.layers.Dense(16, "sigmoid") for _ in range(depth)]
    ...     model = keras.Sequential([keras.Input((4,)), *hidden, keras.layers.Dense(1)])
    ...     model.compile("adam", "mse")
    ...     return model
    >>> x = keras.random.normal((64, 4), seed=0)
    >>> screen(network(3), x, x[:, :1]).hopeless, screen(network(20), x, x[:, :1]).hopeless
    (False, True)
    """
    return Screening(HealthProbe(model, x, y, sample_weight=sample_weight, max_samples=max_samples).measure())
