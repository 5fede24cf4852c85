"""Where a chapter's numbers come from."""

import pytest
import torch

from paperlib.book.chapters import measurements, source
from paperlib.errors import UserError
from paperlib.papers.dfd.method import distillation_loss
from paperlib.runs import Record


def test_records_are_read_and_nothing_is_trained(tiny):
    results, _ = measurements("dfd", "records")
    assert results([tiny()]) == []  # was never recorded


def test_a_folder_of_runs_is_read_and_nothing_is_trained(tiny, store):
    there, missing = tiny(), tiny(seed=1)
    kept = {"image": torch.zeros(1, dtype=torch.uint8)}
    record = store.finish(Record(there, {"top1": 50.0}, (), {}), {"x": torch.zeros(1)}, kept)
    results, samples = measurements("dfd", "store", store.root)
    assert results([missing, there]) == [record]
    assert samples(there).keys() == kept.keys()
    assert not store.folder(missing).exists()


def test_runs_are_trained_where_they_are_missing(tiny, tmp_path):
    results, samples = measurements("dfd", "run", tmp_path)
    run = tiny(epochs=1)
    assert [record.run for record in results([run])] == [run]
    assert isinstance(samples(run), dict)


def test_an_unknown_mode_is_one_line():
    with pytest.raises(UserError, match="unknown mode 'guess'; choose from: records, store, run"):
        measurements("dfd", "guess")


def test_the_source_of_a_function_is_shown_as_it_is():
    text = source(distillation_loss).data
    assert text.startswith("```python\ndef distillation_loss(student: Tensor")
    assert text.endswith("```")
