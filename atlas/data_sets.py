"""The data sets of the atlas: each comes inside a package, so that nothing is downloaded when the atlas runs.

Only files inside the packages are read, and none but scikit-learn, scikit-image and mnist1d is imported. Features are
scaled by all samples (a constant for each column, which no target enters), numeric targets too: an error of 1 is a
standard deviation. Of a larger data set, the same `MAX_SAMPLES` samples are taken each time.
"""

import importlib.util
import json
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import yaml
from numpy.typing import NDArray

from actsearch.records import Task

Kind = Literal["table", "image", "signal", "text"]
MAX_SAMPLES = 1800
UCI = "CC BY 4.0 (UCI Machine Learning Repository)"
PUBLIC = "public domain"


@dataclass(frozen=True, eq=False)
class Loaded:
    """A data set in memory.

    Args:
        x: Shape (n, features) of a table, (n, height, width, channels) of images, (n, steps, channels) of signals, and
            (n, steps) of text, whose tokens are numbers from 1, and 0 where a text has ended.
        y: Shape (n,): 0 or 1, the number of a class, or a number with mean 0 and variance 1.
    """

    x: NDArray[Any]
    y: NDArray[Any]


@dataclass(frozen=True)
class DataSet:
    """What is known of a data set before it is loaded.

    Args:
        name: Its name in the plan.
        task, kind: What is to be learned, from what.
        package: Package whose files hold it, or whose code generates it.
        licence: Licence of the data, not of the package, as far as it is stated.
        read: Returns x and y, not yet scaled; y may be text.
        in_order: Whether its parts are the past and the future of a series.
    """

    name: str
    task: Task
    kind: Kind
    package: str
    licence: str
    read: Callable[[], tuple[Any, Any]]
    in_order: bool = False

    @property
    def is_installed(self) -> bool:
        """Whether its package is there."""
        return importlib.util.find_spec(self.package) is not None

    def load(self, samples: int | None = None) -> Loaded:
        """Loads it.

        Args:
            samples: Number of samples to take of it, the same ones each time; all, up to `MAX_SAMPLES`, if omitted.
        """
        x, y = self.read()
        x = self._scaled(x)
        y = _standard(np.asarray(y, float)) if self.task is Task.REGRESSION else np.unique(y, return_inverse=True)[1]
        size = min(len(x), samples or MAX_SAMPLES)
        rows = np.arange(len(x) - size, len(x)) if self.in_order else np.sort(_rng().permutation(len(x))[:size])
        return Loaded(x[rows], y[rows].astype("float32" if self.task is Task.REGRESSION else "int64"))

    def _scaled(self, x: Any) -> NDArray[Any]:
        if self.kind == "text":
            return np.asarray(x, "int32")
        if self.kind == "table":
            return _standard(pd.get_dummies(x, drop_first=True).to_numpy(float), axis=0).astype("float32")
        return _standard(np.asarray(x, float)).astype("float32")


def _rng() -> np.random.Generator:
    return np.random.default_rng(20)


def _standard(values: NDArray[Any], axis: int | None = None) -> NDArray[Any]:
    spread = values.std(axis)
    return (values - values.mean(axis)) / np.where(spread == 0, 1, spread)


