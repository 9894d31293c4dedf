"""The parts of `large.py`; each runs in a process of its own, whose peak memory it measures."""

import contextlib
import io
import json
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

EPOCHS, BATCH = 2, 64


class Memory:
    """The peak of the resident memory of this process and of its children, from a sample every 20 ms."""

    def __init__(self) -> None:
        self.peak: dict[str, int] = {}
        self._over = threading.Event()

    def __enter__(self) -> "Memory":
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        own = psutil.Process()
        while not self._over.wait(0.02):
            self._note("own", own)
            for child in own.children(recursive=True):
                self._note("others", child)

    def _note(self, name: str, process: psutil.Process) -> None:
        with contextlib.suppress(psutil.Error):
            used = process.memory_info()
            self.peak[name] = max(self.peak.get(name, 0), used.rss)
            anonymous = used.rss - used.shared
            self.peak[f"{name}, anonymous"] = max(self.peak.get(f"{name}, anonymous", 0), anonymous)


def space_of(num_trials: int) -> dict[str, Any]:
    """relu and leaky ReLUs of different slopes: each has a trace of its own."""
    slopes = [round(0.005 * number, 3) for number in range(1, num_trials)]
    return {"activations": ["relu", {"leaky_relu": {"slope": slopes}}], "baseline": "relu"}


def build_of(num_trials: int) -> Callable[[Any], Any]:
    """A tiny classifier."""
    import keras

    import actsearch

    space = space_of(num_trials)

    def build(hp: Any) -> keras.Model:
        activation = actsearch.choose(hp, space)
        layers = [keras.Input((4,)), keras.layers.Dense(4), activation.layer(), keras.layers.Dense(3, "softmax")]
        model = keras.Sequential(layers)
        model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
        return model

    return build


def data() -> tuple[Any, Any]:
    """Features of shape (320, 4) and three classes."""
    import numpy as np

    draw = np.random.default_rng(0)
    x = draw.normal(size=(320, 4)).astype("float32")
    return x, (x @ draw.normal(size=(4, 3)) + draw.normal(size=(320, 3))).argmax(1).astype("int32")


class Noted:
    """A reporter that notes when executions end."""

    def __init__(self) -> None:
        self.at: list[float] = []
        self.rss: list[int] = []

    def __getattr__(self, name: str) -> Callable[..., None]:
        return self._message if name == "message" else lambda *_: None

    def _message(self, text: str) -> None:
        print(text, file=sys.stderr)

    def execution(self, *_: object) -> None:
        """An execution ended."""
        self.at.append(time.perf_counter())
        if len(self.at) % 50 == 0:
            self.rss.append(psutil.Process().memory_info().rss)


def tuner_of(folder: Path, num_trials: int, num_executions: int, reporter: Any, **options: Any) -> Any:
    """The tuner of the search; in the same folder it resumes it."""
    import actsearch

    return actsearch.ActivationTuner(
        build_of(num_trials),
        objective="val_accuracy",
        executions=num_executions,
        epochs=EPOCHS,
        batch_size=BATCH,
        directory=folder / "search",
        tracking=actsearch.MLflow(f"sqlite:///{folder / 'mlflow.db'}"),
        verbose=reporter,
        **options,
    )


