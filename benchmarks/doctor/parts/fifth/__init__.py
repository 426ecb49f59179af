"""Held out: six networks, with severities of their own; nothing of them has been judged while checks were mended."""
