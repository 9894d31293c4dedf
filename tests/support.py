"""What tests share beside fixtures: a small network, and the runs of a store."""

import keras

import actsearch


def small_network(hp, space="relu_variants"):
    """A build function as a user would write it."""
    activation = actsearch.choose(hp, space)
    model = keras.Sequential(
        [
            keras.Input((64,)),
            keras.layers.Dense(16, kernel_initializer=activation.initializer()),
            activation.layer(),
            activation.dropout(0.1),
            keras.layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def runs_of(store, level=None) -> list:
    """All runs that were drawn, or those of a level: search, trial, execution."""
    experiments = [e.experiment_id for e in store.search_experiments()]
    runs = store.search_runs(experiments, max_results=5000)
    return [r for r in runs if level is None or r.data.tags["actsearch.level"] == level]
