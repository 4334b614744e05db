"""What stands beside every method: controls without adaptation or training, two adversarial
baselines, and CycleGAN.
"""

from histokit.interfaces import Access, MethodSpec, Preset, Sizes
from histokit_baselines.config import (
    AdaBNConfig,
    AdversarialConfig,
    DannConfig,
    IdentityConfig,
    MacenkoConfig,
    OtsuConfig,
    ReinhardConfig,
    SupervisedConfig,
)
from histokit_baselines.cyclegan_config import CycleGanConfig, CycleMasksConfig
from histokit_baselines.nnunet_config import NnUNetPlainConfig

_CPU = {"network": "unet-small", "tile": 128, "steps": 600, "lr": 1e-3}
_CPU_ADAPTING = {
    "network": "unet-small",
    "tile": 128,
    "warmup_steps": 200,
    "adapt_steps": 400,
    "lr": 1e-3,
}
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

DANN = MethodSpec(
    name="dann",
    roles=("adapter",),
    summary="aligns features of source and target by gradient reversal (GRL)",
    config=DannConfig,
    factory="histokit_baselines.dann:Dann",
    access=Access.TARGET_IMAGES,
    reference="""@article{ganin2016dann,
  title   = {Domain-Adversarial Training of Neural Networks},
  author  = {Ganin, Yaroslav and Ustinova, Evgeniya and Ajakan, Hana and Germain, Pascal and
             Larochelle, Hugo and Laviolette, Fran{\\c{c}}ois and Marchand, Mario and
             Lempitsky, Victor},
  journal = {Journal of Machine Learning Research},
  volume  = {17},
  number  = {59},
  pages   = {1--35},
  year    = {2016}
}""",
    presets={"cpu": Preset(_CPU_SUMMARY, _CPU_ADAPTING)},
)

