"""What can be checked before money is spent: rows of one table, each with what was found and what to do."""
