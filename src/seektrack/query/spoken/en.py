"""English."""

from __future__ import annotations

from seektrack.query.language import Language, words

COLOUR_FAMILIES = (
    "red maroon crimson scarlet",
    "orange",
    "yellow golden beige",
    "green",
    "blue navy",
    "purple violet magenta",
    "pink magenta",
    "white beige",
    "black",
    "grey gray silver",
    "brown maroon beige",
    "turquoise cyan",
)
"""Colours that may be taken for each other; the first of each family stands for it."""
COLOURS = tuple(dict.fromkeys(" ".join(COLOUR_FAMILIES).split()))

_IRREGULAR = {
    "people": "person",
    "men": "man",
    "women": "woman",
    "children": "child",
    "mice": "mouse",
    "geese": "goose",
    "feet": "foot",
    "teeth": "tooth",
    "wolves": "wolf",
    "knives": "knife",
    "leaves": "leaf",
    "loaves": "loaf",
    "shelves": "shelf",
    "buses": "bus",
}
_NO_SINGULAR = words(
    "glasses scissors jeans trousers shorts pants sunglasses headphones skis clothes series species"
)
_NUMBERS = words("one two three four five six seven eight nine ten several many")


_NOUNS_IN_ING = words(
    "building painting ceiling king ring wing string spring swing clothing wedding pudding sting thing "
    "something anything evening morning drawing earring railing parking duckling sibling lightning"
)

_NOT_NOUN_WORDS = """
is are was were be being been has have had do does did can will there who which that what when where while
and or but not no without then after before
in on at with from into onto over under behind near beside between across through along around towards toward
to of by off up down out
left right appears disappears leaves enters exits moves runs walks jumps flies drives stops turns sits stands
falls rolls crosses follows passes holds rides eats plays looks goes comes appear disappear leave enter move
run walk jump fly drive stop turn sit stand fall roll cross follow pass ride eat
"""
NOT_NOUN = words(_NOT_NOUN_WORDS)
"""Words that no name of a thing holds."""
_FRAMING_WORDS = """
find show search look looking where photo picture image video frame close scene there please not very small
big large little tiny huge other another same next all both many few that this these those its moving
standing still driving walking running flying sitting
"""
COMMON_WORDS = NOT_NOUN | words(_FRAMING_WORDS)
"""Words that say how and where rather than what; never mistaken for a mistyped thing."""


def is_participle(word: str) -> bool:
    """Whether a word is a participle, as ``running``, and no noun that ends like one."""
    return word.endswith("ing") and word not in _NOUNS_IN_ING


def singular(word: str) -> str:
    """Singular of an English noun; a word that is none, or has none, comes back as it is."""
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    if word in _NO_SINGULAR or len(word) < 4 or not word.endswith("s"):
        return word
    if word.endswith(("ss", "us", "is", "as", "os")):
        return word
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if word.endswith(("ches", "shes", "xes", "sses", "zes")):
        return word[:-2]
    return word[:-1]


def with_article(phrase: str) -> str:
    """A phrase that begins with the fitting ``a`` or ``an``, in place of one it has."""
    said = phrase.split()
    body = said[1:] if said and said[0].lower() in {"a", "an"} else said
    if not body:
        return phrase
    return " ".join(["an" if body[0][0].lower() in "aeiou" else "a", *body])


_DRIVES = r"moving|going|heading|travell?ing|driving|rolling|drifting|sliding|passing|coming|speeding"
_POSED = r"walking|running|flying|riding|swimming|sailing|jogging|cycling|crawling|jumping|skiing"
_FINITE = r"moves?|goes?|heads?|drives?|walks?|runs?|fl(?:y|ies)|rides?|sails?|rolls?|swims?"
_WHICH = r"(?:(?:that|which|who)\s+)?(?:(?:is|are)\s+)?"
_GOES = rf"{_WHICH}(?:{_POSED}|{_DRIVES}|{_FINITE})"
_RATE = r"(?:\s+(?:fast|quickly|rapidly|slowly))?"
_TO = r"(?:\s+(?:straight|over))?(?:\s+to(?:wards?)?)?(?:\s+the)?"
_VIEW = r"(?:view|sight|the\s+(?:picture|frame|scene|image))"
_END = r"(?:\s+side)?"


