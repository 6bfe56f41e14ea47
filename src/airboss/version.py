"""The version of this Airboss."""

from importlib.metadata import version

VERSION = version("airboss")
