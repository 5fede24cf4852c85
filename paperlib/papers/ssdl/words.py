"""Sentences of the chapter, made of the numbers that they speak of: they cannot contradict them."""

from collections.abc import Iterable, Iterator, Mapping
from functools import partial

from paperlib import sentences
from paperlib.evidence.looks import interval
from paperlib.evidence.scores import Scores
from paperlib.evidence.verdicts import HOLDS, NO_EFFECT, REVERSED, Verdict
from paperlib.papers.ssdl.numbers import (
    BASELINE,
    COMPARED,
    STUDENT,
    by_compute,
    by_strength,
    label,
    main_level,
)
from paperlib.papers.ssdl.profiles import Settings
from paperlib.report import Markdown
from paperlib.sentences import against, bullets, shown

NOTHING_YET = Markdown("*Not measured in this setting.*")
if_any = partial(sentences.if_any, otherwise=NOTHING_YET)
LONG = "the noisy baseline that trains as long"  # as teacher and student
# what each headline claim's verdict means, by the method that SSDL is compared with
MEANS: Mapping[str, Mapping[str, str]] = {
    "noisy": {
        HOLDS: "A noisy teacher is worth having: its student beats the network that it is a copy"
        " of.",
        NO_EFFECT: "A noisy teacher is worth nothing: its student is the noisy baseline again.",
        REVERSED: "A noisy teacher does harm.",
    },
    "stl": {
        HOLDS: "Clean images are not needed: a noisy teacher is as good as a clean one.",
        REVERSED: "Clean images, where there are any, make a difference: a noisy teacher is not"
        " as good as a clean one.",
    },
    "joint": {
        HOLDS: "Training a denoiser for the classifier, with clean images, is not worth the"
        " trouble.",
        NO_EFFECT: "Joint training, which has clean images and a denoiser at test time, is no"
        " better and no worse.",
        REVERSED: "Joint training is better, for whoever has clean images and can afford a"
        " denoiser at test time.",
    },
    "n2n": {
        HOLDS: "Denoising by Noise2Noise first is worse than no denoiser and a noisy teacher.",
        NO_EFFECT: "Denoising by Noise2Noise first is no better and no worse.",
        REVERSED: "Denoising by Noise2Noise first is better.",
    },
}


def compute(settings: Settings, found: Scores) -> Markdown:
    """Students, their teachers included, beside the baseline that trains as long, at all levels."""
    students = {"SSDL": "ssdl", "Student-teacher learning with a clean teacher": "stl"}
    return bullets(
        against(
            f"{label(level)}: {text}",
            found.interval(f"{name}/{level}", f"noisy-long/{level}"),
            LONG,
        )
        for text, name in students.items()
        for level in settings.levels
    )


def schedules(settings: Settings, found: Scores) -> Markdown:
    """SSDL beside the baseline of the same compute, from the shortest schedule to the longest."""
    cells = by_compute(settings, found)
    if len(cells[STUDENT]) < 2:  # `compute` says it
        return Markdown()
    return bullets(
        against(
            f"With {at:.2g} times the compute of one training, SSDL",
            found.interval(student, cells[BASELINE][at]),
            "the baseline",
        )
        for at, student in cells[STUDENT].items()
        if at in cells[BASELINE]
    )


def teachers(settings: Settings, found: Scores) -> Markdown:
    """What the weakest and the strongest noisy teacher are worth to the student."""
    cells = by_strength(settings)
    first, last = min(cells["student"]), max(cells["student"])  # shares of the epochs
    if first == last:
        return Markdown()
    sentence = against(
        f"The student of the teacher with {last:.2g} times the epochs",
        found.interval(cells["student"][last], cells["student"][first]),
        f"that of the teacher with {first:.2g} times",
    )
    return Markdown(sentence)


def draws(settings: Settings, found: Scores) -> Markdown:
    """Whether the teacher had better see another draw of the noise."""
    return bullets(
        against(
            f"{label(level)}: a student whose teacher sees another draw of the noise",
            found.interval(f"ssdl-independent/{level}", f"ssdl/{level}"),
            "one whose teacher sees the same",
        )
        for level in settings.levels
    )


def restored(settings: Settings, found: Scores) -> Markdown:
    """Two denoisers: what is recognised behind them, and whose images are better."""
    level = main_level(settings)
    behind = {
        f"Behind {name}, a classifier": found.interval(f"{cell}/{level}", f"noisy/{level}")
        for name, cell in {"Noise2Noise": "n2n", "joint training": "joint"}.items()
    }
    sentences = [against(what, gain, "the noisy baseline") for what, gain in behind.items()]
    quality = found.interval(f"joint/{level}", f"denoiser/{level}", "psnr")
    if quality is not None:
        sentences.append(f"Joint training's PSNR minus Noise2Noise's: {shown(quality, ' dB')}.")
    return bullets(sentences)


def features(settings: Settings, found: Scores) -> Markdown:
    """The noisy teacher's last features beside two controls."""
    level, parts = main_level(settings), []
    claims = [name for name in found.metrics(level) if name.startswith("cka@")]
    for metric in [name for name in claims if name.endswith("/other_noisy")][-1:]:
        own = found.values(level, metric)
        for view in ("network_noisy", "again_clean"):
            other = found.values(level, metric.replace("other_noisy", view))
            value = interval([own[seed] - other[seed] for seed in own])
            how = {1: "is above", 0: "is not told from", -1: "is below"}[value.told]
            name = COMPARED[view].partition(" (")[0]
            parts.append(f"{how} that of the {name} ({shown(value, '')})")
    text = " and ".join(parts)
    return Markdown(f"In the last layer the noisy teacher's CKA {text}." if parts else "")


def detected(found: Scores) -> Markdown:
    """Detectors with a teacher beside the one without."""
    names = {"ssdl": "A detector with a noisy teacher", "stl": "One with a clean teacher"}
    return bullets(
        against(
            text,
            found.interval(f"detector/{name}", "detector/noisy", "map50"),
            "the detector without a teacher",
        )
        for name, text in names.items()
    )


def conclusion(settings: Settings, found: Scores, verdicts: Iterable[Verdict]) -> Markdown:
    """What the headline claims' verdicts mean, and what compute alone does."""
    return bullets((*_meanings(verdicts), *_alone(settings, found)))


def _meanings(verdicts: Iterable[Verdict]) -> Iterator[str]:
    for verdict in verdicts:
        claim = verdict.claim
        if claim.headline:
            other = claim.worse.partition("/")[0]
            yield MEANS[other].get(verdict.word, f"{claim.text}: {verdict.word} ({verdict.why}).")


def _alone(settings: Settings, found: Scores) -> Iterator[str]:
    level = main_level(settings)
    value = found.interval(f"ssdl/{level}", f"noisy-long/{level}")
    if value is None:
        return
    if value.low > 0:
        yield f"That is more than longer training gives: {shown(value)}."
    elif value.high < 0:
        yield (
            "Whoever has the time for a teacher had better train the baseline for longer: SSDL is"
            f" behind it, {shown(value)}."
        )
    else:
        yield f"Training the baseline for longer may do as much: SSDL minus it is {shown(value)}."
