"""Shares a data set among its contributors."""

from launch import launch

if __name__ == "__main__":  # workers import this file again
    launch("shares")
