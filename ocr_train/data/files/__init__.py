"""What lies in a data folder: images, where labels find them, which are the same, and what is none of a person's files."""
