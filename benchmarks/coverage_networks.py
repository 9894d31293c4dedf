"""Trains hundreds of small networks at once: one hidden layer, Adam, the best epoch by validation as in a search.

All arms of an execution share data, batches and, up to the scale that matches the activation, the draw of weights, as
the trials of a search do; `relu again` has a draw of its own: it is a candidate that is exactly equal to the baseline.
The leading axis of every array is the execution.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import tensorflow as tf
from coverage_data import Population
from numpy.typing import NDArray

import actsearch

ARMS = ("relu", "tanh", "elu", "gelu", "relu again")
UNITS, RATE = 32, 0.01
AT_ONCE, UNROLLED = 20, 5
BATCHES = {180: (27, 30), 300: (30, 30), 1000: (40, 15), 3000: (60, 10)}  # by number of samples: batch size, epochs


@dataclass(frozen=True)
class Job:
    """One execution: its seed, and the rows of the population that it is trained, validated and tested on."""

    seed: tuple[int, ...]
    train: NDArray[np.int64]
    validation: NDArray[np.int64]
    test: NDArray[np.int64]


class Trainer:
    """Trains all arms of many executions that have parts of equal sizes.

    Args:
        data: The population.
        num_samples: Size of a data set, which decides the size of batches and the number of epochs.
    """

    def __init__(self, data: Population, num_samples: int) -> None:
        self.data = data
        self.batch, self.epochs = BATCHES[num_samples]
        self.outputs = data.num_classes or 1
        names = [arm.split()[0] for arm in ARMS]
        self.layers = [actsearch.activations.bind(name).layer() for name in names]
        shape = (data.x.shape[1], UNITS)
        self.scales = [float(np.std(actsearch.activations.bind(name).initializer(seed=1)(shape))) for name in names]

    def judged_values(self, jobs: list[Job]) -> Iterator[tuple[NDArray[np.float32], ...]]:
        """Yields for each execution the values of its test samples, each of shape (arms, m): score, and loss.

        The score is 1 for a correct class or 0, or the absolute error; the loss the cross-entropy or squared error.
        """
        for first in range(0, len(jobs), AT_ONCE):
            group = jobs[first : first + AT_ONCE]
            full = group + group[:1] * (AT_ONCE - len(group))
            outputs = self._trained_outputs(full)
            yield from list(zip(*self._judge(outputs, np.stack([j.test for j in full])), strict=True))[: len(group)]

    def _judge(self, outputs: NDArray[np.float32], rows: NDArray[np.int64]) -> tuple[NDArray[np.float32], ...]:
        y = self.data.y[rows][:, None]
        if self.data.num_classes is None:
            error = outputs[..., 0] - y
            return np.abs(error), error**2
        y = y.astype(int)
        correct = (outputs.argmax(-1) == y).astype(np.float32)
        shifted = outputs - outputs.max(-1, keepdims=True)
        chosen = np.take_along_axis(shifted, np.broadcast_to(y, correct.shape)[..., None], -1)[..., 0]
        return correct, np.log(np.exp(shifted).sum(-1)) - chosen

    def _trained_outputs(self, jobs: list[Job]) -> NDArray[np.float32]:
        generators = [np.random.default_rng(job.seed) for job in jobs]
        weights = [tf.constant(np.stack(w)) for w in zip(*(self._draw(rng) for rng in generators), strict=True)]
        train, validation, test = (self._part([getattr(j, p) for j in jobs]) for p in ("train", "validation", "test"))
        moments = [tf.zeros_like(w) for w in weights]
        state = (weights, moments, moments, tf.constant(0.0))
        best, merit = weights, tf.fill((len(jobs), len(ARMS)), tf.float32.min)
        num = len(jobs[0].train)
        for _ in range(self.epochs):
            order = np.stack([rng.permutation(num) for rng in generators])
            batches = order[:, : num // self.batch * self.batch].reshape(len(jobs), -1, self.batch).astype(np.int32)
            for at in range(0, batches.shape[1], UNROLLED):
                state = self._steps(*state, *train, tf.constant(batches[:, at : at + UNROLLED]))
            best, merit = self._keep_best(best, merit, state[0], *validation)
        return self._forward(best, test[0]).numpy()

    def _part(self, rows: list[NDArray[np.int64]]) -> tuple[tf.Tensor, tf.Tensor]:
        chosen = np.stack(rows)
        return tf.constant(self.data.x[chosen]), tf.constant(self.data.y[chosen])

    def _draw(self, rng: np.random.Generator) -> list[NDArray[np.float32]]:
        """The weights of all arms of one execution: hidden kernel and bias, output kernel and bias."""
        num, limit = self.data.x.shape[1], np.sqrt(6 / (UNITS + self.outputs))
        hidden = [rng.standard_normal((num, UNITS)) for _ in range(2)]
        output = [rng.uniform(-limit, limit, (UNITS, self.outputs)) for _ in range(2)]
        own = [arm == "relu again" for arm in ARMS]
        kernel = np.concatenate([hidden[o] * scale for o, scale in zip(own, self.scales, strict=True)], 1)
        shapes = (1, UNITS * len(ARMS)), (len(ARMS), 1, self.outputs)
        parts = kernel, np.zeros(shapes[0]), np.stack([output[o] for o in own]), np.zeros(shapes[1])
        return [part.astype(np.float32) for part in parts]

    def _outputs(self, weights: list[tf.Tensor], x: tf.Tensor) -> tf.Tensor:
        """Outputs of all arms, shape (executions, arms, samples, outputs)."""
        before = tf.split(tf.matmul(x, weights[0]) + weights[1], len(ARMS), axis=-1)
        hidden = tf.stack([layer(part) for layer, part in zip(self.layers, before, strict=True)], 1)
        return tf.matmul(hidden, weights[2]) + weights[3]

    @cached_property
    def _forward(self) -> Any:
        return tf.function(self._outputs, jit_compile=True)

    def _losses(self, weights: list[tf.Tensor], x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        outputs = self._outputs(weights, x)
        if self.data.num_classes is None:
            return tf.reduce_mean((outputs[..., 0] - y[:, None]) ** 2, -1)
        target = tf.one_hot(tf.cast(y, tf.int32), self.outputs)[:, None]
        return tf.reduce_mean(tf.nn.log_softmax(outputs) * -target, -1) * self.outputs

    @cached_property
    def _steps(self) -> Any:
        def steps(w: Any, m: Any, v: Any, t: Any, x: tf.Tensor, y: tf.Tensor, batches: tf.Tensor) -> Any:
            for k in range(batches.shape[1]):
                rows = batches[:, k]
                part, target = tf.gather(x, rows, batch_dims=1), tf.gather(y, rows, batch_dims=1)
                with tf.GradientTape() as tape:
                    tape.watch(w)
                    loss = self._losses(w, part, target)
                    total = tf.reduce_sum(loss if loss.shape.rank == 2 else tf.reduce_mean(loss, -1))
                gradient = tape.gradient(total, w)
                t = t + 1.0
                rate = RATE * tf.sqrt(1 - 0.999**t) / (1 - 0.9**t)
                m = [a + 0.1 * (g - a) for a, g in zip(m, gradient, strict=True)]
                v = [a + 0.001 * (g * g - a) for a, g in zip(v, gradient, strict=True)]
                w = [a - rate * b / (tf.sqrt(c) + 1e-7) for a, b, c in zip(w, m, v, strict=True)]
            return w, m, v, t

        return tf.function(steps, jit_compile=True)

    @cached_property
    def _keep_best(self) -> Any:
        def keep(best: Any, merit: tf.Tensor, weights: Any, x: tf.Tensor, y: tf.Tensor) -> Any:
            outputs = self._outputs(weights, x)
            if self.data.num_classes is None:
                score = -tf.reduce_mean(tf.abs(outputs[..., 0] - y[:, None]), -1)
            else:
                correct = tf.argmax(outputs, -1, tf.int32) == tf.cast(y, tf.int32)[:, None]
                score = tf.reduce_mean(tf.cast(correct, tf.float32), -1)
            better = score > merit
            by_unit = tf.repeat(better, UNITS, axis=1)[:, None]
            masks = by_unit, by_unit, better[:, :, None, None], better[:, :, None, None]
            chosen = [tf.where(mask, w, b) for mask, w, b in zip(masks, weights, best, strict=True)]
            return chosen, tf.maximum(merit, score)

        return tf.function(keep, jit_compile=True)
