"""Do the backbones of keras-hub survive a swap of their activations?

For each, small and with random weights: how many hidden activations are found and replaced, how far the outputs move
when each gets the function that it has, whether a swap to PReLU builds with slopes that can be trained, and how far
the outputs of the saved and loaded model are from those before.

keras-hub has to be installed beside actsearch; without TensorFlow Text, `pip install --no-deps keras-hub` and then
`kagglehub tokenizers sentencepiece regex` will do.

    python benchmarks/hub_backbones.py [NAME ...] [--output benchmarks/results/hub_backbones.json]
"""

import argparse
import json
import os
import platform
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import keras_hub
import numpy as np
import tensorflow as tf

from actsearch.activations import bind
from actsearch.swap.plan import plan_swap
from actsearch.swap.sites import SiteKind, find_sites
from actsearch.swap.swap import swap_activations

STEPS, WORDS, PIXELS = 6, 30, 32
WIDTHS = {"num_layers": 2, "num_heads": 2, "hidden_dim": 8, "intermediate_dim": 16}
TEXT = {"vocabulary_size": WORDS, **WIDTHS}
LONG = {**TEXT, "max_sequence_length": STEPS}
GROUPED = {key: value for key, value in TEXT.items() if key != "num_heads"} | {
    "num_query_heads": 2,
    "num_key_value_heads": 1,
}
IMAGE = {"image_shape": (PIXELS, PIXELS, 3)}
ALBERT = {**LONG, "embedding_dim": 8}
BACKBONES: dict[str, dict[str, Any]] = {
    "Albert": ALBERT,
    "Bart": LONG,
    "Bert": LONG,
    "Bloom": LONG,
    "DebertaV3": {**LONG, "bucket_size": 4},
    "DenseNet": {**IMAGE, "stackwise_num_repeats": [1, 2], "compression_ratio": 0.5, "growth_rate": 4},
    "DistilBert": LONG,
    "EfficientNet": {
        **IMAGE,
        "stackwise_width_coefficients": [1.0],
        "width_coefficient": 1.0,
        "depth_coefficient": 1.0,
        "stackwise_kernel_sizes": [3, 3],
        "stackwise_num_repeats": [1, 1],
        "stackwise_input_filters": [8, 8],
        "stackwise_output_filters": [8, 8],
        "stackwise_expansion_ratios": [1, 2],
        "stackwise_strides": [1, 2],
        "stackwise_squeeze_and_excite_ratios": [0.25, 0.25],
        "stackwise_block_types": ["v1", "v1"],
    },
    "Electra": {**{key: value for key, value in ALBERT.items() if key != "vocabulary_size"}, "vocab_size": WORDS},
    "FNet": {key: value for key, value in LONG.items() if key != "num_heads"},
    "Falcon": {**{key: value for key, value in TEXT.items() if key != "num_heads"}, "num_attention_heads": 2},
    "GPT2": LONG,
    "GPTNeoX": {**LONG, "hidden_dim": 16},
    "Gemma": {**GROUPED, "head_dim": 4},
    "HGNetV2": {
        **IMAGE,
        "depths": [1],
        "embedding_size": 8,
        "hidden_sizes": [8],
        "stem_channels": [3, 4, 8],
        "hidden_act": "relu",
        "use_learnable_affine_block": False,
        "stackwise_stage_filters": [[8, 4, 8, 1, 2, 3]],
        "apply_downsample": [False],
        "use_lightweight_conv_block": [False],
    },
    "Llama": GROUPED,
    "MiT": {
        **IMAGE,
        "layerwise_depths": [1, 1],
        "hidden_dims": [8, 8],
        "num_layers": 2,
        "layerwise_num_heads": [1, 1],
        "layerwise_sr_ratios": [2, 1],
        "max_drop_path_rate": 0.0,
        "layerwise_patch_sizes": [7, 3],
        "layerwise_strides": [4, 2],
    },
    "Mistral": GROUPED,
    "OPT": LONG,
    "Phi3": GROUPED,
    "ResNet": {
        **IMAGE,
        "input_conv_filters": [64],
        "input_conv_kernel_sizes": [3],
        "stackwise_num_filters": [64, 64],
        "stackwise_num_blocks": [1, 2],
        "stackwise_num_strides": [1, 2],
        "block_type": "basic_block",
    },
    "Roberta": LONG,
    "T5": TEXT,
    "VGG": {**IMAGE, "stackwise_num_repeats": [1, 2], "stackwise_num_filters": [4, 8]},
    "ViT": {**IMAGE, "patch_size": (16, 16), "num_layers": 2, "num_heads": 2, "hidden_dim": 8, "mlp_dim": 16},
    "Whisper": {**TEXT, "num_mels": 8, "max_encoder_sequence_length": 6, "max_decoder_sequence_length": 6},
}
Row = dict[str, Any]


