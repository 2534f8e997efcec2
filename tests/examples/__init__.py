"""The examples: what they promise is so."""
