"""Data sets run through the pipeline and compared with their truth."""