def _way(word: str, opposite: str, ends: str = "", from_ends: str = "") -> str:
    """Pattern of a direction: ``moving left``, ``from right to left``, ``to the left``, ``leftwards``."""
    to, start = ends or word, from_ends or opposite
    return (
        rf"(?:{_GOES}{_RATE}\s+)?\bfrom\s+(?:the\s+)?(?:{start}){_END}\s+to\s+(?:the\s+)?(?:{to}){_END}\b|"
        rf"\b{_GOES}{_RATE}{_TO}\s+{word}(?:wards?)?(?:\s+(?:fast|quickly|rapidly|slowly))?\b"
    )


def _side(word: str, opposite: str) -> str:
    looks = r"(?<!\blooking\s)(?<!\bpointing\s)(?<!\bfacing\s)(?<!\bturned\s)"
    return rf"{_way(word, opposite)}|{looks}\bto(?:wards)?\s+the\s+{word}\b(?!\s+of\b)|\b{word}wards?\b"


_CAMERA = r"(?:the\s+camera|us|me|the\s+viewer)"
_FILM = r"(?:videos?|clips?|films?|footage|moments?|parts?|scenes?)"
_NEXT = r"(?=\ (?:an?|the|some|any|all|my|our|every|each|both|one|two|three|several|many)\b)"
_OF_FILM = rf"""
(?:all|any|every|the|an?|some)?\ ?(?:of\ the\ )?{_FILM}(?:\ (?:of|in|from)\ (?:the|an?|my)\ {_FILM})?
\ (?:of|with|where|showing|in\ which|that\ shows?|when)\b
"""

