"""The parts that joined the first one, a folder each: networks, data, and from the third on severities of their own.

Each was held out from tuning until its misses had been looked at; then another took its place. The last one still is.
"""
