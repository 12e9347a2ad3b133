"""A folder of one's own to begin in: an experiment, a place for the data, a notebook."""
