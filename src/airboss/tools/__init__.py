"""The tools that agents call: files under one root, pages on allowed hosts."""
