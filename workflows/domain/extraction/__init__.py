"""Finding values in text by rules: generic finders that know no document, and the tools they share."""
