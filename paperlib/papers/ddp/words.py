"""What the chapter says of its own numbers: every sentence is chosen by them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from statistics import correlation, fmean

from paperlib.evidence.estimates import Estimate
from paperlib.evidence.scale import Curve
from paperlib.evidence.scores import Scores
from paperlib.evidence.verdicts import HOLDS, NO_EFFECT, REVERSED, UNDECIDED, Verdict
from paperlib.papers.ddp.numbers import MEAN, drifts, gains
from paperlib.papers.ddp.profiles import Settings
from paperlib.papers.ddp.study import CUB, ELSEWHERE, NAMES, QUALITIES, SEVEREST, VARIANTS
from paperlib.report import Markdown
from paperlib.sentences import NOTHING_YET, bullets, listed

# from here on a rank correlation over 15 corruptions is told from 0 (two-sided, 5 %)
RANKED = 0.52
MOSTLY = 0.5  # share of the losses that a module must win back, to be said to win back most

Gains = Mapping[str, Estimate]  # by corruption


def against(what: str, gain: Estimate | None, other: str) -> str:
    """Whether `what` is ahead of `other`, as a sentence; empty where nothing was measured."""
    if gain is None:
        return ""
    how = "is not told from"
    if gain.told:
        how = "is ahead of" if gain.told > 0 else "is behind"
    return f"{what} {how} {other}: {gain.number(sign=True)} points."


def recipe(settings: Settings, dataset: str) -> Markdown:
    """How frozen networks and modules are trained."""
    few, first = settings.few, settings.recipes[settings.networks[0]]
    steps = few.epochs * -(-few.train_size // few.batch_size)
    elsewhere = ELSEWHERE.get(dataset, CUB)
    tests = (
        f"{first.test_size:,} test images, drawn by the seed"
        if first.test_size
        else "all test images"
    )
    return Markdown(
        f"Frozen networks here: {settings.images()} training images of {dataset}, "
        f"{settings.schedule()}. A module: {few.train_size} images of {elsewhere}, {steps} steps "
        f"of {few.batch_size} of them. Tests: {tests}."
    )


def conditions(settings: Settings, dataset: str, found: Scores) -> Markdown:
    """Under how many conditions modules gain and lose, by network and severity."""
    return (
        bullets(
            f"{NAMES[network]}, severity {severity}: {_counted(own)}."
            for network, severity, own in _measured(settings, dataset, found)
        )
        or NOTHING_YET
    )


def _measured(
    settings: Settings, dataset: str, found: Scores
) -> Iterator[tuple[str, int, dict[str, Estimate]]]:
    """Network, severity and gains by corruption, of those that were measured."""
    for network in settings.networks:
        for severity in settings.severities:
            if own := gains(network, "condition", severity, dataset, found):
                yield network, severity, own


def _counted(own: Gains) -> str:
    """What is told from 0 of some gains; of single seeds what the signs are."""
    best = max(own, key=lambda name: own[name].mean)
    most = f"the most under {best} ({own[best].number(sign=True)} points)"
    if all(gain.n == 1 for gain in own.values()):
        up = sum(gain.mean > 0 for gain in own.values())
        return f"{up} of {len(own)} conditions gain in the one seed that there is, {most}"
    up = sum(gain.told > 0 for gain in own.values())
    losing = sorted((name for name in own if own[name].told < 0), key=lambda name: own[name].mean)
    open_ = len(own) - up - len(losing)
    parts = [f"{up} of {len(own)} conditions gain, {most}"]
    if losing:
        lost = (f"{name} loses ({own[name].number(sign=True)})" for name in losing)
        parts.append(f"**{listed(lost)}**")
    if open_:
        parts.append(f"{open_} {'is' if open_ == 1 else 'are'} not told from 0")
    return "; ".join(parts)


def drift_left(settings: Settings, dataset: str, found: Scores) -> Markdown:
    """Where a module brings features nearer to the clean ones and the network loses by it."""
    lost: dict[str, list[tuple[float, float]]] = {}  # corruption -> per cent left, points lost
    judged = False
    for network, severity, own in _measured(settings, dataset, found):
        for name, gain in own.items():
            cell = f"{network}/condition/{name}-{severity}"
            left = found.estimate(cell, "drift_left_share")
            judged |= left is not None and gain.n > 1
            if left and left.mean < 1 and gain.told < 0:
                lost.setdefault(name, []).append((100 * left.mean, -gain.mean))
    if not judged:
        return NOTHING_YET
    if not lost:
        return Markdown("No module that lowers the drift is told to cost accuracy here.")
    parts = []
    for name, pairs in lost.items():
        share, cost = (_span(values) for values in zip(*pairs, strict=True))
        parts.append(f"under {name} {share} % of it is left, and {cost} points are lost")
    return Markdown(f"**Less drift is not yet more accuracy**: {'; '.join(parts)}.")


def prior(settings: Settings, dataset: str, found: Scores) -> Markdown:
    """Where drifts have one direction, and whether that tells where a module gains."""
    network = settings.networks[0]
    rows = drifts(network, dataset, found)
    if not rows:
        return NOTHING_YET
    cosines = {name: row["cosine_clusters"] for name, row in rows.items()}
    low, high = min(cosines, key=cosines.__getitem__), max(cosines, key=cosines.__getitem__)
    mixed = fmean(row["cosine_clusters_control"] for row in rows.values())
    parts = [
        f"The cosine is largest under {high} ({cosines[high]:.2f}) and smallest under {low} "
        f"({cosines[low]:.2f}), {fmean(cosines.values()):.2f} in the mean; of the same patches "
        f"under mixed conditions it is {mixed:.2f}."
    ]
    helped = sum(row["explained_clusters"] > 0 for row in rows.values())
    parts.append(f"Margins help, in the other half of the images, under {helped} of {len(rows)}.")
    own = gains(network, "condition", SEVEREST, dataset, found)
    if both := [name for name in cosines if name in own]:
        rank = _rank_correlation([cosines[n] for n in both], [own[n].mean for n in both])
        told = "tells" if rank >= RANKED else "does **not** tell"
        parts.append(
            f"Uniform drift {told} where a module gains: over {len(both)} corruptions the rank "
            f"correlation of the cosine with the gain is {rank:+.2f}."
        )
    return Markdown(" ".join(parts))


def _rank_correlation(left: Sequence[float], right: Sequence[float]) -> float:
    """Spearman's, without ties; 0 for fewer than three pairs."""
    if len(left) < 3:
        return 0.0
    return correlation(*([sorted(own).index(value) for value in own] for own in (left, right)))


