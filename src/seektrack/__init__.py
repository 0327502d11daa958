"""seektrack: type what you are looking for, get the moments, the pixels and the paths."""

__version__ = "0.1.0"