def data_for(model: Any) -> Any:
    """Two samples for the inputs of a backbone, by their names."""
    rng = np.random.default_rng(0)

    def sample(name: str, tensor: Any) -> np.ndarray:
        shape = [2 if axis == 0 else STEPS if size is None else size for axis, size in enumerate(tensor.shape)]
        if name.endswith("token_ids"):
            return rng.integers(1, WORDS, shape).astype("int32")
        if name.endswith("padding_mask"):
            return np.ones(shape, "int32")
        return np.zeros(shape, "int32") if name == "segment_ids" else rng.uniform(size=shape).astype("float32")

    if isinstance(model.input, dict):
        return {name: sample(name, tensor) for name, tensor in model.input.items()}
    return sample("image", model.input)


def outputs_of(model: Any, x: Any) -> list[np.ndarray]:
    """The outputs of a model, in one list."""
    return [np.asarray(output) for output in keras.tree.flatten(model(x, training=False))]


def distance(old: list[np.ndarray], new: list[np.ndarray]) -> float:
    """The largest difference between outputs."""
    return max(float(np.max(np.abs(one - other))) for one, other in zip(old, new, strict=True))


def examined(name: str, folder: Path) -> Row:
    """What a swap does to one backbone; where a step fails, its error."""
    row: Row = {}
    started = time.perf_counter()
    try:
        keras.utils.set_random_seed(0)
        model = getattr(keras_hub.models, f"{name}Backbone")(**BACKBONES[name])
        x = data_for(model)
        before = outputs_of(model, x)
        hidden = [site for site in find_sites(model) if site.kind is SiteKind.HIDDEN]
        replaced = {swap.site.name for swap in plan_swap(model, "prelu").replaced}
        row |= {"hidden": len(hidden), "replaced": len(replaced), "activations": [site.activation for site in hidden]}
        same = {site.name: bind(site.activation, **site.parameters) for site in hidden if site.in_catalogue}
        if same:
            row["identity"] = distance(
                before, outputs_of(swap_activations(model, same, match=False, keep_weights=True), x)
            )
        swapped = swap_activations(model, "prelu")
        row["slopes"] = sum("slope" in weight.path for weight in swapped.trainable_weights)
        expected = outputs_of(swapped, x)
        row["original_moved"] = distance(before, outputs_of(model, x))
        swapped.save(folder / f"{name}.keras")
        loaded = keras.models.load_model(folder / f"{name}.keras")
        row |= {"class_kept": isinstance(loaded, type(model)), "loaded": distance(expected, outputs_of(loaded, x))}
    except Exception as error:  # noqa: BLE001  whatever fails is what this finds out
        row["error"] = " ".join(f"{type(error).__name__}: {error}".split())[:300]
    row["seconds"] = round(time.perf_counter() - started, 1)
    return row


def main() -> None:
    """Examines all backbones, prints a line for each and writes the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="backbones; all if none is named")
    parser.add_argument("--output", type=Path)
    given = parser.parse_args()
    rows: dict[str, Row] = {}
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in given.names or BACKBONES:
            rows[name] = examined(name, Path(folder))
            print(name, rows[name], flush=True)
            keras.backend.clear_session()
    versions: Row = {"python": platform.python_version(), "keras": keras.__version__, "tensorflow": tf.__version__}
    result = {"question": __doc__.splitlines()[0], "versions": {**versions, "keras-hub": keras_hub.__version__}}
    out = given.output or Path(__file__).parent / "results" / "hub_backbones.json"
    if not given.names or given.output is not None:
        out.write_text(json.dumps({**result, "machine": platform.machine(), "backbones": rows}, indent=2) + "\n")


if __name__ == "__main__":
    main()
