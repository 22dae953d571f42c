"""Imports TensorFlow, once and quietly: on the CPU, with one thread, with its own Keras."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

os.environ["KERAS_BACKEND"] = "tensorflow"  # whatever ~/.keras/keras.json says
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")  # which would round otherwise from one processor to another


@contextmanager
def _without_its_log() -> Iterator[None]:
    """Leave out what TensorFlow writes to stderr before anybody can tell it not to: that there is no GPU."""
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


with _without_its_log():
    import tensorflow as tf

    tf.config.set_visible_devices([], "GPU")
    # Small steps cost more with two threads than with one; other cores have workers of their own.
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    tf.config.list_logical_devices()  # it looks for devices now
tf.get_logger().setLevel("ERROR")  # or it warns of a function for each run

__all__ = ["tf"]
