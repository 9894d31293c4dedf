"""Find the activation function that fits your Keras model, with evidence: what it gains, and what it costs.

Names are imported on first use: `import actsearch` loads neither TensorFlow nor MLflow.
"""

from typing import TYPE_CHECKING

from actsearch._lazy import lazy_names, subpackage_beside
from actsearch._version import __version__ as __version__

if TYPE_CHECKING:
    from actsearch import activations as activations
    from actsearch import analysis as analysis
    from actsearch import diagnostics as diagnostics
    from actsearch import errors as errors
    from actsearch import executors as executors
    from actsearch import layers as layers
    from actsearch import reports as reports
    from actsearch import spaces as spaces
    from actsearch import swap as swap
    from actsearch import visualization as visualization
    from actsearch.activations import Activation as Activation
    from actsearch.activations import Parameter as Parameter
    from actsearch.activations.registry import get as get_activation  # noqa: F401
    from actsearch.activations.registry import register as register_activation  # noqa: F401
    from actsearch.analysis.results import Verdict as Verdict
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
    from actsearch.tuning import allocation as allocation
    from actsearch.tuning.api import search as search
    from actsearch.tuning.mlflow_tracking import MLflowTracking as MLflowTracking
    from actsearch.tuning.result import SearchResult as SearchResult
    from actsearch.tuning.result import load_result as load_result
    from actsearch.tuning.tuner import ActivationTuner as ActivationTuner

_LIGHT = {
    "__version__": "_version",
    "Activation": "activations.activation",
    "Parameter": "activations.activation",
    "SearchResult": "tuning.result",
    "SearchSpace": "spaces.space",
    "Verdict": "analysis.results",
    "activations": "activations",
    "allocation": "tuning.allocation",
    "analysis": "analysis",
    "choose": "spaces.choose:choose",
    "errors": "errors",
    "get_activation": "activations.registry:get",
    "load_result": "tuning.result",
    "load_space": "spaces.yaml_loader",
    "register_activation": "activations.registry:register",
    "reports": "reports",
    "spaces": "spaces",
    "visualization": "visualization",
}
_WITH_TENSORFLOW = {
    "ActivationHealth": "diagnostics.health",
    "ActivationTuner": "tuning.tuner",
    "MLflow": "tracking.store",
    "MLflowTracking": "tuning.mlflow_tracking",
    "advise": "diagnostics.advice",
    "diagnose": "diagnostics.health",
    "diagnostics": "diagnostics",
    "executors": "executors",
    "find_sites": "swap.sites",
    "layers": "layers",
    "load_user_model": "swap.user_model",
    "plan_swap": "swap.plan",
    "screen": "diagnostics.screening",
    "search": "tuning.api",
    "swap": "swap",
    "swap_activations": "swap.swap",
    "testing": "testing",
}


def _load_tensorflow(name: str) -> None:
    """Loads TensorFlow without its messages before importing a module that needs it."""
    if name in _WITH_TENSORFLOW:
        from actsearch._startup import load_tensorflow

        load_tensorflow()


subpackage_beside(__name__, "search_spaces")
__getattr__, __dir__, __all__ = lazy_names(__name__, _LIGHT | _WITH_TENSORFLOW, before=_load_tensorflow)
