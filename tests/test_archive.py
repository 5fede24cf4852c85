"""Committed records: how they get there, and that none is edited, or gone without a word."""

import dataclasses
import hashlib
import itertools

import pytest
import torch

from paperlib import fingerprint, papers
from paperlib.archive import MANIFEST, POINTS, Archive, Origin, thinned
from paperlib.degrade.tables import CORRUPTIONS
from paperlib.errors import UserError
from paperlib.evidence.claims import DATA
from paperlib.files import sha256
from paperlib.runs import Record
from paperlib.store import SAMPLES


@pytest.fixture
def archive(tmp_path):
    return Archive(tmp_path / "results")


@pytest.fixture
def finish(store):
    """Finishes runs that nobody trained: `finish(run, top1)`."""

    def finish(run, top1=50.0, history=(), provenance=None, **samples):
        record = Record(run, {"top1": top1}, tuple(history), provenance or {})
        return store.finish(record, {"w": torch.zeros(2)}, samples)

    return finish


@pytest.fixture
def promoted(archive, store, finish):
    """Finishes runs and promotes them: `promoted(run, top1)`. Returns the record's file."""

    def promoted(run, *values, **named):
        finish(run, *values, **named)
        return archive.promote(run, store)

    return promoted


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
    assert len(list(archive.folder.glob("*.json"))) == 1


def test_only_finished_runs_are_promoted(archive, store, tiny):
    with pytest.raises(UserError, match=f"{tiny().hash} .* is not finished in "):
        archive.promote(tiny(), store)
    assert not archive.folder.exists()


# The manifest: what is missed, and what is refused

MEND = r"`git checkout` brings it back, or `python -m paperlib record results --replace` from .*"


def test_the_manifest_lists_every_record_with_its_checksum_and_its_commit(promoted, tiny):
    made = {"commit": "0123456789ab", "date": "2026-11-25"}
    paths = {seed: promoted(tiny(seed=seed), provenance=made) for seed in (1, 0)}
    lines = [
        f"{tiny(seed=seed).hash},{paths[seed].name},{sha256(paths[seed])},0123456789ab,2026-11-25"
        for seed in (0, 1)
    ]
    manifest = paths[0].parent / MANIFEST
    assert manifest.read_text() == "\n".join(["run,file,sha256,commit,date", *lines, ""])


def edit(path):
    path.write_text(path.read_text().replace("50.0", "99.0"))


def write_another(path):
    """A record that is right in itself, with other numbers."""
    record = Record.from_json(path.read_bytes())
    path.write_text(dataclasses.replace(record, metrics={"top1": 99.0}).to_json())


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: path.unlink(), " is missing"),
        (edit, ": not what manifest.csv lists, and records are not edited by hand"),
        (write_another, ": not what manifest.csv lists, .*"),
        (lambda path: path.write_bytes(b"\xff\xfe"), ": not what manifest.csv lists, .*"),
        (lambda path: path.rename(path.with_name(f"new-{path.name}")), " is missing"),
    ],
    ids=["deleted", "edited", "written anew", "no text", "renamed"],
)
def test_a_record_that_is_gone_or_edited_is_missed_and_made_again_from_the_runs(
    archive, store, promoted, tiny, damage, message
):
    path = promoted(tiny())
    (record,) = archive([tiny()])
    promoted(tiny(seed=1))
    damage(path)
    for reader in (archive, Archive(archive.folder)):
        for ask in (lambda reader=reader: reader([tiny()]), reader.stale):
            with pytest.raises(UserError, match=rf"{path.name}{message}; {MEND}$"):
                ask()
        assert len(reader([tiny(seed=1)])) == 1
    again = Archive(archive.folder)
    again.promote(tiny(), store, replace=True)
    assert Archive(archive.folder)([tiny()]) == [record]


def test_a_record_that_is_not_listed_is_refused_until_it_is_promoted(
    archive, store, promoted, tiny
):
    path = promoted(tiny())
    (archive.folder / MANIFEST).unlink()
    message = rf"{path.name} is not in manifest.csv; `python -m paperlib record results` lists it"
    with pytest.raises(UserError, match=message):
        Archive(archive.folder)([tiny()])
    Archive(archive.folder).promote(tiny(), store)
    assert len(Archive(archive.folder)([tiny()])) == 1


