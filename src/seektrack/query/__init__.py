"""The one place that reads a question: from words to a `Query`, without a model and without a store."""

from seektrack.query.clauses import OPPOSITES
from seektrack.query.cleaning import SCRIPTS, cleaned, language_name, language_of, shown
from seektrack.query.explain import explain, in_short, left_aside
from seektrack.query.language import Language, languages, register_language, words_of
from seektrack.query.reader import read
from seektrack.query.spoken.en import COLOUR_FAMILIES, COLOURS, singular, with_article
from seektrack.query.types import EVENTS, Clause, Concept, Event, Motion, Query, Term

__all__ = [
    "COLOURS",
    "COLOUR_FAMILIES",
    "EVENTS",
    "OPPOSITES",
    "SCRIPTS",
    "Clause",
    "Concept",
    "Event",
    "Language",
    "Motion",
    "Query",
    "Term",
    "cleaned",
    "explain",
    "in_short",
    "left_aside",
    "language_name",
    "language_of",
    "languages",
    "read",
    "register_language",
    "shown",
    "singular",
    "with_article",
    "words_of",
]
