"""Shared: worlds in which several workers share a store, and one session of it changes hands.

What lives here: leases, stalls, takeover and the inbox, explored over the functions that every store executes and over
the real kernel. What must not: a rule of a session's own; the other worlds prove those. The law of this file: what a
store decides is asked of the store's own functions, and only what a runtime does around them is said a second time.
"""
