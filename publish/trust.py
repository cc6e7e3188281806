"""Adds or removes the algorithms that may compute on a data set."""

from launch import launch

launch("trust")
