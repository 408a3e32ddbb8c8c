"""What the step kinds that ask a language model share."""
