import numpy as np
from PIL import Image

from histokit.data.lookalikes import MOST_BITS, alike, fingerprint


def scene(seed, size=96):
    """Coarse fields of light and dark, without relation between seeds."""
    fields = np.random.default_rng(seed).integers(0, 200, (12, 12))
    grey = Image.fromarray(fields.astype(np.uint8)).resize((size, size), Image.Resampling.BICUBIC)
    return np.dstack([np.asarray(grey)] * 3)


def bits(*places):
    found = np.zeros(256, bool)
    found[list(places)] = True
    return found


def test_fingerprints_outlast_size_compression_and_brightness(tmp_path):
    image = scene(1)
    Image.fromarray(image).save(tmp_path / "x.jpg", quality=60)
    larger = Image.fromarray(image).resize((150, 140), Image.Resampling.BICUBIC)
    brighter = np.clip(image.astype(int) + 20, 0, 255).astype(np.uint8)
    with Image.open(tmp_path / "x.jpg") as stored:
        changed = [np.asarray(stored), np.asarray(larger), brighter]
    prints = [fingerprint(image), *map(fingerprint, changed)]
    assert alike(prints) == [0, 0, 0, 0]


def test_different_images_differ():
    prints = [fingerprint(scene(seed)) for seed in range(40)]
    assert alike(prints) == list(range(40))


def test_likeness_goes_by_way_of_others_and_skips_what_was_not_read():
    step = range(MOST_BITS)
    prints = [bits(200), None, bits(*step), bits(*step, *range(20, 20 + MOST_BITS)), None, bits()]
    assert alike(prints) == [0, 1, 0, 0, 4, 0]
    assert alike([bits(*range(9)), bits()]) == [0, 1]
    assert alike([None, None]) == [0, 1]
    assert alike([]) == []


def test_small_and_flat_images_have_fingerprints():
    assert fingerprint(np.zeros((3, 2, 3), np.uint8)).shape == (256,)
    assert not fingerprint(np.full((64, 64, 3), 9, np.uint8)).any()
