"""How the learned parameters of a layer are shared: within a channel, in the whole layer, or not at all."""

from typing import Literal, get_args

from actsearch.errors import UsageError

Sharing = Literal["channel", "layer", "element"]


def check_sharing(layer: str, sharing: str) -> None:
    """Refuses an unknown value of `sharing`.

    Raises:
        UsageError: The value is unknown; the message names the layer and the valid values.

    Example:

    >>> check_sharing("PReLU", "row")
    Traceback (most recent call last):
    actsearch.errors.UsageError: PReLU got sharing='row'; expected one of 'channel', 'layer', 'element'.
    """
    if sharing not in get_args(Sharing):
        valid = ", ".join(map(repr, get_args(Sharing)))
        raise UsageError(f"{layer} got sharing={sharing!r}; expected one of {valid}.")


def check_axis(layer: str, axis: int) -> None:
    """Refuses an axis that cannot be that of the channels.

    Raises:
        UsageError: The axis is neither the last nor one after the batch axis; the message names the layer.

    Example:

    >>> check_axis("PReLU", 0)
    Traceback (most recent call last):
    actsearch.errors.UsageError: PReLU got axis=0; expected -1 for the last axis or 1 for the first after the batch.
    """
    if axis not in (-1, 1):
        raise UsageError(
            f"{layer} got axis={axis!r}; expected -1 for the last axis or 1 for the first after the batch."
        )


def parameter_shape(
    layer: str, sharing: Sharing, input_shape: tuple[int | None, ...], *, axis: int = -1
) -> tuple[int, ...]:
    """Returns the shape of a learned parameter, which broadcasts against the input from the right.

    Args:
        layer: The class of the layer, for the message.
        sharing: `"channel"`: one for every channel; `"layer"`: one for the whole layer; `"element"`: one for every
            element of a sample.
        input_shape: The shape of the input, with the batch axis.
        axis: The axis of the channels: -1, or 1 where they come first.

    Raises:
        UsageError: A dimension that `sharing` needs is unknown.

    Example:

    >>> [parameter_shape("PReLU", sharing, (None, 28, 28, 64)) for sharing in ("channel", "layer", "element")]
    [(64,), (), (28, 28, 64)]
    >>> parameter_shape("PReLU", "channel", (None, 64, 28, 28), axis=1)
    (64, 1, 1)
    """
    if sharing == "layer":
        return ()
    shape = input_shape[axis:][:1] if sharing == "channel" else input_shape[1:]
    if None in shape:
        other = "channel" if sharing == "element" else "layer"
        raise UsageError(
            f"{layer} has one parameter for each {sharing}, but its input has the shape {input_shape}. Give the "
            f'model\'s Input a full shape, or use sharing="{other}".'
        )
    following = len(input_shape) - 2 if sharing == "channel" and axis == 1 else 0
    return (*(size for size in shape if size is not None), *(1,) * following)
