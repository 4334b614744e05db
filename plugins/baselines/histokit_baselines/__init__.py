"""Controls that stand beside every method: source-only, AdaBN, oracle, and Otsu."""

from histokit.interfaces import Access, MethodSpec, Preset
from histokit_baselines.config import AdaBNConfig, OtsuConfig, SupervisedConfig

_CPU = {"network": "unet-small", "tile": 128, "steps": 600, "lr": 1e-3}
_CPU_SUMMARY = "a small network and few steps, for a machine without GPU"

SOURCE_ONLY = MethodSpec(
    name="source-only",
    roles=("adapter",),
    summary="a network trained on the source and used on the target as it is",
    config=SupervisedConfig,
    factory="histokit_baselines.supervised:Supervised",
    access=Access.SOURCE,
    presets={"cpu": Preset(_CPU_SUMMARY, _CPU)},
)

ORACLE = MethodSpec(
    name="oracle",
    roles=("adapter",),
    summary="the same network trained on the target's labels: an upper bound",
    config=SupervisedConfig,
    factory="histokit_baselines.supervised:Supervised",
    access=Access.TARGET_LABELS,
    presets={"cpu": Preset(_CPU_SUMMARY, _CPU)},
)

ADABN = MethodSpec(
    name="adabn",
    roles=("adapter",),
    summary="source-only, then BatchNorm statistics re-estimated on target images",
    config=AdaBNConfig,
    factory="histokit_baselines.adabn:AdaBN",
    access=Access.TARGET_IMAGES,
    reference="""@article{li2018adabn,
  title   = {Adaptive Batch Normalization for practical domain adaptation},
  author  = {Li, Yanghao and Wang, Naiyan and Shi, Jianping and Hou, Xiaodi and Liu, Jiaying},
  journal = {Pattern Recognition},
  volume  = {80},
  pages   = {109--117},
  year    = {2018}
}""",
    presets={"cpu": Preset(_CPU_SUMMARY, _CPU)},
)

OTSU_HED = MethodSpec(
    name="otsu-hed",
    roles=("segmenter",),
    summary="Otsu's threshold on the haematoxylin channel, image by image, without training",
    config=OtsuConfig,
    factory="histokit_baselines.otsu:OtsuHed",
    access=Access.NOTHING,
    reference="""@article{otsu1979threshold,
  title   = {A threshold selection method from gray-level histograms},
  author  = {Otsu, Nobuyuki},
  journal = {IEEE Transactions on Systems, Man, and Cybernetics},
  volume  = {9},
  number  = {1},
  pages   = {62--66},
  year    = {1979}
}""",
)

__all__ = ["ADABN", "ORACLE", "OTSU_HED", "SOURCE_ONLY"]
