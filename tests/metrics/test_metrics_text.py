"""BLEU, chrF and ROUGE against second implementations, and against cases worked out by hand.

torchmetrics counts BLEU and ROUGE on its own. Its chrF is another one, the mean of the F scores of each order, where
sacrebleu's is the F score of mean precision and recall: the second implementation of that stands in this file.
"""

import math
import random
from collections import Counter

import pytest
from torchmetrics.functional.text import sacre_bleu_score
from torchmetrics.functional.text.rouge import rouge_score

from ptv2.metrics.split import Split
from ptv2.metrics.table import METRICS, goodness, metrics_of, score

PREDICTIONS = [
    "The Punter is a cheap Indian restaurant near the river.",
    "there is a family-friendly pub called The Mill, in the city centre",
    "Prices rise 3.5% as $1,000 loans get dearer",
    "the cat sat on the mat while the dogs were running",
    "",
    "Zizzi",
]
REFERENCES = [
    ["The Punter serves cheap Indian food near the river.", "Near the river is The Punter, a cheap restaurant."],
    ["The Mill is a family-friendly pub in the city centre."],
    ["Prices rose 3.5% as loans of $1,000 became dearer", "Loans are dearer", "Prices rise by 3.5%"],
    ["a cat was sitting on the mat while a dog ran"],
    ["An empty prediction has a reference all the same.", "So it has."],
    ["Zizzi is a coffee shop", "Zizzi"],
]
ONE_EACH = [refs[:1] for refs in REFERENCES]
NAMES = ["bleu", "chrf", "rouge1", "rouge2", "rouge_l"]


def second(name: str, predictions: list[str], references: list[list[str]]) -> float:
    """The value of the second implementation."""
    if name == "bleu":
        return sacre_bleu_score(predictions, references, tokenize="13a").item()
    if name == "chrf":
        return chrf_of(predictions, references)
    key = {"rouge1": "rouge1", "rouge2": "rouge2", "rouge_l": "rougeL"}[name]
    found = rouge_score(predictions, references, accumulate="best", use_stemmer=True, rouge_keys=(key,))
    return found[f"{key}_fmeasure"].item()


def shares(prediction: str, reference: str) -> list[tuple[int, int, int]]:
    """Of each order 1 to 6 of characters, blanks left out: how many there are in each text and in both."""
    found = []
    for n in range(1, 7):
        texts = ("".join(text.split()) for text in (prediction, reference))
        ours, gold = (Counter(text[i : i + n] for i in range(len(text) - n + 1)) for text in texts)
        found.append((ours.total(), gold.total(), (ours & gold).total()))
    return found


def f_score(counts: list[tuple[int, int, int]]) -> float:
    """F2 of precision and recall averaged over the orders that both texts are long enough for."""
    ratios = [(both / ours, both / gold) for ours, gold, both in counts if ours and gold]
    if not any(precision for precision, _ in ratios):
        return 0.0
    precision, recall = (sum(values) / len(ratios) for values in zip(*ratios, strict=True))
    return 5 * precision * recall / (4 * precision + recall)


def chrf_of(predictions: list[str], references: list[list[str]]) -> float:
    """The counts of each row with its best reference, summed over the corpus."""
    rows = [
        max((shares(text, ref) for ref in refs), key=f_score)
        for text, refs in zip(predictions, references, strict=True)
    ]
    return f_score([tuple(map(sum, zip(*order, strict=True))) for order in zip(*rows, strict=True)])


def ours(name: str, predictions: list[str], references: list[list[str]]) -> float:
    return score([name], Split(predictions, references))[name]


