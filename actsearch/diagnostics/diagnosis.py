"""The result of a diagnosis: figures of each activation site and layer on a probe of data, and issues in words."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from actsearch._text_tables import html_list, html_table, text_table
from actsearch.diagnostics.issues import Issue, Severity

# keras-contrib's callback warned from a tenth of a layer. A ReLU network of 20 layers of 64 units starts with a share
# of up to 0.4 in one layer, and still learns; if all units of a layer are dead, no gradient passes.
DEAD_HINT, DEAD_WARNING = 0.1, 0.5
SATURATED_WARNING = 0.5
# Measured by benchmarks/screening.py: with less variation, or a smaller ratio of gradient norms, no network exceeded
# chance level. The squares of rounding errors in single precision are near 1e-14.
VARIATION_ERROR = 1e-13
VANISHING_ERROR, VANISHING_WARNING = 1e-11, 1e-3
EXPLODING_WARNING = 1e3

_PASSING = (
    "Use an activation that passes it (relu, prelu, elu, selu) with its matched initializer, normalise between the "
    "layers, add skip connections, or use fewer layers."
)
_HEADINGS = ("site", "activation", "units", "dead", "saturated", "zero", "mean", "variance", "variation", "gradient")
_GENTLER = "a leaky or smooth activation such as prelu, leaky_relu or elu"


@dataclass(frozen=True)
class SiteHealth:
    """Figures of one activation site; shares are from 0 to 1.

    Args:
        site, activation: The name of the site in the model, and of its activation.
        num_units: Size of the last axis: units or channels.
        dead: Share of units that learn from no sample: if the function has a flat part, those that are on it for
            every sample; otherwise, those with a mean |gradient| below 0.01 % of the site's mean.
        saturated: Share of units with a mean slope |f′| below 5 % of the function's largest; they hardly pass a
            gradient. They include dead units on a flat part.
        sparsity: Share of values that are exactly 0.
        mean, variance: Mean and variance of all outputs.
        variation: How much the samples differ: the variance over samples and positions, summed over all units, divided
            by the mean square. Near 0, all samples look alike, whatever `variance` is.
        gradient_norm: Norm of the gradient of the loss with respect to the inputs of the site, over the whole probe;
            None if training computes none (no targets, or no trainable layer before the site).

    Example:

    >>> import actsearch, keras
    >>> keras.utils.set_random_seed(0)
    >>> hidden = [keras.layers.Dense(8, "sigmoid", name=name) for name in ("first", "second")]
    >>> model = keras.Sequential([keras.Input((4,)), *hidden, keras.layers.Dense(1, name="last")])
    >>> model.compile("adam", "mse")
    >>> x = keras.random.normal((64, 4), seed=0)
    >>> site = actsearch.diagnose(model, x, x[:, :1]).sites[0]
    >>> site.site, site.activation, site.num_units, site.dead
    ('first', 'sigmoid', 8, 0.0)
    """

    site: str
    activation: str
    num_units: int
    dead: float
    saturated: float
    sparsity: float
    mean: float
    variance: float
    variation: float
    gradient_norm: float | None


@dataclass(frozen=True)
class LayerHealth:
    """The norm of the gradient of the loss, including regularisation, with respect to a layer's own weights.

    Args:
        layer: The name of the layer, preceded by the names of the models that contain it.
        gradient_norm: The norm over the whole probe.

    Example:

    >>> import actsearch, keras
    >>> keras.utils.set_random_seed(0)
    >>> hidden = [keras.layers.Dense(8, "sigmoid", name=name) for name in ("first", "second")]
    >>> model = keras.Sequential([keras.Input((4,)), *hidden, keras.layers.Dense(1, name="last")])
    >>> model.compile("adam", "mse")
    >>> x = keras.random.normal((64, 4), seed=0)
    >>> [layer.layer for layer in actsearch.diagnose(model, x, x[:, :1]).layers]
    ['first', 'second', 'last']
    """

    layer: str
    gradient_norm: float


@dataclass(frozen=True, repr=False)
class Diagnosis:
    """The state of a model's activations on a probe of data.

    Args:
        num_samples: Number of samples in the probe.
        loss: The training loss on the probe; None without targets.
        sites: Figures of each hidden site, from input to output.
        layers: The gradient norm of each trainable layer; empty without targets.
        unmeasured: Sites that cannot be measured because their layer computes in its own graph.
        epoch: The epoch, from 1, at the end of which it was measured; None outside of training.

    Example:

    >>> import actsearch, keras
    >>> keras.utils.set_random_seed(0)
    >>> hidden = [keras.layers.Dense(8, "sigmoid", name=name) for name in ("first", "second")]
    >>> model = keras.Sequential([keras.Input((4,)), *hidden, keras.layers.Dense(1, name="last")])
    >>> model.compile("adam", "mse")
    >>> x = keras.random.normal((64, 4), seed=0)
    >>> diagnosis = actsearch.diagnose(model, x, x[:, :1])
    >>> diagnosis.num_samples, len(diagnosis.sites), len(diagnosis.issues)
    (64, 2, 0)
    >>> sorted(diagnosis.summary)
    ['dead', 'gradient_ratio', 'saturated', 'sparsity']
    """

    num_samples: int
    loss: float | None
    sites: tuple[SiteHealth, ...]
    layers: tuple[LayerHealth, ...] = ()
    unmeasured: tuple[str, ...] = ()
    epoch: int | None = None

    @property
    def gradient_ratio(self) -> float | None:
        """The gradient norm at the first site divided by that at the last: below 1, it shrinks on its way back.

        None if fewer than two sites have a gradient norm, or if that of the last site is 0.
        """
        norms = [site.gradient_norm for site in self.sites if site.gradient_norm is not None]
        return norms[0] / norms[-1] if len(norms) > 1 and norms[-1] else None

    @property
    def issues(self) -> tuple[Issue, ...]:
        """The problems found, most severe first."""
        order = list(Severity)
        return tuple(sorted(_issues(self), key=lambda issue: order.index(issue.severity)))

    @property
    def summary(self) -> dict[str, float]:
        """The figures of the whole model: shares over all units, and the gradient ratio if there is one."""
        units = sum(site.num_units for site in self.sites)
        names = ("dead", "saturated", "sparsity")
        shares = {name: sum(getattr(s, name) * s.num_units for s in self.sites) / units for name in names}
        return shares | ({} if self.gradient_ratio is None else {"gradient_ratio": self.gradient_ratio})

    def to_dict(self) -> dict[str, Any]:
        """Returns all figures and issues for JSON, with the ledger's keys; numbers that are not finite become None."""
        issues = [{"severity": i.severity, "site": i.site, "reason": i.message, "change": i.fix} for i in self.issues]
        return without_nan({**asdict(self), "gradient_ratio": self.gradient_ratio, "findings": issues})

    def __str__(self) -> str:
        """A table of the sites, followed by the issues."""
        heading = (
            f"{self.num_samples} samples" if self.epoch is None else f"epoch {self.epoch}, {self.num_samples} samples"
        )
        if self.loss is not None:
            heading += f", loss {self.loss:.4g}"
        if self.gradient_ratio is not None:
            heading += f", gradient at the first site / at the last {self.gradient_ratio:.2g}"
        return "\n".join([heading, text_table(_HEADINGS, map(_row, self.sites), left=2), *map(str, self.issues)])

    def __repr__(self) -> str:
        return f"<Diagnosis: {len(self.sites)} activation sites, {len(self.issues)} issues>"

    def _repr_html_(self) -> str:
        return html_table(_HEADINGS, map(_row, self.sites)) + html_list(map(str, self.issues))


