"""You learn to add functions of your own, to check them, and to compare them with ReLU like any other.

The matched initializer follows from the function itself: 1 / E f(z)² for a standard normal z.
"""

import keras
from sklearn.datasets import load_digits

import actsearch
from actsearch.activations import second_moment
from actsearch.testing import check_activation

x, y = load_digits(return_X_y=True)
x = (x / 16).astype("float32")


@actsearch.register_activation("squared_relu", formula="max(0, x)²", reference="So et al. 2021, arXiv 2109.08668")
def squared_relu(inputs):
    """The square of ReLU, from Primer."""
    return keras.ops.square(keras.ops.relu(inputs))


@actsearch.register_activation("sloped_tanh", formula="tanh(x) + slope·x")
def sloped_tanh(inputs, slope=0.1):
    """Tanh that does not become flat; its slope is a parameter that a search space can vary."""
    return keras.ops.tanh(inputs) + slope * inputs


check_activation("squared_relu")  # shapes, precision, gradients, saving and loading: says what is wrong
check_activation("sloped_tanh")
print("E f(z)² of squared_relu:", round(second_moment("squared_relu"), 4))

space = {"activations": ["relu", "squared_relu", {"sloped_tanh": {"slope": [0.05, 0.2]}}]}


def build(hp):
    activation = actsearch.choose(hp, space)
    model = keras.Sequential([keras.Input((64,))])
    for _ in range(2):
        model.add(keras.layers.Dense(32, kernel_initializer=activation.initializer()))
        model.add(activation.layer())
    model.add(keras.layers.Dense(10, activation="softmax"))
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


result = actsearch.search(build, x, y, epochs=8, executions=2)
print(result.report())
