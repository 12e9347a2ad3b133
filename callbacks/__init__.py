"""What happens while training runs: one class a file, each a `callbacks.base.Callback`."""
