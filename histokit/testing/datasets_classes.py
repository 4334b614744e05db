"""Tiny data sets with classes, in the official layouts and with their oddities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image
from scipy import io

Nucleus = tuple[int, int, int, int, int]
"""Row, column and radius in pixels, id, class."""


def make_consep(root: Path, size: int = 128) -> Path:
    """Two training images and a test image; gives the data set's folder.

    Images are RGBA. Each has seven nuclei of the raw classes 1..7, with the ids 1..3 and 5..8;
    the second nucleus has a few pixels of class 7. Maps are float64.
    """
    folder = root / "CoNSeP"
    rng = np.random.default_rng(11)
    for name in ("train_1", "train_2", "test_1"):
        part = folder / name.split("_")[0].title()
        ids, kinds = painted((size, size), row_of_nuclei(size))
        patch = np.argwhere(ids == 2)[:3]
        kinds[patch[:, 0], patch[:, 1]] = 7
        save_image(part / "Images" / f"{name}.png", field(ids > 0, rng, alpha=True))
        save_mat(
            part / "Labels" / f"{name}.mat",
            inst_map=ids.astype(np.float64),
            type_map=kinds.astype(np.float64),
            inst_type=np.arange(1.0, 8.0)[:, None],
            inst_centroid=np.zeros((7, 2)),
        )
        save_image(part / "Overlay" / f"{name}.png", field(ids > 0, rng))
    (folder / "README.txt").write_text("by hand")
    return folder


def row_of_nuclei(size: int) -> list[Nucleus]:
    """Seven discs of the classes 1..7 and the ids 1..3 and 5..8."""
    step = size // 8
    return [(step * k, step * k, step // 2, k + (k > 3), k) for k in range(1, 8)]


def painted(
    shape: tuple[int, int], nuclei: Sequence[Nucleus]
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Maps of ids and of classes; later nuclei lie over earlier ones."""
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    ids, kinds = np.zeros(shape, np.int32), np.zeros(shape, np.int32)
    for row, column, radius, number, kind in nuclei:
        disc = (rows - row) ** 2 + (columns - column) ** 2 < radius**2
        ids[disc], kinds[disc] = number, kind
    return ids, kinds


def field(
    nuclei: NDArray[np.bool_], rng: np.random.Generator, alpha: bool = False
) -> NDArray[np.uint8]:
    """A pink image with blue nuclei and a little noise, RGB or RGBA."""
    image = np.where(nuclei[..., None], (96, 60, 140), (225, 180, 205))
    image = np.clip(image + rng.integers(-12, 13, image.shape), 0, 255).astype(np.uint8)
    if alpha:
        return np.dstack([image, np.full(nuclei.shape, 255, np.uint8)])
    return image


def save_image(path: Path, array: NDArray[np.generic], **options: Any) -> None:
    """Writes an image file and its folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path, **options)


def save_mat(path: Path, **variables: NDArray[Any]) -> None:
    """Writes a compressed MATLAB file of version 5 and its folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    io.savemat(path, variables, do_compression=True)


def make_pannuke(root: Path, size: int = 64) -> Path:
    """Three folds of three float64 patches; gives `root`.

    Patch 0 is empty. Patch 1 has four nuclei: two neoplastic with the ids 3 and 9, an
    inflammatory one that also has the id 3 and lies over one of them, and an epithelial one.
    Patch 2 has one dead cell.
    """
    rng = np.random.default_rng(12)
    half, quarter = size // 2, size // 4
    patches: list[list[Nucleus]] = [
        [],
        [
            (quarter, quarter, 8, 3, 0),
            (half, quarter, 7, 9, 0),
            (quarter, quarter + 10, 7, 3, 1),
            (half + quarter, half + quarter, 6, 40, 4),
        ],
        [(half, half, 6, 12, 3)],
    ]
    for number in (1, 2, 3):
        masks = np.zeros((3, size, size, 6))
        for row, nuclei in enumerate(patches):
            for nucleus in nuclei:
                ids, _ = painted((size, size), [nucleus])
                masks[row, ..., nucleus[4]] += ids
        masks[..., 5] = ~masks.any(axis=-1)
        images = np.stack([field(mask[..., 5] == 0, rng) for mask in masks]).astype(np.float64)
        fold, name = root / f"Fold {number}", f"fold{number}"
        save_npy(fold / "images" / name / "images.npy", images)
        types = np.array(["Breast", "Bile-duct", "Adrenal_gland"], dtype="<U13")
        save_npy(fold / "images" / name / "types.npy", types)
        save_npy(fold / "masks" / name / "masks.npy", masks)
        (fold / "README.md").write_text("by hand")
    return root


