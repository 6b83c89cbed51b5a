"""Numbers as a document: chapters of words, tables and pictures, as one HTML file or as Markdown."""
