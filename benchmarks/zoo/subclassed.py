"""Models as classes: layers in lists and dicts, models inside models, activations that the code calls."""

import keras
import tensorflow as tf
from keras import layers, ops
from keras.ops import relu

from zoo.registry import binary, images, labels, numbers, zoo

register = keras.saving.register_keras_serializable("zoo.subclassed")
TABLE = {"x": numbers(6), "y": labels(3)}


def compiled(model, loss="sparse_categorical_crossentropy"):
    model.compile(optimizer="adam", loss=loss, metrics=["accuracy"])
    return model


@register
class MyModel(keras.Model):
    """The class of the documentation of Keras."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.dense1 = layers.Dense(8, activation="relu")
        self.dense2 = layers.Dense(3, activation="softmax")
        self.dropout = layers.Dropout(0.5)

    def call(self, inputs, training=False):
        x = self.dense1(inputs)
        x = self.dropout(x, training=training)
        return self.dense2(x)


@zoo(**TABLE, hidden="relu", output="softmax")
def flat_subclass():
    """Two dense layers and a dropout."""
    return compiled(MyModel())


class TutorialModel(keras.Model):
    """The class of TensorFlow's tutorial: no **kwargs, no registration, activation calls of tf.nn."""

    def __init__(self):
        super().__init__()
        self.conv1 = layers.Conv2D(8, 3)
        self.flatten = layers.Flatten()
        self.d1 = layers.Dense(16)
        self.d2 = layers.Dense(3)

    def call(self, x):
        x = tf.nn.relu(self.conv1(x))
        x = self.flatten(x)
        x = tf.nn.silu(self.d1(x))
        return self.d2(x)


@zoo(x=images(8, 1), y=labels(3), hidden="relu silu")
def tutorial_subclass():
    """Activations as calls of TensorFlow; logits."""
    return compiled(TutorialModel(), keras.losses.SparseCategoricalCrossentropy(from_logits=True))


@register
class ResidualUnit(layers.Layer):
    """A residual unit that calls keras.activations."""

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.inner, self.outer = layers.Dense(units), layers.Dense(units)

    def build(self, input_shape):
        self.inner.build(input_shape)
        self.outer.build(input_shape)

    def call(self, x):
        return keras.activations.gelu(x + self.outer(keras.activations.gelu(self.inner(x))))

    def get_config(self):
        return {**super().get_config(), "units": self.units}


@register
class Body(keras.Model):
    """Layers in a list, applied in a loop, and a Sequential."""

    def __init__(self, depth, **kwargs):
        super().__init__(**kwargs)
        self.depth = depth
        self.units = [ResidualUnit(8) for _ in range(depth)]
        self.neck = keras.Sequential([layers.Dense(8, activation="elu"), layers.LayerNormalization(), layers.ReLU()])

    def call(self, x):
        for unit in self.units:
            x = unit(x)
        return self.neck(x)

    def get_config(self):
        return {**super().get_config(), "depth": self.depth}


@register
class NestedModel(keras.Model):
    """A model of models."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.stem = layers.Dense(8)
        self.body = Body(2)
        self.head = MyModel()

    def call(self, x):
        return self.head(self.body(relu(self.stem(x))))


@zoo(**TABLE, hidden="relu*3 gelu*4 elu", output="softmax")
def nested_subclass():
    """Three levels: an imported relu, gelu in layers of layers, a Sequential."""
    return compiled(NestedModel())


@register
class MultiHead(keras.Model):
    """Layers in a dict of lists; activations from a dict of names."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.towers = {
            "left": [layers.Dense(8, activation="relu"), layers.Dense(8, activation="tanh")],
            "right": [layers.Dense(8, activation="selu")],
        }
        self.act = layers.Activation("swish")
        self.final = layers.Dense(3)

    def call(self, inputs):
        parts = []
        for name in ("left", "right"):
            x = inputs
            for layer in self.towers[name]:
                x = layer(x)
            parts.append(x)
        return ops.softmax(self.final(self.act(ops.concatenate(parts, axis=-1))))


@zoo(**TABLE, hidden="relu tanh selu silu", output="softmax")
def dict_of_towers():
    """The output's softmax is a call at the end."""
    return compiled(MultiHead())


