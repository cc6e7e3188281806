"""Adds or removes the algorithms that may compute on a data set."""

from launch import launch

if __name__ == "__main__":  # workers import this file again
    launch("trust")
