"""One module a language; each holds `LANGUAGE`."""
