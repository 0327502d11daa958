"""French."""

from __future__ import annotations

from seektrack.query.language import Language, words

_NOUNS = {
    "car": "voiture voitures auto autos",
    "truck": "camion camions",
    "bus": "bus autobus",
    "person": "personne personnes gens piéton piétons",
    "man": "homme hommes",
    "woman": "femme femmes",
    "child": "enfant enfants",
    "dog": "chien chiens",
    "cat": "chat chats",
    "bird": "oiseau oiseaux",
    "boat": "bateau bateaux",
    "ball": "ballon ballons balle balles",
    "robot": "robot robots",
    "bicycle": "vélo vélos bicyclette",
    "motorcycle": "moto motos",
    "cup": "tasse tasses",
    "block": "cube cubes bloc blocs",
    "bottle": "bouteille bouteilles",
    "chair": "chaise chaises",
    "table": "table tables",
    "lamp": "lampe lampes",
    "plane": "avion avions",
    "fish": "poisson poissons",
    "horse": "cheval chevaux",
    "cow": "vache vaches",
    "sheep": "mouton moutons",
    "umbrella": "parapluie parapluies",
    "teapot": "théière théières",
    "snail": "escargot escargots",
    "tree": "arbre arbres",
    "house": "maison maisons",
    "train": "train trains",
    "object": "objet objets chose choses",
}
_NOUN = {form: english for english, forms in _NOUNS.items() for form in forms.split()}
_FORMS = {
    "red": "rouge rouges",
    "orange": "orange oranges",
    "yellow": "jaune jaunes",
    "green": "vert verte verts vertes",
    "blue": "bleu bleue bleus bleues",
    "purple": "violet violette violets violettes",
    "pink": "rose roses",
    "white": "blanc blanche blancs blanches",
    "black": "noir noire noirs noires",
    "grey": "gris grise grises",
    "brown": "marron brun brune bruns brunes",
    "turquoise": "turquoise",
}
_SIZES = dict.fromkeys(("petit", "petite", "petits", "petites", "minuscule"), "small")
_SIZES |= dict.fromkeys(("grand", "grande", "grands", "grandes", "gros", "grosse", "énorme"), "large")
_NUMBERS = words("deux trois quatre cinq six sept huit neuf dix plusieurs")
_QUI = r"(?:\bqui\s+)?"
_GOES = r"\b(?:va|vont|roule|court|marche|vole|se\s+déplace|avance)"
_RATE = r"(?:\s+(?:vite|rapidement|lentement))?"


def singular(word: str) -> str:
    """Singular of a French noun."""
    if word in {"bus", "autobus"}:
        return word
    if word.endswith("eaux"):
        return word[:-1]
    if word.endswith("aux") and word[:-3] + "al" in _NOUN:
        return word[:-3] + "al"
    return word[:-1] if word.endswith("s") and len(word) > 3 else word


LANGUAGE = Language(
    code="fr",
    name="French",
    articles=words("un une des le la les l' du ce cette ces mon ma mes tous toutes chaque") | _NUMBERS,
    one=words("un une ce cette chaque"),
    several=words("des les ces mes tous toutes") | _NUMBERS,
    numbers=_NUMBERS,
    singular=singular,
    colours={form: colour for colour, forms in _FORMS.items() for form in forms.split()},
    sizes=_SIZES,
    rates={"vite": "fast", "rapide": "fast", "rapidement": "fast", "lent": "slow", "lente": "slow"}
    | {"lentement": "slow"},
    nouns=_NOUN,
    others=words(
        "est sont pas sans avec et ou sauf mais dans sur qui puis apparaît quitte au aux en ni aucun aucune "
        "montre montrez je cherche où de d' excepté vers gauche droite"
    ),
    after_noun=words("dans sur avec près derrière devant sous de du des et ou qui que à au aux en"),
    and_words=r"et",
    or_words=r"(?:ou|ni)",
    with_words=r"avec",
    without=r"(?:et\s+|mais\s+)?(?:sans|pas\s+de|pas)(?:\s+aucune?)?|(?:et\s+|mais\s+)?(?:aucune?|ni)|"
    r"(?:sauf|excepté|hormis)|(?:qui\s+)?(?:n['’]|ne\s+)(?:est|sont|a|ont)\s+pas(?:\s+de)?|pas\s+d['’]",
    then=r"(?:et\s+puis|puis|et\s+ensuite|ensuite)",
    before=r"avant\s+que",
    first=r"d'abord",
    caption=r"(?:une\s+)?(?:photo|image)\s+d(?:e\s+|['’])",
    leading=r"""
(?:bonjour)\b | montre(?:z)?-(?:moi|nous)\b | je\ (?:cherche|veux|voudrais)\b |
(?:cherche|trouve|suis)\b(?=\ \w) |
où\ (?:est|sont)\b | une\ vidéo\ (?:de|d'|avec)\ ?
""",
    trailing=r"s'il\ (?:vous|te)\ plaît | merci | dans\ (?:la\ vidéo|l'image|le\ film)",
    heard={
        "still": rf"{_QUI}\bne\s+bouge(?:nt)?\s+pas\b|\b(?:immobiles?|garée?s?)\b",
        "left": rf"{_QUI}{_GOES}{_RATE}\s+(?:de\s+droite\s+)?(?:vers\s+la|à)\s+gauche\b|"
        r"\bvers\s+la\s+gauche\b",
        "right": rf"{_QUI}{_GOES}{_RATE}\s+(?:de\s+gauche\s+)?(?:vers\s+la|à)\s+droite\b|"
        r"\bvers\s+la\s+droite\b",
        "up": rf"{_QUI}\bmonte(?:nt)?\b|{_QUI}{_GOES}{_RATE}\s+vers\s+le\s+haut\b",
        "down": rf"{_QUI}\bdescend(?:ent)?\b|{_QUI}{_GOES}{_RATE}\s+vers\s+le\s+bas\b",
        "approaching": rf"{_QUI}\bs['’]approche(?:nt)?\b",
        "receding": rf"{_QUI}\bs['’]éloigne(?:nt)?\b",
    },
    happens={
        "appears": r"apparaît|apparait|apparaissent|arrive(?:nt)?|entre(?:nt)?\s+dans\s+l['’]image",
        "leaves": r"quitte(?:nt)?\s+l['’]image|disparaît|disparait|disparaissent",
        "returns": r"revient|reviennent",
        "stops": r"s['’]arrête(?:nt)?",
        "starts": r"démarre(?:nt)?",
    },
    moving=r"\ben\s+mouvement\b|\bqui\s+(?:bouge|roule|se\s+déplace)(?:nt)?\b",
    posed=r"\bqui\s+(?:court|marche|vole|nage)\b",
    said={
        "left": "qui va vers la gauche",
        "right": "qui va vers la droite",
        "up": "qui monte",
        "down": "qui descend",
        "approaching": "qui s'approche",
        "receding": "qui s'éloigne",
        "still": "qui ne bouge pas",
        "appears": "apparaît",
        "leaves": "quitte l'image",
        "returns": "revient",
        "stops": "s'arrête",
        "starts": "démarre",
    },
    order=("puis", "et"),
    templates=("{}", "une photo de {}", "une image montrant {}"),
)
