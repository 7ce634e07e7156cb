"""Names of fields that say what they hold: an answer of some kind, what explains it, whose row it is."""

import re
from collections.abc import Collection

LABEL = re.compile(
    r"(.+_)?(labels?|class|classes|target|y|gold|annotation)|(is_)?(correct|relevant|acceptable)", re.IGNORECASE
)
TOPIC = re.compile(
    r"(.+_)?(category|categories|intents?|sentiment|polarity|stance|stars|rating|overall|score|grade|topics?|emotions?|"
    r"genres?|relation|type|tags?|answer|is_.+|toxic|toxicity|spam|similarity|value|judge?ment|verdict|quality|"
    r"severity)",
    re.IGNORECASE,
)
WRITTEN = re.compile(
    r"(.+[_.])?(summary|response|reply|targets?|tgt|output|completion|references?|translation|highlights?|headline|"
    r"abstract|answers?|paraphrase|simplification|chosen|solution|explanation|rationale)(_text|\.text)?",
    re.IGNORECASE,
)
QUANTITY = re.compile(
    r"(.+_)?(price|cost|amount|salary|revenue|sales|complexity|difficulty|readability|popularity)",
    re.IGNORECASE,
)  # of numbers alone
TITLE = re.compile(r"title|headline|subject|heading|summary", re.IGNORECASE)
EXPLAINS = re.compile(r"(.+_)?(explanations?|rationales?|reason(ing)?s?|solution|exp)([_ ]?\d+)?", re.IGNORECASE)
"""Of texts that are written after the answer is known, so that they are not read beside it."""
ASIDE = re.compile(
    r"(.+_)?(ids?|agent|authors?|user|username|annotators?|workers?|editor|reviewers?|customer|reporter|assignee|city|"
    r"country|state|region|location|language|lang|url|source|channel|domain|split|version|date|year|month|day|hour|age|"
    r"words|length|tokens|chars|count|votes)",
    re.IGNORECASE,
)
"""Of what says something about a row more often than it answers it."""
CHOICES = re.compile(
    r"choices?|options?|opt?|endings?|sol|solutions?|alternatives?|candidates?|ans|answers?", re.IGNORECASE
)
NUMBERED = re.compile(r"(.*?)[_ -]?(\d+|[A-Ea-e])")
"""Of one of several fields of a kind: choice1, option_a."""
RIGHT = re.compile(r".*(label|answer|correct|gold|right|target|key|solution).*|cop", re.IGNORECASE)
"""Of what says which choice is right."""
PICKS = re.compile(
    r".*(right|correct|which)[_ ]?(answer|ending|option|choice|sentence|one).*|.*answer[_ ]?right.*", re.IGNORECASE
)
"""Of what says which of two texts is right, whatever these are called."""
RENDERED = re.compile(r"(.+?)(_binary)?_(parse|tree|tokens|tokenized|tokenised|lemmas?|pos|html)", re.IGNORECASE)
"""Of another form of a field of the row."""


def is_named(name: str, pattern: re.Pattern[str]) -> bool:
    """Tell whether a field's name is of these, with blanks or dots in the place of underscores, too."""
    return pattern.fullmatch(re.sub("[ .]", "_", name)) is not None


def is_rendered(name: str, names: Collection[str]) -> bool:
    """Tell whether a field holds another field of the row in another form: its parse, its words."""
    found = RENDERED.fullmatch(name)
    return found is not None and found[1] in names