def _row(site: SiteHealth) -> tuple[str, ...]:
    shares = (f"{100 * share:.0f} %" for share in (site.dead, site.saturated, site.sparsity))
    signal = (f"{site.mean:.3g}", f"{site.variance:.3g}", f"{site.variation:.2g}")
    norm = "" if site.gradient_norm is None else f"{site.gradient_norm:.2g}"
    return (site.site, site.activation, str(site.num_units), *shares, *signal, norm)


def without_nan(value: Any) -> Any:
    """Returns plain data for JSON, with None for numbers that are not finite."""
    if isinstance(value, dict):
        return {key: without_nan(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [without_nan(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _issues(diagnosis: Diagnosis) -> Iterator[Issue]:
    broken = _not_finite(diagnosis)
    if broken is not None:
        yield broken
        return
    for site in diagnosis.sites:
        yield from _units(site, diagnosis.num_samples)
    if all(site.dead < 1 for site in diagnosis.sites):
        yield from _signal(diagnosis.sites)
        yield from _gradient(diagnosis)


def _not_finite(diagnosis: Diagnosis) -> Issue | None:
    """Reports the first site, or the loss, that is not finite."""
    lower = "Lower the learning rate, scale the inputs, and use the initializer matched to the activation."
    for site in diagnosis.sites:
        if not math.isfinite(site.mean) or not math.isfinite(site.variance):
            return Issue(Severity.ERROR, site.site, "Its values are no longer finite.", lower)
    if diagnosis.loss is not None and not math.isfinite(diagnosis.loss):
        return Issue(Severity.ERROR, "", f"The loss is {diagnosis.loss}.", lower)
    for site in reversed(diagnosis.sites):
        if site.gradient_norm is not None and not math.isfinite(site.gradient_norm):
            return Issue(Severity.ERROR, site.site, "The gradient explodes: here it is no longer finite.", lower)
    return None


def _units(site: SiteHealth, num_samples: int) -> Iterator[Issue]:
    """Reports dead and saturated units."""
    units = f"of its {site.num_units} units"
    if site.dead >= DEAD_HINT:
        name = "dying ReLU" if site.activation.startswith("relu") else "dead units"
        yield Issue(
            Severity.ERROR if site.dead == 1 else Severity.WARNING if site.dead >= DEAD_WARNING else Severity.HINT,
            site.site,
            f"{site.dead:.0%} {units} learn from none of the {num_samples} samples ({name})."
            + (" No gradient passes to the layers before it." if site.dead == 1 else ""),
            f"Lower the learning rate, initialize the biases with 0, or use {_GENTLER}.",
        )
    if site.saturated - site.dead >= SATURATED_WARNING:
        yield Issue(
            Severity.WARNING,
            site.site,
            f"{site.saturated:.0%} {units} are saturated: they are where {site.activation} is nearly flat, and hardly "
            "pass a gradient.",
            "Normalise the inputs, use the matched initializer, lower the learning rate, or use an activation that "
            "does not level out.",
        )


def _signal(sites: Sequence[SiteHealth]) -> Iterator[Issue]:
    """Reports a signal that does not reach the last site."""
    if sites and sites[-1].variation < VARIATION_ERROR:
        yield Issue(
            Severity.ERROR,
            sites[-1].site,
            f"All samples look alike here: their differences are {sites[-1].variation:.1g} of the signal, which is "
            "below its precision.",
            _PASSING,
        )


def _gradient(diagnosis: Diagnosis) -> Iterator[Issue]:
    """Reports a gradient that vanishes or explodes on its way back."""
    sites = [site for site in diagnosis.sites if site.gradient_norm is not None]
    ratio = diagnosis.gradient_ratio
    if sites and sites[-1].gradient_norm == 0 and diagnosis.loss:
        yield Issue(
            Severity.ERROR,
            sites[-1].site,
            f"It receives no gradient from the loss ({diagnosis.loss:.3g}), so the model cannot learn.",
            "Check the output layer and the loss: actsearch.advise(model, y) reports mismatches.",
        )
    if ratio is None:
        return
    way = f"at {sites[0].site} it is {ratio:.2g} times what it is at {sites[-1].site}, {_later(sites)}."
    if ratio < VANISHING_WARNING:
        yield Issue(
            Severity.ERROR if ratio < VANISHING_ERROR else Severity.WARNING,
            sites[0].site,
            f"The gradient vanishes on its way back: {way}",
            _PASSING,
        )
    elif ratio > EXPLODING_WARNING:
        yield Issue(
            Severity.WARNING,
            sites[0].site,
            f"The gradient explodes on its way back: {way}",
            "Use the initializer matched to the activation, normalise between the layers, or clip the gradient.",
        )


def _later(sites: Sequence[SiteHealth]) -> str:
    """Describes the activations that the gradient has passed: `19 × sigmoid later`."""
    names = list(dict.fromkeys(site.activation for site in sites[:-1]))
    return (
        f"{len(sites) - 1} × {' and '.join(names)} later" if len(names) < 3 else f"{len(sites) - 1} activations later"
    )