@register
class ResNetTypeModel(keras.Model):
    """A subclass with the activation as an argument that it gets by name."""

    def __init__(self, filters=(8, 8), activation="relu", **kwargs):
        super().__init__(**kwargs)
        self.filters, self.activation_name = filters, activation
        self.act = keras.activations.get(activation)
        self.convs = [layers.Conv2D(f, 3, padding="same") for f in filters]
        self.norms = [layers.BatchNormalization() for _ in filters]
        self.pool = layers.GlobalAveragePooling2D()
        self.classifier = layers.Dense(3)

    def call(self, x):
        for conv, norm in zip(self.convs, self.norms, strict=True):
            x = self.act(norm(conv(x)))
        return self.classifier(self.pool(x))

    def get_config(self):
        return {**super().get_config(), "filters": self.filters, "activation": self.activation_name}


@zoo(x=images(8), y=labels(3), hidden="relu")
def subclass_with_activation_argument():
    """One function in an attribute, applied twice: one activation."""
    return compiled(ResNetTypeModel(), keras.losses.SparseCategoricalCrossentropy(from_logits=True))


@register
class CustomModel(keras.Model):
    """A Functional subclass with the train_step of Keras's guide."""

    def train_step(self, data):
        x, y = data
        with tf.GradientTape() as tape:
            y_pred = self(x, training=True)
            loss = self.compute_loss(y=y, y_pred=y_pred)
        gradients = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply_gradients(zip(gradients, self.trainable_variables, strict=True))
        for metric in self.metrics:
            if metric.name == "loss":
                metric.update_state(loss)
            else:
                metric.update_state(y, y_pred)
        return {m.name: m.result() for m in self.metrics}


@zoo(x=numbers(6), y=numbers(1), hidden="relu silu")
def functional_subclass():
    """Inputs and outputs handed to a class of one's own."""
    inputs = keras.Input(shape=(6,))
    x = layers.Dense(8, activation="relu")(inputs)
    x = layers.Dense(8, activation="swish")(x)
    model = CustomModel(inputs, layers.Dense(1)(x))
    model.compile(optimizer="adam", loss="mse", metrics=["mae"])
    return model


class InitModel(keras.Model):
    """Builds its graph in __init__ and calls super with it, as keras_hub does."""

    def __init__(self, units=8, num_classes=3, **kwargs):
        inputs = keras.Input(shape=(6,))
        x = layers.Dense(units, activation="gelu", name="first")(inputs)
        x = layers.Dense(units, activation="gelu", name="second")(x)
        outputs = layers.Dense(num_classes, activation="softmax")(x)
        super().__init__(inputs=inputs, outputs=outputs, **kwargs)
        self.units, self.num_classes = units, num_classes

    def get_config(self):
        return {"name": self.name, "units": self.units, "num_classes": self.num_classes}


@zoo(**TABLE, hidden="gelu*2", output="softmax")
def graph_made_in_init():
    """A Functional model whose class has arguments of its own."""
    return compiled(InitModel())


@register
class Distiller(keras.Model):
    """A student that learns from a frozen teacher, as in keras.io."""

    def __init__(self, student, teacher, **kwargs):
        super().__init__(**kwargs)
        self.teacher = teacher
        self.student = student

    def compile(self, optimizer, metrics, student_loss_fn, distillation_loss_fn, alpha=0.1, temperature=3):
        super().compile(optimizer=optimizer, metrics=metrics)
        self.student_loss_fn = student_loss_fn
        self.distillation_loss_fn = distillation_loss_fn
        self.alpha = alpha
        self.temperature = temperature

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, **kwargs):
        del sample_weight, kwargs
        teacher_pred = self.teacher(x, training=False)
        student_loss = self.student_loss_fn(y, y_pred)
        distillation_loss = self.distillation_loss_fn(
            ops.softmax(teacher_pred / self.temperature, axis=1), ops.softmax(y_pred / self.temperature, axis=1)
        )
        return self.alpha * student_loss + (1 - self.alpha) * distillation_loss * self.temperature**2

    def call(self, x):
        return self.student(x)


