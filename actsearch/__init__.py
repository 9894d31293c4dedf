"""Find the activation function that fits your Keras model, with evidence: what it gains, and what it costs.

Names are loaded when they are used: `import actsearch` loads neither TensorFlow nor MLflow.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from actsearch._version import __version__ as __version__

if TYPE_CHECKING:
    from actsearch import executors as executors
    from actsearch.activations import Activation as Activation
    from actsearch.activations import Parameter as Parameter
    from actsearch.activations import register_activation as register_activation
    from actsearch.activations.registry import get as get_activation  # noqa: F401
    from actsearch.diagnostics.advice import advise as advise
    from actsearch.diagnostics.health import ActivationHealth as ActivationHealth
    from actsearch.diagnostics.health import diagnose as diagnose
    from actsearch.diagnostics.screening import screen as screen
    from actsearch.spaces import SearchSpace as SearchSpace
    from actsearch.spaces import choose as choose
    from actsearch.spaces import load_space as load_space
    from actsearch.swap.plan import plan_swap as plan_swap
    from actsearch.swap.sites import find_sites as find_sites
    from actsearch.swap.swap import swap_activations as swap_activations
    from actsearch.swap.user_model import load_user_model as load_user_model
    from actsearch.tuning.api import search as search
    from actsearch.tuning.mlflow_tracking import MLflowTracking as MLflowTracking
    from actsearch.tuning.result import SearchResult as SearchResult
    from actsearch.tuning.tuner import ActivationTuner as ActivationTuner

_LIGHT = {
    "Activation": "actsearch.activations.activation:Activation",
    "Parameter": "actsearch.activations.activation:Parameter",
    "SearchSpace": "actsearch.spaces.space:SearchSpace",
    "choose": "actsearch.spaces.choose:choose",
    "executors": "actsearch.executors",
    "get_activation": "actsearch.activations.registry:get",
    "load_space": "actsearch.spaces.yaml_loader:load_space",
    "register_activation": "actsearch.activations.registry:register_activation",
}
_WITH_TENSORFLOW = {
    "ActivationTuner": "actsearch.tuning.tuner:ActivationTuner",
    "MLflowTracking": "actsearch.tuning.mlflow_tracking:MLflowTracking",
    "ActivationHealth": "actsearch.diagnostics.health:ActivationHealth",
    "SearchResult": "actsearch.tuning.result:SearchResult",
    "advise": "actsearch.diagnostics.advice:advise",
    "diagnose": "actsearch.diagnostics.health:diagnose",
    "find_sites": "actsearch.swap.sites:find_sites",
    "layers": "actsearch.layers",
    "load_user_model": "actsearch.swap.user_model:load_user_model",
    "search": "actsearch.tuning.api:search",
    "screen": "actsearch.diagnostics.screening:screen",
    "plan_swap": "actsearch.swap.plan:plan_swap",
    "swap_activations": "actsearch.swap.swap:swap_activations",
}

__all__ = sorted(["__version__", *_LIGHT, *_WITH_TENSORFLOW])


def __getattr__(name: str) -> Any:
    if name in _WITH_TENSORFLOW:
        from actsearch._startup import load_tensorflow

        load_tensorflow()
    target = _LIGHT.get(name) or _WITH_TENSORFLOW.get(name)
    if target is None:
        raise AttributeError(f"module 'actsearch' has no attribute {name!r}")
    module, _, attribute = target.partition(":")
    found = import_module(module)
    return getattr(found, attribute) if attribute else found


def __dir__() -> list[str]:
    return __all__
