"""moreish: a laboratory for character-level neural language models."""
