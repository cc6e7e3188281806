"""Registers the algorithm on Ocean; with no argument on a chain inside this process."""

from launch import launch

if __name__ == "__main__":  # workers import this file again
    launch("register")
