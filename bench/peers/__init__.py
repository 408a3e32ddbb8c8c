"""What a team would pick instead, each in its best configuration. They run in an environment of their own."""