def search(folder: Path, num_trials: int, num_executions: int) -> dict[str, Any]:
    """Runs the search; a second call in the same folder has nothing to do."""
    began, noted = time.perf_counter(), Noted()
    tuner = tuner_of(folder, num_trials, num_executions, noted)
    built = time.perf_counter()
    result = tuner.search(*divided(), **given())
    ended = time.perf_counter()
    print(result.verdict.recommendation, file=sys.stderr)
    found = {"seconds": ended - began, "verdict_seconds": time.perf_counter() - ended, "build_seconds": built - began}
    if not noted.at:
        return found
    steps = [after - before for before, after in zip(noted.at, noted.at[1:], strict=False)][num_trials:]
    part = max(len(steps) // 4, 1)
    return found | {
        "until_last_execution": noted.at[-1] - began,
        "after_last_execution": ended - noted.at[-1],
        "first_quarter": sum(steps[:part]) / part,
        "last_quarter": sum(steps[-part:]) / part,
        "rss_bytes": noted.rss,
    }


def divided() -> tuple[Any, Any]:
    """The training part."""
    x, y = data()
    return x[:192], y[:192]


def given() -> dict[str, Any]:
    """The other parts."""
    x, y = data()
    return {"validation_data": (x[192:256], y[192:256]), "test_data": (x[256:], y[256:])}


def report(folder: Path) -> dict[str, Any]:
    """`actsearch report` with its pictures, and the page."""
    seconds = {}
    for name, options in (("report", ()), ("html", ("--html", str(folder / "report.html")))):
        began = time.perf_counter()
        run("report", str(folder / "search"), *options)
        seconds[f"{name}_seconds"] = time.perf_counter() - began
    return {**seconds, "page_bytes": (folder / "report.html").stat().st_size}


def as_json(folder: Path) -> dict[str, Any]:
    """What `--json` prints."""
    from actsearch.cli.terminal import as_plain
    from actsearch.tuning.result import load_result

    began = time.perf_counter()
    text = json.dumps(as_plain(load_result(folder / "search")))
    return {"seconds": time.perf_counter() - began, "bytes": len(text)}


def page(folder: Path) -> dict[str, Any]:
    """What the page of an experiment asks of MLflow: the trials, the best first."""
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{folder / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("actsearch").experiment_id
    began = time.perf_counter()
    trials = client.search_runs([experiment], "tags.`actsearch.level` = 'trial'", max_results=100)
    ended = time.perf_counter()
    runs, token = 0, None
    while True:
        some = client.search_runs([experiment], max_results=1000, page_token=token)
        runs, token = runs + len(some), some.token
        if not token:
            break
    return {"seconds": ended - began, "num_trials": len(trials), "num_runs": runs}


def run(*arguments: str) -> str:
    """Runs the command line in this process; returns what it prints."""
    from actsearch.cli import main

    sys.argv = ["actsearch", *arguments]
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.suppress(SystemExit):
        main()
    return out.getvalue()


FEATURES, FILE_ROWS = 1000, 500_000  # two gigabytes of float32


def write_data(folder: Path) -> dict[str, Any]:
    """Writes two gigabytes as x.npy and y.npy, and as a parquet file of row groups."""
    import numpy as np
    import pyarrow as pa
    from pyarrow import parquet

    draw = np.random.default_rng(0)
    weights, y = draw.normal(size=(FEATURES, 10)).astype("float32"), np.empty(FILE_ROWS, "int32")
    names = [f"f{number}" for number in range(FEATURES)]
    schema = pa.schema([*((name, pa.float32()) for name in names), ("y", pa.int32())])
    x = np.lib.format.open_memmap(folder / "x.npy", "w+", np.float32, (FILE_ROWS, FEATURES))
    with parquet.ParquetWriter(folder / "data.parquet", schema, compression="none", use_dictionary=False) as file:
        for start in range(0, FILE_ROWS, 20_000):
            part = draw.standard_normal((20_000, FEATURES), dtype=np.float32)
            x[start : start + 20_000], y[start : start + 20_000] = part, (part @ weights).argmax(1)
            columns = [pa.array(part[:, number]) for number in range(FEATURES)]
            file.write_table(pa.table([*columns, pa.array(y[start : start + 20_000])], schema=schema))
    x.flush()
    np.save(folder / "y.npy", y)
    return {"bytes": {name: (folder / name).stat().st_size for name in ("x.npy", "data.parquet")}}


def train_on(folder: Path, form: str) -> dict[str, Any]:
    """A search of two activations on the data in one of its forms, one epoch each."""
    import keras
    import numpy as np
    import tensorflow as tf

    import actsearch
    from actsearch.data import load_data
    from actsearch.training.data import TrainingData

    began = time.perf_counter()
    options = {"epochs": 1, "executions": 1, "tracking": False, "verbose": Noted(), "directory": folder / form}
    if form == "parquet":
        tuner = actsearch.ActivationTuner(_classifier, objective="val_accuracy", batch_size=256, **options)
        result = tuner.search_data(TrainingData.of(load_data(str(folder / "data.parquet"), target="y")))
    else:
        x, y = np.load(folder / "x.npy", mmap_mode="r"), np.load(folder / "y.npy")
        if form == "data set":
            cut = 4 * len(y) // 5
            parts = [_data_set(tf, folder / "x.npy", y, 0, cut), _data_set(tf, folder / "x.npy", y, cut, len(y))]
            result = actsearch.search(_classifier, parts[0], validation_data=parts[1], **options)
        else:
            result = actsearch.search(_classifier, x, y, batch_size=256, **options)
    keras.backend.clear_session()
    return {"seconds": time.perf_counter() - began, "best": result.best.mean_score}


def _data_set(tf: Any, path: Path, y: Any, start: int, stop: int) -> Any:
    """Batches of a part of x.npy, read by TensorFlow itself."""
    header, record = 128, 4 * FEATURES
    x = tf.data.FixedLengthRecordDataset([str(path)], record, header_bytes=header).skip(start).take(stop - start)
    x = x.map(lambda row: tf.reshape(tf.io.decode_raw(row, tf.float32), (FEATURES,)))
    return tf.data.Dataset.zip((x, tf.data.Dataset.from_tensor_slices(y[start:stop]))).batch(256).prefetch(2)


def _classifier(hp: Any) -> Any:
    import keras

    import actsearch

    activation = actsearch.choose(hp, ["relu", "tanh"])
    layers = [keras.Input((FEATURES,)), keras.layers.Dense(16), activation.layer()]
    model = keras.Sequential([*layers, keras.layers.Dense(10, "softmax")])
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


PARTS: dict[str, Callable[..., dict[str, Any]]] = {
    "search": search,
    "report": report,
    "json": as_json,
    "page": page,
    "write": write_data,
    "train": train_on,
}


def main() -> None:
    """Runs one part: its name, the folder, and numbers."""
    name, folder, *numbers = sys.argv[1:]
    if name in ("search", "train"):
        from actsearch._startup import load_tensorflow

        load_tensorflow()
        import tensorflow as tf

        tf.constant(0)  # starts its runtime
    before = psutil.Process().memory_info().rss
    with Memory() as memory:
        found = PARTS[name](Path(folder), *(int(each) if each.isdigit() else each for each in numbers))
    print(json.dumps({**found, "rss_before": before, "peak_rss_bytes": memory.peak}))


if __name__ == "__main__":
    main()