@pytest.mark.parametrize(
    "change",
    [
        lambda text: "",
        lambda text: text.replace("sha256", "sha"),
        lambda text: text + "<<<<<<< HEAD\n",
        lambda text: text + text.splitlines()[1] + "\n",  # twice
    ],
)
def test_a_damaged_manifest_is_refused(archive, promoted, tiny, change):
    manifest = promoted(tiny()).parent / MANIFEST
    manifest.write_text(change(manifest.read_text()))
    with pytest.raises(UserError, match=r"manifest\.csv is damaged; `git checkout` brings it back"):
        Archive(archive.folder)


def test_a_record_under_the_hash_of_another_is_refused(archive, promoted, tiny):
    path, other = promoted(tiny()), tiny(seed=1).hash
    path.rename(path.with_name(path.name.replace(tiny().hash, other)))
    manifest = archive.folder / MANIFEST
    manifest.write_text(manifest.read_text().replace(tiny().hash, other))
    with pytest.raises(UserError, match=f"{other}.json: it belongs to another run; {MEND}"):
        Archive(archive.folder)([tiny(seed=1)])


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: path.unlink(), " is missing"),
        (lambda path: path.write_bytes(b"no tensors"), ": not the samples of its record"),
    ],
)
def test_samples_that_are_not_those_of_their_record_are_refused(
    archive, promoted, tiny, damage, message
):
    path = promoted(tiny(), input=torch.zeros(1, 3, 2, 2)).with_suffix(".safetensors")
    damage(path)
    with pytest.raises(UserError, match=f"{path.name}{message}; {MEND}"):
        archive.samples(tiny())


def test_a_run_without_a_record_has_no_samples(archive, tiny):
    assert archive.samples(tiny()) == {}


@pytest.mark.parametrize("slug", papers.PAPERS)
def test_every_committed_record_is_listed_and_right(slug):
    archive = Archive(DATA / "results" / slug)
    listed = {entry.file: entry for entry in archive._entries.values()}
    assert listed.keys() == {path.name for path in archive.folder.glob("*.json")}
    samples = set()
    for name, entry in listed.items():
        content = (archive.folder / name).read_bytes()
        assert hashlib.sha256(content).hexdigest() == entry.sha256, name
        record = Record.from_json(content)
        assert record.run.hash == entry.run, name
        assert record.provenance.get("commit") == entry.commit, name
        if sha := record.files.get(SAMPLES):
            samples.add((archive.folder / name).with_suffix(".safetensors"))
            assert sha256(archive.folder / f"{name[:-5]}.safetensors") == sha, name
    assert samples == set(archive.folder.glob("*.safetensors"))


# Where records come from, and which are kept


def test_the_commits_that_records_come_from_are_told_with_their_dates(archive, promoted, tiny):
    made = [("aa", "2026-11-25"), ("bb+", "2026-11-24"), ("aa", "2026-11-23"), ("aa", "2026-11-24")]
    for seed, (commit, date) in enumerate(made):
        promoted(tiny(seed=seed), provenance={"commit": commit, "date": date})
    expected = [
        Origin("aa", 3, "2026-11-23", "2026-11-25"),
        Origin("bb+", 1, "2026-11-24", "2026-11-24"),
    ]
    assert archive.origins() == Archive(archive.folder).origins() == expected
    assert Archive(archive.folder / "nowhere").origins() == []


def test_records_of_other_code_are_counted_in_one_line(archive, promoted, tiny):
    now = fingerprint.code(tiny())
    promoted(tiny(), provenance={"code": now})
    assert archive.stale() == ""
    promoted(tiny(seed=1), provenance={"code": {**now, "training": "0123"}})
    promoted(tiny(seed=2), provenance={"code": {**now, "training": "0123", "prepared": "4567"}})
    text = "2 of 3 records were made by other code (prepared, training)"
    assert archive.stale() == text
    promoted(tiny(seed=3))
    assert archive.stale() == "3 of 4 records were made by other code (not recorded, " + (
        "prepared, training)"
    )


