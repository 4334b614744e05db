import numpy as np
import pytest
from PIL import Image

from histokit.data.channels import channel_findings


def saved(folder, mode, name):
    path = folder / f"{name}.png"
    Image.fromarray(np.full((4, 4), 7, np.uint8)).convert(mode).save(path)
    return path


@pytest.mark.parametrize(
    ("mode", "word"), [("L", "grey"), ("LA", "grey with alpha"), ("RGBA", "RGB with alpha")]
)
def test_a_mix_is_told_with_counts_and_examples(tmp_path, mode, word):
    paths = [saved(tmp_path, "RGB", "a"), saved(tmp_path, mode, "b"), saved(tmp_path, mode, "c")]
    (finding,) = channel_findings(paths)
    assert f"1 RGB (such as a.png), 2 {word} (such as b.png)" in finding.message


def test_one_kind_says_nothing_and_damaged_files_are_left_to_others(tmp_path):
    broken = tmp_path / "x.png"
    broken.write_bytes(b"\x89PNG")
    assert not list(channel_findings([saved(tmp_path, "RGBA", "a"), broken]))