def save_npy(path: Path, array: NDArray[Any]) -> None:
    """Writes an npy file and its folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, array, allow_pickle=False)


def make_conic(root: Path, size: int = 64) -> Path:
    """Four patches of three source regions; gives the folder.

    Patch 0 has six nuclei of the classes 1..6 with the ids 2, 4 ... 12, and one of class 2 in the
    corner, outside of what ``counts.csv`` counts; patch 3 is empty.
    """
    rng = np.random.default_rng(13)
    step = size // 7
    row = [(step * k, step * k, step // 2, 2 * k, k) for k in range(1, 7)]
    few: list[Nucleus] = [(size // 2, size // 2, 6, 700, 6)]
    patches: list[list[Nucleus]] = [[*row, (0, size - 1, 3, 40, 2)], few, few, []]
    labels = np.stack([np.dstack(painted((size, size), nuclei)) for nuclei in patches])
    save_npy(root / "labels.npy", labels.astype(np.uint16))
    save_npy(root / "images.npy", np.stack([field(pair[..., 0] > 0, rng) for pair in labels]))
    info = ("consep_1-0000", "consep_1-0001", "dpath_12-0000", "glas_3-0007")
    (root / "patch_info.csv").write_text("\n".join(["patch_info", *info, ""]))
    margin = size * 16 // 256
    lines = ["neutrophil,epithelial,lymphocyte,plasma,eosinophil,connective"]
    for pair in labels[:, margin : size - margin, margin : size - margin].reshape(4, -1, 2):
        kinds = [kind for number, kind in np.unique(pair, axis=0) if number > 0]
        lines.append(",".join(str(kinds.count(kind)) for kind in range(1, 7)))
    (root / "counts.csv").write_text("\n".join([*lines, ""]))
    return root


def make_lizard(root: Path) -> Path:
    """Three regions of 120 x 160 pixels in two image folders; gives `root`.

    Each has the nuclei 5, 2 and 77 of the classes 6, 1 and 3, listed in this order, and a listed
    nucleus 9 that has no pixel.
    """
    rng = np.random.default_rng(14)
    nuclei: list[Nucleus] = [(30, 40, 8, 5, 6), (70, 100, 7, 2, 1), (100, 20, 6, 77, 3)]
    folder = root / "lizard_labels" / "Lizard_Labels"
    for number, name in ((1, "consep_1"), (1, "crag_2"), (2, "dpath_10")):
        ids, _ = painted((120, 160), nuclei)
        images = root / f"lizard_images{number}" / f"Lizard_Images{number}"
        save_image(images / f"{name}.png", field(ids > 0, rng))
        variables: dict[str, NDArray[Any]] = {
            "inst_map": ids,
            "id": np.array([[5], [2], [77], [9]], np.int32),
            "class": np.array([[6], [1], [3], [4]], np.uint8),
            "bbox": np.zeros((4, 4), np.int32),
            "centroid": np.zeros((4, 2)),
        }
        save_mat(folder / "Labels" / f"{name}.mat", **variables)
    rows = ["Filename,Source,Split", "consep_1,consep,1", "crag_2,crag,2", "dpath_10,dpath,3", ""]
    (folder / "info.csv").write_text("\n".join(rows))
    (folder / "read_label.py").write_text("# how to read the labels")
    return root


def make_monusac(root: Path) -> Path:
    """A training and a test image of one patient and a test image of another; gives `root`.

    Images have 64 x 80 pixels. Each has an epithelial square, a lymphocyte (spelt in capitals)
    that overlaps it and another apart, and a region of two vertices; test images have an ambiguous
    region too. The training image is RGBA; the second test image is a slide without TIFF.
    """
    rng = np.random.default_rng(15)
    train = root / "MoNuSAC_images_and_annotations"
    test = root / "MoNuSAC Testing Data and Annotations"
    epithelial = [box(10, 10, 30, 30), [(1, 1), (2, 2)]]
    lymphocytes = [box(20, 20, 40, 40), box(50, 5, 60, 15)]
    classes = {"Epithelial": epithelial, "LYMPHOCYTE": lymphocytes}
    shown = np.zeros((64, 80), bool)
    shown[10:30, 10:30] = shown[20:40, 20:40] = shown[5:15, 50:60] = True
    both = "TCGA-A2-A0ES-01Z-00-DX1"
    for part, patient, name in (
        (train, both, f"{both}_1"),
        (test, both, f"{both}_2"),
        (test, "TCGA-2Z-A9JG-01Z-00-DX1", "TCGA-2Z-A9JG-01Z-00-DX1_3"),
    ):
        path = part / patient / f"{name}.tif"
        if part is train:
            save_image(path, field(shown, rng, alpha=True), compression="tiff_lzw")
            write_classes(path.with_suffix(".xml"), classes)
            continue
        write_classes(path.with_suffix(".xml"), classes | {"Ambiguous": [box(60, 40, 75, 60)]})
        if name.endswith("_2"):
            save_image(path, field(shown, rng))
        else:
            save_slide(path.with_suffix(".svs"), field(shown, rng))
    return root


def box(left: int, top: int, right: int, bottom: int) -> list[tuple[int, int]]:
    """A rectangle as a ring of (x, y)."""
    return [(left, top), (right, top), (right, bottom), (left, bottom)]


def write_classes(path: Path, classes: Mapping[str, Sequence[Sequence[tuple[int, int]]]]) -> None:
    """Writes an ImageScope file with an annotation for each class."""
    annotations = []
    for number, (name, rings) in enumerate(classes.items(), start=1):
        regions = []
        for ring in rings:
            vertices = "".join(f'<Vertex X="{x}" Y="{y}"/>' for x, y in ring)
            regions.append(f"<Region><Attributes/><Vertices>{vertices}</Vertices></Region>")
        annotations.append(
            f'<Annotation Id="{number}" Name="" Type="4"><Attributes><Attribute Name="{name}" '
            f'Id="0" Value=""/></Attributes><Regions><RegionAttributeHeaders/>'
            f"{''.join(regions)}</Regions></Annotation>"
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    body = "".join(annotations)
    path.write_text(f'<Annotations MicronsPerPixel="0.252000">{body}</Annotations>')


def save_slide(path: Path, image: NDArray[np.uint8]) -> None:
    """Writes a small Aperio slide: a tiled JPEG page and a thumbnail."""
    path.parent.mkdir(parents=True, exist_ok=True)
    height, width = image.shape[:2]
    text = (
        f"Aperio Image Library v11.2.1\r\n{width}x{height} [0,0 {width}x{height}] (256x256) "
        "JPEG/RGB Q=70|AppMag = 40|MPP = 0.2520"
    )
    with tifffile.TiffWriter(path) as slide:
        options: dict[str, Any] = {"photometric": "rgb", "compression": "jpeg"}
        slide.write(image, tile=(256, 256), description=text, metadata=None, **options)
        slide.write(image[::2, ::2], rowsperstrip=16, metadata=None, **options)


def make_kumar(root: Path, prepared: bool = False) -> Path:
    """A training image, one test image of the same and one of another organ; gives `root`.

    Args:
        root: where to write.
        prepared: as HoVer-Net has it, with MATLAB labels, instead of the files of MoNuSeg; these
            also hold an image of a later patient, which is not of this data set.
    """
    rng = np.random.default_rng(16)
    parts = {
        "TCGA-18-5592-01Z-00-DX1": "train",
        "TCGA-21-5786-01Z-00-DX1": "test_same",
        "TCGA-AY-A8YK-01A-01-TS1": "test_diff",
        "TCGA-XS-A8TJ-01Z-00-DX1": "",
    }
    ids, _ = painted((64, 80), [(20, 20, 8, 3, 1), (40, 60, 9, 900, 1)])
    for name, part in parts.items():
        image = field(ids > 0, rng)
        if not prepared:
            folder = root / "MoNuSeg 2018 Training Data"
            save_image(folder / "Tissue Images" / f"{name}.tif", image)
            rings = {"nuclei": [box(12, 12, 28, 28), box(51, 31, 69, 49)]}
            write_classes(folder / "Annotations" / f"{name}.xml", rings)
        elif part:
            save_image(root / "kumar" / part / "Images" / f"{name}.tif", image)
            path = root / "kumar" / part / "Labels" / f"{name}.mat"
            save_mat(path, inst_map=ids.astype(np.float64))
    return root


def make_cpm15(root: Path, first_form: bool = False) -> Path:
    """Two images of two nuclei each; gives the data set's folder. See `make_cpm17`."""
    _save_cpm(root / "cpm15", ("image01", "image02"), first_form)
    return root / "cpm15"


