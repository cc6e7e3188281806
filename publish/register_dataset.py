"""Registers a data set that trusts only the algorithms you name."""

from launch import launch

if __name__ == "__main__":  # workers import this file again
    launch("register_dataset")