def _file(package: str, *parts: str) -> Path:
    """Returns the path of a file inside a package, which is not imported."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError(f'{package} is not installed: python -m pip install -e ".[atlas]"')
    return Path(next(iter(spec.submodule_search_locations))).joinpath(*parts)


def _target(table: pd.DataFrame, name: str) -> tuple[pd.DataFrame, pd.Series]:
    return table.drop(columns=name), table[name]


def _sklearn(name: str) -> tuple[pd.DataFrame, Any]:
    from sklearn import datasets

    loaded = getattr(datasets, f"load_{name}")()
    return pd.DataFrame(loaded.data), loaded.target


def _digits() -> tuple[Any, Any]:
    x, y = _sklearn("digits")
    return x.to_numpy().reshape(-1, 8, 8, 1), y


def _penguins() -> tuple[Any, Any]:
    table = pd.read_csv(_file("palmerpenguins", "data", "penguins.csv")).dropna()
    return _target(table.drop(columns=["island", "year"]), "species")


def _cars() -> tuple[Any, Any]:
    table = pd.DataFrame(json.loads(_file("vega_datasets", "_data", "cars.json").read_text("utf-8"))).dropna()
    years = table.pop("Year").str[:4].astype(float)
    return _target(table.drop(columns="Name").assign(year=years), "Miles_per_Gallon")


def _weather() -> tuple[Any, Any]:
    table = pd.read_csv(_file("vega_datasets", "_data", "seattle-weather.csv"))
    season = 2 * np.pi * pd.to_datetime(table.pop("date"), format="%Y/%m/%d").dt.day_of_year / 365.25
    return _target(table.assign(sine=np.sin(season), cosine=np.cos(season)), "weather")


def _temperatures() -> tuple[Any, Any]:
    hours = pd.read_csv(_file("vega_datasets", "_data", "seattle-temps.csv"))["temp"].to_numpy()
    return _windows(hours, past=24, ahead=12, stride=6)


def _sunspots() -> tuple[Any, Any]:
    years = pd.read_csv(_file("statsmodels", "datasets", "sunspots", "sunspots.csv"))["SUNACTIVITY"].to_numpy()
    return _windows(years, past=24, ahead=1, stride=1)


def _windows(series: NDArray[Any], *, past: int, ahead: int, stride: int) -> tuple[Any, Any]:
    """Returns the last `past` values before each time, and the value `ahead` steps after them."""
    ends = np.arange(past, len(series) - ahead + 1, stride)
    return np.stack([series[end - past : end, None] for end in ends]), series[ends + ahead - 1]


def _phishing() -> tuple[Any, Any]:
    return _target(pd.read_csv(_file("river", "datasets", "phishing.csv.gz")), "is_phishing")


def _segments() -> tuple[Any, Any]:
    return _target(pd.read_csv(_file("river", "datasets", "segment.csv.zip")), "category")


def _approval() -> tuple[Any, Any]:
    table = pd.read_csv(_file("river", "datasets", "trump_approval.csv.gz"))
    return _target(table, "five_thirty_eight")


def _bananas() -> tuple[Any, Any]:
    """Reads libsvm's lines such as `-1 1:1.14 2:-0.114`."""
    with zipfile.ZipFile(_file("river", "datasets", "banana.zip")) as archive:
        lines = archive.read("banana.all.txt").decode("ascii").splitlines()
    rows = [[float(part.split(":")[-1]) for part in line.split()] for line in lines if line.strip()]
    return _target(pd.DataFrame(rows, columns=["class", "first", "second"]), "class")


def _statsmodels(name: str, separator: str = ",") -> pd.DataFrame:
    path = _file("statsmodels", "datasets", name, f"{name}.csv")
    return pd.read_csv(path, sep=separator, quotechar="'" if separator == "\t" else '"').dropna()


def _fair() -> tuple[Any, Any]:
    table = _statsmodels("fair")
    return table.drop(columns="affairs"), table["affairs"] > 0


def _election() -> tuple[Any, Any]:
    return _target(_statsmodels("anes96", "\t"), "vote")


def _travel() -> tuple[Any, Any]:
    """One traveller has four rows, one for each mode; the one that was chosen is the class."""
    table = _statsmodels("modechoice", ";").sort_values(["individual", "mode"])
    times = table[["ttme", "invc", "invt", "gc"]].to_numpy().reshape(-1, 16)
    person = table[["hinc", "psize"]].to_numpy().reshape(-1, 4, 2)[:, 0]
    return pd.DataFrame(np.hstack([times, person])), table["choice"].to_numpy().reshape(-1, 4).argmax(1)


def _doctors() -> tuple[Any, Any]:
    table = _statsmodels("randhie")
    return table.drop(columns="mdvis"), np.log1p(table["mdvis"])


def _mnist1d() -> tuple[Any, Any]:
    from mnist1d.data import get_dataset_args, make_dataset

    made = make_dataset(get_dataset_args())  # from its own seed
    return made["x"][..., None], made["y"]


def _textures() -> tuple[Any, Any]:
    """Squares of 8 × 8 pixels from photographs of brick, grass and gravel; each square has its own mean."""
    from skimage import data

    squares = []
    for name in ("brick", "grass", "gravel"):
        photo = getattr(data, name)()[:160, :160] / 255
        parts = photo.reshape(20, 8, 20, 8).swapaxes(1, 2).reshape(-1, 8, 8, 1)
        squares.append(parts - parts.mean((1, 2, 3), keepdims=True))
    return np.concatenate(squares), np.repeat(np.arange(3), [len(each) for each in squares])


