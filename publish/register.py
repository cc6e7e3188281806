"""Registers the algorithm on Ocean; with no argument on a chain inside this process."""

from launch import launch

launch("register")
