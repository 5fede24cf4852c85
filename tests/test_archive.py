"""Committed records: how they get there, and that nobody edits them."""

import pytest
import torch

from paperlib.archive import Archive
from paperlib.degrade.tables import CORRUPTIONS
from paperlib.errors import UserError
from paperlib.runs import Record


@pytest.fixture
def archive(tmp_path):
    return Archive(tmp_path / "results")


@pytest.fixture
def finish(store):
    """Finishes runs that nobody trained: `finish(run, top1)`."""

    def finish(run, top1=50.0, **samples):
        return store.finish(Record(run, {"top1": top1}, (), {}), {"w": torch.zeros(2)}, samples)

    return finish


def test_promoted_and_read_back_in_the_order_asked_for(archive, store, tiny, finish):
    runs = [tiny(seed=seed) for seed in range(3)]
    records = [finish(run, top1=float(run.seed)) for run in runs]
    paths = [archive.promote(run, store) for run in runs]
    assert paths[0].name == f"synthdigits-resnet18-supervised-seed=0-{runs[0].hash}.json"
    for reader in (archive, Archive(archive.folder)):
        assert reader(reversed(runs)) == records[::-1]


def test_what_was_never_measured_is_left_out(archive, store, tiny, finish):
    record = finish(tiny())
    archive.promote(tiny(), store)
    assert archive([tiny(seed=1), tiny(), tiny(seed=2)]) == [record]
    assert Archive(archive.folder / "nowhere")([tiny()]) == []


def test_samples_go_with_the_record(archive, store, tiny, finish):
    images = torch.arange(24, dtype=torch.uint8).view(2, 3, 2, 2)
    finish(tiny(), input=images)
    finish(tiny(seed=1))
    for run in (tiny(), tiny(seed=1)):
        archive.promote(run, store)
    assert torch.equal(Archive(archive.folder).samples(tiny())["input"], images)
    assert archive.samples(tiny(seed=1)) == {}


def test_the_same_record_twice_is_no_mistake(archive, store, tiny, finish):
    finish(tiny())
    assert archive.promote(tiny(), store) == archive.promote(tiny(), store)


def test_another_record_replaces_only_if_asked_to(archive, store, tiny, finish):
    old = finish(tiny(), 50.0)
    archive.promote(tiny(), store)
    new = finish(tiny(), 60.0)
    with pytest.raises(UserError, match="exists; a record is replaced only with --replace"):
        archive.promote(tiny(), store)
    assert archive([tiny()]) == [old]
    archive.promote(tiny(), store, replace=True)
    assert archive([tiny()]) == [new]
    assert len(list(archive.folder.iterdir())) == 1


def test_only_finished_runs_are_promoted(archive, store, tiny):
    with pytest.raises(UserError, match=f"{tiny().hash} .* is not finished in "):
        archive.promote(tiny(), store)
    assert not archive.folder.exists()


def test_an_edited_record_is_refused(archive, store, tiny, finish):
    finish(tiny(), 50.0)
    path = archive.promote(tiny(), store)
    path.write_text(path.read_text().replace("50.0", "99.0"))
    with pytest.raises(
        UserError, match=r"seed=0-.*\.json: checksum does not match; records are not edited by hand"
    ):
        archive([tiny()])


def test_a_record_under_the_name_of_another_is_refused(archive, store, tiny, finish):
    finish(tiny())
    path = archive.promote(tiny(), store)
    path.rename(path.with_name(f"renamed-{tiny(seed=1).hash}.json"))
    with pytest.raises(
        UserError, match="it belongs to another run; records are not edited by hand"
    ):
        Archive(archive.folder)([tiny(seed=1)])


def test_a_record_that_is_no_text_is_refused(archive, store, tiny, finish):
    finish(tiny())
    archive.promote(tiny(), store).write_bytes(b"\xff\xfe")
    with pytest.raises(UserError, match="records are not edited by hand"):
        archive([tiny()])


def test_a_long_label_is_cut_in_the_files_name(archive, store, tiny, finish):
    """Two runs whose labels begin alike still have a file each."""
    names = ",".join(CORRUPTIONS)
    views = [
        {"name": "random_corruption", "corruptions": names, "severities": s}
        for s in ("1,2", "1,2,3")
    ]
    records = [finish(tiny(degrade=view)) for view in views]
    for record in records:
        assert len(archive.promote(record.run, store).name) < 160
    assert archive([record.run for record in records]) == records
