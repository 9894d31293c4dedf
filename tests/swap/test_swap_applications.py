"""Swapping activations in models of keras.applications; benchmarks/application_swap.py covers all of them."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from actsearch.activations.bound import bind
from actsearch.swap.sites import SiteKind, find_sites
from actsearch.swap.swap import swap_activations

SMALL = {"weights": None, "input_shape": (32, 32, 3), "classes": 10}
LARGE = {**SMALL, "input_shape": (96, 96, 3)}


@pytest.mark.parametrize(
    ("name", "options", "hidden", "gates"),
    [
        ("MobileNetV2", {**SMALL, "alpha": 0.35}, 35, 0),
        pytest.param("EfficientNetB0", SMALL, 49, 16, marks=pytest.mark.slow),
        pytest.param("MobileNetV3Small", SMALL, 33, 9, marks=pytest.mark.slow),
        pytest.param("ResNet50", SMALL, 49, 0, marks=pytest.mark.slow),
        pytest.param("DenseNet121", SMALL, 121, 0, marks=pytest.mark.slow),
        pytest.param("ConvNeXtTiny", SMALL, 18, 0, marks=pytest.mark.slow),
        pytest.param("NASNetMobile", SMALL, 192, 0, marks=pytest.mark.slow),
        pytest.param("Xception", LARGE, 35, 0, marks=pytest.mark.slow),
    ],
)
def test_an_application_keeps_its_function_and_takes_another(
    name: str, options: dict[str, Any], hidden: int, gates: int, tmp_path: Path
) -> None:
    model = getattr(keras.applications, name)(**options)
    sites = find_sites(model)
    kinds = [site.kind for site in sites]
    assert [kinds.count(kind) for kind in (SiteKind.HIDDEN, SiteKind.GATE, SiteKind.OUTPUT)] == [hidden, gates, 1]

    x = np.random.default_rng(0).uniform(0, 255, (2, *options["input_shape"])).astype("float32")
    same = {s.name: bind(s.activation, **s.parameters) for s in sites if s.kind is SiteKind.HIDDEN}
    np.testing.assert_allclose(model(x), swap_activations(model, same, keep_weights=True)(x), atol=1e-6)

    new = swap_activations(model, "prelu")
    assert sum(v.path.endswith("/slope") for v in new.trainable_variables) == hidden
    new.save(tmp_path / "new.keras")
    np.testing.assert_allclose(new(x), keras.models.load_model(tmp_path / "new.keras")(x), atol=1e-6)
