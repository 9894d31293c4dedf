"""You learn to name the activation where the model is built: with its initializer and dropout, beside other choices.

`choose` returns the activation of a trial. `layer()` is a new layer at each call, and `initializer()` preserves the
variance of the signal. Every trial is logged to MLflow; `actsearch ui` shows them.
"""

import keras
from sklearn.datasets import load_digits

import actsearch

x, y = load_digits(return_X_y=True)
x = (x / 16).astype("float32").reshape(-1, 8, 8, 1)


def build(hp):
    activation = actsearch.choose(hp, ["relu", "leaky_relu", "selu"])
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            keras.layers.Conv2D(16, 3, kernel_initializer=activation.initializer()),
            activation.layer(),
            keras.layers.MaxPooling2D(),
            keras.layers.Flatten(),
            keras.layers.Dense(32, kernel_initializer=activation.initializer()),
            activation.layer(),
            activation.dropout(0.1),
            keras.layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


result = actsearch.search(build, x, y, epochs=8, executions=3)
print(result.report())
model = result.best_model()
model.summary()
