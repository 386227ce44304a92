"""This machine while it runs: `follower` asks and looks, `rounds` says when, `feed` passes on what is learnt."""

from annotator.plugin.worker.host_updates import Live

__all__ = ["Live"]
