"""What the numbers and words of torch's settings may be, by their names: torch tells when a run has begun, or never."""

from __future__ import annotations

import re

SIZES = (
    "in_features", "out_features", "in_channels", "out_channels", "num_features", "num_channels", "num_embeddings",
    "embedding_dim", "num_parameters", "normalized_shape",
)  # fmt: skip
COUNTS = (
    "kernel_size", "stride", "dilation", "groups", "num_groups", "upscale_factor", "downscale_factor", "size",
    "output_size", "divisor_override", "history_size", "max_iter", "max_eval", "bits", "num_magnitude_bins",
    "mixture_width", "severity", "target_size",
)  # fmt: skip
FROM_ZERO = ("padding", "output_padding", "num_ops", "magnitude", "ns_steps")
SHARES = ("p", "label_smoothing", "sparsity", "distortion_scale", "rho")
POSITIVE = ("delta", "scale_factor", "max_norm", "norm_type", "sigma")
NON_NEGATIVE = (
    "eps", "lr", "lr_decay", "weight_decay", "initial_accumulator_value", "std", "lambd", "momentum_decay",
    "tolerance_grad", "tolerance_change", "sharpness_factor",
)  # fmt: skip
DECAYS = ("betas",)
# The type that takes the place of `int` or `float` in a setting of that name.
BOUNDS = {
    **dict.fromkeys(SIZES, ("int", "Width")),
    **dict.fromkeys(COUNTS, ("int", "PositiveInt")),
    **dict.fromkeys(FROM_ZERO, ("int", "NonNegativeInt")),
    **dict.fromkeys(SHARES, ("float", "Fraction")),
    **dict.fromkeys(POSITIVE, ("float", "Positive")),
    **dict.fromkeys(NON_NEGATIVE, ("float", "NonNegative")),
    **dict.fromkeys(DECAYS, ("float", "Decay")),
}
# The same of one class; None leaves the setting as it is.
OWN_BOUNDS: dict[tuple[str, str], tuple[str, str] | None] = {
    ("SmoothL1Loss", "beta"): ("float", "NonNegative"),
    ("Softplus", "beta"): ("float", "Positive"),
    ("MultiMarginLoss", "p"): ("int", "Literal[1, 2]"),
    ("GaussianNoise", "sigma"): ("float", "NonNegative"),
    ("Hardshrink", "lambd"): None,
    ("Normalize", "std"): None,  # see `runner/resolve/transform_checks.py`, as for these sizes
    **{(name, "size"): None for name in ("CenterCrop", "RandomCrop", "RandomResizedCrop", "Resize")},
    **{(f"FractionalMaxPool{n}d", "output_ratio"): ("float", "Decay") for n in (2, 3)},
    ("RandomChoice", "p"): None,  # weights, which torchvision makes add up to 1
    **{(f"BatchNorm{n}d", "momentum"): ("float", "Fraction") for n in (1, 2, 3)},
    **{(f"InstanceNorm{n}d", "momentum"): ("float", "Fraction") for n in (1, 2, 3)},
    **{(name, "momentum"): ("float", "NonNegative") for name in ("SGD", "RMSprop", "Muon")},
}
CAN_CROP = re.compile(r"Pad(\d|$)|^RandomCrop$")  # of these, a padding below 0 takes away
# The words of settings whose own annotation is any text.
NONLINEARITIES = (
    "linear", "conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d", "sigmoid",
    "tanh", "relu", "leaky_relu", "selu",
)  # fmt: skip
WORDS = {
    "approximate": ("none", "tanh"),
    "line_search_fn": ("strong_wolfe",),
    "adjust_lr_fn": ("original", "match_rms_adamw"),
    "nonlinearity": NONLINEARITIES,
    "padding": ("valid", "same"),
}
OWN_WORDS = {
    ("Upsample", "mode"): ("nearest", "linear", "bilinear", "bicubic", "trilinear", "nearest-exact"),
    ("EmbeddingBag", "mode"): ("sum", "mean", "max"),
    **{(f"kaiming_{how}_", "mode"): ("fan_in", "fan_out") for how in ("normal", "uniform")},
    **{(f"ConvTranspose{n}d", "padding_mode"): ("zeros",) for n in (1, 2, 3)},
}
TYPE_NAMES = (
    "AbsentByDefault", "Decay", "Download", "Folder", "Fraction", "NonNegative", "NonNegativeInt", "Positive",
    "PositiveInt", "Transform", "Vector", "Width", "Workers",
)  # fmt: skip
# Settings of which torch's annotation holds a class of its own.
TYPES = {
    "normalized_shape": "Width | list[Width]",
    "unflattened_size": "list[int]",
}


def bounded(kind: str, name: str, owner: str) -> str:
    """Return the type of a setting of a class, as source text, with the bounds of its numbers and its words."""
    kind = TYPES.get(name, kind)
    words = OWN_WORDS.get((owner, name)) or WORDS.get(name)
    if words:
        kind = re.sub(r"\bstr\b|Literal\[[^]]*\]", f"Literal{list(words)}", kind)
    bound = OWN_BOUNDS[owner, name] if (owner, name) in OWN_BOUNDS else BOUNDS.get(name)
    if bound is None or (name == "padding" and CAN_CROP.search(owner)):
        return kind
    return re.sub(rf"\b{bound[0]}\b", bound[1], kind)


def names_of_types(text: str) -> str:
    """Return which types of `plugins.types` a generated module refers to, in the order of the alphabet."""
    return ", ".join(name for name in TYPE_NAMES if re.search(rf"\b{name}\b", text))
