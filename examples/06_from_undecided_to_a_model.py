"""You learn to read a verdict, to extend a search that is undecided, and to get a model trained on all data.

A regression, since errors show differences between activations sooner than accuracies do.
"""

import keras
from sklearn.datasets import load_diabetes
from sklearn.preprocessing import StandardScaler

import actsearch

x, y = load_diabetes(return_X_y=True)
x, y = StandardScaler().fit_transform(x), (y - y.mean()) / y.std()


def make_model():
    layers = [keras.layers.Dense(64, activation="gelu") for _ in range(3)]
    model = keras.Sequential([keras.Input((10,)), *layers, keras.layers.Dense(1)])
    model.compile("adam", "mae")
    return model


# Three executions are rarely enough. The same call with more of them continues in the same directory.
space = {"baseline": "gelu", "activations": ["gelu", "relu", "elu"]}
options = {"space": space, "epochs": 10, "directory": "diabetes"}
first = actsearch.search(make_model, x, y, executions=3, **options)
print(first.verdict.recommendation)
result = actsearch.search(make_model, x, y, executions=6, **options)
print(result)

for comparison in result.verdict.comparisons:
    print(comparison.activation, comparison.outcome, comparison.interval)
model = result.refit(x, y)  # the activation that the verdict recommends, on all data
model.save("model.keras")
