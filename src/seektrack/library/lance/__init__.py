"""The LanceDB back end: a library as three kinds of tables, in a folder or on object storage."""
