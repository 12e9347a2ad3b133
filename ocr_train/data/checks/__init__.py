"""Label files and images checked, and what was found."""
