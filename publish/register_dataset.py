"""Registers a data set that only this algorithm may compute on."""

from launch import launch

launch("register_dataset")