def _network(units, name):
    return keras.Sequential(
        [
            keras.Input(shape=(8, 8, 1)),
            layers.Conv2D(units, (3, 3), strides=(2, 2), padding="same"),
            layers.LeakyReLU(negative_slope=0.2),
            layers.Conv2D(units, (3, 3), strides=(2, 2), padding="same"),
            layers.LeakyReLU(negative_slope=0.2),
            layers.Flatten(),
            layers.Dense(3),
        ],
        name=name,
    )


@zoo(x=images(8, 1), y=labels(3), hidden="leaky_relu*2")
def distiller():
    """compile with arguments of its own; only the student runs in call."""
    teacher = _network(16, "teacher")
    teacher.trainable = False
    model = Distiller(student=_network(8, "student"), teacher=teacher)
    model.compile(
        optimizer=keras.optimizers.Adam(),
        metrics=[keras.metrics.SparseCategoricalAccuracy()],
        student_loss_fn=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        distillation_loss_fn=keras.losses.KLDivergence(),
    )
    return model


@register
class DistanceLayer(layers.Layer):
    """Distances of the anchor to the positive and to the negative."""

    def call(self, anchor, positive, negative):
        ap_distance = ops.sum(tf.square(anchor - positive), -1)
        an_distance = ops.sum(tf.square(anchor - negative), -1)
        return ap_distance, an_distance


@register
class SiameseModel(keras.Model):
    """The triplet network of keras.io."""

    def __init__(self, siamese_network, margin=0.5, **kwargs):
        super().__init__(**kwargs)
        self.siamese_network = siamese_network
        self.margin = margin
        self.loss_tracker = keras.metrics.Mean(name="loss")

    def call(self, inputs):
        return self.siamese_network(inputs)

    def train_step(self, data):
        with tf.GradientTape() as tape:
            loss = self._compute_loss(data)
        gradients = tape.gradient(loss, self.siamese_network.trainable_weights)
        self.optimizer.apply_gradients(zip(gradients, self.siamese_network.trainable_weights, strict=True))
        self.loss_tracker.update_state(loss)
        return {"loss": self.loss_tracker.result()}

    def _compute_loss(self, data):
        ap_distance, an_distance = self.siamese_network(data)
        return ops.mean(ops.maximum(ap_distance - an_distance + self.margin, 0.0))

    @property
    def metrics(self):
        return [self.loss_tracker]


def _triplets():
    parts = tuple(images(8, seed=i) for i in range(3))
    return tf.data.Dataset.from_tensor_slices(parts).batch(8).map(lambda a, p, n: ((a, p, n),))


@zoo(x=tuple(images(8, seed=i) for i in range(3)), batches=_triplets, hidden="relu*3")
def siamese_triplets():
    """A Functional network inside a class; three inputs in a tuple; two outputs."""
    base = keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            layers.Conv2D(8, 3, activation="relu"),
            layers.Flatten(),
            layers.Dense(8, activation="relu"),
            layers.BatchNormalization(),
            layers.Dense(8, activation="relu"),
            layers.Dense(4),
        ],
        name="Embedding",
    )
    anchor, positive, negative = (
        layers.Input(name=name, shape=(8, 8, 3)) for name in ("anchor", "positive", "negative")
    )
    distances = DistanceLayer()(base(anchor), base(positive), base(negative))
    model = SiameseModel(keras.Model(inputs=[anchor, positive, negative], outputs=distances))
    model.compile(optimizer=keras.optimizers.Adam(0.0001), weighted_metrics=[])
    return model


@register
class TwoInputs(keras.Model):
    """A dict of inputs, a dict of outputs, and an auxiliary head."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.image = keras.Sequential([layers.Conv2D(4, 3, activation="relu"), layers.GlobalMaxPooling2D()])
        self.table = layers.Dense(8, activation="mish")
        self.score = layers.Dense(1, activation="sigmoid")
        self.group = layers.Dense(3)

    def call(self, inputs):
        x = ops.concatenate([self.image(inputs["image"]), self.table(inputs["table"])], axis=-1)
        return {"score": self.score(x), "group": self.group(x)}


@zoo(
    x={"image": images(8), "table": numbers(6)},
    y={"score": binary(), "group": labels(3)},
    hidden="relu mish",
    output="sigmoid",
)
def subclass_with_dicts():
    """Built by a call with a dict."""
    model = TwoInputs()
    group_loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", {"score": "binary_crossentropy", "group": group_loss})
    return model
