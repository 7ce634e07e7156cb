"""The rules of the official SQuAD 2.0 script, written anew from its description: nothing here is ptv2's.

An answer is put into lower case, loses ASCII punctuation, then the articles a, an and the as whole words, and is split
at white space. Exact match compares what is left; F1 counts the tokens that both have, each as often as both have it.
Gold answers of which nothing is left do not count; a question without any is unanswerable, and its answer is the empty
text: with an empty text on either side both scores say whether both are empty. The best gold answer counts.
"""

import re
import string


def tokens_of(answer: str) -> list[str]:
    """Return the tokens of an answer."""
    lowered = answer.lower()
    bare = "".join("" if character in set(string.punctuation) else character for character in lowered)
    articles = re.compile(r"\b(a|an|the)\b", re.UNICODE)
    return articles.sub(" ", bare).split()


def exact_and_f1(answer: str, gold: list[str]) -> tuple[float, float]:
    """Score one answer."""
    wanted = [tokens for tokens in (tokens_of(text) for text in gold) if tokens] or [[]]
    found = tokens_of(answer)
    scores = [(float(found == tokens), _f1(found, tokens)) for tokens in wanted]
    return max(exact for exact, _ in scores), max(f1 for _, f1 in scores)


def _f1(found: list[str], wanted: list[str]) -> float:
    if not found or not wanted:
        return 1.0 if not found and not wanted else 0.0
    left, common = list(wanted), 0
    for token in found:
        if token in left:
            left.remove(token)
            common += 1
    if common == 0:
        return 0.0
    precision, recall = common / len(found), common / len(wanted)
    return 2 * precision * recall / (precision + recall)