def one_for_all(settings: Settings, dataset: str, found: Scores) -> Markdown:
    """One module for all conditions beside the frozen network and beside those for each."""
    sentences = []
    images = settings.images(settings.module)
    for network in settings.networks:
        kinds = {
            "blind": f"{NAMES[network]}: one module for all conditions, from {images} images",
            "ten": f"{NAMES[network]}: one for all, from ten images elsewhere",
            "ten-long": f"{NAMES[network]}: the same with 5 times the steps",
        }
        for name, what in kinds.items():
            gain = found.gain(f"{network}/{name}", f"{network}/frozen", "seen")
            sentences.append(against(f"{what},", gain, "the frozen network under seen corruptions"))
        own = f"{NAMES[network]}: modules for each condition, from ten images,"
        cells = f"{network}/condition-{SEVEREST}", f"{network}/blind-{SEVEREST}"
        other = f"one for all from {images} images at severity {SEVEREST}"
        sentences.append(against(own, found.gain(*cells, MEAN), other))
    return bullets(sentences) or NOTHING_YET


def choices(settings: Settings, found: Scores) -> Markdown:
    """What each choice that the sources leave open is worth, at the severest."""
    network = settings.networks[0]
    default = f"{network}/condition-{SEVEREST}"
    names = {"own": "Ten images of the data set itself", **{n: f"`{n}`" for n in VARIANTS}}
    return (
        bullets(
            against(what, found.gain(f"{network}/{name}-{SEVEREST}", default, MEAN), "the default")
            for name, what in names.items()
        )
        or NOTHING_YET
    )


def jpeg(settings: Settings, found: Scores) -> Markdown:
    """Whether modules for JPEG compression gain, from the best to the worst quality."""
    network = settings.networks[0]
    cells = f"{network}/jpeg/ddp", f"{network}/jpeg/frozen"
    names = [f"q{quality}" for quality in QUALITIES.values()]
    own = found.gains(*cells, names)
    if len(own) < len(names):
        return NOTHING_YET
    first, last = (found.by_seed(*cells, name) for name in (names[0], names[-1]))
    grown = Estimate.of([last[seed] - first[seed] for seed in first if seed in last])
    how = "grows" if grown.told > 0 else "falls" if grown.told < 0 else "is not told to change"
    told = f"{sum(gain.told > 0 for gain in own.values())} of {len(names)} qualities gain"
    lost = sum(gain.told < 0 for gain in own.values())
    told += f", {lost} lose" if lost else ""
    qualities = list(QUALITIES.values())
    ends = f"{own[names[0]].number(sign=True)} points to {own[names[-1]].number(sign=True)}"
    return Markdown(
        f"Here {told}, and from quality {qualities[0]} to {qualities[-1]} the gain {how}: from "
        f"{ends}. In the printed rows it grows with the compression."
    )


