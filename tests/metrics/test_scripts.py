"""ROUGE and BLEU of texts in every script: Google's and sacrebleu's own numbers where they hold, sense elsewhere."""

import random
import unicodedata
import warnings

import pytest
from rouge_score.rouge_scorer import RougeScorer
from sacrebleu.metrics import BLEU

from ptv2.metrics import tokens
from ptv2.metrics.split import Split
from ptv2.metrics.table import score, settings
from ptv2.metrics.tokens import bleu_tokenizer, rouge_tokenizer, rouge_tokens

ROUGE = ["rouge1", "rouge2", "rouge_l"]
TEXTS = {  # script: text, its first half or so, BLEU's tokenizer
    "english": ("the weather is fine today", "the weather is", "13a"),
    "vietnamese": ("hôm nay trời rất đẹp", "hôm nay trời", "13a"),
    "chinese": ("今天天气很好", "今天天", "zh"),
    "japanese": ("今日はとてもいい天気ですね", "今日はとても", "char"),
    "katakana": ("コンピューターサイエンス", "コンピューター", "char"),
    "korean": ("오늘은 날씨가 아주 좋습니다", "오늘은 날씨가", "13a"),
    "thai": ("วันนี้อากาศดีมาก", "วันนี้อากาศ", "char"),
    "khmer": ("ថ្ងៃនេះអាកាសធាតុល្អ", "ថ្ងៃនេះអាកាស", "char"),
    "burmese": ("ဒီနေ့ရာသီဥတုကောင်းတယ်", "ဒီနေ့ရာသီဥတု", "char"),
    "arabic": ("الطقس جميل جدا اليوم", "الطقس جميل", "13a"),
    "hebrew": ("מזג האוויר יפה מאוד היום", "מזג האוויר", "13a"),
    "hindi": ("आज मौसम बहुत अच्छा है", "आज मौसम", "13a"),
    "tamil": ("இன்று வானிலை மிகவும் நன்றாக உள்ளது", "இன்று வானிலை", "13a"),
    "russian": ("сегодня очень хорошая погода", "сегодня очень", "13a"),
    "greek": ("ο καιρός είναι πολύ καλός", "ο καιρός", "13a"),
    "georgian": ("დღეს ძალიან კარგი ამინდია", "დღეს ძალიან", "13a"),
    "armenian": ("այսօր եղանակը շատ լավ է", "այսօր եղանակը", "13a"),
    "amharic": ("ዛሬ የአየር ሁኔታ ጥሩ ነው", "ዛሬ የአየር", "13a"),
    "emoji": ("😀🎉👍❤️🌍", "😀🎉", "char"),
    "flags": ("🇩🇪🇫🇷🇯🇵🇺🇸", "🇩🇪🇫🇷", "char"),
    "numbers": ("3.5 1999 42 7 100", "3.5 1999", "13a"),
    "arabic numbers": ("٣٥ ١٩٩٩ ٤٢ ٧", "٣٥ ١٩٩٩", "13a"),
    "mixed": ("使用BERT模型预测3个标签", "使用BERT模型", "zh"),
    "full width": ("ＡＢＣ１２３と漢字とかな", "ＡＢＣ１２３と", "char"),
    "accents alone": ("é à ü ö", "é à", "13a"),
}


@pytest.fixture(autouse=True)
def no_dictionaries(monkeypatch):
    """As where sacrebleu's extras are not installed."""
    monkeypatch.setattr(tokens, "find_spec", lambda name: None)


@pytest.mark.parametrize("language", [None, "xx"], ids=["by text", "by language"])
@pytest.mark.parametrize(("text", "part", "tokenizer"), TEXTS.values(), ids=TEXTS)
def test_a_right_text_scores_one_and_a_part_of_it_less(text, part, tokenizer, language):
    same = score([*ROUGE, "bleu", "chrf"], Split([text], [[text]], language=language))
    assert same == pytest.approx(dict.fromkeys(same, 1.0))
    half = score(["rouge1", "rouge_l"], Split([part], [[text]], language=language))
    assert all(0.2 < value < 0.95 for value in half.values())
    other = "zzz" if text.isascii() else "今" if "今" not in text else "Ж"
    assert score(ROUGE, Split([other], [[text]], language=language)) == dict.fromkeys(ROUGE, 0)
    assert bleu_tokenizer(language, [text]) == tokenizer


@pytest.mark.parametrize("language", [None, "en", "en-GB", "eng"])
@pytest.mark.parametrize("seed", range(3))
def test_latin_text_has_exactly_the_numbers_of_rouge_score(seed, language):
    draw = random.Random(seed)
    words = (
        "the The running ran cats cat's café naïve Straße Łódź 1,000 3.5% state-of-the-art B.B.C. … – “so” 5µm x² "
        "don’t donʼt ﬁne 😀 ª İstanbul e\u0301 CO₂ €5 generalization"
    ).split()
    rows = [(" ".join(draw.choices(words, k=12)), " ".join(draw.choices(words, k=12))) for _ in range(30)]
    names = {"rouge1": "rouge1", "rouge2": "rouge2", "rouge_l": "rougeL"}
    google = RougeScorer(list(names.values()), use_stemmer=True)
    theirs = [google.score(reference, prediction) for prediction, reference in rows]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the accents
        ours = score(list(names), Split([p for p, _ in rows], [[r] for _, r in rows], language=language))
    for name, key in names.items():
        assert ours[name] == pytest.approx(sum(row[key].fmeasure for row in theirs) / len(theirs), abs=1e-12)


