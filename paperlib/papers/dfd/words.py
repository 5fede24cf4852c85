"""Sentences of the chapter, made of the numbers that they speak of: they cannot contradict them."""

from collections.abc import Iterable, Sequence

from paperlib.evidence.scale import Curve
from paperlib.evidence.scores import Scores
from paperlib.evidence.verdicts import DECIDED, HOLDS, NO_EFFECT, NOT_TESTED, REVERSED, Verdict
from paperlib.papers.dfd.profiles import Settings
from paperlib.papers.dfd.study import LAMBDA, MAIN, NAMES, SIZES
from paperlib.papers.dfd.tables import BASE, HELD_OUT, STUDENT, lambda_curves, started
from paperlib.report import Markdown, Table
from paperlib.sentences import NOTHING_YET, against, bullets, shown

OVER_VDSR = {
    HOLDS: "A teacher is worth more than a better image: DFD beats the classifier behind VDSR",
    NO_EFFECT: "DFD and the classifier behind VDSR are equally good",
    REVERSED: "A better image is worth more than a teacher: the classifier behind VDSR beats DFD",
}
VDSR_OVER_BASE = {
    HOLDS: "as the paper says, VDSR changes little for a classifier that is trained on its output",
    REVERSED: "other than the paper says, VDSR makes a difference for a classifier that is trained"
    " on its output",
}


def earned(setting: Table) -> Markdown:
    """Whether the setting has what it must have, by the table of it: its last column says so."""
    if not setting.rows:
        return NOTHING_YET
    missed = [f"- {row[0]}" for row in setting.rows if row[-1] != "yes"]
    if not missed:
        return Markdown("All conditions that were measured are met.")
    which = "One condition is" if len(missed) == 1 else f"{len(missed)} conditions are"
    text = f"{which} **not** met; what follows is to be read with that in mind:"
    return Markdown("\n".join([text, "", *missed]))


def choices(settings: Settings, found: Scores) -> Markdown:
    """What each choice that the paper leaves open is worth, by the table of ablations."""
    mean = f"{STUDENT}/reduction=mean"
    rows = [
        ("The sum in equation (1)", STUDENT, "the mean with the same λ", mean),
        ("The sum with λ = 2", STUDENT, "the mean with λ = 20", f"{mean}, lambda=20"),
        ("The feature behind the ReLU", STUDENT, "that before it", f"{STUDENT}/feature=pre"),
    ]
    for init, weights in (("lr", "the base network's"), ("teacher", "the teacher's")):
        control = f"{BASE}/init={init}"
        head_start = f"A base network that is trained on from {weights} weights"
        rows += [
            (head_start, control, "one that is trained once", BASE),
            (f"DFD from {weights} weights", started(settings, init), "that control", control),
        ]
    said = (
        against(what, found.interval(better, worse), other) for what, better, other, worse in rows
    )
    return bullets(said) or NOTHING_YET


def sweep(found: Scores, verdicts: Iterable[Verdict]) -> Markdown:
    """What Fig. 2 says: the best lambda, and the verdicts on the paper's two sentences about it."""
    parts = []
    bases, swept = lambda_curves(found)
    for name, curve in swept.items():
        best = max(curve, key=lambda x: curve[x].mean)
        parts.append(
            f"{name}: of {len(curve)} values of λ, {best:g} has the highest mean, "
            f"{curve[best].mean:.1f} %; the base network has {bases[name].mean:.1f} %."
        )
    for verdict in verdicts:
        if verdict.claim.better.startswith("tuned") and verdict.measured:
            claim = verdict.claim
            parts.append(f"**{verdict.word}**: “{claim.quote}” ({NAMES[claim.network]}).")
    if (over := found.interval(f"{MAIN}/tuned/{LAMBDA:g}", f"{MAIN}/tuned", HELD_OUT)) and parts:
        parts.append(f"On these images {NAMES[MAIN]} gains {shown(over)} with λ = {LAMBDA:g}.")
    return bullets(parts) or NOTHING_YET


def conclusion(
    settings: Settings,
    found: Scores,
    verdicts: Sequence[Verdict],
    curves: Iterable[Curve] = (),
) -> Markdown:
    """What the chapter ends with.

    Args:
        settings: of all that was measured.
        found: all numbers.
        verdicts: on all claims, measured on the same data.
        curves: the headline claims' effects by number of images.
    """
    told = [_distillation(verdicts), _super_resolution(verdicts)]
    told += [f"**With more images**: {curve.claim.text}: {curve.text()}." for curve in curves]
    told.append(_longer_training(settings, found))
    return Markdown("\n\n".join(part for part in told if part)) or NOTHING_YET


def _distillation(verdicts: Iterable[Verdict]) -> str:
    """How often DFD beats its base network, and by how much."""
    pairs = [(f"dfd/{size}", f"lr/{size}") for size in SIZES]
    about = [v for v in verdicts if (v.claim.better, v.claim.worse) in pairs]
    headlines = {verdict.word for verdict in about if verdict.claim.headline}
    own = [verdict for verdict in about if verdict.word != NOT_TESTED]
    if not own:
        return ""
    says = "Whether the teacher's feature helps is **not decided** for all headline claims"
    if headlines == {HOLDS}:
        says = "**The teacher's feature helps**: the headline claims about it hold here"
    elif headlines == {NO_EFFECT}:
        says = "**The teacher's feature does nothing** that labels do not do"
    elif headlines and headlines <= set(DECIDED):
        says = "The teacher's feature **does not help everywhere** where the headline claims say so"
    elif not headlines:
        says = "No headline claim is about these data"
    counts = ", ".join(
        f"{sum(v.word == word for v in own)} “{word}”"
        for word in dict.fromkeys(v.word for v in own)
    )
    effects = [v.effect for v in own if v.effect is not None]
    span = ""
    if len(effects) > 1:
        span = f", with means from {min(effects):+.1f} to {max(effects):+.1f} points"
    compared = f"{len(own)} comparison{'s' if len(own) > 1 else ''} with a base network"
    return f"{says}. Of {compared}: {counts}{span}."


def _longer_training(settings: Settings, found: Scores) -> str:
    """What distillation is worth beside the epochs that the teacher costs."""
    student, longer = started(settings, "scratch"), f"{BASE}/init=lr"
    own, head_start = found.interval(student, BASE), found.interval(longer, BASE)
    apart = found.interval(student, longer)
    if own is None or head_start is None:
        return ""
    return (
        f"**Distillation or longer training**: the teacher's feature gains {shown(own)}; the epochs"
        f" that its training took, given to the base network instead, gain {shown(head_start)}. "
        + against("The student", apart, "the base network that is trained twice as long")
    )


def _super_resolution(verdicts: Iterable[Verdict]) -> str:
    """What enlarging first is worth."""
    by_cells = {(v.claim.better, v.claim.worse): v for v in verdicts if v.measured}
    over, plain = by_cells.get(("dfd/8", "vdsr/8")), by_cells.get(("vdsr/8", "lr/8"))
    parts = []
    if over and over.measured:
        says = OVER_VDSR.get(over.word, f"DFD against the classifier behind VDSR: {over.word}")
        parts.append(f"{says} ({shown(over.measured)}).")
    if plain and plain.measured:
        undecided = f"whether VDSR changes anything for a classifier behind it: {plain.word}"
        says = VDSR_OVER_BASE.get(plain.word, undecided)
        parts.append(f"{says[0].upper()}{says[1:]} ({shown(plain.measured)}, against none).")
    return " ".join(parts) and "**Enlarging first**: " + " ".join(parts)
