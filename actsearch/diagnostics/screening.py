"""Screens a model at initialisation for signs that it cannot learn, before any training."""

from dataclasses import dataclass
from typing import Any

import keras

from actsearch._text_tables import html_list
from actsearch.diagnostics.diagnosis import Diagnosis, without_nan
from actsearch.diagnostics.health import MAX_SAMPLES, HealthProbe
from actsearch.diagnostics.issues import Issue, Severity


@dataclass(frozen=True, repr=False)
class Screening:
    """The result of screening a model at initialisation.

    Args:
        diagnosis: The diagnosis of the model, with all figures.

    Example:

    >>> keras.utils.set_random_seed(0)
    >>> hidden = [keras.layers.Dense(16, "sigmoid", name=f"hidden_{number}") for number in range(20)]
    >>> model = keras.Sequential([keras.Input((4,)), *hidden, keras.layers.Dense(1)])
    >>> model.compile("adam", "mse")
    >>> x = keras.random.normal((64, 4), seed=0)
    >>> screening = screen(model, x, x[:, :1])
    >>> screening.hopeless, [reason.site for reason in screening.reasons]
    (True, ['hidden_19', 'hidden_0'])
    """

    diagnosis: Diagnosis

    @property
    def hopeless(self) -> bool:
        """Whether the model will not learn."""
        return bool(self.reasons)

    @property
    def reasons(self) -> tuple[Issue, ...]:
        """The reasons why it will not learn; empty if it may."""
        return tuple(issue for issue in self.diagnosis.issues if issue.severity is Severity.ERROR)

    @property
    def figures(self) -> dict[str, float]:
        """The figures behind the result: the gradient ratio, and the largest share of dead units of any site."""
        ratio = self.diagnosis.gradient_ratio
        dead = max((site.dead for site in self.diagnosis.sites), default=0.0)
        return {"largest_dead": dead} | ({} if ratio is None else {"gradient_ratio": ratio})

    def to_dict(self) -> dict[str, Any]:
        """Returns the result and all figures for JSON."""
        figures: dict[str, Any] = without_nan(self.figures)
        return {"hopeless": self.hopeless, "figures": figures, "diagnosis": self.diagnosis.to_dict()}

    def __repr__(self) -> str:
        return f"<Screening: {'hopeless' if self.hopeless else 'no obstacle to training found'}>"

    def _repr_html_(self) -> str:
        return html_list(str(self).splitlines())

    def __str__(self) -> str:
        """The reasons why it will not learn, or a statement that none were found."""
        if self.hopeless:
            return "\n".join(f"Training is hopeless. {reason.message} {reason.fix}" for reason in self.reasons)
        figures = ", ".join(f"{name} {value:.2g}" for name, value in self.figures.items())
        return f"No obstacle to training found ({figures})."


def screen(
    model: keras.Model, x: Any, y: Any, *, sample_weight: Any = None, max_samples: int = MAX_SAMPLES
) -> Screening:
    """Predicts whether an untrained model can learn from the data.

    Training is hopeless if all units of a site are dead, so that no gradient passes; if the samples differ at the last
    site by less than 1e-13 of the mean square; if the gradient at the first site is below 1e-11 of that at the last;
    if the last site receives no gradient from the loss; or if a number is not finite.

    The two limits were measured (`benchmarks/screening.py`) on networks of 3 to 20 layers with several activations and
    initializers, trained on digits. All networks beyond a limit stayed at chance level, with Adam and with SGD. The
    limits are cautious: with far too small weights, Adam still learned something at a ratio of 2e-8. In single
    precision, differences between samples are lost in rounding if their square is below 1e-14, and a gradient far
    below Adam's ε of 1e-7 does not change the weights.

    Args:
        model: A compiled model with its initial weights. It is not changed.
        x, y, sample_weight, max_samples: The probe, as for `HealthProbe`.

    Returns:
        The screening; prints its reasons in words.

    Raises:
        ModelError, DataError: As for `HealthProbe`.

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
