"""What is wrong with a model, before and while it trains."""

from typing import TYPE_CHECKING

from actsearch._lazy import lazy_names

if TYPE_CHECKING:
    from actsearch.diagnostics.advice import advise as advise
    from actsearch.diagnostics.health import ActivationHealth as ActivationHealth
    from actsearch.diagnostics.health import diagnose as diagnose
    from actsearch.diagnostics.screening import screen as screen

__getattr__, __dir__, __all__ = lazy_names(
    __name__,
    {
        "ActivationHealth": "health",
        "advise": "advice",
        "diagnose": "health",
        "screen": "screening",
    },
)