def test_of_many_modules_that_changed_four_are_named(archive, promoted, tiny):
    promoted(tiny(), provenance={"code": {f"m{i}": "0123" for i in range(9)}})
    count = 5 + len(fingerprint.code(tiny()))
    assert archive.stale().startswith("1 of 1 records were made by other code (datasets.base, ")
    assert archive.stale().endswith(f", {count} more)")


@pytest.mark.parametrize("fields", [{"method": "sdg"}, {"degrade": {"name": "lowers"}}])
def test_a_record_of_what_is_no_longer_known_counts_as_of_other_code(
    archive, promoted, tiny, fields
):
    promoted(tiny(**fields), provenance={"code": {}})
    assert archive.stale() == "1 of 1 records were made by other code (names that are gone)"


def test_records_that_no_plan_names_are_dropped_with_their_samples(archive, promoted, tiny):
    runs = [tiny(seed=seed) for seed in range(4)]
    paths = [promoted(run, input=torch.zeros(1)) for run in runs]
    records = archive(runs[:2])
    paths[3].unlink()  # listed, and gone: it is not missed any more
    unlisted = archive.folder / f"by-hand-{tiny(seed=8).hash}.json"
    unlisted.touch()
    reader = Archive(archive.folder)
    assert set(reader.keep_only([*runs[:2], tiny(seed=9)])) == {paths[2], unlisted}
    for one in (reader, Archive(archive.folder)):
        assert one(runs) == records
    left = {path.name for path in archive.folder.iterdir()}
    assert left == {
        MANIFEST,
        *(path.with_suffix(end).name for path in paths[:2] for end in (".json", ".safetensors")),
    }
    assert reader.keep_only(runs[:2]) == []


def test_a_plan_that_names_no_record_drops_none(archive, promoted, tiny):
    path = promoted(tiny())
    with pytest.raises(UserError, match="none of its records is to be kept"):
        archive.keep_only([tiny(seed=1)])
    assert path.exists()
    assert Archive(archive.folder / "nowhere").keep_only([]) == []


# What is kept of a history


@pytest.mark.parametrize("epochs", [0, 1, POINTS, POINTS + 1, 93, 600])
def test_a_long_history_is_thinned_to_its_last_epoch(tiny, epochs):
    history = tuple({"lr": 0.1, "loss": 1 / (1 + i)} for i in range(epochs))
    record = Record(tiny(), {}, history, {})
    kept = thinned(record)
    if epochs <= POINTS:
        assert kept == record
        return
    numbers = [entry["epoch"] for entry in kept.history]
    assert POINTS / 2 <= len(numbers) <= POINTS
    assert numbers[-1] == epochs
    assert len({b - a for a, b in itertools.pairwise(numbers)}) == 1
    for entry in kept.history:
        assert entry == {**history[entry["epoch"] - 1], "epoch": entry["epoch"]}
    assert thinned(kept) == kept


def test_a_promoted_record_of_a_long_training_is_small_and_may_be_promoted_again(
    archive, store, finish, tiny
):
    history = [{"lr": 0.1, "loss": 1 / (1 + i)} for i in range(600)]
    record = finish(tiny(epochs=600), history=history)
    path = archive.promote(tiny(epochs=600), store)
    assert path.stat().st_size < 5_000
    assert archive.promote(tiny(epochs=600), store) == path
    (kept,) = archive([tiny(epochs=600)])
    assert kept == thinned(record)
    # a record with its whole history, promoted before histories were thinned, is no other one
    path.write_text(record.to_json())
    Archive(archive.folder).promote(tiny(epochs=600), store)
    assert Archive(archive.folder)([tiny(epochs=600)]) == [kept]
    finish(tiny(epochs=600), history=[*history[:-1], {"lr": 0.1, "loss": 9.0}])
    with pytest.raises(UserError, match="exists"):
        archive.promote(tiny(epochs=600), store)


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
