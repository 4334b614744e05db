"""The cards of the layouts that many tools write: the user's own data, by form."""

from __future__ import annotations

from histokit.interfaces.spec import DatasetSpec

H5 = DatasetSpec(
    name="h5",
    summary="any data set as one file, as `histokit data import` writes it",
    reader="histokit.data.h5:H5Store",
    own=True,
    task="instances",
    licence="that of the data set it was made from; the file says it",
    homepage="made by `histokit data import NAME -o FILE.h5`",
    tree="""
FILE.h5             given as h5:FILE.h5
""",
    group="as in the data set it was made from",
)

NNUNET = DatasetSpec(
    name="nnunet",
    summary="nnU-Net's raw format (v1 and v2), 2-D: every connected piece of a class is an object",
    reader="histokit.data.nnunet:NnUnet",
    own=True,
    task="instances",
    licence="yours",
    homepage="on your disk; format: MIC-DKFZ/nnUNet, documentation/dataset_format.md",
    tree="""
Dataset042_Nuclei/
  dataset.json                   labels by name, file_ending
  imagesTr/CASE_0000.png         RGB in one file, or three grey files _0000 _0001 _0002
  labelsTr/CASE.png              0 = background, 1, 2, ... as in dataset.json
  imagesTs/ labelsTs/            test, if there is any
""",
    group="case",
)

COCO = DatasetSpec(
    name="coco",
    summary="COCO annotations: polygons and run lengths with categories",
    reader="histokit.data.coco:Coco",
    own=True,
    task="instances",
    licence="yours; see the member licenses of the file",
    homepage="on your disk; format: cocodataset.org, 'Data format'",
    tree="""
<root>/
  annotations.json               or annotations/instances_train.json, instances_val.json ...,
                                 or train/_annotations.coco.json, or the one file you name
  images/x.png                   or beside the json, or in train/, val/ ...
""",
    group="image",
)

GEOJSON = DatasetSpec(
    name="geojson",
    summary="QuPath GeoJSON beside each image: outlines with classes",
    reader="histokit.data.qupath:QuPath",
    own=True,
    task="instances",
    licence="yours",
    homepage="on your disk; in QuPath: File, Export objects as GeoJSON",
    tree="""
<root>/
  images/x.png                   or beside the labels
  geojson/x.geojson              .json and .gz too; also: annotations, labels, masks
""",
    variants={
        "nuclei": "of a cell with a nucleus the nucleus",
        "cells": "of a cell its whole outline",
    },
    group="image",
)

HOVERNET_OUT = DatasetSpec(
    name="hovernet-out",
    summary="what HoVer-Net writes for tiles (mat or json), beside the images",
    reader="histokit.data.hovernet_out:HoverNetOut",
    own=True,
    task="instances",
    licence="yours",
    homepage="on your disk; format: vqdang/hover_net, README, 'Output'",
    tree="""
<root>/
  images/x.png                   or beside the labels
  mat/x.mat                      inst_map, inst_uid, inst_type; taken where both are there
  json/x.json                    contours
  type_info.json                 names of the classes, if there is any
""",
    group="image",
)

NPY = DatasetSpec(
    name="npy",
    summary="images and labels as NumPy arrays, in npy or npz",
    reader="histokit.data.npy:Npy",
    own=True,
    task="instances",
    licence="yours",
    homepage="on your disk",
    tree="""
<root>/
  images.npy        [N H W 3]; also: image, X, data
  labels.npy        [N H W] ids, or [N H W 2] ids and classes; also: masks, y, inst_map
  classes.npy       [N H W] classes, if there are any; also: type_map
  classes.txt       a class name a line, if you like
or one npz with arrays of these names, or npy patches [H W 4] or [H W 5]: RGB, ids, classes
""",
    variants={
        "auto": "maps of two values are binary, maps of more than 8 bits hold ids",
        "binary": "every connected piece of foreground is an object",
        "instances": "every value is the id of an object",
    },
    group="image",
)

TILES_H5 = DatasetSpec(
    name="tiles-h5",
    summary="tiles of slides in HDF5, as CLAM's bags with pixels hold them; no labels",
    reader="histokit.data.tiles_h5:TilesH5",
    own=True,
    task="instances",
    licence="yours",
    homepage="on your disk; format: mahmoodlab/CLAM, wsi_core",
    tree="""
<root>/
  patches/SLIDE.h5               imgs, uint8 [N h w 3]; or the one file you name
""",
    group="slide",
)
