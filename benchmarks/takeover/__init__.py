"""How long a client waits when one of a pair that decides by itself is lost."""
