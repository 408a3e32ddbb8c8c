"""Job tables as a Django team would write them by hand."""
