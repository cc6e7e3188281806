"""Shares a data set among its contributors."""

from launch import launch

launch("shares")
