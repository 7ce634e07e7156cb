"""Tags of spans: a set of tags is read by its scheme, or refused by the tag that fits none.

A tag is `O`, or a prefix, a hyphen and a type (`B-PER`); a prefix alone where there is one type; or a type alone.
"""

import re

from ptv2.errors import UserError

OUTSIDE = "O"
SCHEMES = {"BIO": "BI", "IOBES": "BIES", "BILOU": "BILU", "BMES": "BMESW"}
"""Scheme -> its prefixes. IOB1 has those of BIO."""
LETTERS = "BIESLUMW"
BEGINS = "BSUW"  # of a span, or the whole of it

OTHER_FORMS = {
    rf"[{LETTERS}][^\w-].+|[{LETTERS}]_.+": "a prefix is separated by a hyphen",
    rf".+[\W_][{LETTERS}]": "a prefix stands before its type",
    rf"[{LETTERS.lower()}][\W_].+": "a prefix is a capital letter before a hyphen",
}
"""How other tools write tags -> what is different."""


def check_tags(names: list[str], where: str) -> None:
    """Refuse a set of tags out of which no spans can be read as they were meant.

    Raises:
        UserError: no tag is `O`, the tags are numbers, or a tag is of no known scheme or of another than the others.
    """
    tags = [name for name in names if name != OUTSIDE]
    if all(re.fullmatch(r"-?[0-9]+", name) for name in names):
        do = "name them in the card in their order, e.g. labels: [O, B-PER, I-PER], and set label_ids: true"
        raise UserError(f"the tags are the numbers {_listed(names)}, and none is O (outside)", where=where, do=do)
    if OUTSIDE not in names:
        do = "tag words outside of any span O, or score other tags, e.g. parts of speech, with accuracy"
        raise UserError(f"no tag is O (outside), there are {_listed(names)}", where=where, do=do)
    prefixed = [tag for tag in tags if re.match(r"[A-Z]-.", tag)]
    if all(len(tag) == 1 for tag in tags):  # prefixes or types of one letter
        prefixed = tags if {*tags} <= set(LETTERS) else []
    if len(prefixed) < len(tags):
        _check_types([tag for tag in tags if tag not in prefixed], prefixed, where)
        return
    prefixes = {tag[0] for tag in tags}
    if tags and not any(prefixes <= set(scheme) for scheme in SCHEMES.values()):
        odd = next((tag for tag in tags if tag[0] not in LETTERS), None)
        what = (
            f"the tag '{odd}' has a prefix"
            if odd
            else f"the tags have the prefixes {', '.join(sorted(prefixes))}, those"
        )
        do = f"use one of {', '.join(SCHEMES)}, or types without a prefix"
        raise UserError(f"{what} of no known scheme", where=where, do=do)


def _check_types(types: list[str], prefixed: list[str], where: str) -> None:
    """Refuse types without a prefix that were meant to have one."""
    if any(tag[0] in "BI" for tag in prefixed):
        what = f"the tag '{types[0]}' has no prefix, '{prefixed[0]}' has one"
        raise UserError(what, where=where, do="give all tags but O a prefix, or none")
    for form, difference in OTHER_FORMS.items():
        letters = {_letter(tag) for tag in types}
        if all(re.fullmatch(form, tag) for tag in types) and letters & set(BEGINS):
            what = f"tags such as '{types[0]}' are read by no scheme: {difference}"
            raise UserError(what, where=where, do="write B-PER, I-PER and so on")


def _letter(tag: str) -> str:
    """Return the letter at the end of a tag that would be its prefix."""
    return (tag[0] if re.match(r"\w[\W_]", tag) else tag[-1]).upper()


def _listed(names: list[str]) -> str:
    return ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")
