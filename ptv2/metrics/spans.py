"""Scores of tag sequences over whole spans, and how the tags of each scheme are read as spans.

A tag is `O`, or a prefix, a hyphen and a type, as `B-PER`; where there is one type, the prefix may stand alone
(keyphrases, word segmentation). The scheme says which prefixes there are:

    iob1   I begins a span, too; B only where one begins right behind another of its type (CoNLL-2003 as published)
    bio    B begins a span, I continues it (IOB2)
    iobes  as bio, E ends a span of several words and S is a span of one word (BIOES)
    bilou  as iobes, with L for E and U for S (BILUO)
    bmes   as iobes, with M for I (BMEWO has W for S)
    type   no prefixes (Few-NERD): neighbours of one type are one span

Sequences that break their scheme, as a model may write them, are read as the conlleval script reads them: a span ends
before `O`, before another type and before a prefix that begins one, so no tag other than `O` is lost.
"""

from collections.abc import Iterable, Sequence

from ptv2.errors import UserError
from ptv2.metrics.split import Split

Span = tuple[str, int, int]  # type, first word, last word

PREFIXES: dict[str, dict[str, str]] = {
    "iob1": {"B": "B", "I": "I"},
    "bio": {"B": "B", "I": "I"},
    "iobes": {"B": "B", "I": "I", "E": "E", "S": "S"},
    "bilou": {"B": "B", "I": "I", "L": "E", "U": "S"},
    "bmes": {"B": "B", "M": "I", "E": "E", "S": "S", "W": "S"},
    "type": {},
}
"""Scheme -> its prefixes and what each is called in IOBES."""


def scheme_of(names: Iterable[str]) -> str:
    """Name the scheme of a set of tags. IOB1 has the prefixes of BIO and is called so: both are read alike.

    Raises:
        UserError: the prefixes belong to no scheme.
    """
    tags = set(names) - {"O"}
    alone = all(len(tag) == 1 for tag in tags)
    prefixes = {tag[0] for tag in tags if alone or tag[1:2] == "-"}
    bare = not alone and any(tag[1:2] != "-" for tag in tags)
    if not prefixes or (bare and not prefixes <= {"B", "I"}):  # a type may hold a hyphen of its own: E-mail, X-ray
        return "type"
    for scheme in ("bio", "iobes", "bilou", "bmes"):
        if prefixes <= PREFIXES[scheme].keys():
            return scheme
    if alone:
        return "type"
    what = f"the tags have the prefixes {', '.join(sorted(prefixes))}, which belong to no scheme"
    raise UserError(what, where="task.labels", do="use BIO, IOBES, BILOU or BMES tags, or types without a prefix")


def spans(tags: Sequence[str], scheme: str) -> list[Span]:
    """Read the tags of one sentence as spans, in their order.

    Args:
        tags: one a word. One without a prefix counts as inside.
        scheme: a key of `PREFIXES`.
    """
    from seqeval.metrics.sequence_labeling import get_entities  # conlleval's rules, with E and S

    prefixes = PREFIXES[scheme]
    as_iobes = []
    for tag in tags:
        prefix, hyphen, kind = tag.partition("-")
        known = prefix in prefixes and (hyphen or not kind)
        as_iobes.append(tag if tag == "O" else f"{prefixes[prefix]}-{kind}" if known else f"I-{tag}")
    return get_entities(as_iobes)


def span_f1(split: Split) -> float:
    """Compute micro F1 over whole spans (type and both ends), as conlleval and seqeval count; 0 without spans."""
    return _f1(split)


def span_f1_no_v(split: Split) -> float:
    """Compute `span_f1` without the predicate's own spans, which are given away by the input (semantic roles)."""
    return _f1(split, without="V")


def span_settings(split: Split) -> dict[str, str]:
    """Name the scheme in which the tags are read."""
    tags = {tag for rows in (split.predictions, split.references) for tags in rows for tag in tags}
    return {"scheme": scheme_of(split.names or tags)}


def _f1(split: Split, without: str | None = None) -> float:
    scheme = span_settings(split)["scheme"]
    found, gold = (
        {(row, span) for row, tags in enumerate(rows) for span in spans(tags, scheme) if span[0] != without}
        for rows in (split.predictions, split.references)
    )
    return 2 * len(found & gold) / (len(found) + len(gold)) if found or gold else 0.0
