"""Scores of classifiers; those of restored images are in test_restoration_scores.py."""

import torch

from paperlib.evaluation import classification


def test_hits_and_cross_entropy_of_single_images():
    logits = torch.tensor([[5.0, 0, 0, 0, 0, 0], [0.0, 1, 2, 3, 4, 5], [0.0, 1, 2, 3, 4, 5]])
    scores = classification(logits, torch.tensor([0, 1, 0]))
    assert scores["top1"].tolist() == [100, 0, 0]
    assert scores["top5"].tolist() == [100, 100, 0]
    expected = -logits.log_softmax(1)[torch.arange(3), torch.tensor([0, 1, 0])]
    torch.testing.assert_close(scores["cross_entropy"], expected)


def test_fewer_than_five_classes_always_hit_in_the_top_five():
    assert (
        classification(torch.randn(4, 3), torch.tensor([0, 1, 2, 0]))["top5"].tolist() == [100] * 4
    )


def test_bfloat16_logits_are_scored_in_float32():
    logits = torch.tensor([[1.0, 2.0, 3.0]], dtype=torch.bfloat16)
    assert classification(logits, torch.tensor([2]))["cross_entropy"].dtype == torch.float32