LANGUAGE = Language(
    code="en",
    name="English",
    articles=words(
        "a an the some any every each all both my our your his her its their that this these those"
    )
    | _NUMBERS,
    one=words("a an one this that each every"),
    several=words("some any all both these those") | (_NUMBERS - {"one"}),
    numbers=_NUMBERS,
    singular=singular,
    colours={c: c for c in COLOURS},
    sizes=dict.fromkeys(("small", "little", "tiny", "smaller", "smallest"), "small")
    | dict.fromkeys(("large", "big", "huge", "giant", "bigger", "biggest", "larger", "largest"), "large"),
    rates={"fast": "fast", "quickly": "fast", "rapidly": "fast", "slowly": "slow", "slow": "slow"},
    others=words(
        "is are not no without with and or of in on at to from that which who then first but except moving "
        "car truck bus person people man woman dog cat bird boat ball robot bicycle horse fish plane "
        "cup chair"
    ),
    after_noun=words("in on at with near behind beside under over of by from next and or who that which"),
    ends_noun=is_participle,
    and_words=r"and",
    or_words=r"(?:and/or|or|nor)",
    with_words=r"with",
    without=r"(?:but\s+|and\s+)?(?:without|excluding|except(?:ing)?(?:\s+for)?|other\s+than|apart\s+from)(?:\s+any)?|"
    r"(?:(?:that|which|who)\s+)?(?:is|are)\s+(?:not|no)|(?:(?:that|which|who)\s+)?(?:isn't|aren't)|"
    r"(?:(?:that|which|who)\s+)?(?:do(?:es)?\s+not|doesn't|don't)\s+(?:have|wear|show)(?:\s+any)?|"
    r"(?:but\s+|and\s+|or\s+)?(?:not|nor|(?:with\s+)?(?<!\ba\s)(?<!\bthe\s)no)",
    then=r"(?:and\s+then|then|and\s+afterwards|afterwards|after\s+that|and\s+next)",
    before=r"before",
    first=r"first(?:\s+of\s+all)?",
    caption=r"(?:an?\s+|the\s+)?(?:photo(?:graph)?|picture|image|close-up)\s+of\s+",
    leading=rf"""
(?:hi|hello|hey|ok|okay|um+|uh+|please|kindly)\b | (?:can|could|would|will)\ (?:you|i)\b |
i\ (?:want|need|would\ like|wish)(?:\ to)?\b | i'd\ like(?:\ to)?\b |
(?:(?:i\ am|i'm|we\ are|we're)\ )?(?:looking|searching)\ for\b | (?:search|look)\ for\b |
(?:show|find|get|give|bring)\ (?:me|us)\b |
(?:show|find|get|see|seek|locate|watch|track|follow|segment){_NEXT} |
(?:follow|segment|find)\b(?=\ \w) |
{_OF_FILM} | (?:where|when|if|that)\ (?:is|are|there\ (?:is|are)|(?:i|you)\ (?:can\ )?see)\b |
there\ (?:is|are)\b
""",
    trailing=rf"""
please | thanks | thank\ you | somewhere(?:\ in\ it)? | anywhere |
is\ (?:seen|shown|visible) | can\ be\ seen | in\ (?:it|(?:the|a|my|this)\ (?:picture|image|frame|{_FILM}))
""",
    heard={
        "still": rf"\b{_WHICH}(?:(?:standing|sitting|staying|lying)\s+still|stands?\s+still|not\s+moving|"
        r"at\s+rest|motionless|stationary|static|parked|unmoving|immobile)\b|"
        r"\b(?:(?:that|which|who)\s+)?(?:do(?:es)?\s+not|doesn't|don't)\s+move\b",
        "left": _side("left", "right"),
        "right": _side("right", "left"),
        "up": rf"{_way('up', 'bottom', 'top|up')}|\b{_WHICH}(?:rising|rises)\b|\bupwards?\b",
        "down": rf"{_way('down', 'top', 'bottom|down')}|\b{_WHICH}(?:sinking|sinks)\b|\bdownwards?\b",
        "approaching": rf"\b(?:{_GOES}{_RATE}\s+)?towards?\s+{_CAMERA}|"
        rf"\b{_WHICH}(?:approach(?:ing|es)(?:\s+{_CAMERA})?\b|(?:coming|getting|comes|gets)\s+"
        r"(?:closer|nearer|bigger)\b)|\b(?:closer|nearer)\b(?=\s*$)",
        "receding": rf"\b{_GOES}{_RATE}\s+(?:away(?:\s+from\s+{_CAMERA})?|off\s+into\s+the\s+distance)"
        rf"(?=\s|$)|\b{_WHICH}(?:reced(?:ing|es)|(?:getting|gets)\s+smaller)\b",
    },
    happens={
        "appears": rf"{_WHICH}(?:appear(?:s|ing)?|shows?\s+up|turns?\s+up|"
        rf"(?:enter(?:s|ing)?|arriv(?:es?|ing))(?:\s+{_VIEW})?|(?:comes?|coming)\s+in(?:to\s+{_VIEW})?)(?:\s+(?:in\s+)?{_VIEW})?",
        "leaves": rf"{_WHICH}(?:(?:leav(?:es?|ing)|exit(?:s|ing)?)(?:\s+{_VIEW})?|disappear(?:s|ing)?|"
        rf"vanish(?:es|ing)?|drives?\s+off|(?:goes?|going)\s+(?:out\s+of\s+{_VIEW})|(?:is|are)\s+gone)",
        "returns": rf"{_WHICH}(?:return(?:s|ing)?|(?:comes?|coming)\s+back|back\s+again|reappears?)",
        "stops": rf"{_WHICH}(?:stop(?:s|ping)?(?:\s+moving)?|halts?|(?:comes?|coming)\s+to\s+a\s+"
        r"(?:halt|stop))",
        "starts": rf"{_WHICH}(?:starts?\s+(?:moving|to\s+move)|starts|starting\s+to\s+move|sets?\s+off|"
        r"begins?\s+(?:moving|to\s+move))",
    },
    moving=rf"\b(?:{_DRIVES})\b(?!\s+(?:a|an|the|his|her|its|their)\b)|\bthat\s+moves?\b",
    posed=rf"\b(?:{_POSED})\b",
    said={
        "left": "moving left",
        "right": "moving right",
        "up": "moving up",
        "down": "moving down",
        "approaching": "coming closer",
        "receding": "going away",
        "still": "standing still",
        "appears": "appears",
        "leaves": "leaves",
        "returns": "returns",
        "stops": "stops",
        "starts": "starts moving",
    },
    article=with_article,
    templates=(
        "{}",
        "a photo of {}",
        "a picture of {}",
        "a video frame of {}",
        "a close-up of {}",
        "a blurry photo of {}",
        "there is {} in the scene",
    ),
)
