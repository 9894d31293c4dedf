"""Are the activations of models as people write them found, and replaced without changing anything else?

The models are in `benchmarks/zoo`, each with the activations that a reader of its code sees. For each: which of them
are found, and as what; how far outputs move when every hidden site gets the function that it has; whether a swap to
PReLU builds, trains its slopes, saves, and loads in another process; whether weights are kept or drawn again as asked;
and whether the original is as it was.

    python benchmarks/model_zoo.py [NAME ...] [--output benchmarks/results/model_zoo.json]
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf
from zoo import KINDS, MODELS, Specimen
from zoo.registry import numbers

from actsearch.activations import bind
from actsearch.errors import ModelError
from actsearch.swap.plan import Included, TracedModel, make_plan
from actsearch.swap.sites import SiteKind
from actsearch.swap.swap import swap_traced

TOLERANCE = 1e-6
# Classes whose code in Keras applies a softmax, which no code of a model has; no model has a Softmax layer itself.
KERAS_SOFTMAX = {"Softmax", "Attention", "AdditiveAttention", "MultiHeadAttention", "GroupedQueryAttention"}
TRACED = ("parts", "subclassed", "tabular")
Row = dict[str, Any]


def some(data: Any, number: int = 4) -> Any:
    """The first samples, as tensors in the structure of the data."""
    return keras.tree.map_structure(lambda a: tf.constant(a[:number]), data)


def seeded(model: Any) -> Any:
    """The model, with its generators of random numbers at their start."""
    for variable in model.variables:
        if "seed_generator_state" in variable.path:
            variable.assign(np.array([1, 2], variable.dtype))
    return model


def outputs_of(model: Any, x: Any) -> list[np.ndarray]:
    """The outputs of a model, in one list; of its parts, for numbers as their input, if it is never called itself."""
    seeded(model)
    if callable_as_a_whole(model):
        outputs = model(some(x), training=False)
    else:
        parts = [part for part in model.layers if isinstance(part, keras.Model)]
        outputs = [part(numbers(*part.input_shape[1:])[:4], training=False) for part in parts]
    return [np.asarray(output) for output in keras.tree.flatten(outputs)]


def callable_as_a_whole(model: Any) -> bool:
    """Whether a model has a `call`; some only train their parts."""
    return type(model).call is not keras.Model.call


def distance(old: Iterable[np.ndarray], new: Iterable[np.ndarray]) -> float:
    """The largest difference between outputs; infinite where their number or shape differs."""
    old, new = list(old), list(new)
    if [o.shape for o in old] != [n.shape for n in new]:
        return float("inf")
    return max(float(np.max(np.abs(o.astype("float64") - n))) for o, n in zip(old, new, strict=True))


def built(specimen: Specimen) -> Any:
    """The model of a function, called once, as the message for a model that is not built says."""
    model = specimen.make()
    if not model.built and callable_as_a_whole(model):
        model(some(specimen.x))
    return model


def compared(specimen: Specimen, sites: Iterable[Any], replaced: set[str]) -> Row:
    """What was found of what is there: hidden activations reached, missed, and called something else."""
    found = {kind: Counter[str]() for kind in KINDS}
    reached = Counter[str]()
    for site in sites:
        if site.activation == "softmax" and site.layer_class in KERAS_SOFTMAX:
            continue
        found[str(site.kind)][site.activation] += 1
        reached[site.activation] += site.name in replaced
    hidden, all_seen = specimen.seen["hidden"], sum(specimen.seen.values(), Counter[str]())
    surplus = found["hidden"] - hidden
    lost = hidden - found["hidden"]
    elsewhere = sum((found[kind] for kind in KINDS if kind != "hidden"), Counter[str]())
    others = sum((specimen.seen[kind] for kind in KINDS if kind != "hidden"), Counter[str]())
    wrong = (lost & (elsewhere - others)) + (surplus & all_seen)
    row: Row = {kind: [specimen.seen[kind].total(), found[kind].total()] for kind in KINDS}
    row["hidden_reached"] = (hidden & reached).total()
    row["wrongly_called"] = wrong.total()
    for kind in KINDS:
        for how, names in (
            ("missed", specimen.seen[kind] - found[kind]),
            ("too many", found[kind] - specimen.seen[kind]),
        ):
            if names:
                reason = f"{kind} {how}: " + ", ".join(f"{n} {name}" for name, n in names.items())
                row.setdefault("differs", []).append(reason)
    return row


def kept(old: Any, new: Any) -> tuple[int, int, int]:
    """Trainable matrices of a model; how many of them another has equal, and how many different."""
    before, after = (
        [v for v in model.trainable_variables if v.path.rpartition("/")[2] not in ("slope", "alpha")]
        for model in (old, new)
    )
    by_path = {variable.path: variable for variable in after}
    if len(by_path) == len(before) and by_path.keys() == {variable.path for variable in before}:
        after = [by_path[variable.path] for variable in before]
    pairs = list(zip(before, after, strict=True))
    drawn = [(a.numpy(), b.numpy()) for a, b in pairs if len(a.shape) > 1 and np.std(a.numpy()) > 0]
    equal = sum(np.array_equal(a, b) for a, b in drawn)
    return len(drawn), equal, len(drawn) - equal


def trained(model: Any, specimen: Specimen) -> Row:
    """The history of one epoch of two steps."""
    batches = specimen.batches
    if any(
        array.dtype.kind == "U" for array in keras.tree.flatten(specimen.x)
    ):  # fit takes strings from data sets only
        batches = tf.data.Dataset.from_tensor_slices((specimen.x, specimen.y)).batch(8).repeat
    if batches is not None:
        return model.fit(batches(), steps_per_epoch=2, epochs=1, verbose=0).history
    return model.fit(specimen.x, specimen.y, batch_size=8, epochs=1, verbose=0).history


class Examination:
    """One model under examination: each check adds to its row, and what fails is said there.

    Args:
        specimen: The model.
        folder: Where models are saved that another process loads.
    """

    def __init__(self, specimen: Specimen, folder: Path) -> None:
        self.specimen, self.folder = specimen, folder
        self.row: Row = {"theme": specimen.theme, "hidden": [specimen.seen["hidden"].total(), 0], "fails": []}
        self.model: Any = None
        self.swapped: Any = None

    def run(self) -> Row:
        """Makes all checks, each only where those before it made sense."""
        started = time.perf_counter()
        if self._check("build", self._build) and self._check("sites", self._sites) and self.row["replaced"]:
            self._check("identity", self._identity)
            self._check("weights", self._weights)
            if self._check("swap to prelu", self._swap) and self._check("train", self._train):
                self._check("save", self._save)
            self._check("original", self._original)
        self.row["seconds"] = round(time.perf_counter() - started, 2)
        return self.row

    def fail(self, text: str) -> None:
        """Notes what is wrong."""
        self.row["fails"].append(text)

    def _check(self, name: str, check: Callable[[], None]) -> bool:
        try:
            check()
        except Exception as error:  # noqa: BLE001  whatever fails is what this finds out
            lines = f"{type(error).__name__}: {error}".strip().splitlines()
            self.fail(f"{name}: {' '.join(lines)[:300]}")
            return False
        return True

    def _build(self) -> None:
        keras.backend.clear_session()
        keras.utils.set_random_seed(0)
        self.model = built(self.specimen)

    def _sites(self) -> None:
        self.traced = TracedModel(self.model)
        sites = [traced.site for traced in self.traced.sites]
        hidden = [site for site in sites if site.kind is SiteKind.HIDDEN]
        report = make_plan(self.traced, "prelu", match=False, included=Included()).report if hidden else None
        self.replaced = {swap.site.name for swap in report.replaced} if report else set()
        left = [s for s in report.left_alone if s.site.kind is SiteKind.HIDDEN] if report else []
        self.row["left_alone"] = {swap.site.name: swap.reason for swap in left}
        self.row |= compared(self.specimen, sites, self.replaced)
        self.row["replaced"] = len(self.replaced)
        self.before = outputs_of(self.model, self.specimen.x)
        named = [site for site in hidden if site.in_catalogue and site.name in self.replaced]
        self.same = {site.name: bind(site.activation, **site.parameters) for site in named}

    def _new(self, activation: Any, *, match: bool = True, keep_weights: bool = False) -> Any:
        """The model with other activations; where its class cannot be copied, its function makes it, as in a search."""
        given = {"match": match, "keep_weights": keep_weights, "included": Included()}
        try:
            return swap_traced(self.traced, activation, **given)
        except ModelError as error:
            self.row["not_copied"] = " ".join(str(error).split())[:300]
        if keep_weights:  # the function draws those of the original from its seed
            keras.utils.set_random_seed(0)
        return swap_traced(self.traced, activation, **given, make=lambda: built(self.specimen))

    def _identity(self) -> None:
        if not self.same:  # functions of one's own are in no catalogue
            return
        new = self._new(self.same, match=False, keep_weights=True)
        self.row["identity"] = distance(self.before, outputs_of(new, self.specimen.x))
        if self.row["identity"] != 0.0:
            self.fail(f"identity: outputs move by {self.row['identity']:.1e}")
        number, _, different = kept(self.model, new)
        if different:
            self.fail(f"weights: {different} of {number} are not kept")

    def _weights(self) -> None:
        keras.utils.set_random_seed(1)
        new = self._new(self.same or "relu", match=False)
        number, equal, _ = kept(self.model, new)
        self.row["matrices"] = number
        if equal:
            self.fail(f"weights: {equal} of {number} are not drawn again")

    def _swap(self) -> None:
        keras.utils.set_random_seed(2)
        self.swapped = self._new("prelu")
        self.slopes = [weight for weight in self.swapped.trainable_weights if "slope" in weight.path]
        self.row["slopes"] = len(self.slopes)
        if len(self.slopes) < self.row["replaced"]:
            self.fail(f"slopes: {len(self.slopes)} can be trained, of {self.row['replaced']} activations")

    def _train(self) -> None:
        before = [slope.numpy() for slope in self.slopes]
        # Tracing a graph takes far longer than two steps without one, so only some themes are trained as usual.
        self.swapped.run_eagerly = self.specimen.theme not in TRACED
        history = trained(self.swapped, self.specimen)
        self.row["logs"] = {name: float(np.mean(values)) for name, values in history.items()}
        if not all(np.isfinite(value) for value in self.row["logs"].values()):
            self.fail(f"train: {self.row['logs']}")
        moved = sum(bool(np.any(s.numpy() != old)) for s, old in zip(self.slopes, before, strict=True))
        self.row["slopes_moved"] = moved
        if self.slopes and not moved:
            self.fail("train: no slope moves")

    def _save(self) -> None:
        name = self.specimen.name
        try:
            self.model.save(self.folder / f"{name}.original.keras")
        except Exception as error:  # noqa: BLE001  what Keras cannot save of the original, the swapped one need not
            self.row["not_saved_by_keras"] = " ".join(f"{type(error).__name__}: {error}".split())[:300]
            return
        self.swapped.save(self.folder / f"{name}.swapped.keras")
        expected = (*self.before, *outputs_of(self.swapped, self.specimen.x))
        np.savez(self.folder / f"{name}.npz", *expected)

    def _original(self) -> None:
        moved = distance(self.before, outputs_of(self.model, self.specimen.x))
        if moved:
            self.fail(f"original: its outputs move by {moved:.1e}")


def own_objects(specimen: Specimen) -> dict[str, Any]:
    """The classes and functions beside a model, of which not all are registered with Keras."""
    beside = vars(sys.modules[specimen.make.__module__])
    return {name: value for name, value in beside.items() if getattr(value, "__module__", "").startswith("zoo.")}


def load_all(folder: Path) -> None:
    """Loads what was saved, in this process, and writes how far outputs are from what they were."""
    results: dict[str, Row] = {}
    for path in sorted(folder.glob("*.npz")):
        specimen, row = MODELS[path.stem], results.setdefault(path.stem, {})
        arrays = list(np.load(path).values())
        half = len(arrays) // 2
        for kind, expected in (("original", arrays[:half]), ("swapped", arrays[half:])):
            try:
                file = folder / f"{path.stem}.{kind}.keras"
                loaded = keras.models.load_model(file, custom_objects=own_objects(specimen), safe_mode=False)
                row[kind] = distance(expected, outputs_of(loaded, specimen.x))
            except Exception as error:  # noqa: BLE001  whatever fails is what this finds out
                row[kind] = " ".join(f"{type(error).__name__}: {error}".split())[:300]
            keras.backend.clear_session()
    (folder / "loaded.json").write_text(json.dumps(results))


def loaded(folder: Path) -> dict[str, Row]:
    """What `load_all` finds in another process."""
    command = [sys.executable, __file__, "--load", str(folder)]
    subprocess.run(command, check=True, capture_output=True)
    return read_loaded(folder)


def read_loaded(folder: Path) -> dict[str, Row]:
    """What `load_all` has found."""
    return json.loads((folder / "loaded.json").read_text())


def add_loaded(row: Row, found: Row) -> None:
    """Adds what loading showed; where the original cannot be loaded by Keras either, the swapped one need not."""
    row["loaded"] = found["swapped"]
    if isinstance(found["original"], str):
        row["not_loaded_by_keras"] = found["original"]
    elif isinstance(found["swapped"], str) or not found["swapped"] <= TOLERANCE:
        row["fails"].append(f"load: {found['swapped']}")


def print_row(name: str, row: Row) -> None:
    """Prints what is known of one model."""
    counts = " | ".join("{} of {}".format(*reversed(row[k])) if k in row else "" for k in KINDS)
    remarks = [*row["fails"], *row.get("differs", []), *(f"{s}: {r}" for s, r in row.get("left_alone", {}).items())]
    if "not_copied" in row:
        remarks.append(f"made by its function, since its class cannot be copied: {row['not_copied'][:120]}")
    for key, text in (("not_saved_by_keras", "save"), ("not_loaded_by_keras", "load")):
        if key in row:
            remarks.append(f"Keras does not {text} the original: {row[key][:80]}")
    print(
        f"| {name} | {counts} | {row.get('identity', '')} | {row.get('loaded', '')} | {'; '.join(remarks)} |",
        flush=True,
    )


def totals(rows: dict[str, Row]) -> Row:
    """The figures over all models."""
    expected = sum(row["hidden"][0] for row in rows.values())
    reached = sum(row.get("hidden_reached", 0) for row in rows.values())
    silent = [
        name
        for name, row in rows.items()
        if any(": outputs move" in text or " are not " in text or "original: " in text for text in row["fails"])
        or (isinstance(row.get("loaded"), float) and not row["loaded"] <= TOLERANCE)
    ]
    return {
        "models": len(rows),
        "models_without_failure": sum(not row["fails"] for row in rows.values()),
        "hidden": expected,
        "hidden_reached": reached,
        "share_reached": round(reached / max(expected, 1), 4),
        "wrongly_called": sum(row.get("wrongly_called", 0) for row in rows.values()),
        "silent_differences": len(silent),
        "silent": silent,
    }


def examine(names: Iterable[str]) -> dict[str, Row]:
    """Examines models one after the other; the saved ones are loaded by one other process."""
    with tempfile.TemporaryDirectory() as text, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        folder = Path(text)
        rows = {}
        for name in names:
            rows[name] = Examination(MODELS[name], folder).run()
            print(f"{name}: {rows[name]['seconds']} s {rows[name]['fails']}", file=sys.stderr, flush=True)
        for name, found in loaded(folder).items():
            add_loaded(rows[name], found)
    return rows


def main() -> None:
    """Examines all models, prints the table and writes the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="models; all if none is named")
    parser.add_argument("--output", type=Path)
    parser.add_argument("--load", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.load is not None:
        load_all(given.load)
        return
    names = [n for n in MODELS if not given.names or n in given.names or MODELS[n].theme in given.names]
    rows = examine(names)
    print("| model | hidden | recurrent | gates | outputs | identity | after loading | remarks |")
    print("|---|---|---|---|---|---|---|---|")
    for name, row in rows.items():
        print_row(name, row)
    figures = totals(rows)
    print("\n".join(f"{name}: {value}" for name, value in figures.items()))
    if given.names and given.output is None:
        return
    out = given.output or Path(__file__).parent / "results" / "model_zoo.json"
    versions = {"python": platform.python_version(), "keras": keras.__version__, "tensorflow": tf.__version__}
    result = {"question": __doc__.splitlines()[0], "versions": versions, "machine": platform.machine()}
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps({**result, "totals": figures, "models": rows}, indent=2) + "\n")


if __name__ == "__main__":
    main()
