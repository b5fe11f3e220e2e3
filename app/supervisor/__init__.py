"""`xunhe serve`: one parent that holds port and database, and the children that do the work.

`serving` is the parent, `child` how it keeps one process alive; `web` and `simulator` are what
children run (the third kind is `app.worker`). Nothing is imported here: each process loads its own.
"""
