"""German."""

from __future__ import annotations

from seektrack.query.language import Language, words

_NOUNS = {
    "car": "auto autos wagen pkw",
    "truck": "lastwagen laster lkw lkws",
    "bus": "bus busse",
    "person": "person personen mensch menschen leute fußgänger",
    "man": "mann männer",
    "woman": "frau frauen",
    "child": "kind kinder",
    "dog": "hund hunde",
    "cat": "katze katzen",
    "bird": "vogel vögel",
    "boat": "boot boote",
    "ball": "ball bälle",
    "robot": "roboter robotern",
    "bicycle": "fahrrad fahrräder rad",
    "motorcycle": "motorrad motorräder",
    "cup": "tasse tassen becher",
    "block": "würfel klotz",
    "bottle": "flasche flaschen",
    "chair": "stuhl stühle",
    "table": "tisch tische",
    "lamp": "lampe lampen",
    "plane": "flugzeug flugzeuge",
    "fish": "fisch fische",
    "horse": "pferd pferde",
    "cow": "kuh kühe",
    "sheep": "schaf schafe",
    "umbrella": "regenschirm regenschirme schirm",
    "teapot": "teekanne teekannen",
    "snail": "schnecke schnecken",
    "tree": "baum bäume",
    "house": "haus häuser",
    "train": "zug züge",
    "object": "objekt objekte ding dinge",
}
_NOUN = {form: english for english, forms in _NOUNS.items() for form in forms.split()}
_SINGULAR = {form: forms.split()[0] for forms in _NOUNS.values() for form in forms.split()[:2]}
_SINGULAR |= {
    w: w for w in ("lastwagen", "laster", "becher", "klotz", "schirm", "mensch", "rad", "fußgänger")
}
_SINGULAR |= {"menschen": "mensch", "leute": "person", "lkws": "lkw", "wagen": "wagen", "robotern": "roboter"}
_STEMS = {
    "red": "rot",
    "yellow": "gelb",
    "green": "grün",
    "blue": "blau",
    "white": "weiß weiss",
    "black": "schwarz",
    "grey": "grau",
    "brown": "braun",
    "purple": "violett",
    "turquoise": "türkis",
}
_ENDINGS = ("", "e", "er", "es", "en", "em")
_COLOURS = {stem + end: c for c, stems in _STEMS.items() for stem in stems.split() for end in _ENDINGS}
_COLOURS |= {"orange": "orange", "lila": "purple", "rosa": "pink", "pink": "pink", "orangefarbene": "orange"}
_SIZES = {stem + end: "small" for stem in ("klein", "winzig") for end in _ENDINGS}
_SIZES |= {stem + end: "large" for stem in ("groß", "gross", "riesig") for end in _ENDINGS}
_NUMBERS = words("zwei drei vier fünf sechs sieben acht neun zehn mehrere viele einige")
_WHO = r",?\s*(?:d(?:er|ie|as)\s+)?"
_RATE = r"(?:(?:schnell|langsam)\s+)?"
_GOES = r"(?:\s+(?:bewegt|bewegen|fährt|fahren|geht|gehen|läuft|laufen|fliegt|fliegen|rollt))?"

