"""Runs the algorithm on a data set through an Ocean node, and fetches and verifies the results."""

from launch import launch

if __name__ == "__main__":  # workers import this file again
    launch("run_job")
