"""A static site of records: an overview, a page for each comparison and each run, and a diff.

It works from a file and from any static host, asks nothing of anybody, and escapes every text of a
record. `build` writes it; each other module makes what one kind of page shows, as plain data.
"""
