"""Lists that people upload: what kind of file it is, its rows, and how a row becomes a payload. Plain Python."""
