"""What is secret, and how it is hidden before it is written."""