def _letters(texts: list[str], steps: int) -> NDArray[Any]:
    """Returns the first letters of each text as numbers: 1 to 26, 27 for a space, 28 for anything else."""
    known = {letter: number for number, letter in enumerate("abcdefghijklmnopqrstuvwxyz ", start=1)}
    tokens = np.zeros((len(texts), steps), "int32")
    for row, text in zip(tokens, texts, strict=True):
        numbers = [known.get(letter, NUM_TOKENS - 1) for letter in text.lower()[:steps]]
        row[: len(numbers)] = numbers
    return tokens


NUM_TOKENS = 29
_LANGUAGES = ("dutch", "english", "french", "german", "indonesian", "italian", "portuguese", "spanish", "turkish")


def _languages() -> tuple[Any, Any]:
    """Sentences of at least 12 letters, and at most 200 of a language."""
    texts: list[str] = []
    labels: list[str] = []
    for language in _LANGUAGES:
        found: set[str] = set()
        for path in sorted(_file("chatterbot_corpus", "data", language).glob("*.yml")):
            conversations = yaml.safe_load(path.read_text("utf-8"))["conversations"]
            found |= {str(line) for lines in conversations for line in lines if len(str(line)) >= 12}
        chosen = _rng().permutation(sorted(found))[:200]
        texts += map(str, chosen)
        labels += [language] * len(chosen)
    return _letters(texts, 32), labels


def _names() -> tuple[Any, Any]:
    """First names that only women or only men had, in the census of the United States in 1990."""
    paths = {sex: _file("names", f"dist.{sex}.first") for sex in ("female", "male")}
    by_sex = {s: {line.split()[0] for line in p.read_text("ascii").splitlines() if line} for s, p in paths.items()}
    both = by_sex["female"] & by_sex["male"]
    women, men = sorted(by_sex["female"] - both), sorted(by_sex["male"] - both)
    women = sorted(map(str, _rng().permutation(women)[: len(men)]))
    return _letters(women + men, 12), [0] * len(women) + [1] * len(men)


def _words() -> tuple[Any, Any]:
    """Words whose sentiment people judged as positive or negative."""
    lines = _file("vaderSentiment", "vader_lexicon.txt").read_text("utf-8").splitlines()
    rated = {word: float(rating) for word, rating, *_ in (line.split("\t") for line in lines if line)}
    words = sorted(word for word, rating in rated.items() if word.isascii() and word.isalpha() and abs(rating) >= 1)
    return _letters(words, 14), [rated[word] > 0 for word in words]


B, M, R = Task.BINARY, Task.MULTICLASS, Task.REGRESSION
ALL = {
    each.name: each
    for each in (
        DataSet("breast_cancer", B, "table", "sklearn", UCI, lambda: _sklearn("breast_cancer")),
        DataSet("wine", M, "table", "sklearn", UCI, lambda: _sklearn("wine")),
        DataSet("diabetes", R, "table", "sklearn", "not stated (Efron et al. 2004)", lambda: _sklearn("diabetes")),
        DataSet("penguins", M, "table", "palmerpenguins", "CC0", _penguins),
        DataSet("cars", R, "table", "vega_datasets", UCI, _cars),
        DataSet("weather", M, "table", "vega_datasets", f"{PUBLIC} (NOAA)", _weather),
        DataSet("phishing", B, "table", "river", UCI, _phishing),
        DataSet("segments", M, "table", "river", UCI, _segments),
        DataSet("bananas", B, "table", "river", "not stated (OpenML 1460)", _bananas),
        DataSet("approval", R, "table", "river", "CC BY 4.0 (FiveThirtyEight)", _approval),
        DataSet("fair", B, "table", "statsmodels", "included there with permission (Fair 1978)", _fair),
        DataSet("election", B, "table", "statsmodels", PUBLIC, _election),
        DataSet("travel", M, "table", "statsmodels", PUBLIC, _travel),
        DataSet("doctors", R, "table", "statsmodels", PUBLIC, _doctors),
        DataSet("mnist1d", M, "signal", "mnist1d", "Apache-2.0", _mnist1d),
        DataSet("temperatures", R, "signal", "vega_datasets", f"{PUBLIC} (NOAA)", _temperatures, in_order=True),
        DataSet("sunspots", R, "signal", "statsmodels", PUBLIC, _sunspots, in_order=True),
        DataSet("digits", M, "image", "sklearn", UCI, _digits),
        DataSet("textures", M, "image", "skimage", "CC0", _textures),
        DataSet("languages", M, "text", "chatterbot_corpus", "BSD-3-Clause", _languages),
        DataSet("names", B, "text", "names", f"{PUBLIC} (US Census Bureau)", _names),
        DataSet("words", B, "text", "vaderSentiment", "MIT", _words),
    )
}