def conclusion(
    settings: Settings,
    dataset: str,
    found: Scores,
    verdicts: Iterable[Verdict],
    curves: Iterable[Curve] = (),
) -> Markdown:
    """What the chapter ends with.

    Args:
        settings, dataset, found: what was measured.
        verdicts: on all claims.
        curves: the headline claims' effects by number of images.
    """
    verdicts = [verdict for verdict in verdicts if verdict.measured]
    headlines = [verdict for verdict in verdicts if verdict.claim.headline]
    told = [_modules(headlines), _won_back(headlines), _losses(settings, dataset, found)]
    blind = found.gain(f"{settings.networks[0]}/blind", f"{settings.networks[0]}/frozen", "seen")
    if blind:
        told.append(_blind(settings, found, blind))
    told += map(_prior, verdicts)
    told += [
        f"**With more images**: {curve.claim.text}: {curve.text()}."
        for curve in curves
        if len(curve.points) > 1
    ]
    return Markdown("\n\n".join(filter(None, told))) or NOTHING_YET


def _modules(headlines: Sequence[Verdict]) -> str:
    """What a module for each condition, learned from ten images, is worth."""
    if not headlines:
        return ""
    words = {verdict.word for verdict in headlines}
    says = "A module for each condition, learned from ten images, has no one answer here"
    if words == {HOLDS}:
        says = "**Ten images of another data set are enough**, with a module for each condition"
    elif words == {NO_EFFECT}:
        says = "**Ten images of another data set do nothing** here"
    elif words == {REVERSED}:
        says = "**Modules learned from ten images do harm** here"
    elif words == {UNDECIDED}:
        says = "Whether ten images are enough is **not decided** here"
    effects = listed(
        f"{_network(v)} {v.measured.text()} points at {v.condition} ({v.word})"
        for v in headlines
        if v.measured
    )
    return f"{says}: in the mean over all conditions {effects}."


def _won_back(headlines: Sequence[Verdict]) -> str:
    """How much of what corruptions cost a module wins back."""
    shares = [
        (verdict, verdict.effect / verdict.room)
        for verdict in headlines
        if verdict.word == HOLDS and verdict.effect is not None and verdict.room
    ]
    if not shares:
        return ""
    told = listed(f"{100 * share:.0f} % ({_network(v)}, {v.condition})" for v, share in shares)
    most = all(share >= MOSTLY for _, share in shares)
    kind = "**Most of the loss is won back**" if most else "A part of the loss is won back"
    return f"{kind}: of what the corruptions cost, {told}."


def _network(verdict: Verdict) -> str:
    return NAMES[verdict.network or verdict.claim.network]


def _losses(settings: Settings, dataset: str, found: Scores) -> str:
    """Under which conditions a module does harm."""
    own = [row for _, _, row in _measured(settings, dataset, found)]
    if not any(gain.n > 1 for row in own for gain in row.values()):
        return ""
    lost: dict[str, list[float]] = {}
    for name, gain in (pair for row in own for pair in row.items()):
        if gain.told < 0:
            lost.setdefault(name, []).append(-gain.mean)
    if not lost:
        return "Under no condition a module is told to do harm."
    worst = sorted(lost, key=lambda name: -max(lost[name]))
    told = listed(f"{name} loses {_span(lost[name])} points in {len(lost[name])}" for name in worst)
    return (
        f"**Not under every condition**: of {len(own)} pairs of network and severity, {told}. A "
        "mean over conditions hides that: try the module on a few images of the condition before "
        "it is plugged in."
    )


def _prior(verdict: Verdict) -> str:
    """Whether drifts are as the prior says; empty for a verdict on something else."""
    if verdict.claim.worse != "drift-mixed" or verdict.measured is None:
        return ""
    says = {
        HOLDS: "**The prior shows**: similar patches drift more alike",
        NO_EFFECT: "**The prior does not show**: similar patches drift no more alike",
        REVERSED: "**Against the prior**: similar patches drift less alike",
    }.get(verdict.word, "It is not decided whether similar patches drift more alike")
    effect = f"{verdict.measured.text()} hundredths of a cosine"
    return f"{says} under one condition than under mixed ones ({effect})."


def _span(values: Sequence[float]) -> str:
    """ "10.8 to 32.8", or one number."""
    low, high = f"{min(values):.1f}", f"{max(values):.1f}"
    return low if low == high else f"{low} to {high}"


def _blind(settings: Settings, found: Scores, blind: Estimate) -> str:
    """What one module for all conditions is worth."""
    network = settings.networks[0]
    images = settings.images(settings.module)
    says = "is not told to change anything"
    if blind.told:
        says = "gains" if blind.told > 0 else "loses"
    text = f"**One module for all conditions** {says}: {blind.number(sign=True)} points from "
    text += f"{images} images"
    ten = found.gain(f"{network}/ten", f"{network}/frozen", "seen")
    text += f", {ten.number(sign=True)} from ten images elsewhere" if ten else ""
    return f"{text} ({NAMES[network]}, mean over seen corruptions at all severities)."
