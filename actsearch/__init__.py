"""Find the activation function that fits your Keras model, with evidence: what it gains, and what it costs.

Names are loaded when they are used: `import actsearch` loads neither TensorFlow nor MLflow.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from actsearch._version import __version__ as __version__

if TYPE_CHECKING:
    from actsearch.activations import Activation as Activation
    from actsearch.activations import Parameter as Parameter
    from actsearch.activations import register_activation as register_activation
    from actsearch.activations.registry import get as get_activation  # noqa: F401
    from actsearch.models.advice import advise as advise
    from actsearch.models.plan import plan_swap as plan_swap
    from actsearch.models.saved import load_user_model as load_user_model
    from actsearch.models.sites import find_sites as find_sites
    from actsearch.models.swap import swap_activations as swap_activations
    from actsearch.search.api import search as search
    from actsearch.search.mixin import MLflowTracking as MLflowTracking
    from actsearch.search.result import SearchResult as SearchResult
    from actsearch.search.tuner import ActivationTuner as ActivationTuner
    from actsearch.spaces import SearchSpace as SearchSpace
    from actsearch.spaces import choose as choose
    from actsearch.spaces import load_space as load_space
    from actsearch.training.health import ActivationHealth as ActivationHealth
    from actsearch.training.health import diagnose as diagnose
    from actsearch.training.screening import screen as screen

_LIGHT = {
    "Activation": "actsearch.activations.registry:Activation",
    "Parameter": "actsearch.activations.registry:Parameter",
    "SearchSpace": "actsearch.spaces.space:SearchSpace",
    "choose": "actsearch.spaces.choose:choose",
    "get_activation": "actsearch.activations.registry:get",
    "load_space": "actsearch.spaces.loading:load_space",
    "register_activation": "actsearch.activations.registry:register_activation",
}
_WITH_TENSORFLOW = {
    "ActivationTuner": "actsearch.search.tuner:ActivationTuner",
    "MLflowTracking": "actsearch.search.mixin:MLflowTracking",
    "ActivationHealth": "actsearch.training.health:ActivationHealth",
    "SearchResult": "actsearch.search.result:SearchResult",
    "advise": "actsearch.models.advice:advise",
    "diagnose": "actsearch.training.health:diagnose",
    "find_sites": "actsearch.models.sites:find_sites",
    "layers": "actsearch.layers",
    "load_user_model": "actsearch.models.saved:load_user_model",
    "screen": "actsearch.training.screening:screen",
    "plan_swap": "actsearch.models.plan:plan_swap",
    "swap_activations": "actsearch.models.swap:swap_activations",
}

__all__ = sorted(["__version__", "search", *_LIGHT, *_WITH_TENSORFLOW])


def __getattr__(name: str) -> Any:
    if name == "search":
        return import_module("actsearch.search")
    if name in _WITH_TENSORFLOW:
        from actsearch.quiet import load_tensorflow

        load_tensorflow()
    target = _LIGHT.get(name) or _WITH_TENSORFLOW.get(name)
    if target is None:
        raise AttributeError(f"module 'actsearch' has no attribute {name!r}")
    module, _, attribute = target.partition(":")
    found = import_module(module)
    return getattr(found, attribute) if attribute else found


def __dir__() -> list[str]:
    return __all__
