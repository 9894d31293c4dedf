"""You learn to search the activation of a training script as it is: its model stays, and two lines replace `fit`.

The script is a typical one: a small convolutional network, whose activation was chosen by habit.
"""

import keras
from sklearn.datasets import load_digits

import actsearch

x, y = load_digits(return_X_y=True)
x = (x / 16).astype("float32").reshape(-1, 8, 8, 1)

model = keras.Sequential(
    [
        keras.Input((8, 8, 1)),
        keras.layers.Conv2D(16, 3, activation="relu"),
        keras.layers.MaxPooling2D(),
        keras.layers.Flatten(),
        keras.layers.Dense(32, activation="relu"),
        keras.layers.Dense(10, activation="softmax"),
    ]
)
model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])

# instead of model.fit(x, y, validation_split=0.2, epochs=8):
result = actsearch.search(model, x, y, space=["relu", "elu"], epochs=8, executions=3)
print(result)
print(actsearch.plan_swap(model, "elu"))  # what was changed in the models that were trained