@pytest.mark.parametrize(
    ("text", "language", "wanted"),
    [
        ("The cats were running.", None, ["the", "cat", "were", "run"]),
        ("天气很好。", None, ["天", "气", "很", "好"]),
        ("使用BERT模型", None, ["使", "用", "bert", "模", "型"]),
        ("Привет, мир! iPhone", None, ["привет", "мир", "iphon"]),
        ("नमस्ते दुनिया।", None, ["नमस्ते", "दुनिया"]),
        ("می‌خواهم", None, ["می‌خواهم"]),  # a joiner inside of a Persian word
        ("สวัสดี", None, ["ส", "วั", "ส", "ดี"]),  # a vowel sign stays with its letter
        ("ＡＢＣ１２", None, ["abc12"]),
        ("Die Straße, schöne Häuser", "de", ["die", "straße", "schöne", "häuser"]),
        ("les chats mangeaient", "fr", ["les", "chats", "mangeaient"]),  # no English stems
        ("quatre chats", "en", ["quatr", "chat"]),
        ("hôm nay", "vi", ["hôm", "nay"]),
        ("😀 ... —", None, []),
    ],
)
def test_tokens_by_hand(text, language, wanted):
    assert list(rouge_tokens(text, language)) == wanted


@pytest.mark.parametrize("text", ["йод ёлка", "안녕 하세요", "が ぎ", "نَعَمْ آب"])
def test_composed_and_decomposed_letters_are_the_same(text):
    other = unicodedata.normalize("NFD", text)
    assert other != unicodedata.normalize("NFC", text)
    assert rouge_tokens(other, None) == rouge_tokens(unicodedata.normalize("NFC", text), None)


@pytest.mark.parametrize(
    ("language", "text", "wanted"),
    [
        ("zh", "no Chinese at all", "zh"),
        ("zh-TW", "天气", "zh"),
        ("zho_Hans", "天气", "zh"),
        ("yue", "天气", "zh"),
        ("ja", "天気", "char"),
        ("ko", "오늘은 날씨가", "char"),
        ("tha", "อากาศ", "char"),
        ("de", "Wetter", "13a"),
        ("en", "the city of 北京 and the river near it", "13a"),
        (None, "the city of 北京 and the river near it", "13a"),
    ],
)
def test_bleu_takes_the_tokenizer_of_the_language(language, text, wanted):
    assert bleu_tokenizer(language, [text]) == wanted


def test_japanese_is_read_with_its_dictionary_where_that_is_installed(monkeypatch):
    monkeypatch.setattr(tokens, "find_spec", lambda name: object())
    assert bleu_tokenizer("ja", ["天気"]) == "ja-mecab"
    assert bleu_tokenizer("ko", ["날씨"]) == "ko-mecab"


def test_without_its_dictionary_that_is_said():
    text = "今日はとてもいい天気"
    with pytest.warns(UserWarning, match=r"bleu compares characters: .* 'sacrebleu\[ja\]'"):
        assert score(["bleu"], Split([text], [[text]], language="ja"))["bleu"] == pytest.approx(1)


def test_chinese_bleu_is_that_of_sacrebleu():
    predictions, references = ["今天天气很好。", "我喜欢BERT模型"], [["今天的天气很好。"], ["我很喜欢BERT模型"]]
    theirs = BLEU(tokenize="zh").corpus_score(predictions, [[refs[0] for refs in references]]).score
    assert 20 < theirs < 90
    assert 100 * score(["bleu"], Split(predictions, references))["bleu"] == pytest.approx(theirs)


def test_results_say_how_texts_were_taken_apart():
    chinese, english = Split([], [["天气很好"]]), Split([], [["fine weather"]])
    assert settings(["bleu", "chrf", "rouge1"], chinese) == {
        "bleu": {"tokenizer": "zh"},
        "rouge1": {"tokenizer": "rouge-score+unicode"},
    }
    assert settings(["bleu", "rouge1"], english) == {
        "bleu": {"tokenizer": "13a"},
        "rouge1": {"tokenizer": "rouge-score"},
    }
    assert rouge_tokenizer("fr", ["le temps"]) == "unicode"


@pytest.mark.parametrize(
    ("metric", "references", "line"),
    [
        ("rouge_l", [["..."], ["fine"]], "1 of 2 rows have no reference with a word or symbol"),
        ("bleu", [["fine"], ["so so"]], "bleu is 0: no reference has 4 tokens"),
        ("rouge1", [["một hai ba"], ["rất đẹp"]], "ROUGE drops letters with accents"),
    ],
)
def test_a_reference_that_cannot_be_scored_is_said(metric, references, line):
    with pytest.warns(UserWarning, match=line):
        score([metric], Split(["a", "b"], references))


def test_an_english_text_with_a_foreign_word_gets_no_advice():
    texts = [
        "The café is near the river.",
        "It is not expensive, and people who were there say they will be back soon.",
    ]
    texts.append("There is a pub that serves cheap food in the city centre, too.")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert score([*ROUGE, "bleu"], Split(texts, [[text] for text in texts]))["rouge1"] == 1
