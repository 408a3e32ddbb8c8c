"""Reading documents: what a file is, and its text, found in a process of its own."""
