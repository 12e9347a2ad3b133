"""Which run and step to continue from, whether it fits, what changed."""