LANGUAGE = Language(
    code="de",
    name="German",
    articles=words(
        "ein eine einen einem einer eines der die das den dem des alle jeder jede jedes mein meine"
    )
    | _NUMBERS,
    one=words("ein eine einen einem einer eines jeder jede jedes"),
    several=words("alle") | _NUMBERS,
    numbers=_NUMBERS,
    singular=lambda word: _SINGULAR.get(word, word),
    colours=_COLOURS,
    sizes=_SIZES,
    rates={"schnell": "fast", "schnelle": "fast", "schneller": "fast", "schnelles": "fast", "langsam": "slow"}
    | {"langsame": "slow", "langsamer": "slow", "langsames": "slow"},
    nouns=_NOUN,
    others=words(
        "ist sind nicht kein keine keinen ohne mit und oder außer aber bitte im am auf unter über vor hinter "
        "neben dann zuerst sich nach erscheint verlässt zeig zeige mir suche wo ich"
    ),
    after_noun=words("in im an am auf mit neben hinter vor unter über von bei und oder der die das den dem"),
    and_words=r"und",
    or_words=r"(?:oder|noch)",
    with_words=r"mit",
    without=r"(?:(?:aber|und)\s+)?(?:ohne|nicht|kein(?:e[nmrs]?)?)|(?:außer|ausser|ausgenommen)|"
    r"\b(?:der|die|das|welche[rs]?)\s+(?:nicht|kein(?:e[nmrs]?)?)",
    copula=r"(?:ist|sind|hat|haben|trägt)",
    then=r"(?:und\s+dann|dann|und\s+danach|danach|anschließend)",
    before=r"bevor",
    first=r"(?:zuerst|zunächst|erst)",
    caption=r"(?:ein\s+|das\s+)?(?:foto|bild)\s+von\s+",
    leading=r"""
(?:hallo|bitte)\b | zeig(?:e)?\ (?:mir|uns)\b | (?:ich\ )?suche(?:\ nach)?\b | ich\ (?:möchte|will)\b |
wo\ (?:ist|sind)\b | (?:verfolge|finde|folge)\b | (?:ein|das)\ video\ (?:von|mit)\b
""",
    trailing=r"(?:,\ )?(?:bitte|danke) | im\ (?:bild|video|film) | zu\ sehen(?:\ ist)?",
    heard={
        "still": rf"{_WHO}\b(?:stillsteht|steht\s+still|stillstehen|sich\s+nicht\s+bewegt|nicht\s+bewegt)\b|"
        r"\b(?:geparkte[rsn]?|stehende[rsn]?)\b",
        "left": rf"{_WHO}(?:sich\s+)?{_RATE}\b(?:von\s+rechts\s+)?nach\s+links\b{_GOES}",
        "right": rf"{_WHO}(?:sich\s+)?{_RATE}\b(?:von\s+links\s+)?nach\s+rechts\b{_GOES}",
        "up": rf"{_WHO}(?:sich\s+)?{_RATE}\b(?:von\s+unten\s+)?nach\s+oben\b{_GOES}",
        "down": rf"{_WHO}(?:sich\s+)?{_RATE}\b(?:von\s+oben\s+)?nach\s+unten\b{_GOES}",
        "approaching": rf"{_WHO}\b(?:näher\s*kommt|kommt\s+näher|sich\s+nähert)\b",
        "receding": rf"{_WHO}\b(?:sich\s+entfernt|entfernt\s+sich)\b",
    },
    happens={
        "appears": r"erschein(?:t|en)|tauch(?:t|en)\s+auf|komm(?:t|en)\s+ins\s+bild",
        "leaves": r"verl(?:ässt|assen)\s+das\s+bild|verschwinde(?:t|n)",
        "returns": r"kehr(?:t|en)\s+zurück|komm(?:t|en)\s+zurück",
        "stops": r"hält\s+an|halten\s+an|bleibt\s+stehen",
        "starts": r"setz(?:t|en)\s+sich\s+in\s+bewegung|fährt\s+los|fahren\s+los",
    },
    inverted={
        "appears": r"erscheint\s+(.+)",
        "leaves": r"verlässt\s+(.+?)\s+das\s+bild",
        "returns": r"kehrt\s+(.+?)\s+zurück",
        "stops": r"hält\s+(.+?)\s+an",
        "starts": r"setzt\s+(?:sich\s+)?(.+?)\s+(?:sich\s+)?in\s+bewegung",
    },
    moving=r"\b(?:fahrende[rsn]?|bewegte[rsn]?)\b|,?\s*\bd(?:er|ie|as)\s+sich\s+bewegt\b",
    posed=r"\b(?:laufende[rsn]?|fliegende[rsn]?|schwimmende[rsn]?)\b",
    said={
        "left": ", das sich nach links bewegt",
        "right": ", das sich nach rechts bewegt",
        "up": ", das sich nach oben bewegt",
        "down": ", das sich nach unten bewegt",
        "approaching": ", das näher kommt",
        "receding": ", das sich entfernt",
        "still": ", das stillsteht",
        "appears": "erscheint",
        "leaves": "verlässt das Bild",
        "returns": "kehrt zurück",
        "stops": "hält an",
        "starts": "setzt sich in Bewegung",
    },
    order=("dann", "und"),
    templates=("{}", "ein Foto von {}", "ein Bild, das {} zeigt"),
)
