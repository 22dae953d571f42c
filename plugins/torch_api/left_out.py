"""Names that people may expect in a spec, and that are left out on purpose: why, and what to write instead."""

from __future__ import annotations

FROM_ZERO_TO_ONE = "images are tensors of floats from 0 to 1 already: leave it out"
BOXES = "it is for boxes or key points, and data sets here have images and classes"
SEVERAL = "it makes several images of one, and a row has one"
FUNCTION = "it needs a Python function, which a spec cannot contain; write it as a plugin with"
HOLDER = "it holds layers and computes nothing; list them in model.layers, or in those of a Sequential"
CELL = "it is one step of a sequence; write"
TWO_INPUTS = "it takes two inputs, and a layer takes what the one before gives; write a model as a plugin with @model"
LAZY = "leave its size of inputs out of"
BASE = "it is the base of others and computes nothing"
NO_IMAGES = "its rows are no images with a class each; write a data set of your own as a plugin with @data"
AS_MODEL = "write a model as a plugin with @model"
PARAMETER = f"it is a tensor and no layer; {AS_MODEL}"
IN_PLACE = "its name is deprecated in torch; write"

TRANSFORMS = {
    **dict.fromkeys(
        ("ToTensor", "ToImage", "PILToTensor", "ToDtype", "ConvertImageDtype", "ToPureTensor"), FROM_ZERO_TO_ONE
    ),
    "ToPILImage": "transforms here take and give tensors: leave it out",
    "Compose": "data.transforms is a list of transforms in turn already: write those inside of it",
    "Identity": "it changes nothing: leave it out",
    "Lambda": f"{FUNCTION} @transform",
    "LinearTransformation": "it needs a matrix of all pixels; write it as a plugin with @transform",
    "JPEG": "it takes images of bytes, and images here are floats from 0 to 1; write it as a plugin with @transform",
    **dict.fromkeys(("FiveCrop", "TenCrop"), SEVERAL),
    **dict.fromkeys(
        ("CutMix", "MixUp"), "it mixes whole batches and their classes, and transforms here change one image at a time"
    ),
    **dict.fromkeys(
        (
            "ClampBoundingBoxes", "ClampKeyPoints", "ConvertBoundingBoxFormat", "RandomIoUCrop",
            "SanitizeBoundingBoxes", "SanitizeKeyPoints", "SetClampingMode",
        ),
        BOXES,
    ),
    "UniformTemporalSubsample": "it is for videos, and data sets here have images",
    "Transform": BASE,
}  # fmt: skip
RECURRENT = ("GRU", "LSTM")
LAZY_LAYERS = (
    *(f"BatchNorm{n}d" for n in (1, 2, 3)), *(f"Conv{n}d" for n in (1, 2, 3)),
    *(f"ConvTranspose{n}d" for n in (1, 2, 3)), "Linear",
)  # fmt: skip
LAYERS = {
    **dict.fromkeys(("Container", "ModuleDict", "ModuleList"), HOLDER),
    **dict.fromkeys(("Buffer", "Parameter", "ParameterDict", "ParameterList"), PARAMETER),
    **{f"{name}Cell": f"{CELL} {name}" for name in RECURRENT},
    **dict.fromkeys(("RNN", "RNNCell"), "write GRU or LSTM, or the model char_lstm"),
    **dict.fromkeys(("RNNBase", "RNNCellBase"), BASE),
    **{f"Lazy{name}": f"{LAZY} {name} instead" for name in LAZY_LAYERS},
    **{f"LazyInstanceNorm{n}d": f"write InstanceNorm{n}d with num_features" for n in (1, 2, 3)},
    **dict.fromkeys(("Bilinear", "CosineSimilarity", "PairwiseDistance"), TWO_INPUTS),
    **{f"MaxUnpool{n}d": f"it takes the places of the maxima, too; {AS_MODEL}" for n in (1, 2, 3)},
    "MultiheadAttention": "it takes queries, keys and values; write TransformerEncoderLayer, which attends to itself",
    **dict.fromkeys(
        ("Transformer", "TransformerDecoder", "TransformerDecoderLayer"),
        f"it takes two sequences; {AS_MODEL}",
    ),
    "TransformerEncoder": "write TransformerEncoderLayer as often as you want it",
    **dict.fromkeys(("DataParallel", "SyncBatchNorm"), "it is for several devices, and a run has one"),
    "Module": BASE,
    "UpsamplingBilinear2d": 'its name is deprecated in torch; write { name = "Upsample", mode = "bilinear" }',
}  # fmt: skip
OPTIMIZERS = {"Optimizer": BASE}
SCHEDULERS = {"LRScheduler": BASE}
DATA = {
    **dict.fromkeys(
        (
            "CREStereo", "CarlaStereo", "CelebA", "Cityscapes", "CocoCaptions", "CocoDetection", "ETH3DStereo",
            "FallingThingsStereo", "Flickr30k", "Flickr8k", "FlyingChairs", "FlyingThings3D", "HD1K", "HMDB51",
            "InStereo2k", "Kinetics", "Kitti", "Kitti2012Stereo", "Kitti2015Stereo", "KittiFlow", "LFWPairs",
            "LFWPeople", "LSUN", "LSUNClass", "Middlebury2014Stereo", "MovingMNIST", "PhotoTour", "SBDataset", "SBU",
            "SceneFlowStereo", "Sintel", "SintelStereo", "UCF101", "VOCDetection", "VOCSegmentation", "WIDERFace",
        ),
        NO_IMAGES,
    ),
    "DatasetFolder": "write ImageFolder for images, or a data set of your own as a plugin with @data",
    "VisionDataset": BASE,
    **dict.fromkeys(
        ("TensorDataset", "ConcatDataset", "StackDataset"), "write a function with @data that returns the data set"
    ),
    "Subset": "write valid and test, the shares of rows that are held out",
    "DataLoader": "rows are put into batches already: write data.batch_size, and num_workers where it is offered",
}  # fmt: skip
INITS = {
    "calculate_gain": "it computes a number; write it as the gain or nonlinearity of another",
    **{
        name: f"{IN_PLACE} {name}_"
        for name in (
            "constant", "dirac", "eye", "kaiming_normal", "kaiming_uniform", "normal", "orthogonal", "sparse",
            "uniform", "xavier_normal", "xavier_uniform",
        )
    },
}  # fmt: skip
METRICS = {
    "loss": "the loss is always measured: leave it out",
    "mse": "it is the loss MSELoss, which is always measured; its root is rmse",
}
LEFT_OUT = {
    "transform": TRANSFORMS,
    "layer": LAYERS,
    "optimizer": OPTIMIZERS,
    "scheduler": SCHEDULERS,
    "data": DATA,
    "init": INITS,
    "metric": METRICS,
}
