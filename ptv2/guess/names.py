"""Names of fields that say what they hold: an answer of some kind, what explains it, whose row it is."""

import re
from collections.abc import Collection

LABEL = re.compile(
    r"(.+_)?(labels?|class|classes|target|y|gold|annotation|klasse|classe|clase|[eé]tiquett?[ae]|etichetta|метка|класс)"
    r"|gold_?standard_?\d*|(is_)?(correct|relevant|acceptable)|标签|標籤|类别标签|ラベル|레이블|라벨",
    re.IGNORECASE,
)
TOPIC = re.compile(
    r"(.+_)?(category|categories|intents?|sentiment|polarity|stance|stars|rating|overall|score|grade|topics?|emotions?|"
    r"genres?|relation|type|tags?|answer|is_.+|toxic|toxicity|spam|similarity|value|judge?ment|verdict|quality|"
    r"severity|kategorie|cat[eé]gor[ií]a|cat[eé]gorie|bewertung|sterne|stimmung|thema|note|[eé]toiles|avis|sentimiento|"
    r"sentimento|sentiment[_-]?label|(nps|csat)(_\d+)*|estrellas|calificaci[oó]n|valoraci[oó]n|tema|stelle|voto|"
    r"категория|тональность|оценка)|类别|類別|分类|情感|评分|カテゴリ|感情|評価|카테고리|감정|평점",
    re.IGNORECASE,
)
WRITTEN = re.compile(
    r"(.+[_.])?(summary|response|reply|targets?|tgt|output|completion|references?|translation|highlights?|headline|"
    r"abstract|answers?|paraphrase|simplification|chosen|solution|explanation|rationale|zusammenfassung|antwort|"
    r"[uü]bersetzung|résumé|réponse|traduction|resumen|respuesta|traducci[oó]n|riassunto|risposta|traduzione|"
    r"ответ|перевод)(_text|\.text)?|摘要|答案|回答|译文|翻译|要約|요약",
    re.IGNORECASE,
)
OPINION = re.compile(r"(.+_)?(stance|polarity|sentiment)", re.IGNORECASE)
"""Of an answer about a target that stands in another field."""
FILED = re.compile(r"(.+_)?(type|genre)", re.IGNORECASE)
"""Of what rows are filed under: an answer, unless a score is there."""
SCORE = re.compile(r"(.+_)?(score|rating|similarity|relatedness|grade)", re.IGNORECASE)
ASKED = re.compile(r"(.+_)?(question|query|instruction|prompt|request)s?", re.IGNORECASE)
"""Of what a text is asked for."""
READ = re.compile(r"(.+_)?(context|passage|document|article|paragraph|story|body|source)", re.IGNORECASE)
"""Of what an answer may be a part of."""
QUESTION = re.compile(r"(.+_)?(question|instruction|prompt|request)s?", re.IGNORECASE)
"""Of what is no answer itself; a query may be one, of SQL."""
SPOKEN = re.compile(r"(.+_)?(dialog(ue)?|conversation|history|turns|context|passages?|paragraphs?)", re.IGNORECASE)
"""Of lists of texts that are read as one."""
ANSWERS = re.compile(r"(.+_)?(answers?|alias(es)?)", re.IGNORECASE)
WRONG = re.compile(r"(.+_)?(incorrect|wrong|distractor|rejected).*", re.IGNORECASE)
"""Of wrong answers."""
QUANTITY = re.compile(
    r"(.+_)?(price|cost|amount|salary|revenue|sales|complexity|difficulty|readability|popularity)",
    re.IGNORECASE,
)  # of numbers alone
PLACE = re.compile(r"(.+_)?(start|end|begin|finish|offset)", re.IGNORECASE)
"""Of numbers that say where something stands."""
TITLE = re.compile(r"title|headline|subject|heading|summary", re.IGNORECASE)
EXPLAINS = re.compile(r"(.+_)?(explanations?|rationales?|reason(ing)?s?|solution|exp)([_ ]?\d+)?", re.IGNORECASE)
"""Of texts that are written after the answer is known, so that they are not read beside it."""
ASIDE = re.compile(
    r"(.+_)?(ids?|gender|sex|segment|cohort|campaign|subreddit|model|plan|device|platform|brand|store|agent|authors?|"
    r"user|username|annotators?|workers?|editor|reviewers?|customer|reporter|assignee|city|country|state|region|location|"
    r"language|lang|url|source|"
    r"channel|domain|split|version|date|year|month|day|hour|age|words|length|tokens|chars|count|votes|land|stadt|sprache|"
    r"datum|pays|ville|langue|pa[ií]s|ciudad|idioma|fecha|citt[aà]|lingua|страна|город|язык)|国家|城市|地区|日期",
    re.IGNORECASE,
)
"""Of what says something about a row more often than it answers it."""
PERSON = re.compile(
    r"(.+_)?((user|customer|reviewer|author|profile|employee|patient|contact|agent)s?_?names?|authors?|reviewers?)",
    re.IGNORECASE,
)
CHOICES = re.compile(
    r"choices?|options?|opt?|endings?|sol|solutions?|alternatives?|candidates?|hyp|hypothes[ie]s|ans|answers?|"
    r"opci[oó]n|antwort|选项|選択肢",
    re.IGNORECASE,
)
NUMBERED = re.compile(r"(.*?)[_ -]?(\d+|[A-Ea-e])")
"""Of one of several fields of a kind: choice1, option_a."""
RIGHT = re.compile(
    r".*(label|answer|correct|gold|right|target|key|solution|lösung|respuesta|réponse|答案|正解|정답).*|cop",
    re.IGNORECASE,
)
"""Of what says which choice is right."""
PICKS = re.compile(
    r".*(right|correct|which)[_ ]?(answer|ending|option|choice|sentence|one).*|.*answer[_ ]?right.*", re.IGNORECASE
)
"""Of what says which of two texts is right, whatever these are called."""
RECORD = re.compile(r"(.+_)?([a-z]?triple(s|_?sets?)?|table|graph|amr|meaning_representation|mr)", re.IGNORECASE)
"""Of data that a text is written from."""
RELATION = re.compile(r"(.+_)?relations?(_type)?", re.IGNORECASE)
POINTS = re.compile(r"(subj(ect)?|obj(ect)?|head|tail|h|t|e[12]|arg[12]|entity_?[12]?)(_.+)?", re.IGNORECASE)
"""Of numbers that say which words a relation is of."""
RENDERED = re.compile(r"(.+?)(_binary)?_(parse|tree|tokens|tokenized|tokenised|lemmas?|pos|html)", re.IGNORECASE)
"""Of another form of a field of the row."""


def is_named(name: str, pattern: re.Pattern[str]) -> bool:
    """Tell whether a field's name is of these, with other marks in the place of underscores, too."""
    return pattern.fullmatch(re.sub("[ .-]", "_", name)) is not None


def is_rendered(name: str, names: Collection[str]) -> bool:
    """Tell whether a field holds another field of the row in another form: its parse, its words."""
    found = RENDERED.fullmatch(name)
    return found is not None and found[1] in names
