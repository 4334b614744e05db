import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from histokit.data.kinds import class_index, majority, require_classes
from histokit.errors import DataError

MAPS = arrays(np.int32, (6, 7), elements=st.integers(0, 4))


@given(MAPS, MAPS)
def test_most_pixels_decide_and_background_has_no_vote(ids, kinds):
    expected = {}
    for number in range(1, 5):
        votes = kinds[(ids == number) & (kinds > 0)].tolist()
        if votes:
            expected[number] = min(set(votes), key=lambda kind: (-votes.count(kind), kind))
    assert majority(ids, kinds) == expected


def test_names_are_found_in_any_spelling():
    assert class_index("Plasma-Cell ", ("tumor", "plasma_cell")) == 2
    assert class_index("plasma", ("tumor", "plasma_cell")) == 0


def test_the_table_of_classes_ends():
    require_classes("a", np.array([0, 1, 2]), ("x", "y"))
    with pytest.raises(DataError, match="class 3") as caught:
        require_classes("a.mat", np.array([3]), ("x", "y"))
    assert "1 x, 2 y" in str(caught.value)
