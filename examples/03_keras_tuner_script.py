"""You learn to search the activation as one hyperparameter among others, in a script written for KerasTuner.

`ActivationTuner` takes any KerasTuner oracle; here it tries eight random combinations.
"""

import keras
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

import actsearch

x, y = load_breast_cancer(return_X_y=True)
x_train, x_val, y_train, y_val = train_test_split(x, y, test_size=0.3, random_state=0, stratify=y)
scaler = StandardScaler().fit(x_train)
x_train, x_val = scaler.transform(x_train), scaler.transform(x_val)


def build(hp):
    activation = actsearch.choose(hp, {"activations": ["relu", {"leaky_relu": {"slope": [0.01, 0.3]}}, "selu"]})
    model = keras.Sequential([keras.Input((30,))])
    for _ in range(hp.Int("layers", 1, 3)):
        model.add(keras.layers.Dense(hp.Choice("units", [16, 64]), kernel_initializer=activation.initializer()))
        model.add(activation.layer())
        model.add(activation.dropout(0.1))
    model.add(keras.layers.Dense(1, activation="sigmoid"))
    optimizer = keras.optimizers.AdamW(hp.Float("learning_rate", 1e-4, 1e-2, sampling="log"))
    model.compile(optimizer, "binary_crossentropy", metrics=["accuracy"])
    return model


tuner = actsearch.ActivationTuner(
    build, objective="val_accuracy", oracle="random", max_trials=8, executions=2, epochs=10, seed=0
)
result = tuner.search(x_train, y_train, validation_data=(x_val, y_val))
print(result.report())
print(tuner.get_best_hyperparameters()[0].values)
