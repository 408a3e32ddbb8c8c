"""Documents that tests make: good ones, and hostile ones."""
