"""You learn to see why a network does not learn, before and after training, without a search.

`advise` reads the model, `screen` looks at its first gradients, and `diagnose` measures dead and saturated units.
"""

import keras
from sklearn.datasets import load_digits

import actsearch

x, y = load_digits(return_X_y=True)
x = (x / 16).astype("float32")


def network(activation):
    hidden = [keras.layers.Dense(32, activation=activation) for _ in range(16)]
    model = keras.Sequential([keras.Input((64,)), *hidden, keras.layers.Dense(10, activation="softmax")])
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


keras.utils.set_random_seed(0)
for issue in actsearch.advise(network("sigmoid"), y):
    print(issue)
print(actsearch.screen(network("sigmoid"), x, y))

# A swap draws new weights with the initializer that fits the new function.
model = actsearch.swap_activations(network("sigmoid"), "elu")
print(actsearch.screen(model, x, y))
model.fit(x, y, epochs=3, verbose=0)
print(actsearch.diagnose(model, x, y))
