"""Mean average precision against cases worked out by hand."""

import pytest
import torch

from paperlib.errors import UserError
from paperlib.methods.average_precision import mean_average_precision
from paperlib.networks.detector import Detections


def labels(*images, places=3):
    """Labels from (class, x0, y0, x1, y1, difficult) by image."""
    out = torch.zeros(len(images), places, 6)
    out[:, :, 0] = -1
    for row, objects in zip(out, images, strict=True):
        for place, values in zip(row, objects, strict=False):
            place[:] = torch.tensor(values, dtype=torch.float32)
    return out


def perfect(truth, shift=0.0, keep=lambda i, j: True):
    """Detections of exactly what is there, perhaps moved to the right, perhaps not all."""
    found = truth[:, :, 0].long()
    for i, row in enumerate(found):
        for j in range(len(row)):
            if not keep(i, j):
                row[j] = -1
    boxes = truth[:, :, 1:5] + shift * torch.tensor([1.0, 0, 1, 0])
    return Detections(boxes, found, torch.full(found.shape, 0.9))


TRUTH = labels(
    [(0, 10, 10, 30, 30, 0), (1, 40, 40, 60, 70, 0)],
    [(0, 5, 50, 25, 80, 0)],
    [],
)


def test_perfect_predictions_have_100_percent():
    assert mean_average_precision([perfect(TRUTH)], [TRUTH], 2) == pytest.approx(
        {"map50": 100, "map": 100}
    )


def test_batches_are_one_split():
    both = mean_average_precision(
        [perfect(TRUTH[:1]), perfect(TRUTH[1:])], [TRUTH[:1], TRUTH[1:]], 2
    )
    assert both == pytest.approx({"map50": 100, "map": 100})


def test_shifted_boxes_have_less():
    """All boxes are 20 wide: moved by s they overlap by (20 - s) / (20 + s), 2/3 for 4 and 1/3 for
    10 pixels."""
    scores = mean_average_precision([perfect(TRUTH, 4)], [TRUTH], 2)
    assert scores["map50"] == pytest.approx(100)
    assert scores["map"] == pytest.approx(40)  # right for 0.5, 0.55, 0.6 and 0.65 of ten thresholds
    assert mean_average_precision([perfect(TRUTH, 10)], [TRUTH], 2) == pytest.approx(
        {"map50": 0, "map": 0}
    )


def test_a_missed_object_costs_recall():
    """One of the two objects of class 0: precision 1 at 51 of 101 levels of recall. Class 1 is all
    right."""
    scores = mean_average_precision([perfect(TRUTH, keep=lambda i, j: i == 0)], [TRUTH], 2)
    assert scores["map50"] == pytest.approx((100 * 51 / 101 + 100) / 2)


def test_a_wrong_class_is_an_error_and_nothing_found_is_zero():
    wrong = perfect(TRUTH)
    swapped = wrong._replace(labels=torch.where(wrong.labels >= 0, 1 - wrong.labels, -1))
    assert mean_average_precision([swapped], [TRUTH], 2)["map50"] == pytest.approx(0)
    nothing = Detections(
        torch.zeros(3, 0, 4), torch.zeros(3, 0, dtype=torch.int64), torch.zeros(3, 0)
    )
    assert mean_average_precision([nothing], [TRUTH], 2) == pytest.approx({"map50": 0, "map": 0})


def test_a_false_alarm_costs_precision_only_if_it_is_more_certain():
    truth = labels([(0, 10, 10, 30, 30, 0)])
    found = Detections(
        torch.tensor([[[10.0, 10, 30, 30], [60, 60, 80, 80]]]),
        torch.zeros(1, 2).long(),
        torch.ones(1, 2),
    )
    less = found._replace(scores=torch.tensor([[0.9, 0.4]]))
    more = found._replace(scores=torch.tensor([[0.4, 0.9]]))
    assert mean_average_precision([less], [truth], 1)["map50"] == pytest.approx(100)
    assert mean_average_precision([more], [truth], 1)["map50"] == pytest.approx(50)


def test_difficult_objects_count_for_nothing():
    hard = TRUTH.clone()
    hard[1, 0, 5] = 1
    for keep in (lambda i, j: True, lambda i, j: i == 0):  # found, and missed
        assert mean_average_precision([perfect(hard, keep=keep)], [hard], 2)[
            "map50"
        ] == pytest.approx(100)


def test_without_objects_there_is_no_score():
    nothing = labels([], [])
    with pytest.raises(UserError, match="there is no object"):
        mean_average_precision([perfect(nothing)], [nothing], 2)
    hard = labels([(0, 1, 1, 9, 9, 1)])
    with pytest.raises(UserError, match="there is no object"):
        mean_average_precision([perfect(hard)], [hard], 2)