@pytest.mark.parametrize("references", [REFERENCES, ONE_EACH], ids=["several references", "one reference"])
@pytest.mark.parametrize("name", NAMES)
def test_equal_to_the_second_implementation(name, references):
    value = ours(name, PREDICTIONS, references)
    assert 0.05 < value < 0.95
    assert value == pytest.approx(second(name, PREDICTIONS, references), abs=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_nor_do_they_differ_on_random_texts(name):
    draw = random.Random(7)
    words = "the a runner running ran cats cat sees, seen. and of 12 state-of-the-art B.B.C. it's".split()

    def changed(text: list[str]) -> str:
        return " ".join(draw.choice(words) if draw.random() < 0.2 else word for word in text)

    for _ in range(5):
        texts = [draw.choices(words, k=draw.randint(4, 12)) for _ in range(8)]
        predictions = [" ".join(text) for text in texts]
        references = [[changed(text) for _ in range(draw.randint(1, 4))] for text in texts]
        assert ours(name, predictions, references) == pytest.approx(second(name, predictions, references), abs=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_equal_texts_score_one_and_other_texts_nothing(name):
    texts = ["the cat sat on the mat", "Prices rise by 3.5% in May"]
    assert ours(name, texts, [[text] for text in texts]) == pytest.approx(1)
    assert ours(name, texts, [["nothing like it", text] for text in texts]) == pytest.approx(1)
    assert ours(name, ["xx yy zz qq", "ww vv uu jj"], [["aa bb cc dd"], ["ee ff gg hh"]]) == 0


@pytest.mark.parametrize("name", NAMES)
def test_nothing_written_scores_nothing(name):
    assert ours(name, ["", ""], [["the cat"], ["a dog", "the hen"]]) == 0
    assert ours(name, ["", "..."], [["the cat"], ["a dog", "the hen"]]) == 0


@pytest.mark.parametrize("name", NAMES)
def test_the_order_of_rows_and_references_does_not_matter(name):
    value = ours(name, PREDICTIONS, REFERENCES)
    assert ours(name, PREDICTIONS[::-1], REFERENCES[::-1]) == pytest.approx(value)
    if name != "chrf":  # sacrebleu counts the first reference where none shares anything, as of an empty prediction
        assert ours(name, PREDICTIONS, [refs[::-1] for refs in REFERENCES]) == pytest.approx(value)


def test_bleu_by_hand():
    """Six words, the reference has seven: precisions 5/6, 4/5, 3/4, 2/3 and a brevity penalty of exp(1 - 7/6)."""
    value = ours("bleu", ["a b c d e x"], [["a b c d e f g"]])
    assert value == pytest.approx(math.exp(1 - 7 / 6) * (5 / 6 * 4 / 5 * 3 / 4 * 2 / 3) ** 0.25)


def test_bleu_of_a_text_without_a_common_pair_is_smoothed():
    """sacrebleu's default: the n-th order without a match counts as half of the one before, starting at a half."""
    value = ours("bleu", ["a x b y c"], [["a b c d e"]])
    assert value == pytest.approx((3 / 5 * 1 / (2 * 4) * 1 / (4 * 3) * 1 / (8 * 2)) ** 0.25)


def test_bleu_is_of_the_corpus_and_takes_the_closest_length():
    """Counts are summed over rows; the second row's reference of four words is nearer than that of nine."""
    predictions = ["a b c d", "a b c x"]
    references = [["a b c d"], ["a b c d e f g h i", "a b c d"]]
    assert ours("bleu", predictions, references) == pytest.approx((7 / 8 * 5 / 6 * 3 / 4 * 1 / 2) ** 0.25)


def test_chrf_by_hand():
    """Texts of three letters: of "abc" and "abd", 2 of 3 letters, 1 of 2 pairs and 0 of 1 triple are shared."""
    assert ours("chrf", ["abc"], [["abd"]]) == pytest.approx((2 / 3 + 1 / 2 + 0) / 3)


def test_rouge_by_hand():
    """Stems are compared: "cats" and "running" meet "cat" and "run"."""
    prediction, reference = "cats running home", "the cat run fast home"
    assert ours("rouge1", [prediction], [[reference]]) == pytest.approx(2 * 3 / (3 + 5))
    assert ours("rouge2", [prediction], [[reference]]) == pytest.approx(2 * 1 / (2 + 4))
    assert ours("rouge_l", [prediction], [[reference]]) == pytest.approx(2 * 3 / (3 + 5))
    assert ours("rouge_l", ["home cats"], [[reference]]) == pytest.approx(2 * 1 / (2 + 5))  # in order


def test_rouge_takes_the_best_reference_of_each_row():
    rows = [("a b", [["a c"], ["a b c d"]]), ("x", [["y"], ["x"]])]
    by_hand = [max(0.5, 4 / 6), 1.0]
    predictions, references = [row[0] for row in rows], [[ref[0] for ref in row[1]] for row in rows]
    assert ours("rouge1", predictions, references) == pytest.approx(sum(by_hand) / 2)


def test_perplexity_is_per_token_of_the_corpus():
    sides = [{"nll": 3.0, "tokens": 1}, {"nll": 1.0, "tokens": 3}]
    assert score(["perplexity"], Split(["", ""], [[""], [""]], (), sides))["perplexity"] == pytest.approx(math.e)


def test_perplexity_of_a_model_that_gives_a_target_no_chance_is_infinite():
    """Not an overflow: a run that has diverged is still scored."""
    sides = [{"nll": 1e6, "tokens": 2}]
    assert score(["perplexity"], Split([""], [[""]], (), sides))["perplexity"] == math.inf


def test_perplexity_of_nothing_is_no_number():
    """A baseline writes texts and has no likelihood."""
    assert math.isnan(score(["perplexity"], Split([""], [[""]], (), [{}]))["perplexity"])


def test_lower_perplexity_is_better():
    assert goodness("perplexity", 3.0) > goodness("perplexity", 4.0)
    assert all(goodness(name, 0.3) > goodness(name, 0.2) for name in NAMES)
    assert set(metrics_of("seq2seq")) == {*NAMES, "perplexity", "squad_em", "squad_f1"}
    assert [name for name, metric in METRICS.items() if not metric.needs_text] == ["perplexity"]