ADVERSARIAL_OUTPUT = MethodSpec(
    name="adversarial-output",
    roles=("adapter",),
    summary="makes target maps look like source maps to a discriminator (AdaptSegNet, ADVENT)",
    config=AdversarialConfig,
    factory="histokit_baselines.adversarial:AdversarialOutput",
    access=Access.TARGET_IMAGES,
    reference="""@inproceedings{tsai2018adaptsegnet,
  title     = {Learning to Adapt Structured Output Space for Semantic Segmentation},
  author    = {Tsai, Yi-Hsuan and Hung, Wei-Chih and Schulter, Samuel and Sohn, Kihyuk and
               Yang, Ming-Hsuan and Chandraker, Manmohan},
  booktitle = {IEEE Conference on Computer Vision and Pattern Recognition (CVPR)},
  pages     = {7472--7481},
  year      = {2018}
}""",
    presets={
        "cpu": Preset(_CPU_SUMMARY, _CPU_ADAPTING),
        "advent": Preset("entropy maps instead of probabilities", {"maps": "entropy"}),
    },
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

IDENTITY = MethodSpec(
    name="identity",
    roles=("translator",),
    summary="gives every image back as it is: the control of stain translation",
    config=IdentityConfig,
    factory="histokit_baselines.identity:Identity",
    access=Access.NOTHING,
)

REINHARD = MethodSpec(
    name="reinhard",
    roles=("translator",),
    summary="sets mean and spread of the Lab colours to a reference's (--set reference=IMAGE), "
    "by default to a built-in H&E style",
    config=ReinhardConfig,
    factory="histokit_baselines.reinhard:Reinhard",
    access=Access.NOTHING,
    reference="""@article{reinhard2001color,
  title   = {Color transfer between images},
  author  = {Reinhard, Erik and Ashikhmin, Michael and Gooch, Bruce and Shirley, Peter},
  journal = {IEEE Computer Graphics and Applications},
  volume  = {21},
  number  = {5},
  pages   = {34--41},
  year    = {2001}
}""",
)

MACENKO = MethodSpec(
    name="macenko",
    roles=("translator",),
    summary="sets the two stains of each window to a reference's (--set reference=IMAGE), "
    "by default to a built-in H&E style",
    config=MacenkoConfig,
    factory="histokit_baselines.macenko:Macenko",
    access=Access.NOTHING,
    reference="""@inproceedings{macenko2009normalizing,
  title     = {A method for normalizing histology slides for quantitative analysis},
  author    = {Macenko, Marc and Niethammer, Marc and Marron, J. S. and Borland, David and
               Woosley, John T. and Guan, Xiaojun and Schmitt, Charles and Thomas, Nancy E.},
  booktitle = {IEEE International Symposium on Biomedical Imaging (ISBI)},
  pages     = {1107--1110},
  year      = {2009}
}""",
)

_NNUNET = """@article{isensee2021nnunet,
  title   = {{nnU-Net}: a self-configuring method for deep learning-based biomedical image
             segmentation},
  author  = {Isensee, Fabian and Jaeger, Paul F. and Kohl, Simon A. A. and Petersen, Jens and
             Maier-Hein, Klaus H.},
  journal = {Nature Methods},
  volume  = {18},
  pages   = {203--211},
  year    = {2021}
}"""
_NNUNET_PRESETS = {
    "cpu": Preset(_CPU_SUMMARY, {"width": 8, "tile": 128, "batch": 4, "steps": 600}),
    "short": Preset(
        "windows, batch and steps of the other baselines",
        {"tile": 256, "batch": 4, "steps": 10_000},
    ),
}

NNUNET_PLAIN = MethodSpec(
    name="nnunet-plain",
    roles=("adapter",),
    summary="a U-Net planned and trained as nnU-Net does it in 2D, for nuclei or classes of tissue",
    config=NnUNetPlainConfig,
    factory="histokit_baselines.nnunet_plain:NnUNetPlain",
    access=Access.SOURCE,
    reference=_NNUNET,
    presets=_NNUNET_PRESETS,
)

NNUNET_ORACLE = MethodSpec(
    name="nnunet-oracle",
    roles=("adapter",),
    summary="nnunet-plain trained on the target's labels: an upper bound",
    config=NnUNetPlainConfig,
    factory="histokit_baselines.nnunet_plain:NnUNetPlain",
    access=Access.TARGET_LABELS,
    reference=_NNUNET,
    presets=_NNUNET_PRESETS,
)

HISTOGRAM_MATCHING = MethodSpec(
    name="histogram-matching",
    roles=("adapter",),
    summary="nnunet-plain trained on the source and shown target windows of the source's histogram",
    config=NnUNetPlainConfig,
    factory="histokit_baselines.histogram:HistogramMatching",
    access=Access.SOURCE,
    reference=_NNUNET,
    presets=_NNUNET_PRESETS,
)

_CYCLEGAN = """@inproceedings{zhu2017cyclegan,
  title     = {Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial Networks},
  author    = {Zhu, Jun-Yan and Park, Taesung and Isola, Phillip and Efros, Alexei A.},
  booktitle = {IEEE International Conference on Computer Vision (ICCV)},
  pages     = {2242--2251},
  year      = {2017}
}"""
_CYCLEGAN_PRESETS = {
    "default": Preset("as in the paper: windows of 256 pixels, generators of 9 blocks"),
    "cpu": Preset(
        _CPU_SUMMARY,
        {
            "width": 16,
            "blocks": 3,
            "critic_width": 16,
            "tile": 64,
            "batch": 2,
            "steps": 600,
            "decay_steps": 300,
        },
    ),
}
_CYCLEGAN_SIZES = Sizes(min=16, multiple_of=4)

CYCLEGAN = MethodSpec(
    name="cyclegan",
    roles=("translator",),
    summary="translates between two stains, trained on unpaired images by cycle consistency",
    config=CycleGanConfig,
    factory="histokit_baselines.cyclegan:CycleGan",
    access=Access.IMAGES,
    reference=_CYCLEGAN,
    presets=_CYCLEGAN_PRESETS,
    sizes=_CYCLEGAN_SIZES,
)

CYCLEGAN_MASKS = MethodSpec(
    name="cyclegan-masks",
    roles=("adapter",),
    summary="cyclegan between target images and source masks: segments without their pairing",
    config=CycleMasksConfig,
    factory="histokit_baselines.cyclegan:CycleGanMasks",
    access=Access.TARGET_IMAGES,
    reference=_CYCLEGAN,
    presets=_CYCLEGAN_PRESETS,
    sizes=_CYCLEGAN_SIZES,
)

__all__ = [
    "ADABN",
    "ADVERSARIAL_OUTPUT",
    "CYCLEGAN",
    "CYCLEGAN_MASKS",
    "DANN",
    "HISTOGRAM_MATCHING",
    "IDENTITY",
    "MACENKO",
    "NNUNET_ORACLE",
    "NNUNET_PLAIN",
    "ORACLE",
    "OTSU_HED",
    "REINHARD",
    "SOURCE_ONLY",
]
