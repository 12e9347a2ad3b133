"""Each module here prints one table: what ours costs, what its peers cost in the same run, and the bar."""
