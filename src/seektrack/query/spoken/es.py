"""Spanish."""

from __future__ import annotations

from seektrack.query.language import Language, words

_NOUNS = {
    "car": "coche coches carro carros auto autos",
    "truck": "camión camiones",
    "bus": "autobús autobuses",
    "person": "persona personas gente peatón peatones",
    "man": "hombre hombres",
    "woman": "mujer mujeres",
    "child": "niño niños niña niñas",
    "dog": "perro perros",
    "cat": "gato gatos",
    "bird": "pájaro pájaros",
    "boat": "barco barcos",
    "ball": "pelota pelotas balón balones",
    "robot": "robot robots",
    "bicycle": "bicicleta bicicletas bici",
    "motorcycle": "moto motos",
    "cup": "taza tazas",
    "block": "cubo cubos bloque bloques",
    "bottle": "botella botellas",
    "chair": "silla sillas",
    "table": "mesa mesas",
    "lamp": "lámpara lámparas",
    "plane": "avión aviones",
    "fish": "pez peces",
    "horse": "caballo caballos",
    "cow": "vaca vacas",
    "sheep": "oveja ovejas",
    "umbrella": "paraguas",
    "teapot": "tetera teteras",
    "snail": "caracol caracoles",
    "tree": "árbol árboles",
    "house": "casa casas",
    "train": "tren trenes",
    "object": "objeto objetos cosa cosas",
}
_NOUN = {form: english for english, forms in _NOUNS.items() for form in forms.split()}
_ACCENTS = {
    "camiones": "camión",
    "aviones": "avión",
    "balones": "balón",
    "peatones": "peatón",
    "peces": "pez",
}
_FORMS = {
    "red": "rojo roja rojos rojas",
    "orange": "naranja naranjas",
    "yellow": "amarillo amarilla amarillos amarillas",
    "green": "verde verdes",
    "blue": "azul azules",
    "purple": "morado morada morados moradas violeta",
    "pink": "rosa rosas rosado rosada",
    "white": "blanco blanca blancos blancas",
    "black": "negro negra negros negras",
    "grey": "gris grises",
    "brown": "marrón marrones",
    "turquoise": "turquesa",
}
_SIZES = dict.fromkeys(("pequeño", "pequeña", "pequeños", "pequeñas"), "small")
_SIZES |= dict.fromkeys(("grande", "grandes", "gran", "enorme", "enormes"), "large")
_NUMBERS = words("dos tres cuatro cinco seis siete ocho nueve diez varios varias muchos muchas")
_QUE = r"(?:\bque\s+)?"
_GOES = r"\b(?:va|van|se\s+mueve|se\s+mueven|corre|camina|vuela)"
_RATE = r"(?:\s+(?:rápido|rápidamente|despacio|lentamente))?"


def singular(word: str) -> str:
    """Singular of a Spanish noun."""
    if word in _ACCENTS:
        return _ACCENTS[word]
    if word in {"paraguas", "autobús"} or not word.endswith("s") or len(word) < 4:
        return word
    if word.endswith("es") and (word[:-2] in _NOUN or word[:-2] + "s" in _NOUN):
        return word[:-2]
    return "autobús" if word == "autobuses" else word[:-1]


LANGUAGE = Language(
    code="es",
    name="Spanish",
    articles=words("un una unos unas el la los las mi mis este esta estos estas todos todas cada") | _NUMBERS,
    one=words("un una este esta cada"),
    several=words("unos unas los las mis estos estas todos todas") | _NUMBERS,
    numbers=_NUMBERS,
    singular=singular,
    colours={form: colour for colour, forms in _FORMS.items() for form in forms.split()},
    sizes=_SIZES,
    rates={"rápido": "fast", "rápida": "fast", "rápidamente": "fast", "lento": "slow", "lenta": "slow"}
    | {"despacio": "slow", "lentamente": "slow"},
    nouns=_NOUN,
    others=words(
        "es son sin con y o excepto salvo pero en sobre que luego primero aparece sale muéstrame busco dónde "
        "está hacia izquierda derecha ningún ninguna no de del al"
    ),
    after_noun=words("en sobre con cerca detrás delante bajo de del y o que a al"),
    and_words=r"[ye]",
    or_words=r"(?:[ou]|ni)",
    with_words=r"con",
    without=r"(?:y\s+|pero\s+)?(?:que\s+)?no\s+(?:es|son|está|están|sea|tiene|lleva)|"
    r"(?:y\s+|pero\s+)?(?:sin|no|ni)(?:\s+ning(?:ún|una))?|(?:excepto|salvo|menos)|ning(?:ún|una)",
    then=r"(?:y\s+luego|luego|y\s+después|después)",
    before=r"antes\s+de(?:\s+que)?",
    first=r"primero",
    caption=r"(?:una\s+)?(?:foto|imagen)\s+de\s+",
    leading=r"""
(?:hola)\b | muéstr[ae](?:me|nos)\b | (?:busco|quiero|busca|encuentra|sigue)\b(?=\ \w) |
dónde\ está[n]?\b | un\ v[ií]deo\ (?:de|con)\b
""",
    trailing=r"por\ favor | gracias | en\ (?:el\ v[ií]deo|la\ imagen)",
    heard={
        "still": rf"{_QUE}\bno\s+se\s+mueven?\b|\b(?:inmóvil|inmóviles|parado|parada|aparcado|aparcada)\b",
        "left": rf"{_QUE}{_GOES}{_RATE}\s+(?:hacia|a)\s+la\s+izquierda\b|\bhacia\s+la\s+izquierda\b",
        "right": rf"{_QUE}{_GOES}{_RATE}\s+(?:hacia|a)\s+la\s+derecha\b|\bhacia\s+la\s+derecha\b",
        "up": rf"{_QUE}\bsuben?\b|{_QUE}{_GOES}{_RATE}\s+hacia\s+arriba\b",
        "down": rf"{_QUE}\bbajan?\b|{_QUE}{_GOES}{_RATE}\s+hacia\s+abajo\b",
        "approaching": rf"{_QUE}\bse\s+acercan?\b",
        "receding": rf"{_QUE}\bse\s+alejan?\b",
    },
    happens={
        "appears": r"aparecen?|entran?\s+en\s+la\s+imagen",
        "leaves": r"salen?\s+de\s+la\s+imagen|desaparecen?",
        "returns": r"vuelven?|regresan?",
        "stops": r"se\s+detienen?|se\s+paran?",
        "starts": r"arrancan?",
    },
    moving=r"\ben\s+movimiento\b|\bque\s+se\s+mueven?\b",
    posed=r"\bque\s+(?:corre|camina|vuela|nada)n?\b",
    said={
        "left": "que va hacia la izquierda",
        "right": "que va hacia la derecha",
        "up": "que sube",
        "down": "que baja",
        "approaching": "que se acerca",
        "receding": "que se aleja",
        "still": "que no se mueve",
        "appears": "aparece",
        "leaves": "sale de la imagen",
        "returns": "vuelve",
        "stops": "se detiene",
        "starts": "arranca",
    },
    order=("luego", "y"),
    templates=("{}", "una foto de {}", "una imagen que muestra {}"),
)
