"""Registers a data set that only this algorithm may compute on."""

from launch import launch

if __name__ == "__main__":  # workers import this file again
    launch("register_dataset")
