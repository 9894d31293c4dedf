"""You learn to give one of KerasTuner's own tuners a ledger and MLflow runs: the search itself is unchanged."""

import keras
import keras_tuner
from sklearn.datasets import load_wine
from sklearn.preprocessing import StandardScaler

import actsearch

x, y = load_wine(return_X_y=True)
x = StandardScaler().fit_transform(x)


class Tuner(actsearch.MLflowTracking, keras_tuner.Hyperband):
    """Hyperband with a ledger and MLflow runs."""


def build(hp):
    activation = actsearch.choose(hp, "relu_variants")
    units = hp.Int("units", 8, 64, step=8)
    model = keras.Sequential(
        [
            keras.Input((13,)),
            keras.layers.Dense(units, kernel_initializer=activation.initializer()),
            activation.layer(),
            keras.layers.Dense(3, activation="softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


tuner = Tuner(
    build,
    objective="val_accuracy",
    max_epochs=4,
    factor=2,
    seed=1,
    directory="hyperband",
    overwrite=True,
    tracking=actsearch.MLflow(experiment="wine"),
)
tuner.search(x[::2], y[::2], validation_data=(x[1::2], y[1::2]), verbose=0)
print(tuner.get_best_hyperparameters()[0].values)
print("MLflow run:", tuner.mlflow["run_id"])
