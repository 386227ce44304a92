"""Programs that container engines start: the hook that registers on a stock kernel, the runtime for a patched one.

They stand between an engine and its container: nothing heavy is imported here.
"""
