"""The walk of a command, one file a verb: generators of events, no printing."""
