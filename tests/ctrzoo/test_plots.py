"""Pictures of a run."""

import numpy as np

from ctrzoo.plots import LARGEST, interaction_picture


def test_pictures_of_many_fields_stay_of_a_size_that_memory_holds():
    for num_fields, inches in ((10, 1.6 + 3.6), (80, LARGEST)):
        names = [str(number) for number in range(num_fields)]
        height, width, _ = interaction_picture(np.eye(num_fields), names, "pairs").shape
        assert (height, width) == (round(80 * (inches + 0.6)), round(80 * (inches + 1)))