def make_cpm17(root: Path, first_form: bool = False) -> Path:
    """Two training images and a test image of two nuclei each; gives the data set's folder.

    Args:
        root: where to write.
        first_form: labels as text beside the images, instead of MATLAB files.
    """
    _save_cpm(root / "cpm17" / "train", ("image_00", "image_01"), first_form)
    _save_cpm(root / "cpm17" / "test", ("image_02",), first_form)
    return root / "cpm17"


def _save_cpm(folder: Path, names: Sequence[str], first_form: bool) -> None:
    rng = np.random.default_rng(17)
    ids, _ = painted((50, 60), [(20, 20, 8, 2, 1), (35, 45, 9, 7, 1)])
    for name in names:
        image = field(ids > 0, rng)
        if first_form:
            save_image(folder / f"{name}.png", image)
            lines = ["60 50", *(str(number) for number in ids.ravel())]
            (folder / f"{name}_mask.txt").write_text("\n".join(lines) + "\n")
        else:
            save_image(folder / "Images" / f"{name}.png", image)
            save_mat(folder / "Labels" / f"{name}.mat", inst_map=ids.astype(np.float64))


def make_nucls(root: Path) -> Path:
    """Two fields of one patient and a field of another, 64 x 80 pixels; gives `root`.

    Each table has a tumour nucleus with an outline, a lymphocyte with an outline that overlaps
    it, an ambiguous one apart, a stromal one with a box only, an outline of two points, and the
    row of the field itself. Beside the tables lies the one of all fields.
    """
    rng = np.random.default_rng(18)
    shown = np.zeros((64, 80), bool)
    shown[10:30, 10:30] = shown[20:40, 20:40] = shown[5:15, 50:60] = True
    rows = (
        ("tumor", "tumor_nonMitotic", "tumor_any", "polyline", box(10, 10, 30, 30)),
        ("lymphocyte", "lymphocyte", "sTIL", "polyline", box(20, 20, 40, 40)),
        ("unlabeled", "AMBIGUOUS", "AMBIGUOUS", "polyline", box(50, 5, 60, 15)),
        ("fibroblast", "nonTILnonMQ_stromal", "nonTIL_stromal", "rectangle", box(60, 40, 90, 60)),
        ("tumor", "tumor_nonMitotic", "tumor_any", "polyline", [(1, 1), (2, 2)]),
        ("fov", "fov", "fov", "rectangle", box(0, 0, 80, 64)),
    )
    lines = [
        ",raw_classification,main_classification,super_classification,type,"
        "xmin,ymin,xmax,ymax,coords_x,coords_y"
    ]
    for number, (raw, main, above, kind, ring) in enumerate(rows):
        xs, ys = zip(*ring, strict=True)
        sides = f"{min(xs)},{min(ys)},{max(xs)},{max(ys)}"
        coords = ",".join(
            '"' + ",".join(str(v) for v in (*axis, axis[0])) + '"' for axis in (xs, ys)
        )
        lines.append(f"{number},{raw},{main},{above},{kind},{sides},{coords}")
    for name in ("TCGA-A1-A0SK-DX1_xmin1", "TCGA-A1-A0SK-DX1_xmin20", "TCGA-B2-B0XY-DX1_xmin3"):
        save_image(root / "rgb" / f"{name}.png", field(shown, rng))
        save_image(root / "mask" / f"{name}.png", np.zeros((64, 80, 3), np.uint8))
        path = root / "csv" / f"{name}.csv"
        path.parent.mkdir(exist_ok=True)
        path.write_text("\n".join([*lines, ""]))
    (root / "csv" / "all_fov_locations.csv").write_text("slide,left\n")
    return root
