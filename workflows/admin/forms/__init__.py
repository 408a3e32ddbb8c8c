"""Forms made from typed configs: what a model says of its fields becomes controls, and what is posted plain data."""
