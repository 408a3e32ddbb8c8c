"""TaskFlow measured beside what a team would pick instead. `python -m bench` runs it, see `bench/__main__.py`."""
